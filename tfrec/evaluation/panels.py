"""What the pictures of evaluations have in common: panels, looks, axes, titles and legends."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from tfrec.evaluation.report import Report
from tfrec.evaluation.side_by_side import labelled_reports

Reports = Report | Mapping[str, Report] | Sequence[Report]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe & Ito's, for every kind of eye
_MARKERS = "osD^vP"
_DPI = 150
_LOGARITHMIC_FROM = 8  # times the smallest cutoff


class Series(NamedTuple):
    """A report, and how it is drawn in every panel."""

    report: Report
    style: dict[str, Any]


def series_of(reports: Reports) -> list[Series]:
    """The reports with a colour and a marker each."""
    labelled = labelled_reports(reports)
    looks = cycle(zip(COLOURS, _MARKERS, strict=True))
    line = {"linewidth": 1.6, "markersize": 4}
    return [
        Series(report, {"label": shown_label(label), "color": colour, "marker": marker, **line})
        for (label, report), (colour, marker) in zip(labelled, looks, strict=False)
    ]


def shown_label(label: str) -> str:
    """A label that Matplotlib shows as it is: no formula, and not left out of legends for its underscore."""
    return f"{' ' if label.startswith('_') else ''}{label}".replace("$", r"\$")


def panels_of(n: int, size: tuple[float, float] = (3.0, 2.4)) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, at most three in a row."""
    columns = columns_of(n)
    rows = -(-n // columns)
    figure = Figure(figsize=(max(size[0] * columns, 4.8), size[1] * rows + 0.9), dpi=_DPI, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[n:]:
        axes.remove()
    for axes in grid[:n]:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, grid[:n]


def columns_of(n: int) -> int:
    """How many panels stand in a row."""
    return n if n < 3 else 2 if n == 4 else 3


def cutoff_axis(axes: Axes, series: Sequence[Series]) -> None:
    """The cutoffs as ticks; in a logarithmic scale where they are far apart, so that none hides another."""
    k = sorted({cutoff for one in series for cutoff in one.report.k})
    if k[-1] >= _LOGARITHMIC_FROM * k[0]:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(k))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plain_number)


def plain_number(value: float, _: float) -> str:
    """A tick's label: no powers of ten."""
    return f"{value:,g}"


def finish(figure: Figure, series: Sequence[Series], note: str | None, *, always_legend: bool = False) -> None:
    """A title, and a legend below all panels."""
    settings = list(dict.fromkeys(shown_label(f"{one.report.dataset}: {one.report.protocol}") for one in series))
    title = settings[0] if len(settings) == 1 else "different test sets or protocols"
    if len(series) == 1:
        title = f"{series[0].style['label'].strip()} on {title}"
    figure.suptitle(title if note is None else f"{title}\n{note}", fontsize="medium")
    if len(series) > 1 or always_legend:
        figure.legend(
            *figure.axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize="small",
        )
