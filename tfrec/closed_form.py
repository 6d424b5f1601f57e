"""Models that are computed from statistics of the data, in Keras's own loop."""

from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.data import Interactions
from tfrec.recommender import ImplicitRecommender

# A batch's histories as a dense float32 matrix take at most this many bytes.
_DENSE_BYTES = 128 * 2**20


class ClosedFormRecommender(ImplicitRecommender):
    """A model whose `fit` is one pass over the users and one solve.

    An epoch starts from empty statistics; every step adds a batch of users; the end of the epoch, before validation and
    before any callback of the user's, solves for the model. A second epoch repeats the first, with the same result.

    A subclass implements `create_statistics`, `accumulate` and `solve`.
    """

    def default_optimizer(self) -> Any:
        """An inert one: Keras wants an optimizer, and callbacks read its learning rate."""
        return tf.keras.optimizers.SGD(learning_rate=0.0, name="none")

    def create_statistics(self) -> dict:
        """The statistics, all zero: a dict of variables made by `statistic`."""
        raise NotImplementedError(f"{type(self).__name__} must implement create_statistics")

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Add the share of a batch of users, int32 [batch], to the statistics."""
        raise NotImplementedError(f"{type(self).__name__} must implement accumulate")

    def solve(self, statistics: dict) -> float:
        """Set the model's variables from the statistics (now tensors, added up over replicas); returns the loss."""
        raise NotImplementedError(f"{type(self).__name__} must implement solve")

    def training_data(self, train: Interactions) -> Any:
        """Batches of user indices; the histories that belong to them are the model's since `adapt`."""
        batch = int(np.clip(_DENSE_BYTES // (4 * self.n_items), 1, self.n_users))
        return tf.data.Dataset.range(self.n_users, output_type=tf.int32).batch(batch)

    def fit(self, x: Any = None, **keras: Any) -> Any:
        """As `Recommender.fit`."""
        self.train_function = None  # compiled for the statistics of an earlier fit
        self._state.statistics = None
        try:
            return super().fit(x, **keras)
        finally:
            self._state.statistics = None  # as large as the model itself

    def begin_epoch(self, epoch: int) -> None:
        """Empty the statistics."""
        if self._state.statistics is None:
            with self.distribute_strategy.scope():
                self._state.statistics = self.create_statistics()
        else:
            for statistic in self._state.statistics.values():
                statistic.assign(tf.zeros_like(statistic))

    def train_step(self, users: Tensor) -> dict:
        """Add a batch of users to the statistics; nothing is learned before the end of the epoch."""
        self.accumulate(self._state.statistics, users)
        return {}

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Solve."""
        # `read_value` adds the replicas up, where other ways of reading take one replica's share.
        return {"loss": self.solve({name: value.read_value() for name, value in self._state.statistics.items()})}


def statistic(shape: list[int], dtype: Any = tf.float32) -> Tensor:
    """A variable to accumulate in: each replica has its own, and reading it adds them up.

    (A plain variable under MirroredStrategy would take the mean of what its replicas add.)
    """
    return tf.Variable(
        tf.zeros(shape, dtype),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
