"""The folder of a cross-validation: what it is a run of, and its finished folds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec import files
from tfrec._version import __version__
from tfrec.data import Interactions, Split
from tfrec.evaluation.report import Report
from tfrec.evaluation.storage import load_record, load_report, save_report
from tfrec.metrics import METRICS, Metric

_SETTINGS, _SPLIT = "cross_validation.json", "split"
_WITHOUT_EFFECT = ("batch_size", "memory")


def begin(folder: Path, settings: dict[str, Any]) -> None:
    """Make the folder of a run, or see to it that the run which is there is this one.

    Raises:
        ValueError: it holds something else, or a run with other settings; or what is there is damaged.
    """
    path = folder / _SETTINGS
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"path must be a folder; {folder} is a file: choose another path")
    if not path.exists():
        if folder.is_dir() and any(not _is_leftover(entry) for entry in folder.iterdir()):
            raise ValueError(f"{folder} holds something else than a cross-validation: choose another path")
        folder.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(settings, indent=2))
        return
    there = load_record(path)
    if not isinstance(there, dict):
        raise ValueError(f"{path} is damaged: choose another path, or remove {folder} to start afresh")
    if other := [name for name in settings if there.get(name) != settings[name]]:
        raise ValueError(
            f"{folder} holds a cross-validation with other settings ({', '.join(other)}): choose another path, or "
            "remove it to start afresh"
        )


def _is_leftover(entry: Path) -> bool:
    """Whether it is what a killed process left of a file that it was writing."""
    return entry.name.startswith(".") and entry.name.endswith(".partial")


def kept_fold(folder: Path, split: Split, make: Callable[[], Report]) -> Report:
    """The report of a fold: from its folder, or made and then kept there.

    Args:
        folder: of the fold.
        split: the rows of the fold.
        make: what fits and evaluates.

    Raises:
        ValueError: it is of another split, or damaged.
    """
    parts = {"train": split[0].fingerprint(), "test": split[1].fingerprint(), "features": _features(split[1])}
    if folder.exists():
        try:
            there, report = load_record(folder / f"{_SPLIT}.json"), load_report(folder)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"{error}. Remove {folder} to have this fold fitted again") from error
        if there != parts:
            raise ValueError(f"{folder} is of another split: give cross_validate the same folds, or another path")
        return report
    report = make()
    save_report(folder, report, **{_SPLIT: parts})
    return report


def _features(data: Interactions) -> Any:
    """What the bool features of the items are, from which diversity is measured; no part of a fingerprint."""
    features = None if data.item_features is None else data.item_features.select_dtypes("bool")
    return None if features is None else _plain(features.to_numpy(bool))


def settings_of(
    model: Any, division: Mapping[str, Any] | None, n_folds: int, epochs: int | None, evaluation: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the figures depend on, as JSON gives it back; the splits are kept with their folds.

    Raises:
        TypeError: what a value is can't be told in another process.
    """
    settings = {
        "version of tfrec": __version__,
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "arguments of the model": model.get_config(),
        "number of folds": n_folds,
        "division of the data": division,
        "epochs": epochs,
        "evaluation": {name: value for name, value in evaluation.items() if name not in _WITHOUT_EFFECT},
    }
    return json.loads(json.dumps(settings, default=_plain))


def _plain(value: Any) -> Any:
    """What stands in the settings for a value that JSON doesn't have: the same for equal values only."""
    if isinstance(value, Interactions):
        return value.fingerprint()
    if isinstance(value, Metric) and METRICS.get(value.name) == value:
        return value.name
    if isinstance(value, Metric):
        raise TypeError(
            f"the metric {value.name!r} is one of your own: whether another run's function of that name is the same "
            "cannot be told, so its folds cannot be kept. Leave out path=, or use metrics of tfrec alone"
        )
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.DataFrame | pd.Series):
        return [value.index.tolist(), _plain(value.to_numpy())]
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufcSU":  # objects: an address, not what is there
            return [str(value.dtype), list(value.shape), value.tolist()]
        return [str(value.dtype), list(value.shape), hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()]
    raise TypeError(
        f"cross_validate cannot keep folds that depend on a {type(value).__name__} ({value!r}): it could not tell in "
        "another run whether it is the same. Leave out path=, or give it as numbers, texts or arrays"
    )
