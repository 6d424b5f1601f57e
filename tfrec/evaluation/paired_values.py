"""The values that a paired comparison is made of: of the same users, under the same circumstances."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tfrec.evaluation.report import Report


def paired_values(reports: Mapping[str, Report], metrics: list[str] | None) -> dict[str, pd.DataFrame]:
    """For each report the per-user values to compare: of the same figures, of the same users in one order.

    Args:
        reports: at least two reports, with labels.
        metrics: the figures, or metrics for all their cutoffs; None is all that every report has values of.

    Raises:
        TypeError: if one is not a report.
        ValueError: if they are of different test sets, protocols or users, or have no values of users in common.
    """
    _check_comparable(reports)
    values = {label: report.values_of_users(metrics) for label, report in reports.items()}
    (first, reference), *others = values.items()
    if not reference.index.is_unique:
        raise ValueError(
            f"the report of {first!r} has a user twice: {reference.index[reference.index.duplicated()][0]!r}"
        )
    for label, users in others:
        different = reference.index.symmetric_difference(users.index)
        if len(different) or len(users) != len(reference):
            raise ValueError(
                f"{first!r} and {label!r} cannot be compared: they were evaluated on different users (one has "
                f"{len(reference)}, the other {len(users)}, and {len(different)} are in one only"
                + (f", such as {different[0]!r})" if len(different) else ")")
            )
    shared = [key for key in reference if all(key in users for _, users in others)]
    if not shared:
        raise ValueError("no figure has per-user values in every report: evaluate all models with the same metrics")
    return {label: users.loc[reference.index, shared] for label, users in values.items()}


def _check_comparable(reports: Mapping[str, Any]) -> None:
    """Raise an error unless the reports are of one test set, one protocol and the same users."""
    for label, report in reports.items():
        if not isinstance(report, Report):
            raise TypeError(
                f"{label!r} is a {type(report).__name__}, not a report: to compare models, give the data to test on, "
                "compare(models, test)"
            )
    (first, reference), *others = reports.items()
    for label, report in others:
        for name, what in (("dataset", "test set"), ("protocol", "protocol"), ("n_test", "number of test items")):
            if (mine := getattr(reference, name)) != (its := getattr(report, name)):
                raise ValueError(
                    f"{first!r} and {label!r} cannot be compared: the {what} of one is {mine!r}, of the other {its!r}"
                )
        if parts := different_data(reference, report):
            raise ValueError(
                f"{first!r} and {label!r} cannot be compared: they were not evaluated on the same data, for "
                f"{' and '.join(f'{name}=' if name != 'test' else 'the test set' for name in parts)} had other rows or "
                "ids, whatever it is called. Evaluate all models on the same data"
            )


def different_data(first: Report, second: Report) -> list[str]:
    """The parts of the data in which the reports' fingerprints differ: "test", "candidates", "given" and "seen"."""
    names = dict.fromkeys((*first.fingerprints, *second.fingerprints))
    return [name for name in names if first.fingerprints.get(name) != second.fingerprints.get(name)]
