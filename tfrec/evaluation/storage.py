"""A report in a folder, with its frames: to compare it, or to carry on with it, in another process."""

import json
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec import files
from tfrec.evaluation.report import Report

_REPORT = "report.json"
_FRAMES = ("per_user", "exposure", "rating_sums")


def save_report(folder: Path, report: Report, **records: Any) -> None:
    """Write a report as a new folder, all at once: ``report.json``, and a ``.npz`` for each of its frames.

    Args:
        folder: the folder to make.
        report: the report.
        records: what else to keep with it: ``name=record`` becomes ``name.json``.

    Raises:
        FileExistsError: `folder` is there already.
    """
    with files.new_folder(folder) as aside:
        report.to_json(aside / _REPORT)
        for name, record in records.items():
            files.write_text(aside / f"{name}.json", json.dumps(record, indent=2))
        for name in _FRAMES:
            if (frame := getattr(report, name)) is not None:
                _save_frame(aside / f"{name}.npz", frame)


def load_report(folder: Path) -> Report:
    """The report that `save_report` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a file of it is damaged.
    """
    if not (folder / _REPORT).is_file():
        raise FileNotFoundError(f"{folder} is not a saved report: it has no {_REPORT}")
    report = _read(folder / _REPORT, lambda path: Report.from_json(path.read_text(encoding="utf-8")))
    frames: dict[str, Any] = {
        name: _read(path, _load_frame) if (path := folder / f"{name}.npz").is_file() else None for name in _FRAMES
    }
    return replace(report, **frames)


def load_record(path: Path) -> Any:
    """The record in a JSON file, such as `save_report` keeps with a report.

    Raises:
        ValueError: the file is missing or damaged.
    """
    return _read(path, lambda path: json.loads(path.read_text(encoding="utf-8")))


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is missing or damaged, and cannot be read: {error}") from error


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_direction(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_object(value: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, Mapping) and all(map(is_right, value.values()))


# What each value of a report's JSON must be: in words, and its test.
_VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("model", "dataset", "protocol"), ("a text", _is_text)),
    **dict.fromkeys(("n_users", "n_test"), ("a whole number", _is_count)),
    "unreachable": ("a number", _is_number),
    "k": ("a list of whole numbers", lambda value: isinstance(value, list) and all(map(_is_count, value))),
    "metrics": ("an object of numbers", lambda value: _is_object(value, _is_number)),
    "fingerprints": ("an object of texts", lambda value: _is_object(value, _is_text)),
    "directions": ("an object of true, false and null", lambda value: _is_object(value, _is_direction)),
}
_OPTIONAL = {"fingerprints", "directions"}


def checked_record(text: str) -> dict[str, Any]:
    """The arguments of `Report` in the JSON that `Report.to_json` made.

    Raises:
        ValueError: the text is not JSON, or not of a report.
    """
    record = json.loads(text)
    if not isinstance(record, dict) or not _VALUES.keys() - _OPTIONAL <= record.keys() <= _VALUES.keys():
        raise ValueError(f"not the JSON of a report, an object with the keys {', '.join(sorted(_VALUES))}")
    for name, value in record.items():
        expected, is_right = _VALUES[name]
        if not is_right(value):
            raise ValueError(f"not the JSON of a report: {name} must be {expected}; got {value!r}")
    return record


def _save_frame(path: Path, frame: pd.DataFrame) -> None:
    # Labels as JSON: in NumPy's own arrays of text an id would lose zero characters at its end.
    labels = {"name": frame.index.name, "index": frame.index.tolist(), "columns": frame.columns.tolist()}
    columns = {f"column {number}": frame.iloc[:, number].to_numpy() for number in range(frame.shape[1])}
    np.savez_compressed(path, labels=np.frombuffer(json.dumps(labels).encode(), np.uint8), **columns)  # type: ignore[arg-type]


def _load_frame(path: Path) -> pd.DataFrame:
    with np.load(path) as stored:
        labels = json.loads(stored["labels"].tobytes())
        columns = {number: stored[f"column {number}"] for number in range(len(labels["columns"]))}
    frame = pd.DataFrame(columns, index=pd.Index(labels["index"], name=labels["name"]))
    frame.columns = pd.Index(labels["columns"])
    return frame
