"""What an evaluation found, as a mapping, a table, a data frame and JSON."""

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from tfrec import files


@dataclass(frozen=True, repr=False)
class Report(Mapping[str, float]):
    """The figures of one model on one test set. Immutable; also a mapping: ``report["ndcg@10"]``.

    Attributes:
        model: name of the model.
        dataset: name of the test set.
        protocol: what was ranked, in words.
        n_users: evaluated users, those with test rows.
        n_test: distinct (user, item) pairs of the test set.
        unreachable: share of these pairs, 0 to 1, that could not be recommended.
        k: the cutoffs.
        metrics: metric and cutoff, such as "ndcg@10", to the mean over users.
    """

    model: str
    dataset: str
    protocol: str
    n_users: int
    n_test: int
    unreachable: float
    k: tuple[int, ...]
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", tuple(self.k))
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let copies and worker processes have it, for which a mapping proxy alone is no good."""
        return Report, tuple({**vars(self), "metrics": self.to_dict()}.values())

    def __getitem__(self, key: str) -> float:
        try:
            return self.metrics[key]
        except KeyError:
            raise KeyError(_unknown(key, self.metrics)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        figures = ", ".join(f"{key}={value:.4f}" for key, value in list(self.metrics.items())[:3])
        more = ", …" if len(self.metrics) > 3 else ""
        return f"Report({self.model!r} on {self.dataset!r}: {figures}{more})"

    def __str__(self) -> str:
        """The table that `print` shows: a row for each metric, a column for each cutoff."""
        frame = self.to_frame()
        rows = [["", *(f"@{cutoff}" for cutoff in self.k)]]
        rows += [[str(name), *map(_figure, values)] for name, values in zip(frame.index, frame.to_numpy(), strict=True)]
        heading = f"{self.model} on {self.dataset}: {self.protocol}"
        counts = f"{self.n_users} users, {self.n_test} test items, {self.unreachable:.2%} of them unreachable"
        return "\n".join([heading, counts, "", _table(rows)])

    def to_dict(self) -> dict[str, float]:
        """The figures alone: ``{"ndcg@10": …}``."""
        return dict(self.metrics)

    def to_frame(self) -> pd.DataFrame:
        """The figures as a frame: a row for each metric, a column for each cutoff."""
        names = dict.fromkeys(key.rpartition("@")[0] for key in self.metrics)
        figures = [[self.metrics.get(f"{name}@{cutoff}", float("nan")) for cutoff in self.k] for name in names]
        return pd.DataFrame(figures, index=pd.Index(names, name="metric"), columns=pd.Index(self.k, name="k"))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The whole report as JSON: an object of the attributes; "metrics" is flat.

        Args:
            path: a file to write it to as well, all at once: a reader never sees half of it. An existing file is
                replaced, missing folders are made.

        Returns:
            The JSON text.
        """
        record: dict[str, Any] = {**vars(self), "k": list(self.k), "metrics": self.to_dict()}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if path is not None:
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(path, text)
        return text

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` made this text from.

        Raises:
            ValueError: if the text is not JSON, or not of a report.
        """
        record = json.loads(text)
        names = set(cls.__dataclass_fields__)
        if not isinstance(record, dict) or set(record) != names:
            raise ValueError(f"not the JSON of a report, an object with the keys {', '.join(sorted(names))}")
        return cls(**record)


def comparison_table(
    reports: Mapping[str, Report] | Sequence[Report], metrics: str | Sequence[str] | None = None
) -> str:
    """Several reports side by side, as plain text: a row for each report, a column for each figure.

    Data set and protocol stand above the table if all reports share them. Else they are columns of it, because figures
    of different test sets or protocols are not comparable.

    Args:
        reports: the reports, with labels (a mapping) or under their models' names (a sequence).
        metrics: the columns, such as ["ndcg@10", "recall@20"]; all figures of any report by default. A report that
            lacks one shows "-".

    Returns:
        The table.

    Raises:
        ValueError: if there are no reports, or no report has one of the metrics.
    """
    labelled = list(reports.items() if isinstance(reports, Mapping) else [(report.model, report) for report in reports])
    if not labelled:
        raise ValueError("there are no reports to compare")
    known = dict.fromkeys(key for _, report in labelled for key in report)
    columns = list(known) if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    if unknown := [key for key in columns if key not in known]:
        raise ValueError(_unknown(unknown[0], known))
    settings = [(report.dataset, report.protocol) for _, report in labelled]
    is_shared = len(set(settings)) == 1
    rows = [["", *columns, *([] if is_shared else ["data set", "protocol"])]]
    for (label, report), setting in zip(labelled, settings, strict=True):
        figures = [_figure(report[key]) if key in report else "-" for key in columns]
        rows.append([label, *figures, *([] if is_shared else setting)])
    return (": ".join(settings[0]) + "\n\n" if is_shared else "") + _table(rows)


def _unknown(key: object, known: Mapping[str, Any]) -> str:
    nearest = difflib.get_close_matches(str(key), known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"no figure {key!r} was measured.{hint} There are: {', '.join(known)}"


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _table(rows: list[list[str]]) -> str:
    """Rows in columns of equal width, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
