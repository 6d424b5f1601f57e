"""Paired tests between models: SciPy's own, Holm's procedure by hand, and what must not be compared."""

import dataclasses
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfrec.evaluation import Report, compare, evaluate
from tfrec.evaluation.significance import TESTS, holm, paired_differences
from tfrec.metrics import METRICS, Metric

USERS = [f"u{number}" for number in range(60)]


def make_report(values, model="model", users=USERS, **changes):
    """A report whose figures are the means of these per-user values."""
    frame = pd.DataFrame(values, index=pd.Index(users, name="user"))
    fields = {
        "model": model, "dataset": "made up", "protocol": "full", "n_users": len(frame), "n_test": 99,
        "unreachable": 0.0, "k": (5, 10), "metrics": frame.mean().to_dict(), "per_user": frame,
    }  # fmt: skip
    return Report(**{**fields, **changes})


def make_values(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    values = rng.random((len(USERS), 3)) ** 2 + shift
    return dict(zip(["ndcg@5", "ndcg@10", "auc"], values.T, strict=True))


@pytest.fixture
def reports():
    return {"a": make_report(make_values(1, 0.1)), "b": make_report(make_values(2)), "c": make_report(make_values(3))}


def differences_of(reports, model, other, key):
    return reports[model].per_user[key].to_numpy() - reports[other].per_user[key].to_numpy()


class TestAgainstSciPy:
    @pytest.mark.parametrize("level", [0.95, 0.8])
    def test_t(self, reports, level):
        frame = compare(reports, level=level).to_frame()
        assert len(frame) == 9
        for row in frame.to_dict("records"):
            first, second = (reports[row[name]].per_user[row["metric"]] for name in ("model", "other"))
            reference = stats.ttest_rel(first, second)
            interval = reference.confidence_interval(level)
            assert row["p_value"] == pytest.approx(reference.pvalue)
            assert [row["low"], row["high"]] == pytest.approx([*interval])
            assert row["difference"] == pytest.approx(first.mean() - second.mean())
            assert [row["mean"], row["other_mean"]] == pytest.approx([first.mean(), second.mean()])

    def test_wilcoxon(self, reports):
        for row in compare(reports, test="wilcoxon").to_frame().to_dict("records"):
            differences = differences_of(reports, row["model"], row["other"], row["metric"])
            assert row["p_value"] == pytest.approx(stats.wilcoxon(differences).pvalue)

    def test_permutation(self, reports):
        """Both draw 9,999 of 2^60 assignments of signs: equal up to the error of drawing."""
        for row in compare(reports, test="permutation").to_frame().to_dict("records"):
            reference = stats.permutation_test(
                (differences_of(reports, row["model"], row["other"], row["metric"]),),
                np.mean,
                permutation_type="samples",
                n_resamples=9999,
                rng=np.random.default_rng(1),
            ).pvalue
            error = np.sqrt(2 * reference * (1 - reference) / 9999)
            assert row["p_value"] == pytest.approx(reference, abs=4.5 * error + 2e-4)

    def test_permutations_of_few_users_approach_the_exact_test(self):
        differences = np.array([0.3, -0.1, 0.4, 0.2, 0.0, 0.1])
        exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=10_000).pvalue
        found = paired_differences(differences[:, np.newaxis], test="permutation", level=0.95, n_resamples=50_000)
        assert found.p_value[0] == pytest.approx(exact, abs=0.01)


