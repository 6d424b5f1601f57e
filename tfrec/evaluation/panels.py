"""What the pictures of evaluations have in common: panels, looks, axes, titles and legends."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
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
_LINES = ("-", "--", ":", "-.")  # one after the other, when the colours are used up
_DPI = 150
_TITLE, _SMALL = "medium", "small"
_EDGE, _HANDLE = 0.1, 0.6  # inches: beside a text, and for the line before a label
_LEGEND_COLUMNS = 4
_LOGARITHMIC_FROM = 8  # times the smallest cutoff


class Series(NamedTuple):
    """A report, and how it is drawn in every panel."""

    report: Report
    style: dict[str, Any]


def series_of(reports: Reports) -> list[Series]:
    """The reports with a colour and a marker each."""
    labelled = labelled_reports(reports)
    looks = cycle((*look, line) for line in _LINES for look in zip(COLOURS, _MARKERS, strict=True))
    size = {"linewidth": 1.6, "markersize": 4}
    return [
        Series(report, {"label": shown_label(label), "color": colour, "marker": marker, "linestyle": line, **size})
        for (label, report), (colour, marker, line) in zip(labelled, looks, strict=False)
    ]


def shown_label(label: str) -> str:
    """A label that Matplotlib shows as it is: no formula, and not left out of legends for its underscore."""
    return f"{' ' if label.startswith('_') else ''}{label}".replace("$", r"\$")


def panels_of(n: int, size: tuple[float, float] = (3.0, 2.4)) -> tuple[Figure, list[Axes]]:
    """A figure with n panels, at most five in a row."""
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
    return n if n < 3 else 2 if n == 4 else 3 if n < 10 else 4 if n < 17 else 5


def cutoff_axis(axes: Axes, cutoffs: Iterable[int]) -> None:
    """The cutoffs as ticks; in a logarithmic scale where they are far apart, so that none hides another."""
    k = sorted(set(cutoffs))
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
    lines = [title] if note is None else [title, note]
    figure.suptitle("\n".join(_folded(figure, line) for line in lines), fontsize=_TITLE)
    if len(series) > 1 or always_legend:
        _add_legend(figure)


def _add_legend(figure: Figure) -> None:
    """A legend in as many columns as its labels leave room for; the figure grows by its height."""
    named = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [_folded(figure, label, margin=_HANDLE) for label in named]
    for columns in range(min(_LEGEND_COLUMNS, len(labels)), 0, -1):
        legend = figure.legend(
            named.values(), labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=_SMALL
        )
        extent = legend.get_window_extent()
        if columns == 1 or extent.width <= figure.bbox.width:
            break
        legend.remove()
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + extent.height / figure.dpi)


def _folded(figure: Figure, text: str, margin: float = 0.0) -> str:
    """A text in lines that fit into the figure, without `margin` inches: at spaces, and within words where it must."""
    room = figure.bbox.width - (margin + 2 * _EDGE) * figure.dpi
    size = _SMALL if margin else _TITLE
    n_letters = len(text)
    while (lines := textwrap.wrap(text, n_letters) or [text]) and n_letters > 10:
        if max(_width(figure, line, size) for line in lines) <= room:
            break
        n_letters = int(0.9 * n_letters)
    return text if len(lines) == 1 else "\n".join(lines)


def _width(figure: Figure, text: str, size: str) -> float:
    shown = figure.text(0, 0, text, fontsize=size)
    width = shown.get_window_extent().width
    shown.remove()
    return width
