"""Pictures of a run, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfrec.evaluation.report import Report


def save_run_plots(folder: Path, history: Mapping[str, Sequence[float]], report: Report) -> None:
    """Write `metrics.png`, and `learning_curve.png` where there is more than one epoch, into a new folder."""
    folder.mkdir()
    metric_by_k(report).savefig(folder / "metrics.png")
    if max(map(len, history.values()), default=0) > 1:
        learning_curve(history).savefig(folder / "learning_curve.png")


def metric_by_k(report: Report) -> Figure:
    """Every metric of a report against the length of the list."""
    figure = Figure(figsize=(6.4, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for name, values in report.to_frame().iterrows():
        axes.plot(report.k, values, marker="o", label=str(name))
    axes.set(xlabel="k", ylabel="mean over users", title=f"{report.model} on {report.dataset}", xticks=report.k)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def learning_curve(history: Mapping[str, Sequence[float]]) -> Figure:
    """Every series of a Keras history against the epoch, one panel each."""
    figure = Figure(figsize=(6.4, 2.2 * len(history)), dpi=150, layout="constrained")
    panels = figure.subplots(len(history), sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(panels, history.items(), strict=True):
        axes.plot(range(1, len(values) + 1), values, marker=".")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
