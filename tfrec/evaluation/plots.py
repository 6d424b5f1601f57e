"""Pictures of evaluations and runs: figures of Matplotlib, which `save_plots` and `save_run_plots` write as PNG."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from tfrec.evaluation.panels import (
    COLOURS,
    Reports,
    Series,
    columns_of,
    cutoff_axis,
    finish,
    panels_of,
    plain_number,
    series_of,
    shown_label,
)
from tfrec.evaluation.report import Report
from tfrec.evaluation.side_by_side import labelled_reports
from tfrec.evaluation.tables import select_figures

_K = "k, length of the list"
_BINS = 40  # of popularity ranks
_EMPTY = {"diversity@1"}  # a list of one item has no pairs


def save_run_plots(folder: Path, history: Mapping[str, Sequence[float]], report: Report) -> None:
    """Write what `save_plots` writes of a run, and `learning_curve.png` where there is more than one epoch."""
    save_plots(folder, report)
    if max(map(len, history.values()), default=0) > 1:
        learning_curve(history).savefig(folder / "learning_curve.png")


def save_plots(folder: str | os.PathLike[str], reports: Reports) -> list[Path]:
    """Write all pictures that the reports have the data for, into a new folder.

    Args:
        folder: the folder to make.
        reports: one report, or several with labels (a mapping) or under their models' names (a sequence).

    Returns:
        The files: `metrics.png` where there are figures with cutoffs, `popularity.png` and `coverage.png` where the
        reports have their `exposure`.

    Raises:
        FileExistsError: `folder` is there already.
    """
    folder = Path(folder)
    several = [report for _, report in labelled_reports(reports)]
    figures = {}
    if any("@" in key for report in several for key in report):
        figures["metrics.png"] = metric_by_k(reports)
    if all(report.exposure is not None for report in several) and _same_popularity(several):
        figures["popularity.png"] = popularity_curve(reports)
        figures["coverage.png"] = coverage_curve(reports)
    folder.mkdir(parents=True)
    for name, figure in figures.items():
        figure.savefig(folder / name)
    return [folder / name for name in figures]


def metric_by_k(reports: Reports, metrics: str | Sequence[str] | None = None, *, level: float | None = 0.95) -> Figure:
    """Every metric against the length of the list: a panel a metric, a line a report.

    The diversity of lists of one item is left out: they have no pair of items to be different.

    Args:
        reports: one report, or several with labels (a mapping) or under their models' names (a sequence).
        metrics: the metrics to draw, such as ["ndcg", "recall"]; by default all that have cutoffs.
        level: of the confidence bands (bars where there is a single cutoff), bootstrap intervals over users, which
            figures with per-user values have; None draws none.

    Raises:
        ValueError: if there are no reports, or no figures with cutoffs; if a metric is unknown.
    """
    series = series_of(reports)
    known = dict.fromkeys(key for one in series for key in one.report if "@" in key and key not in _EMPTY)
    if not known:
        raise ValueError("there is nothing to draw against k: the reports have no figures with a cutoff")
    chosen = list(known) if metrics is None else select_figures(metrics, known)
    names = list(dict.fromkeys(key.partition("@")[0] for key in chosen))
    bands = [_bands(one.report, chosen, level) for one in series]
    figure, panels = panels_of(len(names))
    marks = set[str]()
    for axes, name in zip(panels, names, strict=True):
        larger = next(one.report.higher_is_better(name) for one in series if _cutoffs(one.report, name))
        axes.set_title(f"{shown_label(name)}{' (lower is better)' if larger is False else ''}", fontsize="medium")
        for one, ends in zip(series, bands, strict=True):
            marks |= _draw_metric(axes, one, name, ends)
        cutoff_axis(axes, [k for one in series for k in _cutoffs(one.report, name)])
        low, high = axes.dataLim.intervaly
        low = min(0.0, low)
        axes.set_ylim(low, high + 0.06 * (high - low or 1.0))
    for axes in panels[-columns_of(len(names)) :]:  # the lowest of each column
        axes.set_xlabel(_K)
    kinds = " and ".join(sorted(marks))
    note = f"{kinds}: {100 * (level or 0):.4g}% confidence intervals, bootstrap over users" if marks else None
    finish(figure, series, note)
    return figure


def _cutoffs(report: Report, name: str) -> list[int]:
    """The cutoffs that a report has a metric at, in their order."""
    return [k for k in sorted(report.k) if (key := f"{name}@{k}") in report and key not in _EMPTY]


def _bands(report: Report, keys: Sequence[str], level: float | None) -> pd.DataFrame | None:
    """The confidence intervals of those figures that have per-user values."""
    users = report.per_user
    own = [] if users is None else [key for key in keys if key in users]
    return report.confidence_intervals(level, metrics=own) if own and level is not None else None


def _draw_metric(axes: Axes, one: Series, name: str, bands: pd.DataFrame | None) -> set[str]:
    """Draw a report's line, and its intervals; what these are drawn as."""
    k = _cutoffs(one.report, name)
    keys = [f"{name}@{cutoff}" for cutoff in k]
    values = np.array([one.report[key] for key in keys])
    axes.plot(k, values, **one.style)
    if bands is None or not keys or not set(keys) <= set(bands.index):
        return set()
    ends = bands.loc[keys]
    colour = one.style["color"]
    if len(k) > 1:
        axes.fill_between(k, ends["low"], ends["high"], color=colour, alpha=0.2, linewidth=0)
        return {"bands"}
    axes.vlines(k, ends["low"], ends["high"], color=colour, alpha=0.6, linewidth=1.6)
    return {"bars"}