class TestChance:
    @pytest.mark.parametrize("test", TESTS)
    def test_level_is_kept(self, test):
        """Models without a difference are told apart in about 5% of experiments; here 2,000 (columns) of 40 users."""
        differences = np.random.default_rng(6).laplace(size=(40, 2000))
        p_values = paired_differences(differences, test=test, level=0.95, n_resamples=999).p_value
        assert 0.03 <= (p_values < 0.05).mean() <= 0.07

    @pytest.mark.parametrize("test", TESTS)
    def test_a_difference_is_found(self, test):
        differences = np.random.default_rng(6).laplace(loc=0.8, size=(100, 50))
        assert (paired_differences(differences, test=test, level=0.95, n_resamples=999).p_value < 0.05).all()

    def test_the_interval_holds_the_true_difference(self):
        differences = np.random.default_rng(7).normal(0.1, 1, (40, 2000))
        found = paired_differences(differences, test="t", level=0.9)
        assert np.mean((found.low <= 0.1) & (found.high >= 0.1)) == pytest.approx(0.9, abs=0.025)

    def test_permutations_are_the_same_for_the_same_seed(self, reports):
        same, again, other = (compare(reports, test="permutation", seed=seed).to_frame() for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(same, again)
        assert (same["p_value"] != other["p_value"]).any()


class TestHolm:
    @staticmethod
    def by_hand(p_values, limit):
        """Holm's procedure as he gives it: go up from the smallest, stop at the first that isn't small enough."""
        rejected = set()
        for step, index in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[index] > limit / (len(p_values) - step):
                break
            rejected.add(int(index))
        return rejected

    @given(
        st.lists(st.floats(0, 1).map(lambda p: round(p, 4)), min_size=1, max_size=12),
        st.floats(0.001, 0.5).map(lambda limit: round(limit, 4) + 0.00005),  # never exactly at a limit
    )
    def test_rejects_what_the_procedure_rejects(self, p_values, limit):
        adjusted = holm(np.array(p_values))
        assert {index for index, p in enumerate(adjusted) if p <= limit} == self.by_hand(p_values, limit)
        assert (adjusted >= p_values).all()
        assert (adjusted <= 1).all()

    def test_example(self):
        np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])

    def test_over_all_pairs_and_figures(self, reports):
        frame = compare(reports).to_frame()
        np.testing.assert_array_equal(frame["p_adjusted"], holm(frame["p_value"].to_numpy()))
        np.testing.assert_array_equal(frame["significant"], frame["p_adjusted"] < 0.05)

    def test_none(self, reports):
        frame = compare(reports, correction="none").to_frame()
        np.testing.assert_array_equal(frame["p_adjusted"], frame["p_value"])


