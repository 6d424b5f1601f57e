"""A report in a folder, with its frames: to compare it, or to carry on with it, in another process."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec import files
from tfrec.evaluation.report import Report

_REPORT = "report.json"
_FRAMES = ("per_user", "exposure")


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
    """
    if not (folder / _REPORT).is_file():
        raise FileNotFoundError(f"{folder} is not a saved report: it has no {_REPORT}")
    report = Report.from_json((folder / _REPORT).read_text(encoding="utf-8"))
    frames: dict[str, Any] = {name: _load_frame(folder / f"{name}.npz") for name in _FRAMES}
    return replace(report, **frames)


def _save_frame(path: Path, frame: pd.DataFrame) -> None:
    # Labels as JSON: in NumPy's own arrays of text an id would lose zero characters at its end.
    labels = {"name": frame.index.name, "index": frame.index.tolist(), "columns": frame.columns.tolist()}
    columns = {f"column {number}": frame.iloc[:, number].to_numpy() for number in range(frame.shape[1])}
    np.savez_compressed(path, labels=np.frombuffer(json.dumps(labels).encode(), np.uint8), **columns)  # type: ignore[arg-type]


def _load_frame(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    with np.load(path) as stored:
        labels = json.loads(stored["labels"].tobytes())
        columns = {number: stored[f"column {number}"] for number in range(len(labels["columns"]))}
    frame = pd.DataFrame(columns, index=pd.Index(labels["index"], name=labels["name"]))
    frame.columns = pd.Index(labels["columns"])
    return frame
