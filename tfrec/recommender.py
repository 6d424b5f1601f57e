"""The contract that every model keeps.

A model file says how its model scores and what it learns from; everything else (fitting again, histories,
fallbacks, raw ids, ranking, saving, exporting) is written once, here and in the modules this one calls.
"""

import inspect
import warnings
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from tfrec import callbacks as _callbacks
from tfrec import saving as _saving
from tfrec._tf import Tensor, tf, tfrs
from tfrec.answers import MAX_K, MIN_RECALL, RawIdAnswers
from tfrec.checks import check_integer
from tfrec.data import Interactions
from tfrec.inputs import check_data
from tfrec.scores import Scores
from tfrec.vocabulary import Vocabulary


class Recommender(Scores, RawIdAnswers, tfrs.Model):
    """A recommender as a Keras model.

    Constructor arguments are keyword-only hyper-parameters, stored under their own names; the constructor does no work.
    `fit` with `Interactions` does everything; the Keras spelling `adapt`, `compile`, `fit(training_data(train))` is the
    same thing.

    A subclass implements `create_variables`, `training_data`, `score` and `score_histories`, and either `compute_loss`
    (gradient models) or what `ClosedFormRecommender` asks for.

    Attributes:
        user_ids, item_ids: object arrays, the vocabularies seen by `adapt`.
        item_titles: object array of titles, or None.
    """

    default_epochs = 1
    uses_weights = False  # whether `Interactions.weight` reaches the loss
    optimizer: Any

    def __init__(self, *, seed: int = 0, name: str | None = None) -> None:
        super().__init__(name=name or type(self).__name__.lower())
        self.seed = check_integer("seed", seed, minimum=0)
        # A namespace, because Keras neither wraps nor tracks it: what it holds is in no checkpoint and no SavedModel.
        self._state = SimpleNamespace(users=None, sizes=None, variables=[], adapted_to=lambda: None)
        self._state.mean_loss = tf.keras.metrics.Mean(name="loss")

    # What a model is made of.

    def get_config(self) -> dict:
        """The constructor's arguments: `cls(**model.get_config())` is the same model, not fitted."""
        parameters = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in parameters}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """The inverse of `get_config`."""
        return cls(**config)

    @property
    def metrics(self) -> list:
        """Keras's metrics, and the mean of the loss over the epoch."""
        return [self._state.mean_loss, *super().metrics]

    # Learning.

    def adapt(self, train: Interactions) -> None:
        """Learn the vocabularies, the histories and the sizes, and create the variables; forget any earlier fit.

        Raises:
            TypeError: `train` is not `Interactions`.
            ValueError: it is empty.

        Warns:
            UserWarning: it has weights, which this model can't use.
        """
        if not isinstance(train, Interactions):
            raise TypeError(f"adapt takes tfrec.data.Interactions, got {type(train).__name__}")
        if len(train) == 0:
            raise ValueError(f"{type(self).__name__} cannot be fitted to no interactions at all: {train!r} is empty")
        if train.weight is not None and not self.uses_weights:
            warnings.warn(
                f"{type(self).__name__} cannot use weights: every interaction of {train!r} counts the same",
                stacklevel=2,
            )
        matrix = train.to_csr("binary")
        self._state.adapted_to = weakref.ref(train)
        self.restore_data(train.user_ids, train.item_ids, train.item_titles, matrix.indptr, matrix.indices)

    def restore_data(
        self,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        item_titles: np.ndarray | None,
        history_splits: np.ndarray,
        history_items: np.ndarray,
    ) -> None:
        """`adapt`, from the arrays that it keeps: what loading a saved model starts with.

        Args:
            user_ids: raw user ids, object [n_users].
            item_ids: raw item ids, object [n_items].
            item_titles: object [n_items], or None.
            history_splits: int [n_users + 1]; user u has `history_items[history_splits[u]:history_splits[u + 1]]`.
            history_items: int [n_entries], sorted for each user, each item at most once.
        """
        self._state.users = Vocabulary(user_ids, "user")
        self._state.items = Vocabulary(item_ids, "item")
        self._state.titles = item_titles
        self._state.functions = None
        counts = np.bincount(history_items, minlength=len(item_ids))
        sizes = (len(user_ids), len(item_ids), len(history_items))
        if sizes != self._state.sizes:
            # All of them, so that the order of the weights, by which they are saved, is that of a fresh fit.
            for name in self._state.variables:
                delattr(self, name)
            self._state.sizes, self._state.variables = sizes, []
        with self.distribute_strategy.scope():
            self.set_variable("history_splits", np.asarray(history_splits, np.int64))
            self.set_variable("history_items", np.asarray(history_items, np.int32))
            self.set_variable("item_counts", counts.astype(np.float32))
            self.set_variable("epochs_done", np.int64(0))
            # Of the epoch that is going on; every replica takes each step, and one of them counts.
            self.set_variable("steps_done", np.int64(0), aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            self.create_variables()
            self._forget_training()
        self.built = True

    def set_variable(self, name: str, value: Any, *, trainable: bool = False, **options: Any) -> None:
        """Create the variable `self.<name>`, or assign to it where an `adapt` to data of equal size made it.

        Args:
            name: the attribute.
            value: the first value.
            trainable: whether gradients reach it.
            options: further arguments of `tf.Variable`.
        """
        value = tf.convert_to_tensor(value)
        if name in self._state.variables:
            getattr(self, name).assign(value)
        else:
            setattr(self, name, tf.Variable(value, trainable=trainable, name=name, **options))
            self._state.variables.append(name)

    def create_variables(self) -> None:
        """Create (with `set_variable`) what the model learns, from `n_users`, `n_items` and the histories alone."""
        raise NotImplementedError(f"{type(self).__name__} must implement create_variables")

    def training_data(self, train: Interactions) -> Any:
        """The `tf.data.Dataset` of what this model learns from."""
        raise NotImplementedError(f"{type(self).__name__} must implement training_data")

    def default_optimizer(self) -> Any:
        """The optimizer of a `compile` (or `fit`) that names none."""
        return tf.keras.optimizers.Adam()

    def compile(self, optimizer: Any = None, **keras: Any) -> None:
        """Keras's `compile`; without an optimizer, the model's own default."""
        super().compile(optimizer=optimizer or self.default_optimizer(), **keras)
        self._state.optimizer_config = None

    def _forget_training(self) -> None:
        """Drop the functions that Keras compiled for the old variables, and the optimizer's state."""
        self.train_function = self.test_function = self.predict_function = None
        self.train_tf_function = None
        self.stop_training = False
        if self._is_compiled and self._state.optimizer_config is not None:
            self.optimizer = type(self.optimizer).from_config(self._state.optimizer_config)
            self._state.optimizer_config = None

    def fit(
        self,
        x: Any = None,
        *,
        validation_data: Any = None,
        epochs: int | None = None,
        callbacks: Any = None,
        **keras: Any,
    ) -> Any:
        """Fit the model, afresh if `x` is `Interactions`.

        Args:
            x: `Interactions`, or what `training_data` made of them (after `adapt` and `compile`).
            validation_data: `Interactions` to evaluate after every epoch (`val_ndcg@10` and its kin in the logs), or
                anything that Keras takes.
            epochs: how many; None is the model's own default.
            callbacks: of tf.keras.
            keras: further arguments of Keras's `fit`.

        Returns:
            Keras's `History`.
        """
        # All of this before `adapt`, so that a slip doesn't cost the model that is there.
        check_data("fit", x)
        epochs = self.default_epochs if epochs is None else check_integer("epochs", epochs, minimum=1)
        self._state.hooks = _callbacks.EpochHooks()
        validating = []
        if validation_data is not None:
            check_data("validation_data", validation_data)
        if isinstance(validation_data, Interactions):
            validating.append(_callbacks.RankingMetrics(validation_data, frequency=keras.pop("validation_freq", 1)))
            validation_data = None
        own = [self._state.hooks, *validating, *_callbacks.prepare(callbacks, validating)]
        if isinstance(x, Interactions):
            self.adapt(x)
            x = self.training_data(x)
        elif self._state.users is None:
            raise ValueError(
                f"{type(self).__name__} knows no data yet: call adapt(train) first, or give fit the Interactions"
            )
        if not self._is_compiled:
            with self.distribute_strategy.scope():
                self.compile()
        if self._state.optimizer_config is None:  # as it was before its first step, for a fit afresh
            self._state.optimizer_config = self.optimizer.get_config()
        self._build_optimizer()
        self._training_state = None  # BackupAndRestore deletes it, and Keras's next fit would miss it
        self.steps_done.assign(0)  # an earlier fit may have been interrupted within an epoch
        return super().fit(
            x,
            validation_data=validation_data,
            epochs=epochs,
            callbacks=own,
            **keras,
        )

    def _build_optimizer(self) -> None:
        """Make the optimizer's variables: made within the first step, they would have TensorFlow trace it twice."""
        if self.trainable_variables and hasattr(self.optimizer, "build"):  # Keras's legacy optimizers have none
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of an epoch."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Called after the last step of an epoch, before validation; what it returns goes into the epoch's logs."""
        return {}

    def train_step(self, inputs: Tensor) -> dict:
        """One step down the gradient of `compute_loss`; logs the mean loss of the epoch."""
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True) + sum(self.losses)
            # Replicas' gradients are added up, and each has only its share of the batch.
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
        self.optimizer.minimize(share, self.trainable_variables, tape=tape)
        # After the batch came: what makes the batches of an epoch reads this variable when the first is asked for.
        with tf.control_dependencies([share]):
            self.steps_done.assign_add(1)
        return self._log_loss(loss, inputs)

    def test_step(self, inputs: Tensor) -> dict:
        """The mean of `compute_loss` over a data set."""
        return self._log_loss(self.compute_loss(inputs, training=False) + sum(self.losses), inputs)

    def _log_loss(self, loss: Tensor, inputs: Tensor) -> dict:
        self._state.mean_loss.update_state(loss, sample_weight=self.loss_weight(inputs))
        return {metric.name: metric.result() for metric in self.metrics}

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """What a batch's loss counts for in the mean over the epoch: its size, unless a model's loss is of another."""
        return tf.shape(tf.nest.flatten(inputs)[0])[0]

    def load_weights(self, filepath: str | Path, *args: Any, **keras: Any) -> Any:
        """Keras's `load_weights`, refused with a clear error before `adapt` has made the variables."""
        self._vocabulary("user")
        return super().load_weights(filepath, *args, **keras)

    # The way out.

    def evaluate(self, x: Any = None, **arguments: Any) -> Any:
        """The figures of `tfrec.evaluate` for `Interactions`; Keras's `evaluate` for anything else.

        Args:
            x: test `Interactions`, or what Keras takes (the result is then the mean loss).
            arguments: for `Interactions` those of `tfrec.evaluate` (`k`, `metrics`, `candidates`, `given`, `seen`, …);
                for anything else those of Keras's `evaluate`.
        """
        check_data("evaluate", x)
        if not isinstance(x, Interactions):
            if arguments.get("_use_cached_eval_dataset"):  # `fit` validates, which it does before any callback runs
                self._state.hooks.finish_epoch()
            return super().evaluate(x, **arguments)
        from tfrec.evaluation import evaluate

        arguments.pop("verbose", None)  # of Keras's scripts: there is nothing to show
        return evaluate(self, x, **arguments)

    def save(self, path: str | Path, overwrite: bool = True, options: Any = None, **_: Any) -> None:
        """Save the model as a folder, from which `tfrec.load(path)` makes one with the same scores.

        Args:
            path: the folder; written aside and renamed, so that it is never half-written.
            overwrite: replace an existing folder of a saved model; else it is an error.
            options: ignored; Keras's callbacks pass it.

        Raises:
            FileExistsError: `path` is there, and `overwrite` is False or it is not a saved model.
        """
        _saving.save(self, path, overwrite=overwrite)

    def export(
        self,
        path: str | Path,
        *,
        retrieval: Any = None,
        k: int = 100,
        max_k: int = MAX_K,
        exclude_seen: bool = True,
        version: int | None = None,
        users: bool = True,
        min_recall: float = MIN_RECALL,
        metrics: Any = None,
    ) -> Path:
        """Write a SavedModel for TensorFlow Serving as `path/<version>`; see `tfrec.export.export`, which this calls.

        Args:
            path: the model's folder; its last component is the name under which it is served.
            retrieval: a layer of `tfrec.retrieval`, which is indexed here; None is `Exact()`.
            k: how many items the default signature answers.
            max_k: the largest k that a request may ask for.
            exclude_seen: leave out what a user (or history) has seen already.
            version: a positive integer; None is one more than the highest there.
            users: with the users' histories and signatures; without, only signatures that need none.
            min_recall: what share of the k best items of a sample of people the retrieval layer must find.
            metrics: figures to keep in the metadata, by name.

        Returns:
            The path of the new version.
        """
        from tfrec.export import export

        return export(
            self,
            path,
            retrieval=retrieval,
            k=k,
            max_k=max_k,
            exclude_seen=exclude_seen,
            version=version,
            users=users,
            min_recall=min_recall,
            metrics=metrics,
        )


class ImplicitRecommender(Recommender):
    """A model that ranks: its scores order items and mean nothing else."""
