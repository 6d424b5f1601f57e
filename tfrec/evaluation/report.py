"""What an evaluation found, as a mapping, a table, a data frame and JSON."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tfrec import files
from tfrec.evaluation.rating_sums import SUMS
from tfrec.evaluation.tables import Table, Tabular, figure_text, higher_is_better, unknown_figure

_FRAMES = ("per_user", "exposure", "rating_sums")
_MAPPINGS = ("metrics", "fingerprints", "directions")
_NO_CUTOFF = "all"


class _Frame:
    """An optional frame of a report. What goes in and out are pandas's lazy copies: a report never changes."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, report: Any, owner: type | None = None) -> pd.DataFrame | None:
        frame = None if report is None else vars(report)[self._name]
        return None if frame is None else frame.copy(deep=False)

    def __set__(self, report: Any, frame: "pd.DataFrame | _Frame | None") -> None:
        if isinstance(frame, _Frame):  # the dataclass's default
            frame = None
        if frame is not None and not isinstance(frame, pd.DataFrame):
            raise TypeError(f"{self._name} must be a pandas DataFrame or None; got {type(frame).__name__}")
        vars(report)[self._name] = None if frame is None else frame.copy(deep=False)


@dataclass(frozen=True, repr=False)
class Report(Tabular, Mapping[str, float]):
    """The figures of one model on one test set. Immutable; also a mapping: ``report["ndcg@10"]``.

    Attributes:
        model: name of the model.
        dataset: name of the test set.
        protocol: what was ranked, in words.
        n_users: evaluated users, those with test rows.
        n_test: distinct (user, item) pairs of the test set.
        unreachable: share of these pairs, 0 to 1, that could not be recommended.
        k: the cutoffs.
        metrics: metric and cutoff, such as "ndcg@10" (without a cutoff "auc", "rmse"), to the figure: for most metrics
            the mean over users.
        fingerprints: of the data that the figures are of: "test", and "candidates", "given" and "seen" where they were
            given, to a text that is the same for equal data only. `compare` refuses reports that differ in them.
        directions: metrics of one's own to whether a larger value is the better one, None if neither is. For all others
            `tfrec.metrics.METRICS` says it.
        per_user: the values that the means are of, a row a user (index "user", raw ids) and a float64 column for each
            figure that has one value a user; None if they were not kept. Neither part of the JSON nor of ``==``.
        exposure: what was recommended how often, a row an item (index "item", raw ids): the column "popularity", its
            training users, and for every cutoff (the number k) an int64 column, to how many users it was recommended.
            None if it was not kept. Neither part of the JSON nor of ``==``.
        rating_sums: what RMSE, MSE, MAE, R² and explained variance are made of, a row a user (index "user", raw ids):
            of the user's test rows their number and the sums of their errors, squared and absolute errors, and of their
            ratings above the mean and the squares of these. None without such figures, or if it was not kept. Neither
            part of the JSON nor of ``==``.
    """

    model: str
    dataset: str
    protocol: str
    n_users: int
    n_test: int
    unreachable: float
    k: tuple[int, ...]
    metrics: Mapping[str, float]
    fingerprints: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    directions: Mapping[str, bool | None] = field(default_factory=dict, kw_only=True)
    per_user: _Frame = field(default=_Frame(), kw_only=True, compare=False)
    exposure: _Frame = field(default=_Frame(), kw_only=True, compare=False)
    rating_sums: _Frame = field(default=_Frame(), kw_only=True, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", tuple(self.k))
        for name in _MAPPINGS:
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        if (users := self.per_user) is not None:
            if others := [key for key in users.columns if key not in self.metrics]:
                raise ValueError(
                    f"per_user has the column {others[0]!r}, and {unknown_figure(others[0], self.metrics)}"
                )
            self._check_users("per_user", users)
        if (sums := self.rating_sums) is not None:
            if tuple(sums.columns) != SUMS:
                raise ValueError(f"rating_sums must have the columns {', '.join(SUMS)}; got {', '.join(sums.columns)}")
            self._check_users("rating_sums", sums)

    def _check_users(self, name: str, frame: pd.DataFrame) -> None:
        """Raise a `ValueError` unless a frame has a row of finite numbers for each user."""
        if len(frame) != self.n_users:
            raise ValueError(f"{name} must have a row for each of {self.n_users} users; got {len(frame)} rows")
        finite = np.isfinite(frame.to_numpy(float)).all(axis=0)
        if not finite.all():
            key = frame.columns[int(finite.argmin())]
            raise ValueError(f"{name} must be finite numbers; the column {key!r} has others")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let copies and worker processes have it, for which a mapping proxy alone is no good."""
        return _report, ({**self.to_record(), **{name: getattr(self, name) for name in _FRAMES}},)

    def __getitem__(self, key: str) -> float:
        try:
            return self.metrics[key]
        except KeyError:
            raise KeyError(unknown_figure(key, self.metrics)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        figures = ", ".join(f"{key}={value:.4f}" for key, value in list(self.metrics.items())[:3])
        more = ", …" if len(self.metrics) > 3 else ""
        return f"Report({self.model!r} on {self.dataset!r}: {figures}{more})"

    __str__ = Tabular.__str__

    def higher_is_better(self, key: str) -> bool | None:
        """Whether the larger of two figures, such as "ndcg@10", is the better; None where neither is."""
        name = key.partition("@")[0]
        return self.directions[name] if name in self.directions else higher_is_better(name)

    def table(self) -> Table:
        """The table that `print` and `show` show: a row for each metric, a column for each cutoff."""
        frame = self.to_frame()
        heading = f"{self.model} on {self.dataset}: {self.protocol}"
        counts = f"{self.n_users} users, {self.n_test} test items, {self.unreachable:.2%} of them unreachable"
        return Table(
            header=["", *(name if name == _NO_CUTOFF else f"@{name}" for name in frame.columns)],
            rows=[[str(name), *map(figure_text, row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)],
            heading=[heading, counts],
        )

    def to_dict(self) -> dict[str, float]:
        """The figures alone: ``{"ndcg@10": …}``."""
        return dict(self.metrics)

    def to_record(self) -> dict[str, Any]:
        """The attributes but for the frames, as JSON has them; `Report` takes them as arguments."""
        names = [entry.name for entry in fields(self) if entry.name not in _FRAMES]
        record = {name: getattr(self, name) for name in names}
        return record | {"k": list(self.k)} | {name: dict(record[name]) for name in _MAPPINGS}

    def to_frame(self) -> pd.DataFrame:
        """The figures as a frame: a row for each metric, a column for each cutoff (NaN where there is no figure).

        Figures without a cutoff, if there are any, are in one more column, "all".
        """
        names = dict.fromkeys(key.partition("@")[0] for key in self.metrics)
        has_others = any("@" not in key for key in self.metrics)
        columns: list[int | str] = [*self.k, *([_NO_CUTOFF] if has_others else [])]
        keys = [[name if column == _NO_CUTOFF else f"{name}@{column}" for column in columns] for name in names]
        figures = [[self.metrics.get(key, float("nan")) for key in row] for row in keys]
        return pd.DataFrame(figures, index=pd.Index(names, name="metric"), columns=pd.Index(columns, name="k"))

    def confidence_intervals(
        self,
        level: float = 0.95,
        n_resamples: int = 1000,
        seed: int = 0,
        metrics: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """How sure the figures are: BCa bootstrap intervals over users, of `tfrec.evaluation.bootstrap`.

        They say how the figure would vary with other users of the same kind, for this fitted model on this split; not
        how it varies with the split or with the model's seed, of which `tfrec.cross_validate` tells more. Figures of
        ratings (RMSE, MSE, MAE, R², explained variance) are taken over rows: users are drawn with all their rows.

        Args:
            level: confidence level of each interval, between 0 and 1.
            n_resamples: how many samples of users are drawn.
            seed: of the draws; the same seed gives the same intervals.
            metrics: figures such as "ndcg@10", or metrics such as "ndcg" for all their cutoffs. By default all that
                have one value a user, or are of ratings; figures of the catalogue (coverage) are left out.

        Returns:
            A row for each figure (index "metric"), with the columns "mean" (the figure), "low" and "high".

        Raises:
            ValueError: if there are no per-user values, or not of a figure that `metrics` names; if `level`,
                `n_resamples` or `seed` is out of range.
        """
        from tfrec.evaluation.user_values import confidence_intervals

        return confidence_intervals(self, metrics, level=level, n_resamples=n_resamples, seed=seed)

    def values_of_users(self, metrics: str | Iterable[str] | None = None) -> pd.DataFrame:
        """A value of each user for figures such as "ndcg@10", or for metrics such as "ndcg" at all cutoffs.

        The mean of a column is the figure: columns of `per_user`, and for figures of ratings, which are no means over
        users, the jackknife's pseudo-values (`tfrec.evaluation.rating_sums`).

        Args:
            metrics: as for `confidence_intervals`.

        Raises:
            ValueError: if there are no per-user values at all, or a figure has none or is unknown.
        """
        from tfrec.evaluation.user_values import values_of_users

        return values_of_users(self, metrics)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JSON: an object of the attributes, but for the frames; "metrics" is flat.

        Args:
            path: a file to write it to as well, all at once: a reader never sees half of it. An existing file is
                replaced, missing folders are made.

        Returns:
            The JSON text.
        """
        return write_json(self.to_record(), path)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` made this text from; it has no frames.

        Raises:
            ValueError: if the text is not JSON, or not of a report.
        """
        from tfrec.evaluation.storage import checked_record

        return cls(**checked_record(text))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as a new folder with its frames, so that it can be compared in another process; see `load`.

        Raises:
            FileExistsError: `path` is there already.
        """
        from tfrec.evaluation.storage import save_report

        save_report(Path(path), self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Report":
        """The report that `save` wrote, with its frames.

        Raises:
            FileNotFoundError: there is none.
            ValueError: a file of it is damaged.
        """
        from tfrec.evaluation.storage import load_report

        return load_report(Path(path))


def _report(record: dict[str, Any]) -> Report:
    return Report(**record)


def write_json(record: Any, path: str | os.PathLike[str] | None) -> str:
    """A record as the JSON text of `to_json`, written to `path` as well, if there is one."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path is not None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, text)
    return text
