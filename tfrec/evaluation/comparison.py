"""Comparison of models on the same users, with paired tests: the public function `compare`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import pandas as pd

from tfrec.checks import check_integer
from tfrec.data import Interactions
from tfrec.evaluation.bootstrap import check_level
from tfrec.evaluation.evaluator import evaluate
from tfrec.evaluation.paired_values import paired_values
from tfrec.evaluation.report import Report, write_json
from tfrec.evaluation.setting import as_cutoffs
from tfrec.evaluation.significance import TESTS, holm, paired_differences
from tfrec.evaluation.tables import Cell, Table, Tabular, figure_text
from tfrec.metrics import Metric

Test = Literal["t", "wilcoxon", "permutation"]
Correction = Literal["holm", "none"]

_TEST_NAMES = {"t": "paired t-test", "wilcoxon": "Wilcoxon signed-rank test", "permutation": "paired permutation test"}
_CORRECTIONS = {"holm": "Holm's correction", "none": "no correction"}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Tabular):
    """Differences between models and how sure they are; from `compare`.

    Attributes:
        reports: the reports that were compared, by label.
        test: name of the paired test.
        correction: how p-values were adjusted for the number of tests.
        level: confidence level; a difference is significant if its adjusted p-value is below 1 - level.
        tests: what `to_frame` gives.
    """

    reports: Mapping[str, Report]
    test: str
    correction: str
    level: float
    tests: pd.DataFrame

    def __repr__(self) -> str:
        models = ", ".join(self.reports)
        significant = int(self.tests["significant"].sum())
        return f"Comparison({models}: {len(self.tests)} tests, {significant} of them significant)"

    def to_frame(self) -> pd.DataFrame:
        """A row for each pair of models and figure.

        Returns:
            The columns "model", "other" and "metric"; "mean" and "other_mean", the figures; "difference", the first
            minus the second; "low" and "high", its confidence interval; "p_value"; "p_adjusted"; "significant".
        """
        return self.tests.copy()

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """The comparison as JSON, written to a file as well if there is a path: what was compared, and the tests.

        Returns:
            The JSON text.
        """
        first = next(iter(self.reports.values()))
        record = {name: getattr(first, name) for name in ("dataset", "protocol", "n_users", "n_test")}
        record |= {name: getattr(self, name) for name in ("test", "correction", "level")}
        record["reports"] = {label: report.to_dict() for label, report in self.reports.items()}
        record["tests"] = self.tests.to_dict(orient="records")
        return write_json(record, path)

    def table(self) -> Table:
        """The table that `print` and `show` show: a row for each pair and figure; significant differences marked."""
        first = next(iter(self.reports.values()))
        rows, shown = [], None
        styles: dict[Cell, str] = {}
        for number, row in enumerate(self.tests.to_dict(orient="records")):
            pair = f"{row['model']} vs {row['other']}"
            rows.append([
                "" if pair == shown else pair,
                row["metric"],
                figure_text(row["mean"]),
                figure_text(row["other_mean"]),
                f"{row['difference']:+.4f}",
                f"{row['low']:+.4f} … {row['high']:+.4f}",
                "< 0.0001" if row["p_adjusted"] < 0.0001 else f"{row['p_adjusted']:.4f}",
                "*" if row["significant"] else "",
            ])  # fmt: skip
            if row["significant"]:
                colour = _colour(first.higher_is_better(row["metric"]), row["difference"])
                styles |= dict.fromkeys(((number, column) for column in (4, 5, 6, 7)), colour)
            shown = pair
        p_name = "p" if self.correction == "none" else f"p ({self.correction.capitalize()})"
        method = (
            f"{_TEST_NAMES[self.test]}, {_CORRECTIONS[self.correction]} over {len(rows)} test{'s' * (len(rows) != 1)}"
        )
        return Table(
            header=["", "metric", "first", "second", "difference", f"{100 * self.level:.4g}% interval", p_name, ""],
            rows=rows,
            heading=[f"{first.dataset}: {first.protocol}", f"{first.n_users} users; {method}"],
            notes=[f"* p below {1 - self.level:.3g}. The intervals are each for itself, not corrected."],
            styles=styles,
        )


def _colour(larger: bool | None, difference: float) -> str:
    return "bold" if larger is None else "green" if larger == (difference > 0) else "red"


def compare(
    models: Mapping[str, Any] | Sequence[Any],
    data: Interactions | None = None,
    *,
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    baseline: str | None = None,
    test: Test = "t",
    correction: Correction = "holm",
    level: float = 0.95,
    n_resamples: int = 9999,
    seed: int = 0,
    **evaluation: Any,
) -> Comparison:
    """Compare models by paired tests on the same users.

        compare({"EASE": report_of_ease, "popularity": report_of_popularity})
        compare({"EASE": ease, "popularity": popularity}, test_data, k=10, metrics=["ndcg", "recall"])

    The values of one user under two models belong together, which makes paired tests far sharper than a look at whether
    two intervals overlap. Smucker, Allan & Carterette (2007, A Comparison of Statistical Significance Tests for
    Information Retrieval Evaluation, CIKM) find the t-test and the permutation test to agree, and warn of Wilcoxon's:
    it tests ranks of differences, not their mean. The tests say whether another sample of such users would show the
    difference, given these fitted models; not whether another split or seed would.

    Figures of ratings (RMSE, MAE and so on) are ratios of sums over users, not means. They are tested on the
    jackknife's pseudo-values, each user's influence on the figure (Miller 1974, The Jackknife - a Review, Biometrika
    61; Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 11): the users left out are the same for both
    models, each with all of their rows. For a mean this is the ordinary paired test, so one method serves the table.

    With several tests some are significant by chance, so p-values are adjusted over all of them by Holm's procedure
    (1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6): name the few
    `metrics` that the comparison is about, for each more costs power.

    Args:
        models: reports of `tfrec.evaluate`; or, with `data`, fitted models, which are evaluated first. With labels (a
            mapping) or under their own names (a sequence).
        data: held-out interactions to evaluate the models on.
        metrics: the figures, such as "ndcg@10", or metrics, such as "ndcg" or a `Metric` of your own, for all their
            cutoffs; by default all that have per-user values, or are of ratings, in every report.
        baseline: label of the model that every other one is compared with; by default all pairs are compared.
        test: "t", Student's paired t-test; "wilcoxon", the signed-rank test; "permutation", of the mean difference.
        correction: "holm", or "none".
        level: of the confidence intervals of the differences (those of the paired t-test), and 1 - level is the limit
            of significance.
        n_resamples: random permutations of the permutation test.
        seed: of these permutations.
        **evaluation: with `data`, further arguments of `tfrec.evaluate`.

    Returns:
        The comparison: ``print``, ``.show()``, ``.to_frame()``, ``.to_json()``, and the ``.reports``.

    Raises:
        ValueError: if there are fewer than two models; if the reports are of different data, protocols or users, or
            without per-user values; if a name is unknown.
        TypeError: if `models` are not what `data` asks for.
    """
    _check_choice("test", test, TESTS)
    _check_choice("correction", correction, _CORRECTIONS)
    level = check_level(level)
    n_resamples, seed = check_integer("n_resamples", n_resamples, minimum=1), check_integer("seed", seed, minimum=0)
    asked = _asked(metrics)
    labelled = _labelled(models)
    pairs = _pairs(list(labelled), baseline)
    if data is not None:
        labelled = _evaluated(labelled, data, asked, evaluation)
    elif evaluation:
        raise TypeError(
            f"{next(iter(evaluation))} is an argument of an evaluation, and there are no data to evaluate on"
        )
    names = [metric.name if isinstance(metric, Metric) else metric for metric in asked or ()]
    values = paired_values(labelled, None if asked is None else names)
    tests = pd.concat(
        [
            _tests(labelled, values, pair, {"test": test, "level": level, "n_resamples": n_resamples, "seed": seed})
            for pair in pairs
        ],
        ignore_index=True,
    )
    p_values = tests["p_value"].to_numpy(float)
    tests["p_adjusted"] = holm(p_values) if correction == "holm" else p_values
    tests["significant"] = tests["p_adjusted"] < 1 - level
    return Comparison(labelled, test, correction, level, tests)


def _asked(metrics: Any) -> list[str | Metric] | None:
    if metrics is None:
        return None
    asked = [metrics] if isinstance(metrics, str | Metric) or not isinstance(metrics, Iterable) else list(metrics)
    if other := [metric for metric in asked if not isinstance(metric, str | Metric)]:
        raise TypeError(f"metrics must be names of figures, such as 'ndcg@10', or metrics; got {other[0]!r}")
    if not asked:
        raise ValueError("metrics must name at least one figure or metric; got none")
    return asked


def _check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    if value not in list(choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")


def _labelled(models: Any) -> dict[str, Any]:
    if isinstance(models, (Report, str)) or not isinstance(models, (Mapping, Sequence)):
        raise TypeError(f"compare takes several reports or models, in a mapping or a list; got {type(models).__name__}")
    if isinstance(models, Mapping):
        labelled = {str(label): model for label, model in models.items()}
    else:
        names = [model.model if isinstance(model, Report) else str(getattr(model, "name", model)) for model in models]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two models are called {repeated[0]!r}: give a mapping with a label for each")
        labelled = dict(zip(names, models, strict=True))
    if len(labelled) < 2:
        raise ValueError(f"a comparison takes at least two models; got {len(labelled)}")
    return labelled


def _pairs(labels: list[str], baseline: str | None) -> list[tuple[str, str]]:
    if baseline is None:
        return list(combinations(labels, 2))
    _check_choice("baseline", baseline, labels)
    return [(label, baseline) for label in labels if label != baseline]


def _evaluated(
    models: Mapping[str, Any], data: Interactions, metrics: list[str | Metric] | None, evaluation: Mapping[str, Any]
) -> dict[str, Report]:
    if reports := [label for label, model in models.items() if isinstance(model, Report)]:
        raise TypeError(f"{reports[0]!r} is a report: compare takes either reports, or models and the data to test on")
    options = dict(evaluation)
    if "k" in options:
        options["k"] = as_cutoffs(options["k"])  # once: it may be an iterator
    if metrics is not None:
        named = (metric if isinstance(metric, Metric) else metric.partition("@")[0] for metric in metrics)
        options["metrics"] = list(dict.fromkeys(named))
    return {label: evaluate(model, data, **options) for label, model in models.items()}


def _tests(
    reports: Mapping[str, Report], values: Mapping[str, pd.DataFrame], pair: tuple[str, str], options: dict[str, Any]
) -> pd.DataFrame:
    """A row for each figure of a pair of models: the columns of `Comparison.to_frame` up to the p-value."""
    model, other = pair
    keys = list(values[model].columns)
    found = paired_differences(values[model].to_numpy(float) - values[other].to_numpy(float), **options)
    return pd.DataFrame({
        "model": model,
        "other": other,
        "metric": keys,
        "mean": [reports[model][key] for key in keys],
        "other_mean": [reports[other][key] for key in keys],
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
    })  # fmt: skip
