"""Keras callbacks that `Recommender.fit` puts in front of the user's, and what it checks about the user's."""

import math
import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from tfrec._tf import tf
from tfrec.checks import check_integer
from tfrec.data import Interactions
from tfrec.metrics import METRICS, Metric

__all__ = ["RankingMetrics"]

# What a model of ratings is measured by too, where nobody chose the metrics.
_OF_RATINGS = (METRICS["rmse"], METRICS["mae"])


class EpochHooks(tf.keras.callbacks.Callback):
    """Calls the model's `begin_epoch` and `end_epoch`, and writes what the latter returns into the epoch's logs."""

    def __init__(self) -> None:
        super().__init__()
        self._open_epoch: int | None = None
        self._figures: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Let the model prepare its epoch."""
        self._open_epoch = epoch
        self.model.begin_epoch(epoch)

    def finish_epoch(self) -> None:
        """Let the model finish its epoch, once; closed-form models are solved here."""
        if self._open_epoch is not None:
            self._figures = self.model.end_epoch(self._open_epoch)
            self.model.epochs_done.assign_add(1)
            self.model.steps_done.assign(0)
            self._open_epoch = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Finish the epoch, unless Keras's own validation had it finished already."""
        self.finish_epoch()
        if logs is not None:
            logs.update(self._figures)


