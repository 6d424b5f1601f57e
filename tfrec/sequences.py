"""Models that learn which item follows in a user's sequence."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.batches import shuffled_batches
from tfrec.checks import check_choice, check_flag, check_integer
from tfrec.data import DataError, Interactions
from tfrec.data.grouping import group_rows_by_time
from tfrec.data.samplers import NegativeSampler
from tfrec.factors import FactorRecommender
from tfrec.inputs import check_training_data

Order = Literal["time", "rows"]

_WINDOW = 8  # among how many batches sequences of about the same length are looked for


class SequenceBatch(NamedTuple):
    """What a step learns from: sequences, padded on the right.

    Attributes:
        items: int32 [batch, length].
        lengths: int32 [batch].
        targets: int32 [batch, length], the item after each.
        weights: float32 [batch, length], of the targets; 0 in the padding.
        negatives: int32 [batch, length, n], of each target; -1 where there is none. n is 0 without a sampler.
    """

    items: Tensor
    lengths: Tensor
    targets: Tensor
    weights: Tensor
    negatives: Tensor


class SequenceRecommender(FactorRecommender):
    """A model whose vector of a user is a function of the last items that they had, in their order.

    What a known user had last is kept in variables; the base class's histories have no order, and each item once.

    A subclass implements `sequence_vectors` and `candidates`.

    Args:
        max_length: how many items, the last ones, count; in training the longest sequence.
        all_windows: whether sequences longer than that are cut up, and all of them learned from; else only the last
            `max_length` items of a user are predicted.
        order: "time", by timestamps; "rows", for data whose rows are in the order of time.
        batch_size: how many sequences a step learns from.
        seed: of all that is random.
        name: Keras's name of the model.

    Attributes:
        sequence_splits: int64 [n_users + 1]; user u has `sequence_items[sequence_splits[u]:sequence_splits[u + 1]]`.
        sequence_items: int32 [n], oldest first, at most `max_length` of each user.
    """

    uses_weights = True
    sequence_splits: Any
    sequence_items: Any

    def __init__(
        self,
        *,
        max_length: int,
        all_windows: bool,
        order: Order,
        batch_size: int,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.max_length = check_integer("max_length", max_length, minimum=1)
        self.all_windows = check_flag("all_windows", all_windows)
        self.order = check_choice("order", order, get_args(Order))
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)

    def sequence_vectors(self, items: Tensor, lengths: Tensor) -> Tensor:
        """What is recommended by after each sequence: int32 [batch, length], int32 [batch] → float32 [batch, d].

        Args:
            items: oldest first, padded on the right.
            lengths: from 0 to `max_length`; whatever is given for 0 is never used.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement sequence_vectors")

    def negative_sampler(self, train: Interactions) -> NegativeSampler | None:
        """What draws negatives for each target, `n_negatives` of them; None for none."""
        return None

    def create_variables(self) -> None:
        """Sequences without any item, until `adapt` sees their order."""
        self.set_variable("sequence_splits", np.zeros(self.n_users + 1, np.int64))
        self.set_variable("sequence_items", np.zeros(0, np.int32), shape=[None])

    def adapt(self, train: Interactions) -> None:
        """As `Recommender.adapt`; and keep the end of every user's sequence.

        Raises:
            DataError: the order of the items is not known, or nobody has two.
        """
        # Before anything is forgotten; what is no data at all, the base class refuses.
        ordered: Any = self._ordered(train) if isinstance(train, Interactions) and len(train) else None
        super().adapt(train)
        splits, rows = ordered
        lengths = np.diff(splits)
        from_end = np.repeat(splits[1:], lengths) - np.arange(len(rows))
        self.sequence_splits.assign(np.append(0, np.minimum(lengths, self.max_length).cumsum()))
        self.sequence_items.assign(train.item[rows[from_end <= self.max_length]])

    def _ordered(self, train: Interactions) -> Any:
        """The rows of each user, oldest first: where they begin and end, int64 [n_users + 1], and int32 [n_rows]."""
        kind = type(self).__name__
        if self.order == "time" and train.timestamp is None:
            raise DataError(
                f"{kind} learns from the order of items, and {train!r} has no timestamps: if its rows are in the order "
                f"of time, as the sequences of the S3-Rec papers are, say {kind}(order='rows')"
            )
        times = train.timestamp if self.order == "time" else None
        splits, rows = group_rows_by_time(train.user, times, train.n_users)
        if np.diff(splits).max() < 2:
            raise DataError(f"{kind} learns which item follows another, and in {train!r} nobody has two")
        return splits, rows

    def training_data(self, train: Interactions) -> Any:
        """A `SequenceBatch` a step: every sequence once an epoch, in a new order and with new negatives each time.

        Raises:
            TypeError: `train` is not `Interactions`.
            ValueError: it has other users or items than the model was adapted to, or no rows; or it is a `DataError`:
                the order of its items is not known, or nobody has two.
        """
        check_training_data(self, train)
        splits, rows = self._ordered(train)
        weights = np.ones(len(train), np.float32) if train.weight is None else train.weight
        items, weights = tf.constant(train.item[rows]), tf.constant(weights[rows])
        users, starts, lengths = _windows(splits, self.max_length, everything=self.all_windows)
        sampler = self.negative_sampler(train)

        # Negatives are drawn for whole batches, so that it doesn't matter how many devices share them.
        def select(chosen: Tensor, epoch: Tensor, step: Tensor) -> SequenceBatch:
            length = tf.gather(lengths, chosen)
            places = tf.range(tf.reduce_max(length))[tf.newaxis, :]
            is_token = places < length[:, tf.newaxis]
            entries = tf.gather(starts, chosen)[:, tf.newaxis] + tf.where(is_token, places, 0)
            negatives = tf.zeros([*tf.unstack(tf.shape(entries)), 0], tf.int32)
            if sampler is not None:
                owners = tf.repeat(tf.gather(users, chosen), tf.shape(places)[1])
                drawn = sampler.sample(owners, self.n_negatives, seed=self.seed, epoch=epoch, step=step)
                negatives = tf.reshape(drawn, [*tf.unstack(tf.shape(entries)), self.n_negatives])
            return SequenceBatch(
                items=tf.gather(items, entries),
                lengths=length,
                targets=tf.gather(items, entries + 1),
                weights=tf.where(is_token, tf.gather(weights, entries + 1), 0.0),
                negatives=negatives,
            )

        return shuffled_batches(self, len(lengths), self.batch_size, select, sizes=lengths, window=_WINDOW)

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """The sum of the weights of a batch's targets."""
        weight = tf.reduce_sum(SequenceBatch(*inputs).weights)
        # Replicas whose targets weigh differently much must not count alike: each divides by the mean of all.
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, weight)

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, d]."""
        users = self.check_indices(users)
        starts, ends = tf.gather(self.sequence_splits, users), tf.gather(self.sequence_splits, users + 1)
        return self._vectors(self.sequence_items, starts, ends)

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people: ragged int32 [batch, None], oldest first → float32 [batch, d]."""
        splits = tf.cast(histories.row_splits, tf.int64)
        return self._vectors(histories.values, tf.maximum(splits[:-1], splits[1:] - self.max_length), splits[1:])

    def _vectors(self, items: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        entries = tf.ragged.range(starts, ends, row_splits_dtype=tf.int64)
        padded = entries.with_values(tf.gather(items, entries.values)).to_tensor()
        # At least one column, so that there is a last item to look at.
        padded = tf.pad(padded, [[0, 0], [0, tf.maximum(1 - tf.shape(padded)[1], 0)]])
        return self.sequence_vectors(padded, tf.cast(ends - starts, tf.int32))


def _windows(splits: np.ndarray, length: int, *, everything: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Stretches of at most `length` items, each of which has another after it; from the end of each sequence.

    Args:
        splits: int64 [n_users + 1], where sequences begin and end.
        length: the longest stretch.
        everything: whether there are as many as it takes for all items; else one for each user.

    Returns:
        int32 [n], the user of each; int32 [n], where it begins; int32 [n], its length.
    """
    n_targets = np.maximum(np.diff(splits) - 1, 0)
    counts = -(-n_targets // length) if everything else np.minimum(n_targets, 1)
    users = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = splits[1:][users] - 1 - number * length
    starts = np.maximum(ends - length, splits[users])
    return tf.constant(users, tf.int32), tf.constant(starts, tf.int32), tf.constant(ends - starts, tf.int32)
