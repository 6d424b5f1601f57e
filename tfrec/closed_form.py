"""Models that are computed from statistics of the data, in Keras's own loop."""

from typing import Any

import numpy as np

from tfrec import callbacks as _callbacks
from tfrec._tf import Tensor, tf
from tfrec.data import Interactions
from tfrec.recommender import Recommender

# A batch's histories as a dense float32 matrix take at most this many bytes.
_DENSE_BYTES = 128 * 2**20
# The statistic that counts how often each user came in an epoch.
_USERS = "users seen"


class ClosedFormRecommender(Recommender):
    """A model whose `fit` is a pass over the users and a solve.

    An epoch starts from empty statistics; every step adds a batch of users; the end of the epoch, before validation and
    before any callback of the user's, solves for the model. A second epoch repeats the first, with the same result.

    A model with `gathers_once` is solved by iterations, one an epoch: the first epoch of a fit gathers the statistics,
    and later ones, whose steps then do nothing, go on from what is solved. Such a `solve` may set `stop_training`.

    A subclass implements `create_statistics`, `accumulate` and `solve`. One that has other methods too, learned by
    gradients, says so in `is_closed_form`.
    """

    gathers_once = False

    @property
    def is_closed_form(self) -> bool:
        """Whether the model is solved; if not, it is a `Recommender` like any other."""
        return True

    def default_optimizer(self) -> Any:
        """An inert one: Keras wants an optimizer, and callbacks read its learning rate."""
        if not self.is_closed_form:
            return super().default_optimizer()
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

    def compile(self, optimizer: Any = None, **keras: Any) -> None:
        """As `Recommender.compile`; `jit_compile` is ignored, because XLA doesn't compile ragged histories."""
        super().compile(optimizer, **(keras | {"jit_compile": False} if self.is_closed_form else keras))

    def training_data(self, train: Interactions) -> Any:
        """Batches of user indices; the histories that belong to them are the model's since `adapt`.

        Raises:
            ValueError: `train` is not what `adapt` was given.
        """
        self.check_adapted_to(train)
        batch = int(np.clip(_DENSE_BYTES // (4 * self.n_items), 1, self.n_users))
        # There is nothing to tune, and letting go of the tuner's thread can take 0.9 s, half of a fit on MovieLens-1M.
        options = tf.data.Options()
        options.autotune.enabled = False
        return tf.data.Dataset.range(self.n_users, output_type=tf.int32).batch(batch).with_options(options)

    def check_adapted_to(self, train: Interactions) -> None:
        """Raise if `train` is not what `adapt` was given: a TypeError if it is no `Interactions`, else a ValueError."""
        if not isinstance(train, Interactions):
            raise TypeError(f"training_data takes tfrec.data.Interactions, got {type(train).__name__}")
        self._vocabulary("user")
        if self._state.adapted_to() is train:
            return
        matrix = train.to_csr("binary")
        known = (self.user_ids, self.item_ids, self.history_splits.numpy(), self.history_items.numpy())
        given = (train.user_ids, train.item_ids, matrix.indptr, matrix.indices)
        if not all(np.array_equal(one, other) for one, other in zip(known, given, strict=True)):
            raise ValueError(f"{type(self).__name__} was adapted to other data than {train!r}: call adapt(train) first")

    def fit(self, x: Any = None, *, callbacks: Any = None, **keras: Any) -> Any:
        """As `Recommender.fit`."""
        if not self.is_closed_form:
            return super().fit(x, callbacks=callbacks, **keras)
        callbacks = _callbacks.prepare(callbacks)  # a list, also where an iterator came, which can be read only once
        for callback in callbacks:
            if isinstance(callback, tf.keras.callbacks.BackupAndRestore) and callback.save_freq != "epoch":
                raise ValueError(
                    f"{type(self).__name__} is solved from a whole epoch, which a backup in its middle would cut: give "
                    'BackupAndRestore save_freq="epoch"'
                )
        self.train_function = None  # compiled for the statistics of an earlier fit
        self._state.statistics = None
        try:
            return super().fit(x, callbacks=callbacks, **keras)
        finally:
            self._state.statistics = None  # as large as the model itself

    def begin_epoch(self, epoch: int) -> None:
        """Empty the statistics, unless they are gathered once and are there."""
        if not self.is_closed_form:
            return
        if self._state.statistics is None:
            with self.distribute_strategy.scope():
                self._state.statistics = {**self.create_statistics(), _USERS: statistic([self.n_users])}
                self._state.gathering = tf.Variable(True, trainable=False)
            return
        self._state.gathering.assign(not self.gathers_once)
        for name, value in self._state.statistics.items():
            if name == _USERS or not self.gathers_once:
                value.assign(tf.zeros_like(value))

    def train_step(self, users: Tensor) -> dict:
        """Add a batch of users to the statistics; nothing is learned before the end of the epoch."""
        if not self.is_closed_form:
            return super().train_step(users)
        if self.gathers_once:
            tf.cond(self._state.gathering, lambda: self._gather(users), lambda: None)
        else:
            self._gather(users)
        counted = tf.math.bincount(users, minlength=self.n_users, maxlength=self.n_users, dtype=tf.float32)
        self._state.statistics[_USERS].assign_add(counted)
        return {"loss": 0.0}  # Keras wants a figure of every step; the epoch's own takes its place

    def _gather(self, users: Tensor) -> None:
        self.accumulate(self._state.statistics, users)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Solve.

        Raises:
            ValueError: the epoch left users out, or counted some twice.
        """
        if not self.is_closed_form:
            return super().end_epoch(epoch)
        # `read_value` adds the replicas up, where other ways of reading take one replica's share.
        statistics = {name: value.read_value() for name, value in self._state.statistics.items()}
        counts = statistics.pop(_USERS).numpy()
        if (counts != 1).any():
            raise ValueError(
                f"{type(self).__name__} is solved from a whole epoch, in which each of its {self.n_users} users stands "
                f"once; {int((counts == 0).sum())} were left out and {int((counts > 1).sum())} came more than once. "
                "Fit it to Interactions or to training_data(train), without steps_per_epoch"
            )
        return {"loss": self.solve(statistics)}

    def check_answers(self) -> None:
        """Raise a `ValueError` if nothing was solved since `adapt`."""
        super().check_answers()
        if int(self.epochs_done.numpy()) == 0:
            raise ValueError(f"{type(self).__name__} is adapted to data but not fitted to it: call fit(train) first")


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
