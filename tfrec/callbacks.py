"""Keras callbacks that `Recommender.fit` puts in front of the user's, and what it checks about the user's."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tfrec._tf import tf
from tfrec.checks import check_integer
from tfrec.data import Interactions
from tfrec.metrics import METRICS, Metric, get_metric

__all__ = ["RankingMetrics"]


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

    Args:
        data: held-out `Interactions`.
        k: the cutoffs; None is the default of `tfrec.evaluate`.
        metrics: names out of `tfrec.metrics.METRICS`; None is the default of `tfrec.evaluate`.
        prefix: of the names in the logs: "val_ndcg@10". With another one, such as "test_", several of these callbacks
            can stand side by side.
        frequency: evaluate every so many epochs, or after these epochs (counted from 1).
        candidates, given, seen, exclude_seen, item_vectors, batch_size, memory: as in `tfrec.evaluate`, whose default
            None stands for.

    Raises:
        TypeError: an argument is of another type.
        ValueError: there are no data, a metric is unknown, or a cutoff or the frequency is not positive.
    """

    def __init__(
        self,
        data: Any,
        *,
        k: int | Iterable[int] | None = None,
        metrics: str | Iterable[str] | None = None,
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
        evaluation = {
            "k": _cutoffs(k),
            "metrics": _metrics(metrics),
            "candidates": candidates,
            "given": given,
            "seen": seen,
            "exclude_seen": exclude_seen,
            "item_vectors": item_vectors,
            "batch_size": batch_size,
            "memory": memory,
        }
        self.evaluation = {name: value for name, value in evaluation.items() if value is not None}
        if isinstance(frequency, Collection) and not isinstance(frequency, str):
            self.epochs: Collection[int] | None = frequency
        else:
            self.epochs = None
            self.every = check_integer("frequency (validation_freq of fit)", frequency, minimum=1)

    def set_model(self, model: Any) -> None:
        """Keras's hook; refuses a model that ranks nothing."""
        if not hasattr(model, "ranking_scores"):
            raise TypeError(f"RankingMetrics evaluates tfrec Recommenders; {type(model).__name__} is none")
        super().set_model(model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluate the model as it is now."""
        due = (epoch + 1) % self.every == 0 if self.epochs is None else epoch + 1 in self.epochs
        if due and logs is not None:
            report = self.model.evaluate(self.data, **self.evaluation)
            logs.update({f"{self.prefix}{name}": value for name, value in report.items()})


def _cutoffs(k: int | Iterable[int] | None) -> tuple[int, ...] | None:
    if k is None:
        return None
    return tuple(check_integer("k", cutoff, minimum=1) for cutoff in (k if isinstance(k, Iterable) else [k]))


def _metrics(metrics: Any) -> tuple[Any, ...] | None:
    if metrics is None:
        return None
    listed = (metrics,) if isinstance(metrics, str | Metric) else tuple(metrics)
    return tuple(metric if isinstance(metric, Metric) else get_metric(metric) for metric in listed)


def prepare(callbacks: Any) -> list:
    """The user's callbacks as a list, checked: `RankingMetrics` first, and what monitors a metric in its direction.

    Raises:
        TypeError: a callback is not of tf.keras (a Keras 3 callback, most likely).
    """
    if callbacks is None:
        return []
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in listed:
        _check_keras(callback)
    listed.sort(key=lambda callback: not isinstance(callback, RankingMetrics))  # stable
    prefixes = {"val_", *(callback.prefix for callback in listed if isinstance(callback, RankingMetrics))}
    for callback in listed:
        monitor = getattr(callback, "monitor", None)
        larger = _larger_is_better(monitor, prefixes) if isinstance(monitor, str) else None
        if larger is not None:
            _monitor(callback, larger)
    return listed


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
    keep the mode that they were given, so an explicit mode against the metric, which nobody means, is overruled too.
    """
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