class RankingMetrics(tf.keras.callbacks.Callback):
    """Evaluates the model on held-out interactions and writes the figures into the epoch's logs.

        held_out = RankingMetrics(validation, k=(10, 50), metrics=["ndcg", "coverage"])
        model.fit(train, callbacks=[tf.keras.callbacks.EarlyStopping("val_coverage@50"), held_out])

    What reads the logs sees them as Keras's own: History, CSVLogger, TensorBoard (as scalars), and EarlyStopping,
    ModelCheckpoint and ReduceLROnPlateau as the ``monitor``, which `fit` sets to maximise or minimise as the metric
    asks for. `fit` runs this callback before all others, wherever in the list it stands.
    ``fit(validation_data=validation)`` is ``RankingMetrics(validation)``.

    A model that predicts ratings is by default measured by its predictions too, where the data have ratings:
    "val_rmse" and "val_mae" are there to stop early by. With ``metrics="rmse"`` alone nothing is ranked, which takes
    far less time.

    In epochs that aren't evaluated the figures are NaN, so that every epoch has the same columns. EarlyStopping and
    ReduceLROnPlateau count such an epoch as one without improvement: their ``patience`` is a number of epochs, and
    `fit` refuses one that would run out between two evaluations. ModelCheckpoint with ``save_best_only`` passes over
    it.

    Args:
        data: held-out `Interactions`.
        k: the cutoffs; None is the default of `tfrec.evaluate`.
        metrics: names out of `tfrec.metrics.METRICS`, or metrics of your own; None is the default of `tfrec.evaluate`,
            and "rmse" and "mae" as well for a model that predicts ratings, on data that have ratings.
        prefix: of the names in the logs: "val_ndcg@10". With another one, such as "test_", several of these callbacks
            can stand side by side.
        frequency: evaluate every so many epochs, or after these epochs (counted from 1).
        candidates, given, seen, exclude_seen, item_vectors, batch_size, memory: as in `tfrec.evaluate`, whose default
            None stands for.

    Raises:
        TypeError: an argument is of another type.
        ValueError: there are no data; there is no metric or cutoff, or one of them is unknown, not positive or there
            twice; a number is not positive; arguments contradict each other.
    """

    def __init__(
        self,
        data: Any,
        *,
        k: int | Iterable[int] | None = None,
        metrics: str | Metric | Iterable[str | Metric] | None = None,
        prefix: str = "val_",
        frequency: int | Collection[int] = 1,
        candidates: Any = None,
        given: Any = None,
        seen: Any = None,
        exclude_seen: bool | None = None,
        item_vectors: Any = None,
        batch_size: int | None = None,
        memory: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(data, Interactions):
            raise TypeError(f"RankingMetrics takes tfrec.data.Interactions, got {type(data).__name__}")
        if not len(data):
            raise ValueError(f"RankingMetrics has nothing to evaluate on: {data!r} is empty")
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a string such as 'val_'; got {prefix!r}")
        self.data, self.prefix = data, prefix
        options = {
            "k": k,
            "metrics": metrics,
            "candidates": candidates,
            "given": given,
            "seen": seen,
            "exclude_seen": exclude_seen,
            "item_vectors": item_vectors,
            "batch_size": batch_size,
            "memory": memory,
        }
        self.evaluation = _checked(data, {name: value for name, value in options.items() if value is not None})
        self._of_ratings = _OF_RATINGS if metrics is None and data.has_ratings else ()
        # Of all that it may write, before it is known for which model.
        self.directions = self._directions((*self.evaluation["metrics"], *self._of_ratings))
        self.due = _as_epochs(frequency)

    def set_model(self, model: Any) -> None:
        """Keras's hook; refuses a model that ranks nothing."""
        if not hasattr(model, "ranking_scores"):
            raise TypeError(f"RankingMetrics evaluates tfrec Recommenders; {type(model).__name__} is none")
        super().set_model(model)
        # Late, because evaluation is above the models, which import this module.
        from tfrec.evaluation.rating_figures import predicts_ratings

        of_ratings = self._of_ratings if predicts_ratings(model) else ()
        self._options = self.evaluation | {"metrics": (*self.evaluation["metrics"], *of_ratings)}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuse what this model can't be asked for, before its first epoch: ratings, or lists in too little memory."""
        from tfrec.evaluation.evaluator import check_needs
        from tfrec.evaluation.setting import as_batch_size

        asked = self._options
        check_needs(self.model, self.data, asked["metrics"], asked["item_vectors"])
        as_batch_size(asked["batch_size"], asked["memory"], self.model.n_items, max(asked["k"]))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluate the model as it is now."""
        if logs is None:
            return
        if self._is_due(epoch + 1):
            report = self.model.evaluate(self.data, **self._options)
            logs.update({f"{self.prefix}{name}": value for name, value in report.items()})
        else:
            logs.update(dict.fromkeys(self._directions(self._options["metrics"]), math.nan))

    def _directions(self, metrics: Iterable[Metric]) -> dict[str, bool | None]:
        """The names in the logs of what metrics give, to whether more is better; None where neither side is."""
        from tfrec.evaluation.figures import figure_names

        return {
            f"{self.prefix}{name}": metric.higher_is_better
            for metric in metrics
            for name in figure_names(metric, self.evaluation["k"])
        }

    def _is_due(self, epoch: int) -> bool:
        return epoch % self.due == 0 if isinstance(self.due, int) else epoch in self.due

    @property
    def longest_pause(self) -> int:
        """The most epochs that pass until there is an evaluation: from the start, or from one to the next."""
        return self.due if isinstance(self.due, int) else max(np.diff([0, *self.due]).tolist())


def _checked(data: Interactions, given: dict[str, Any]) -> dict[str, Any]:
    """The options of `tfrec.evaluate`, its defaults where nothing is given; raises the errors of a wrong one."""
    # Late, because evaluation is above the models, which import this module.
    from tfrec.evaluation.evaluator import complete_options
    from tfrec.evaluation.item_statistics import vectors_for

    options = complete_options(given)
    vectors_for(options["metrics"], data, options["item_vectors"])
    return options


def _as_epochs(frequency: Any) -> int | tuple[int, ...]:
    """Every so many epochs, or the epochs themselves in their order."""
    name = "frequency (validation_freq of fit)"
    if not isinstance(frequency, Iterable) or isinstance(frequency, str):
        return check_integer(name, frequency, minimum=1)
    epochs = tuple(sorted({check_integer(f"every epoch of {name}", epoch, minimum=1) for epoch in frequency}))
    if not epochs:
        raise ValueError(f"{name} must name at least one epoch; got none")
    return epochs


def prepare(callbacks: Any, validation: Sequence[RankingMetrics] = ()) -> list:
    """The user's callbacks as a list, checked: `RankingMetrics` first, and what monitors a metric in its direction.

    Args:
        callbacks: what the user gave to `fit`.
        validation: what `fit` made of `validation_data`; it runs before these, and its figures may be monitored too.

    Raises:
        TypeError: a callback is not of tf.keras (a Keras 3 callback, most likely).
        ValueError: two callbacks write the same figure, or a patience would run out between two evaluations.
    """
    if callbacks is None:
        return []
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in listed:
        _check_keras(callback)
    listed.sort(key=lambda callback: not isinstance(callback, RankingMetrics))  # stable
    evaluating = [*validation, *(callback for callback in listed if isinstance(callback, RankingMetrics))]
    writers = _writers(evaluating, n_of_fit=len(validation))
    prefixes = {"val_", *(callback.prefix for callback in evaluating)}
    for callback in listed:
        monitor = getattr(callback, "monitor", None)
        if not isinstance(monitor, str):
            continue
        writer = writers.get(monitor)
        if writer is not None:
            _check_patience(callback, writer)
        larger = _larger_is_better(monitor, prefixes) if writer is None else writer.directions[monitor]
        if larger is not None:
            _monitor(callback, larger)
    return listed


def _writers(evaluating: Sequence[RankingMetrics], n_of_fit: int) -> dict[str, RankingMetrics]:
    """Every name in the logs, and who writes it."""
    writers: dict[str, RankingMetrics] = {}
    for number, callback in enumerate(evaluating):
        if both := [name for name in callback.directions if name in writers]:
            who = "validation_data of fit and a RankingMetrics" if number == n_of_fit == 1 else "two RankingMetrics"
            raise ValueError(
                f'{who} would both write {both[0]!r} into the logs: give one another prefix, such as prefix="test_"'
            )
        writers |= dict.fromkeys(callback.directions, callback)
    return writers


def _check_patience(callback: Any, writer: RankingMetrics) -> None:
    """Refuse a patience that runs out while there is nothing to be patient about."""
    patience = getattr(callback, "patience", None)
    if patience is not None and patience < writer.longest_pause > 1:
        raise ValueError(
            f"{type(callback).__name__} counts epochs, and {callback.monitor!r} is there only after every "
            f"{writer.longest_pause} of them: with patience={patience} it would act before there is anything new. Give "
            f"it a patience of at least {writer.longest_pause}, or evaluate after every epoch (frequency=1)"
        )


def _check_keras(callback: Any) -> None:
    if isinstance(callback, tf.keras.callbacks.Callback):
        return
    kind = type(callback)
    if any(base.__module__.split(".")[0] == "keras" for base in kind.__mro__):
        raise TypeError(
            f"fit got {kind.__name__} of Keras 3 (the package `keras`) as a callback, and tfrec's models are Keras 2: "
            f"use tf.keras.callbacks.{kind.__name__} instead"
        )
    raise TypeError(f"fit takes callbacks that are tf.keras.callbacks.Callback; got {kind.__name__}: {callback!r}")


def _larger_is_better(monitor: str, prefixes: Collection[str]) -> bool | None:
    """Whether a figure of the logs is to be maximised; None for one that is not the evaluator's, or has no better side.

    A name with a cutoff that the evaluator doesn't know is taken for a ranking metric of the user's.
    """
    for prefix in sorted(prefixes, key=len, reverse=True):
        if monitor.startswith(prefix):
            name, at, _ = monitor.removeprefix(prefix).partition("@")
            metric = METRICS.get(name)
            if metric is not None and bool(at) == metric.has_cutoff:
                return metric.higher_is_better
    return True if "@" in monitor else None


def _monitor(callback: Any, larger: bool) -> None:
    """Let a callback maximise or minimise what it monitors.

    Keras's auto mode minimises whatever it doesn't know, val_ndcg@10 for one. EarlyStopping and ModelCheckpoint don't
    keep the mode that they were given, so an explicit mode against the metric, which nobody means, is overruled too;
    with a warning where it can be told from the auto mode.
    """
    if _is_against(callback, larger):
        told, end, done = ("minimise", "more", "maximised") if larger else ("maximise", "less", "minimised")
        warnings.warn(
            f"{type(callback).__name__} was told to {told} {callback.monitor!r}, of which {end} is better: it is "
            f"{done} all the same",
            stacklevel=3,
        )
    if isinstance(callback, tf.keras.callbacks.ReduceLROnPlateau):
        mode = "max" if larger else "min"
        if callback.mode != mode:
            callback.mode = mode
            callback._reset()
        return
    better, worst = (np.greater, -math.inf) if larger else (np.less, math.inf)
    if getattr(callback, "monitor_op", better) is better:
        return
    callback.monitor_op = better
    if isinstance(callback, tf.keras.callbacks.EarlyStopping):
        callback.min_delta = abs(callback.min_delta) if larger else -abs(callback.min_delta)
    if math.isinf(getattr(callback, "best", 0.0)):
        callback.best = worst


def _is_against(callback: Any, larger: bool) -> bool:
    """Whether the callback was told the other direction, as far as it shows: its mode is not what auto makes of it."""
    keras = tf.keras.callbacks
    if isinstance(callback, keras.ReduceLROnPlateau):
        return callback.mode == ("min" if larger else "max")
    if isinstance(callback, keras.EarlyStopping):
        auto = keras.EarlyStopping(callback.monitor).monitor_op
    elif isinstance(callback, keras.ModelCheckpoint):
        auto = keras.ModelCheckpoint("", callback.monitor).monitor_op
    else:
        return False
    wrong = np.less if larger else np.greater
    return callback.monitor_op is wrong and auto is not wrong
