"""What a report knows of its figures by user: values, or sums that the figures of ratings are made of."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tfrec.evaluation.bootstrap import mean_intervals, sum_intervals
from tfrec.evaluation.rating_sums import figures_of_sums, pseudo_values, statistic
from tfrec.evaluation.tables import select_figures
from tfrec.metrics import METRICS

if TYPE_CHECKING:
    from tfrec.evaluation.report import Report


class _Known(NamedTuple):
    """Figures of which something is known by user.

    Attributes:
        keys: the figures, in the order asked for.
        values: the columns of `Report.per_user` for those of them that are means, if any.
        sums: `Report.rating_sums` where there are others.
    """

    keys: list[str]
    values: pd.DataFrame | None
    sums: pd.DataFrame | None

    @property
    def of_sums(self) -> list[str]:
        return [key for key in self.keys if self.values is None or key not in self.values]


def confidence_intervals(report: "Report", metrics: str | Iterable[str] | None, **options: Any) -> pd.DataFrame:
    """What `Report.confidence_intervals` gives; `options` are those of the bootstrap."""
    known = _known(report, metrics)
    frames = []
    if known.values is not None:
        found = mean_intervals(known.values.to_numpy(float), **options)
        frames.append(pd.DataFrame(found._asdict(), index=known.values.columns))
    if known.sums is not None:
        found = sum_intervals(known.sums.to_numpy(float), statistic(known.of_sums), **options)
        frames.append(pd.DataFrame(found._asdict(), index=known.of_sums))
    return pd.concat(frames).loc[known.keys].rename_axis("metric")


def values_of_users(report: "Report", metrics: str | Iterable[str] | None) -> pd.DataFrame:
    """What `Report.values_of_users` gives."""
    known = _known(report, metrics)
    frames = [] if known.values is None else [known.values]
    if known.sums is not None:
        frames.append(pseudo_values(known.sums, known.of_sums))
    return pd.concat(frames, axis=1)[known.keys]


def _known(report: "Report", metrics: str | Iterable[str] | None) -> _Known:
    """The figures that `metrics` names, or all of which something is known by user.

    Raises:
        ValueError: nothing is known by user, or not of a figure that is named.
    """
    users, sums = report.per_user, report.rating_sums
    of_users = [] if users is None else list(users.columns)
    of_sums = [] if sums is None else [key for key in figures_of_sums([*report]) if key not in of_users]
    if users is None and not of_sums:
        raise ValueError(_why_nothing(report))
    keys = [*of_users, *of_sums] if metrics is None else select_figures(metrics, report)
    if missing := [key for key in keys if key not in of_users and key not in of_sums]:
        names = dict.fromkeys(str(key).partition("@")[0] for key in [*of_users, *of_sums])
        raise ValueError(
            f"{missing[0]!r} has no value for a single user, only one for all of them together; there are per-user "
            f"values of {', '.join(names) or 'no metric'}"
        )
    if not keys:
        raise ValueError(f"none of the figures has per-user values: {', '.join(report)}")
    means = [key for key in keys if key in of_users]
    return _Known(keys, users[means] if users is not None and means else None, sums if len(means) < len(keys) else None)


def _why_nothing(report: "Report") -> str:
    if _are_of_ratings([*report]):
        return (
            f"the figures of {report.model!r} are of ratings ({', '.join(report)}), taken over the test rows, and "
            "without sums of users nobody can say how sure they are: take the report from tfrec.evaluate or "
            "Report.load (the JSON holds the figures only; metrics of your own are not known to be made of sums)"
        )
    return (
        f"the report of {report.model!r} has no per-user values: take it from tfrec.evaluate or Report.load (the JSON "
        "holds the means only)"
    )


def _are_of_ratings(figures: Sequence[str]) -> bool:
    metrics = [METRICS.get(key) for key in figures]
    return bool(metrics) and all(metric is not None and metric.kind == "ratings" for metric in metrics)
