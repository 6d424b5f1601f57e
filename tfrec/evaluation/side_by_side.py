"""Several reports in one table."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfrec.evaluation.paired_values import different_data
from tfrec.evaluation.report import Report
from tfrec.evaluation.tables import Cell, Table, figure_text, select_figures


def labelled_reports(reports: Report | Mapping[str, Report] | Sequence[Report]) -> list[tuple[str, Report]]:
    """Reports with their labels; without any, under their models' names.

    Raises:
        ValueError: if there are none.
        TypeError: if one is not a report.
    """
    if isinstance(reports, Report):  # a mapping as well
        reports = [reports]
    labelled: list[tuple[Any, Any]] = (
        list(reports.items()) if isinstance(reports, Mapping) else [(None, report) for report in reports]
    )
    if not labelled:
        raise ValueError("there are no reports to compare")
    if wrong := [report for _, report in labelled if not isinstance(report, Report)]:
        raise TypeError(f"expected reports of tfrec.evaluate; got {type(wrong[0]).__name__}")
    return [(report.model if label is None else str(label), report) for label, report in labelled]


def side_by_side(reports: Mapping[str, Report] | Sequence[Report], metrics: str | Sequence[str] | None = None) -> Table:
    """Several reports in one table: a row for each report, a column for each figure, the best of a column marked.

    Data set and protocol stand above the table if all reports share them. Else they are columns of it, because figures
    of different test sets or protocols are not comparable, and no best is marked. Data sets that share a name only are
    different ones.

    Args:
        reports: the reports, with labels (a mapping) or under their models' names (a sequence).
        metrics: the columns, such as ["ndcg@10", "recall@20"], or metrics such as "ndcg" for all their cutoffs; by
            default all figures of any report. A report that lacks one shows "-".

    Returns:
        The table: ``print`` shows it as text, ``.show()`` in colour, a notebook as HTML.

    Raises:
        ValueError: if there are no reports, or no report has one of the metrics.
    """
    labelled = labelled_reports(reports)
    known = dict.fromkeys(key for _, report in labelled for key in report)
    columns = list(known) if metrics is None else select_figures(metrics, known)
    settings = [(report.dataset, report.protocol) for _, report in labelled]
    others = dict.fromkeys(part for _, report in labelled for part in different_data(labelled[0][1], report))
    is_shared = len(set(settings)) == 1 and not others
    rows = [
        [label, *(figure_text(report.get(key)) for key in columns), *([] if is_shared else setting)]
        for (label, report), setting in zip(labelled, settings, strict=True)
    ]
    return Table(
        header=["", *columns, *([] if is_shared else ["data set", "protocol"])],
        rows=rows,
        heading=[": ".join(settings[0])] if is_shared else [],
        notes=[f"The reports are not of the same data: {', '.join(others)}."] if others else [],
        styles=_best([report for _, report in labelled], columns) if is_shared else {},
    )


def _best(reports: Sequence[Report], columns: Sequence[str]) -> dict[Cell, str]:
    """Bold for the best figure of each column, where the metric has a better side and there are several reports."""
    styles: dict[Cell, str] = {}
    for number, key in enumerate(columns, start=1):
        figures = [report[key] for report in reports if key in report]
        larger = next((report.higher_is_better(key) for report in reports if key in report), None)
        if larger is None or len(figures) < 2:
            continue
        best = max(figures) if larger else min(figures)
        styles |= {(row, number): "bold" for row, report in enumerate(reports) if report.get(key) == best}
    return styles
