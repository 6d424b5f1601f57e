"""In-batch negatives: the other rows' positives, with the bias of their popularity taken out.

Yi, Yang, Hong, Cheng, Heldt, Kumthekar, Zhao, Wei & Chi, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
Recommendations", RecSys 2019; the correction goes back to Bengio & Senécal, "Adaptive Importance Sampling to Accelerate
Training of a Neural Probabilistic Language Model", IEEE Transactions on Neural Networks 19(4), 2008. In a batch of
training rows item j is a column with probability q(j), its share of all rows. The softmax over the columns j takes

    s(u, j) - log q(j)

instead of the score s(u, j). Then Σ exp(s(u, j) - log q(j)) over the other rows' columns, those left out that are
positives of the user ("accidental hits"), divided by their number is an unbiased estimate of Σ exp(s(u, j)) over all
items that are no positives. Without the correction popular items are pushed down.
"""

from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.data.interactions import Interactions
from tfrec.data.samplers.base import NegativeSampler, batch_indices, check_n
from tfrec.data.samplers.positives import KnownPositives
from tfrec.data.samplers.probability import LogProbability
from tfrec.data.samplers.randomness import random_below, random_integers, random_keys
from tfrec.data.samplers.rejection import draw_free


class InBatch(NegativeSampler):
    """The positives of the batch's other rows that are no positives of the user.

    `logits` is the usual form: all rows are each other's negatives in one softmax. `sample` draws some of them for each
    row, for losses by pair.

    The training rows are assumed to be drawn with equal probability, whatever the order: q(j) is the number of users of
    item j divided by the number of training pairs.

    Args:
        train: `Interactions`, or `KnownPositives` where several samplers share them.

    Raises:
        DataError: `train` is empty.
    """

    def __init__(self, train: Interactions | KnownPositives) -> None:
        self.positives = KnownPositives.of(train)
        counts = self.positives.counts
        shares = np.maximum(counts, 1) / counts.sum()
        self._n_candidates = int(np.count_nonzero(counts))
        self._log_probability = LogProbability(self.positives, counts)
        with tf.init_scope():
            self._shares = tf.constant(shares.astype(np.float32))
            self._candidates = tf.constant(np.flatnonzero(counts).astype(np.int32))

    def log_q(self, items: Tensor, batch: Tensor | int = 1, extra: Tensor | int = 0) -> Tensor:
        """The logarithm of q of columns: of a batch's positives, or of these and extra uniform columns together.

        Args:
            items: int32, of any shape. One without training rows counts as one that has one row.
            batch: how many columns are positives of training rows.
            extra: how many are from `extra`.

        Returns:
            float32, of the same shape.
        """
        batch, extra = tf.cast(batch, tf.float32), tf.cast(extra, tf.float32)
        expected = batch * tf.gather(self._shares, items) + extra / self._n_candidates
        return tf.math.log(expected / (batch + extra))

    def extra(self, n: int, *, seed: Any, epoch: Any, step: Any) -> Tensor:
        """Uniform items to append to the batch's own: int32 [n], from all items with training rows.

        Mixed negative sampling: rare items, which hardly ever are a row's positive, get to be negatives (Yang, Yi,
        Cheng, Hong, Li, Wang, Xu & Chi, "Mixed Negative Sampling for Learning Two-tower Neural Networks in
        Recommendations", WWW 2020 companion). `logits` leaves those out that are positives of a row, and corrects for
        the mixture of both distributions.
        """
        (key,) = random_keys(seed, epoch, step, 1)
        return tf.gather(self._candidates, random_integers([check_n(n)], self._n_candidates, key))

    def logits(self, logits: Tensor, users: Tensor, items: Tensor) -> Tensor:
        """The logits of a softmax over the columns whose label is the row's own column.

        Args:
            logits: float [batch, columns], the scores of the users' rows for the items' columns.
            users: int [batch].
            items: int [columns]: first the positives of the rows, in their order, then any number of items that `extra`
                gave.

        Returns:
            Like `logits`, less log q of each column; minus infinity in columns of items that are positives of the row,
            another row's equal item included, except for the row's own column. So the softmax of a row in which
            nothing else is left is 1, its loss 0.

        Raises:
            ValueError: the shapes don't fit.
        """
        users, items = batch_indices("users", users), batch_indices("items", items)
        logits = tf.convert_to_tensor(logits)
        if not logits.shape.is_compatible_with([users.shape[0], items.shape[0]]):
            raise ValueError(
                f"logits must have a row for each user and a column for each item, {[users.shape[0], items.shape[0]]}; "
                f"got shape {logits.shape}"
            )
        batch = tf.size(users)
        corrected = logits - tf.cast(self.log_q(items, batch, tf.size(items) - batch), logits.dtype)
        taken = tf.linalg.set_diag(self._taken(users, items[:batch], items), tf.zeros([batch], tf.bool))
        return tf.where(taken, tf.constant(float("-inf"), logits.dtype), corrected)

    def _taken(self, users: Tensor, own: Tensor, columns: Tensor) -> Tensor:
        """Which columns are no negatives of a row: its user's positives and its own item, bool [rows, columns]."""
        return tf.logical_or(
            self.positives.contains_all_pairs(users, columns),
            own[:, tf.newaxis] == columns[tf.newaxis, :],
        )

    def sample(self, users: Tensor, n: int = 1, *, seed: Any, epoch: Any, step: Any, items: Tensor = None) -> Tensor:
        """Any other row's item that is no positive of the user, with equal probability for each such row.

        See `NegativeSampler.sample`. A row gets -1 if the batch holds no negative for it.

        Raises:
            ValueError: without `items`.
        """
        if items is None:
            raise ValueError("in-batch sampling draws from the positives of the batch: pass items=, int32 [batch]")
        users, items, n = batch_indices("users", users), batch_indices("items", items), check_n(n)
        batch = tf.size(users)

        def is_taken(rows: Tensor, proposed: Tensor) -> Tensor:
            known = self.positives.contains(tf.gather(users, rows), proposed)
            return tf.logical_or(known, tf.gather(items, rows) == proposed)

        def draw_exactly(rows: Tensor, key: Tensor) -> Tensor:
            free = tf.logical_not(self._taken(tf.gather(users, rows), tf.gather(items, rows), items))
            free_so_far = tf.cumsum(tf.cast(free, tf.int64), axis=1)
            left = tf.reduce_sum(tf.cast(free, tf.int64), axis=1)
            before = free_so_far <= random_below(left, key)[:, tf.newaxis]
            column = tf.where(left > 0, tf.reduce_sum(tf.cast(before, tf.int32), axis=1), 0)
            return tf.where(left > 0, tf.gather(items, column), -1)

        drawn = draw_free(
            batch,
            n,
            seed=seed,
            epoch=epoch,
            step=step,
            propose=lambda shape, key: tf.gather(items, random_integers(shape, tf.maximum(batch, 1), key)),
            is_taken=is_taken,
            draw_exactly=draw_exactly,
            tries=32,
        )
        return tf.ensure_shape(drawn, [users.shape[0], n])

    def log_probability(self, users: Tensor, items: Tensor) -> Tensor:
        """See `NegativeSampler.log_probability`.

        It is that over all batches that hold a negative for the user: popularity, with alpha = 1.
        """
        return self._log_probability(users, items)