class TestNoDifference:
    @pytest.mark.parametrize("test", TESTS)
    def test_identical_models(self, test):
        report = make_report(make_values(1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frame = compare({"a": report, "b": report}, test=test).to_frame()
        assert (frame[["difference", "low", "high"]] == 0).all(axis=None)
        assert (frame["p_value"] == 1).all()
        assert not frame["significant"].any()

    @pytest.mark.parametrize("test", TESTS)
    def test_one_equal_figure_among_others(self, test):
        first, second = make_values(1), make_values(2)
        second["auc"] = first["auc"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frame = compare({"a": make_report(first), "b": make_report(second)}, test=test).to_frame()
        assert frame["p_value"].notna().all()
        assert frame.set_index("metric").loc["auc", "p_value"] == 1

    def test_the_same_difference_for_everybody(self):
        shifted = {"ndcg@5": np.full(60, 0.5)}, {"ndcg@5": np.full(60, 0.25)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (row,) = compare(dict(zip("ab", map(make_report, shifted), strict=True))).to_frame().to_dict("records")
        assert [row["difference"], row["low"], row["high"], row["p_value"]] == [0.25, 0.25, 0.25, 0]


class TestWhatIsCompared:
    def test_all_pairs_in_order(self, reports):
        frame = compare(reports, metrics="auc").to_frame()
        assert list(zip(frame["model"], frame["other"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]

    def test_against_a_baseline(self, reports):
        frame = compare(reports, baseline="b", metrics="ndcg").to_frame()
        assert frame[["model", "other", "metric"]].to_numpy().tolist() == [
            ["a", "b", "ndcg@5"], ["a", "b", "ndcg@10"], ["c", "b", "ndcg@5"], ["c", "b", "ndcg@10"],
        ]  # fmt: skip

    def test_under_the_models_names(self):
        found = compare([make_report(make_values(1), "ease"), make_report(make_values(2), "slim")])
        assert list(found.reports) == ["ease", "slim"]

    def test_users_are_matched_by_id(self, reports):
        shuffled = reports["b"].per_user.sample(frac=1, random_state=0)
        other = dataclasses.replace(reports["b"], per_user=shuffled)
        straight = compare({"a": reports["a"], "b": reports["b"]}).to_frame()
        pd.testing.assert_frame_equal(compare({"a": reports["a"], "b": other}).to_frame(), straight)

    def test_figures_that_all_reports_have(self, reports):
        fewer = make_report({"ndcg@10": np.random.default_rng(0).random(60)})
        assert compare({"a": reports["a"], "b": fewer}).to_frame()["metric"].tolist() == ["ndcg@10"]

    def test_models_with_data(self, make):
        first, test = make(seed=1)
        second, _ = make(seed=1)
        second.name = "other"
        second.scores.assign(-second.scores)
        options: dict[str, Any] = {"k": (5, 10), "exclude_seen": False}
        found = compare([first, second], test, metrics=["ndcg@10", "recall"], **options)
        assert found.to_frame()["metric"].tolist() == ["ndcg@10", "recall@5", "recall@10"]
        assert found.reports["other"] == evaluate(second, test, metrics=["ndcg", "recall"], **options)

    def test_metrics_of_ones_own(self, make):
        model, test = make(seed=1)
        own = Metric("misses", "hits", lambda lists, k: 1 - METRICS["ndcg"].function(lists, k), higher_is_better=False)
        choices: list[Any] = [own, [own, "ndcg@5"]]
        for metrics in choices:
            found = compare({"a": model, "b": model}, test, metrics=metrics, k=5).to_frame()
            assert found["metric"].tolist() == ["misses@5", "ndcg@5"][: len(found)]
        reports = {label: evaluate(model, test, metrics=own, k=5) for label in "ab"}
        assert compare(reports, metrics=own).to_frame()["metric"].tolist() == ["misses@5"]

    @pytest.mark.parametrize(("metrics", "error"), [(5, TypeError), ([None], TypeError), ([], ValueError)])
    def test_what_is_no_metric(self, reports, metrics, error):
        with pytest.raises(error, match="metrics must"):
            compare(reports, metrics=metrics)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dataset": "ml-1m"}, "the test set of one is 'made up', of the other 'ml-1m'"),
            ({"protocol": "candidates"}, "the protocol of one is 'full', of the other 'candidates'"),
            ({"n_test": 98}, "the number of test items of one is 99, of the other 98"),
            ({"per_user": None}, "no per-user values"),
        ],
    )
    def test_other_circumstances(self, reports, changes, message):
        with pytest.raises(ValueError, match=message):
            compare({"a": reports["a"], "b": dataclasses.replace(reports["b"], **changes)})

    @pytest.mark.parametrize(
        ("mine", "its", "part"),
        [
            ({"test": "a"}, {"test": "b"}, "the test set"),
            ({"test": "a", "seen": "b"}, {"test": "a", "seen": "c"}, "seen="),
            ({"test": "a", "given": "b"}, {"test": "a", "given": "c"}, "given="),
            ({"test": "a"}, {"test": "a", "candidates": "c"}, "candidates="),
            ({"test": "a"}, {}, "the test set"),
        ],
    )
    def test_other_data_of_the_same_name(self, reports, mine, its, part):
        first, second = (dataclasses.replace(reports["a"], fingerprints=prints) for prints in (mine, its))
        with pytest.raises(ValueError, match=f"not evaluated on the same data, for {part} had other rows"):
            compare({"a": first, "b": second})
        compare({"a": first, "b": dataclasses.replace(first, model="other")})

    def test_figures_of_ratings(self):
        report = make_report({"rmse": [0.5, 0.5]}, users=["u", "v"], k=(), per_user=None, metrics={"rmse": 0.5})
        with pytest.raises(ValueError, match="are of ratings"):
            compare({"a": report, "b": report})

    def test_other_users(self, reports):
        other = make_report(make_values(2), users=[*USERS[:-1], "somebody"])
        with pytest.raises(ValueError, match=r"different users \(one has 60, the other 60, and 2 are in one only"):
            compare({"a": reports["a"], "b": other})

    def test_a_user_twice(self, reports):
        twice = make_report(make_values(2), users=[*USERS[:-1], "u0"])
        for pair in ({"a": reports["a"], "b": twice}, {"b": twice, "a": reports["a"]}):
            with pytest.raises(ValueError, match=r"different users|a user twice"):
                compare(pair)

    def test_a_single_user(self):
        report = make_report({"auc": [0.5]}, users=["u"])
        with pytest.raises(ValueError, match="at least two users"):
            compare({"a": report, "b": report})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"test": "sign"}, "test must be one of 't', 'wilcoxon', 'permutation'; got 'sign'"),
            ({"correction": "fdr"}, "correction must be one of 'holm', 'none'"),
            ({"baseline": "d"}, "baseline must be one of 'a', 'b', 'c'; got 'd'"),
            ({"level": 95}, "level must be a number between 0 and 1"),
            ({"metrics": "ndgc@5"}, "Did you mean 'ndcg@5'"),
            ({"n_resamples": 0}, "n_resamples must be"),
        ],
    )
    def test_options(self, reports, options, message):
        with pytest.raises(ValueError, match=message):
            compare(reports, **options)

    def test_no_common_figure(self, reports):
        other = make_report({"mrr@5": np.random.default_rng(0).random(60)})
        with pytest.raises(ValueError, match="no figure has per-user values in every report"):
            compare({"a": reports["a"], "b": other})

    def test_one_report(self, reports):
        with pytest.raises(ValueError, match="at least two models; got 1"):
            compare({"a": reports["a"]})
        with pytest.raises(TypeError, match="several reports or models"):
            compare(reports["a"])

    def test_two_of_one_name(self, reports):
        with pytest.raises(ValueError, match="two models are called 'model'"):
            compare(list(reports.values()))

    def test_models_without_data_and_reports_with_data(self, reports, make):
        model, test = make()
        with pytest.raises(TypeError, match="to compare models, give the data to test on"):
            compare({"a": model, "b": reports["a"]})
        with pytest.raises(TypeError, match="'b' is a report"):
            compare({"a": model, "b": reports["a"]}, test)
        with pytest.raises(TypeError, match="k is an argument of an evaluation"):
            compare(reports, k=10)


