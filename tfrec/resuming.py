"""What a fit has done so far, kept after its epochs, for a later process to go on from."""

import json
import os
import zipfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tfrec._tf import tf

# Writing takes at most this share of the time; for a model of some megabytes this is after every epoch of a second.
SHARE = 0.1
# What is larger is not kept: a backup would take longer than many an epoch, and the disk may not have the room.
MOST_BYTES = 2**30

_BEST = "best-{epoch}.npz"


class Progress(tf.keras.callbacks.Callback):
    """Keeps the model, the logs of its epochs and the state of an early stopping in a folder, and goes on from them.

    With `initial_epoch` as the argument of `fit`, an interrupted fit ends as it would have without the interruption,
    bit for bit, because all that is random in tfrec's models follows from their seed, the epoch and the step.

    It is to be the last of the callbacks: what it keeps is what the others have made of the epoch.

    Args:
        folder: where to keep it; nothing is written for a single epoch, or for a model above `MOST_BYTES`.
        epochs: how many there are to be.
        stopping: the early stopping of the same fit.

    Attributes:
        rows: the logs of every epoch so far, those of earlier processes too.
        seconds: how long they took.
        initial_epoch: how many epochs need not be done any more; all of them after an early stop.

    Raises:
        ValueError: what is in the folder is damaged.
    """

    def __init__(self, folder: Path, epochs: int, stopping: Any = None) -> None:
        super().__init__()
        self.folder, self.epochs, self.stopping = folder, epochs, stopping
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.initial_epoch = 0
        self._record = tf.Variable("", trainable=False)  # of what is no variable, as JSON, in the same checkpoint
        self._stopping_then: dict[str, Any] = {}
        self._path = tf.train.latest_checkpoint(str(folder))
        if self._path is not None:
            self._read()

    def _read(self) -> None:
        try:
            tf.train.Checkpoint(record=self._record).restore(self._path).expect_partial()
            record = json.loads(self._record.numpy())
            self._stopping_then = record["stopping"]
            if self.stopping is not None and self.stopping.restore_best_weights:
                with np.load(self.folder / _BEST.format(epoch=self._stopping_then["best_epoch"])) as stored:
                    self._stopping_then["best_weights"] = [stored[name] for name in stored]
        except (tf.errors.OpError, OSError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{self.folder} is damaged, and cannot be gone on from: start afresh") from error
        self.rows, self.seconds = record["rows"], record["seconds"]
        self.initial_epoch = self.epochs if record["stopped"] else len(self.rows)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Bring the model and the early stopping to where they were."""
        checkpoint = tf.train.Checkpoint(model=self.model, record=self._record)
        self._manager = tf.train.CheckpointManager(checkpoint, str(self.folder), max_to_keep=1)
        if self._path is not None:
            checkpoint.restore(self._path)
            for name, value in self._stopping_then.items():
                setattr(self.stopping, name, value)
        n_bytes = sum(int(tf.size(weight)) * weight.dtype.size for weight in self.model.weights)
        self._keeps = self.epochs > 1 and n_bytes <= MOST_BYTES
        self._began, self._writing, self._seconds_before = perf_counter(), 0.0, self.seconds

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep what there is now."""
        now = perf_counter()
        self.rows.append({"epoch": epoch, **{name: float(value) for name, value in (logs or {}).items()}})
        self.seconds = self._seconds_before + now - self._began
        if self._keeps and self._writing <= SHARE * (now - self._began):
            self._keep()
            self._writing += perf_counter() - now

    def _keep(self) -> None:
        state = {}
        if self.stopping is not None:
            state = {name: getattr(self.stopping, name) for name in ("wait", "best", "best_epoch", "stopped_epoch")}
            self._keep_best()
        record = {"rows": self.rows, "seconds": self.seconds, "stopped": self.model.stop_training, "stopping": state}
        self._record.assign(json.dumps(record, default=float))
        self._manager.save()
        for path in self.folder.glob(_BEST.format(epoch="*")):  # the last checkpoint may have needed another
            if path.name != _BEST.format(epoch=self.stopping.best_epoch):
                path.unlink()

    def _keep_best(self) -> None:
        path = self.folder / _BEST.format(epoch=self.stopping.best_epoch)
        if self.stopping.best_weights is None or path.exists():
            return
        with open(path.with_suffix(".partial"), "wb") as file:
            np.savez(file, *self.stopping.best_weights)
        os.replace(path.with_suffix(".partial"), path)
