"""Popularity: everybody gets what most people have.

The baseline that a personalised model must beat, and the answer of every model of the zoo for people it knows nothing
of. An item counts for each user who has it

    popularity(i) = Σ_u w_ui 2^(-t_ui / half-life)

where w is the interaction's weight (1 without weights) and t its age at the time of the last interaction of all;
without a half-life nothing decays.

On the leave-one-out split of MovieLens-1M that He et al. (2017) published, with 99 sampled negatives, without decay:
HR@10 .4533, nDCG@10 .2542 in print.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.checks import check_positive
from tfrec.closed_form import ClosedFormRecommender, statistic
from tfrec.data import DataError, Interactions
from tfrec.factors import FactorRecommender
from tfrec.recommender import ImplicitRecommender

_DAY = 86_400  # seconds


class Popularity(ClosedFormRecommender, ImplicitRecommender, FactorRecommender):
    """Ranks items by the number of users who have them, or by the sum of their weights, recent ones above old ones.

    Without weights a pair of user and item counts once, as of its last interaction; with weights, every interaction
    counts with its own.

    The loss in the history is the mean negative log-likelihood of the training interactions under
    p(item) ∝ popularity, in nats: the entropy of the catalogue.

    Args:
        half_life: after how many days an interaction counts half; None: it counts the same for ever.
        seed: for the contract's sake; nothing here is random.
        name: Keras's name of the model.

    Attributes:
        popularity: float32 [n_items].
    """

    personalised = False  # the evaluator warns of other models that give everybody the same list
    uses_weights = True

    def __init__(self, *, half_life: float | None = None, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        self.half_life = None if half_life is None else check_positive("half_life", half_life)

    def adapt(self, train: Interactions) -> None:
        """As `Recommender.adapt`.

        Raises:
            DataError: there is a half-life, and the data have no times; or every weight is zero.
        """
        if isinstance(train, Interactions):
            self._row_values(train)  # before anything of an earlier fit is forgotten
        super().adapt(train)

    def training_data(self, train: Interactions) -> Any:
        """As `ClosedFormRecommender.training_data`; keeps what each entry of the histories counts, beside the model."""
        batches = super().training_data(train)
        self._state.entry_values = tf.constant(self._entry_values(train))
        return batches

    def _entry_values(self, train: Interactions) -> np.ndarray:
        """What each pair of user and item counts, in the order of `history_items`: float32 [n_entries]."""
        values = self._row_values(train)
        if train.weight is not None:
            return replace(train, weight=values).to_csr("weight").data
        # Of several rows of a pair the last one counts: that of the latest time, in this order.
        return replace(train, rating=values).select(np.argsort(values, kind="stable")).to_csr("rating").data

    def _row_values(self, train: Interactions) -> np.ndarray:
        """What each interaction counts, its weight included: float32 [n]."""
        values = np.ones(len(train), np.float32)
        if self.half_life is not None:
            if train.timestamp is None:
                raise DataError(
                    f"Popularity(half_life={self.half_life:g}) needs to know when; {train!r} has no timestamps. Give "
                    "them to Interactions, or leave half_life out"
                )
            if len(train):
                age = (train.timestamp.max() - train.timestamp) / _DAY
                values = np.exp2(-age / self.half_life).astype(np.float32)
        if train.weight is not None:
            values *= train.weight
            if len(train) and not values.any():
                raise DataError(f"every weight of {train!r} is zero, so that no item is more popular than another")
        return values

    def create_variables(self) -> None:
        """The popularity of each item."""
        self.set_variable("popularity", tf.zeros([self.n_items]))

    def create_statistics(self) -> dict:
        """What each item has counted so far."""
        return {"counts": statistic([self.n_items])}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Count the items of a batch of users."""
        counts = tf.math.unsorted_segment_sum(self._seen_values(users), self.seen_items(users).values, self.n_items)
        statistics["counts"].assign_add(counts)

    def _seen_values(self, users: Tensor) -> Tensor:
        """What the entries of the users' histories count, in the order of `seen_items(users).values`."""
        starts = tf.gather(self.history_splits, users)
        entries = tf.ragged.range(starts, tf.gather(self.history_splits, users + 1), row_splits_dtype=tf.int64)
        return tf.gather(self._state.entry_values, entries.values)

    def solve(self, statistics: dict) -> float:
        """The counts are the model."""
        self.popularity.assign(statistics["counts"])
        total = tf.reduce_sum(self.popularity)
        return float(-tf.reduce_sum(self.popularity * self._log_likelihood()) / total)

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean negative log-likelihood of the items of a batch of users, by what they count."""
        values = self._seen_values(inputs)
        total = -tf.reduce_sum(values * tf.gather(self._log_likelihood(), self.seen_items(inputs).values))
        return tf.math.divide_no_nan(total, tf.reduce_sum(values))

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """What the interactions count together: the loss is their mean, not the users'."""
        return tf.reduce_sum(self._seen_values(inputs))

    def _log_likelihood(self) -> Tensor:
        popularity = tf.convert_to_tensor(self.popularity)
        # An item that nobody has takes no part: 0 log 0 = 0.
        logarithm = tf.math.log(tf.where(popularity > 0, popularity, 1.0))
        return logarithm - tf.math.log(tf.reduce_sum(popularity))

    def fallback_scores(self) -> Tensor:
        """The same as for everybody else: float32 [n_items]."""
        return tf.convert_to_tensor(self.popularity)

    def query(self, users: Tensor) -> Tensor:
        """1 for everybody: int32 [batch] → float32 [batch, 1]."""
        return tf.ones([tf.size(self.check_indices(users)), 1])

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """1 for everybody: ragged int32 [batch, None] → float32 [batch, 1]."""
        return tf.ones([histories.nrows(tf.int32), 1])

    def candidates(self) -> Tensor:
        """The popularity of each item: float32 [n_items, 1]."""
        return self.fallback_scores()[:, tf.newaxis]
