"""How sure figures of ratings are: against SciPy's bootstrap of whole users, and their promises on simulated data."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.evaluation import Report, bootstrap, compare, evaluate
from tfrec.evaluation.bootstrap import sum_intervals
from tfrec.evaluation.rating_sums import SUMS, pseudo_values, rating_sums, statistic
from tfrec.metrics import METRICS, Metric

FIGURES = ("rmse", "mse", "mae", "r2", "explained_variance")


def make_rows(rng, n_users=60):
    """(predicted, actual, row) of users with one to thirty rows, biases of their own and errors of their own size."""
    lengths = rng.integers(1, 31, n_users)
    row = np.repeat(np.arange(n_users), lengths)
    actual = rng.normal(3.5, 1.0, len(row)) + rng.normal(0, 0.5, n_users)[row]
    scale = rng.gamma(4.0, 0.2, n_users)[row]
    return actual + rng.normal(0, 0.3, n_users)[row] + scale * rng.normal(size=len(row)), actual, row


def sums_of(predicted, actual, row):
    return rating_sums(predicted, actual, row, np.array([f"u{user}" for user in range(row.max() + 1)], dtype=object))


def figures(keys, predicted, actual):
    return [METRICS[key].function(predicted, actual) for key in keys]


class TestSums:
    @pytest.mark.parametrize("seed", range(3))
    def test_give_the_metrics(self, seed):
        rows = make_rows(np.random.default_rng(seed))
        found = statistic(FIGURES)(sums_of(*rows).to_numpy().sum(axis=0))
        np.testing.assert_allclose(found, figures(FIGURES, *rows[:2]), rtol=1e-9)

    @given(st.lists(st.tuples(st.integers(1, 10), st.integers(1, 10)), min_size=1, max_size=6), st.booleans())
    def test_also_where_nothing_varies(self, pairs, is_shifted):
        predicted, actual = np.array(pairs, float).T / 2
        predicted = actual + 0.1 if is_shifted else predicted
        found = statistic(FIGURES)(sums_of(predicted, actual, np.arange(len(pairs))).to_numpy().sum(axis=0))
        np.testing.assert_allclose(found, figures(FIGURES, predicted, actual), atol=1e-9)

    def test_of_any_users_alone(self):
        predicted, actual, row = make_rows(np.random.default_rng(4))
        some = np.isin(row, [3, 7, 7, 20])
        found = statistic(FIGURES)(sums_of(predicted, actual, row).to_numpy()[[3, 7, 20]].sum(axis=0))
        np.testing.assert_allclose(found, figures(FIGURES, predicted[some], actual[some]), rtol=1e-9)


class TestIntervals:
    @pytest.mark.parametrize("level", [0.95, 0.8])
    def test_are_scipys_of_users_drawn_with_all_their_rows(self, level):
        predicted, actual, row = make_rows(np.random.default_rng(1), n_users=40)
        rows_of = [np.flatnonzero(row == user) for user in range(40)]

        def rmse_and_r2(users):
            drawn = np.concatenate([rows_of[user] for user in users])
            return np.array(figures(["rmse", "r2"], predicted[drawn], actual[drawn]))

        reference = stats.bootstrap(
            (np.arange(40),),
            rmse_and_r2,
            n_resamples=300,
            confidence_level=level,
            method="BCa",
            vectorized=False,
            rng=np.random.default_rng(7),
        ).confidence_interval
        sums = sums_of(predicted, actual, row).to_numpy()
        found = sum_intervals(sums, statistic(["rmse", "r2"]), level=level, n_resamples=300, seed=7)
        np.testing.assert_allclose([found.low, found.high], [*reference], rtol=1e-9)
        np.testing.assert_allclose(found.mean, figures(["rmse", "r2"], predicted, actual), rtol=1e-9)

    def test_coverage(self):
        """Of 95% intervals of the RMSE about 95% hold the true one, though the rows of a user are alike."""
        rng = np.random.default_rng(5)
        truth = np.sqrt(0.3**2 + (4.0 + 4.0**2) * 0.2**2)  # of a bias, and of a scale that is gamma(4, 0.2)
        hits = 0
        for _ in range(300):
            found = sum_intervals(sums_of(*make_rows(rng)).to_numpy(), statistic(["rmse"]), n_resamples=400)
            hits += found.low[0] <= truth <= found.high[0]
        assert 0.89 <= hits / 300 <= 0.985

    def test_batches_change_nothing(self, monkeypatch):
        sums = sums_of(*make_rows(np.random.default_rng(0))).to_numpy()
        whole = sum_intervals(sums, statistic(FIGURES))
        monkeypatch.setattr(bootstrap, "_BATCH_BYTES", 1)
        np.testing.assert_allclose(sum_intervals(sums, statistic(FIGURES)), whole, rtol=1e-12)

    def test_users_that_are_all_alike_leave_no_doubt(self):
        predicted, actual = np.tile([3.0, 4.0, 2.5], 20), np.tile([3.5, 3.0, 2.0], 20)
        with np.errstate(all="raise"):
            found = sum_intervals(
                sums_of(predicted, actual, np.repeat(np.arange(20), 3)).to_numpy(), statistic(FIGURES)
            )
        np.testing.assert_allclose(found, [figures(FIGURES, predicted, actual)] * 3, atol=1e-9)

    def test_one_user(self):
        sums = sums_of(np.array([3.0, 4.0]), np.array([3.5, 2.0]), np.zeros(2, int))
        found = sum_intervals(sums.to_numpy(), statistic(FIGURES))
        np.testing.assert_allclose(found.low, found.mean)
        np.testing.assert_allclose(pseudo_values(sums, FIGURES).iloc[0], found.mean)


class TestPseudoValues:
    def test_of_a_mean_are_the_users_own_values(self):
        """With equally many rows each, the mean squared error is a mean over users."""
        error = np.random.default_rng(0).normal(size=(30, 4))
        sums = sums_of(error.ravel(), np.zeros(120), np.repeat(np.arange(30), 4))
        np.testing.assert_allclose(pseudo_values(sums, ["mse"])["mse"], (error**2).mean(axis=1), rtol=1e-9)

    def test_their_mean_is_the_figure(self):
        rows = make_rows(np.random.default_rng(2))
        np.testing.assert_allclose(
            pseudo_values(sums_of(*rows), FIGURES).mean(), figures(FIGURES, *rows[:2]), rtol=1e-9
        )

    @pytest.mark.parametrize("key", FIGURES)
    def test_their_error_is_that_of_a_bootstrap_of_pairs(self, key):
        rng = np.random.default_rng(3)
        predicted, actual, row = make_rows(rng, n_users=200)
        one = sums_of(predicted, actual, row)
        other = sums_of(predicted + rng.normal(0, 0.3, len(row)), actual, row)
        difference = pseudo_values(one, [key])[key] - pseudo_values(other, [key])[key]
        drawn = rng.integers(0, 200, (2000, 200))
        of = statistic([key])
        resampled = of(one.to_numpy()[drawn].sum(axis=1)) - of(other.to_numpy()[drawn].sum(axis=1))
        assert stats.sem(difference) == pytest.approx(resampled.std(), rel=0.1)

    def test_two_models_that_are_equally_good_seldom_differ(self):
        """Of tests at 5% about 5% find a difference between two models whose errors are of one distribution."""
        rng = np.random.default_rng(6)
        found = 0
        for _ in range(400):
            predicted, actual, row = make_rows(rng)
            errors = rng.permuted(np.stack([predicted - actual, rng.normal(0, 0.8, len(row))]), axis=0)
            one, other = (pseudo_values(sums_of(actual + error, actual, row), ["rmse"]) for error in errors)
            found += stats.ttest_rel(one["rmse"], other["rmse"]).pvalue < 0.05
        assert 0.02 <= found / 400 <= 0.085


class Rater:
    """Predicts ratings by a table, and ranks by them."""

    def __init__(self, train, table, name):
        self.name, self.n_items = name, train.n_items
        self.user_ids, self.item_ids = train.user_ids, train.item_ids
        self.table = tf.constant(table, tf.float32)
        self.item_counts, self.recommendable = tf.ones([train.n_items]), tf.ones([train.n_items], tf.bool)

    def has_history(self, users):
        return users >= 0

    def ranking_scores(self, users):
        return tf.gather(self.table, users)

    def seen_items(self, users):
        return tf.RaggedTensor.from_tensor(tf.zeros([tf.size(users), 0], tf.int32))

    def predict_ratings(self, users, items):
        return tf.gather_nd(self.table, tf.stack([users, items], axis=1))


@pytest.fixture(scope="module")
def test_set():
    rng = np.random.default_rng(8)
    user, item = np.nonzero(rng.random((50, 30)) < 0.3)
    frame = {"user": [f"u{u}" for u in user], "item": [f"i{i}" for i in item], "rating": rng.integers(1, 6, len(user))}
    return Interactions.from_frame(pd.DataFrame(frame).sample(frac=1, random_state=0))


@pytest.fixture(scope="module")
def raters(test_set):
    rng = np.random.default_rng(9)
    table = rng.normal(3, 0.5, (test_set.n_users, test_set.n_items))
    table[test_set.user, test_set.item] += 0.5 * (test_set.rating - 3)
    worse = table + rng.normal(0, 1.0, table.shape)
    return {name: Rater(test_set, values, name) for name, values in (("good", table), ("worse", worse))}


@pytest.fixture
def report(raters, test_set):
    return evaluate(raters["good"], test_set, k=5, metrics=["ndcg", *FIGURES, "coverage"])


class TestReport:
    def test_sums_are_of_each_users_rows(self, report, raters, test_set):
        sums = report.rating_sums
        assert tuple(sums.columns) == SUMS
        assert sums["rows"].sum() == len(test_set)
        for user in ("u3", "u41"):
            mine = np.flatnonzero(test_set.user_ids[test_set.user] == user)
            error = raters["good"].table.numpy()[test_set.user[mine], test_set.item[mine]] - test_set.rating[mine]
            assert sums.loc[user, "rows"] == len(mine)
            assert sums.loc[user, "squared_error"] == pytest.approx(np.sum(error**2), rel=1e-6)

    def test_intervals_of_figures_of_both_kinds(self, report):
        frame = report.confidence_intervals()
        assert frame.index.tolist() == ["ndcg@5", *FIGURES]
        np.testing.assert_allclose(frame["mean"], [report[key] for key in frame.index], rtol=1e-6)
        assert (frame["low"] < frame["mean"]).all()
        assert (frame["mean"] < frame["high"]).all()
        chosen = report.confidence_intervals(metrics=["mae", "ndcg", "rmse"])
        pd.testing.assert_frame_equal(chosen, frame.loc[["mae", "ndcg@5", "rmse"]])

    def test_of_ratings_alone(self, raters, test_set, report):
        alone = evaluate(raters["good"], test_set, metrics="rmse")
        pd.testing.assert_frame_equal(alone.confidence_intervals(), report.confidence_intervals(metrics="rmse"))
        with pytest.raises(ValueError, match="no figure 'mae' was measured"):
            alone.confidence_intervals(metrics="mae")

    def test_a_figure_of_the_catalogue_has_none_still(self, report):
        with pytest.raises(ValueError, match=r"'coverage@5' has no value for a single user.* of ndcg, rmse, mse"):
            report.confidence_intervals(metrics="coverage")

    def test_survive_saving_and_copying(self, report, tmp_path):
        report.save(tmp_path / "report")
        for same in (Report.load(tmp_path / "report"), copy.deepcopy(report), dataclasses.replace(report)):
            assert same.rating_sums is not None
            pd.testing.assert_frame_equal(same.rating_sums, report.rating_sums)
            pd.testing.assert_frame_equal(same.confidence_intervals(), report.confidence_intervals())

    def test_a_report_from_before_there_were_sums(self, report, raters, test_set, tmp_path):
        for name, old in (("both", report), ("ratings", evaluate(raters["good"], test_set, metrics="rmse"))):
            old.save(tmp_path / name)
            (tmp_path / name / "rating_sums.npz").unlink()
        both, ratings = (Report.load(tmp_path / name) for name in ("both", "ratings"))
        assert both.confidence_intervals().index.tolist() == ["ndcg@5"]
        with pytest.raises(ValueError, match="'rmse' has no value for a single user"):
            both.confidence_intervals(metrics="rmse")
        with pytest.raises(ValueError, match=r"are of ratings \(rmse\), taken over the test rows"):
            ratings.confidence_intervals()

    def test_metrics_of_ones_own(self, raters, test_set):
        bias = Metric("bias", "ratings", lambda predicted, actual: float((predicted - actual).mean()), None)
        mine = Metric("rmse", "ratings", lambda predicted, actual: 7.0)
        assert evaluate(raters["good"], test_set, metrics=bias).rating_sums is None
        assert evaluate(raters["good"], test_set, metrics=[mine, "mae"]).rating_sums is None
        both = evaluate(raters["good"], test_set, metrics=[bias, "mae"])
        assert both.confidence_intervals().index.tolist() == ["mae"]
        with pytest.raises(ValueError, match="'bias' has no value for a single user"):
            both.confidence_intervals(metrics="bias")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda sums: sums.iloc[1:], "a row for each of 50 users; got 49 rows"),
            (lambda sums: sums.drop(columns="above"), "must have the columns rows, error"),
            (lambda sums: sums.assign(error=np.nan), "finite numbers; the column 'error' has others"),
        ],
    )
    def test_sums_that_are_none(self, report, change, message):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(report, rating_sums=change(report.rating_sums))


class TestCompare:
    def test_the_better_model_is_significantly_better(self, raters, test_set):
        comparison = compare(raters, test_set, k=5, metrics=["rmse", "mae", "r2", "ndcg"])
        frame = comparison.to_frame().set_index("metric")
        assert set(frame.index) == {"rmse", "mae", "r2", "ndcg@5"}
        good, worse = comparison.reports.values()
        differences = [good[key] - worse[key] for key in frame.index.astype(str)]
        np.testing.assert_allclose(frame["difference"], differences, atol=1e-9)
        assert ((frame["low"] < frame["difference"]) & (frame["difference"] < frame["high"])).all()
        assert frame.loc[["rmse", "mae", "r2"], "significant"].all()
        assert frame["high"]["rmse"] < 0 < frame["low"]["r2"]

    @pytest.mark.parametrize("test", ["wilcoxon", "permutation"])
    def test_other_tests(self, raters, test_set, test):
        frame = compare(raters, test_set, metrics="rmse", test=test, n_resamples=999).to_frame()
        assert frame["p_value"][0] < 0.01

    def test_a_model_and_itself(self, raters, test_set):
        row = compare({"a": raters["good"], "b": raters["good"]}, test_set, metrics="rmse").to_frame().iloc[0]
        assert (row["difference"], row["p_value"]) == (0.0, 1.0)

    def test_users_in_another_order(self, raters, test_set):
        reports = {name: evaluate(rater, test_set, metrics="rmse") for name, rater in raters.items()}
        sums = reports["worse"].rating_sums
        assert sums is not None
        shuffled = sums.sample(frac=1, random_state=1)
        other = dataclasses.replace(reports["worse"], rating_sums=shuffled)
        expected = compare(reports).to_frame()
        pd.testing.assert_frame_equal(compare({**reports, "worse": other}).to_frame(), expected)