class TestShown:
    def test_text(self):
        first = {"ndcg@5": np.linspace(0.2, 0.8, 60), "auc": np.linspace(0.5, 0.6, 60)}
        second = {"ndcg@5": np.linspace(0.1, 0.5, 60), "auc": np.linspace(0.5, 0.6, 60)}
        lines = str(compare({"EASE": make_report(first), "slim": make_report(second)})).splitlines()
        assert lines[:3] == ["made up: full", "60 users; paired t-test, Holm's correction over 2 tests", ""]
        assert lines[4].split()[:6] == ["EASE", "vs", "slim", "ndcg@5", "0.5000", "0.3000"]
        assert lines[4].split()[6:] == ["+0.2000", "+0.1847", "…", "+0.2153", "<", "0.0001", "*"]
        assert lines[5].split() == ["auc", "0.5500", "0.5500", "+0.0000", "+0.0000", "…", "+0.0000", "1.0000"]

    def test_colours_say_which_way_is_better(self):
        better = {"ndcg@5": np.linspace(0.2, 0.8, 60), "auc": np.linspace(0.5, 0.6, 60)}
        worse = {"ndcg@5": np.linspace(0.1, 0.5, 60), "auc": np.linspace(0.6, 0.8, 60)}
        styles = compare({"a": make_report(better), "b": make_report(worse)}).table().styles
        assert {style for (row, _), style in styles.items() if row == 0} == {"green"}
        assert {style for (row, _), style in styles.items() if row == 1} == {"red"}

    def test_colours_of_a_metric_of_ones_own(self):
        high, low = {"misses@5": np.linspace(0.5, 0.9, 60)}, {"misses@5": np.linspace(0.1, 0.6, 60)}
        pair = {label: make_report(values, directions={"misses": False}) for label, values in (("a", high), ("b", low))}
        assert set(compare(pair).table().styles.values()) == {"red"}

    def test_json(self, reports, tmp_path):
        found = compare(reports)
        record = json.loads(found.to_json(tmp_path / "comparison.json"))
        assert json.loads((tmp_path / "comparison.json").read_text()) == record
        assert record["n_users"] == 60
        assert record["reports"]["a"] == reports["a"].to_dict()
        pd.testing.assert_frame_equal(pd.DataFrame(record["tests"]), found.to_frame())

    def test_the_frame_is_a_copy(self, reports):
        found = compare(reports)
        frame = found.to_frame()
        frame.loc[0, "p_value"] = -1
        assert (found.to_frame()["p_value"] >= 0).all()
        assert repr(found).startswith("Comparison(a, b, c: 9 tests, ")
