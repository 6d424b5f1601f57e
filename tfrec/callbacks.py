"""Keras callbacks that `Recommender.fit` puts in front of the user's, and what it checks about the user's."""

import math
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from tfrec._tf import tf
from tfrec.checks import check_integer

# Metrics that are better when smaller; every other metric of the evaluator is better when larger.
_MINIMISED = ("loss", "rmse", "mae", "mse")


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


class RankingValidation(tf.keras.callbacks.Callback):
    """Writes `val_ndcg@10` and its kin into the epoch's logs, before any callback of the user's runs.

    Args:
        validation_data: `Interactions`.
        frequency: Keras's `validation_freq`: every so many epochs, or after these epochs (from 1).
    """

    def __init__(self, validation_data: Any, frequency: int | Collection[int] = 1) -> None:
        super().__init__()
        self.validation_data = validation_data
        if isinstance(frequency, Collection) and not isinstance(frequency, str):
            self.epochs: Collection[int] | None = frequency
        else:
            self.epochs = None
            self.every = check_integer("validation_freq", frequency, minimum=1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluate the model as it is now."""
        due = (epoch + 1) % self.every == 0 if self.epochs is None else epoch + 1 in self.epochs
        if due and logs is not None:
            report = self.model.evaluate(self.validation_data, verbose=0)
            logs.update({f"val_{name}": value for name, value in report.items()})


def prepare(callbacks: Any) -> list:
    """The user's callbacks as a list, checked, with ranking metrics maximised.

    Raises:
        TypeError: a callback is not of tf.keras (a Keras 3 callback, most likely).
    """
    if callbacks is None:
        return []
    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for callback in listed:
        _check_keras(callback)
        _maximise_ranking_metric(callback)
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


def _maximise_ranking_metric(callback: Any) -> None:
    """Keras's auto mode minimises whatever it doesn't know: a ranking metric such as val_ndcg@10 is maximised instead.

    EarlyStopping and ModelCheckpoint don't keep the mode that they were given, so an explicit mode="min" on a ranking
    metric, which nobody means, is overruled too.
    """
    monitor = getattr(callback, "monitor", None)
    if not isinstance(monitor, str) or "@" not in monitor or monitor.removeprefix("val_").startswith(_MINIMISED):
        return
    if isinstance(callback, tf.keras.callbacks.ReduceLROnPlateau):
        if callback.mode != "max":
            callback.mode = "max"
            callback._reset()
    elif getattr(callback, "monitor_op", None) is np.less:
        callback.monitor_op = np.greater
        if isinstance(callback, tf.keras.callbacks.EarlyStopping):
            callback.min_delta = abs(callback.min_delta)
        if math.isinf(getattr(callback, "best", 0.0)):
            callback.best = -math.inf