def popularity_curve(reports: Reports, k: int | None = None) -> Figure:
    """How much of what is recommended is popular, with the training data for comparison.

    Left: the share of all recommendations that an item gets, against its rank by training users, means over ranks that
    are near each other. Right: the same added up, the most popular items first (a Lorenz curve, in the order of
    training popularity): the further a line is above that of the training data, the more the model favours what is
    popular anyway; the diagonal would recommend every item equally often.

    Args:
        reports: one report, or several with labels (a mapping) or under their models' names (a sequence); with their
            `exposure`, and of one training set.
        k: a cutoff of all reports; by default the longest that they have in common.

    Raises:
        ValueError: if a report has no `exposure`, or they are of different training sets or without such a cutoff.
    """
    series = series_of(reports)
    exposures = _exposures(series)
    shared = [cutoff for cutoff in series[0].report.k if all(cutoff in exposure for exposure in exposures)]
    if not shared or (k is not None and k not in shared):
        raise ValueError(f"the reports have {'no cutoff' if k is None else f'not the cutoff {k}'} in common")
    k = max(shared) if k is None else k
    figure, (ranks, added) = panels_of(2, size=(4.2, 3.4))
    training = {"color": "0.35", "linestyle": "--", "linewidth": 1.4, "label": "training data", "zorder": 1}
    lines = [(exposure[k], {**one.style, "marker": ""}) for exposure, one in zip(exposures, series, strict=True)]
    for column, style in [(exposures[0]["popularity"], training), *lines]:
        counts = column.to_numpy(float)
        if counts.sum() > 0:
            shares = counts / counts.sum()
            ranks.plot(*_by_rank(shares), **style)
            added.plot(np.arange(len(shares) + 1) / len(shares), np.append(0.0, np.cumsum(shares)), **style)
    ranks.set(
        xscale="log", yscale="log", xlabel="popularity rank in training", ylabel=f"share of the top {k}, per item"
    )
    ranks.xaxis.set_major_formatter(plain_number)
    added.plot([0, 1], [0, 1], color="0.75", linewidth=0.8, zorder=0)
    added.set(xlabel="items, most popular first", ylabel=f"share of the top {k}, added up", xlim=(0, 1), ylim=(0, 1.01))
    for axis in (added.xaxis, added.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    finish(figure, series, None, always_legend=True)
    return figure


def _by_rank(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ranks and mean shares of bins that are equally wide in the logarithm of the rank; an empty bin has NaN."""
    ranks = np.arange(1, len(shares) + 1)
    edges = np.unique(np.round(np.geomspace(1, len(shares) + 1, _BINS + 1)).astype(int))
    counts = np.diff(edges)
    means = np.add.reduceat(shares, edges[:-1] - 1) / counts
    centres = np.exp(np.add.reduceat(np.log(ranks), edges[:-1] - 1) / counts)
    return centres, np.where(means > 0, means, np.nan)


def coverage_curve(reports: Reports) -> Figure:
    """The share of the items with training rows that somebody is recommended, against the length of the list.

    Args:
        reports: one report, or several with labels (a mapping) or under their models' names (a sequence); with their
            `exposure`.

    Raises:
        ValueError: if a report has no `exposure`.
    """
    series = series_of(reports)
    figure, (axes,) = panels_of(1, size=(5.2, 3.6))
    for one, exposure in zip(series, _exposures(series, one_training_set=False), strict=True):
        k = sorted(one.report.k)
        axes.plot(k, [(exposure[cutoff] > 0).mean() for cutoff in k], **one.style)
    cutoff_axis(axes, [cutoff for one in series for cutoff in one.report.k])
    axes.set(xlabel=_K, ylabel="items recommended to anybody", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    finish(figure, series, None)
    return figure


def learning_curve(history: Mapping[str, Sequence[float]]) -> Figure:
    """Every series of a Keras history against the epoch, one panel each.

    Epochs without a figure (NaN, as `tfrec.callbacks.RankingMetrics` writes between evaluations) are passed over, and
    the others joined.

    Raises:
        ValueError: if the history is empty.
    """
    points = {
        name: [(epoch, y) for epoch, y in enumerate(ys, start=1) if np.isfinite(y)] for name, ys in history.items()
    }
    points = {name: found for name, found in points.items() if found}
    if not points:
        raise ValueError("there is nothing to draw: the history is empty")
    figure, panels = panels_of(len(points))
    longest = max(map(len, history.values()))
    for axes, (name, found) in zip(panels, points.items(), strict=True):
        axes.plot(*zip(*found, strict=True), color=COLOURS[0], marker=".")
        axes.set_xlim(1 - 0.05 * longest, longest + 0.05 * longest)
        axes.set_title(shown_label(name), fontsize="medium")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.supxlabel("epoch", fontsize="medium")
    return figure


def _exposures(series: Sequence[Series], *, one_training_set: bool = True) -> list[pd.DataFrame]:
    """The reports' exposures, without items that nobody has in training, the most popular items first."""
    exposures = []
    for one in series:
        if (exposure := one.report.exposure) is None:
            raise ValueError(
                f"the report of {one.report.model!r} does not say what was recommended (its exposure is None)"
            )
        exposures.append(exposure[exposure["popularity"] > 0].sort_values("popularity", ascending=False, kind="stable"))
    if one_training_set and not _same_popularity([one.report for one in series]):
        raise ValueError("the reports are of models with different training data: draw them apart")
    return exposures


def _same_popularity(reports: Sequence[Report]) -> bool:
    columns = [report.exposure["popularity"].sort_index() for report in reports if report.exposure is not None]
    return all(column.equals(columns[0]) for column in columns)
