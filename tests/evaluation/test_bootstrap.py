"""Confidence intervals over users: SciPy's own, and their promise kept on simulated data."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tfrec.evaluation import Report, bootstrap
from tfrec.evaluation.bootstrap import mean_intervals

SHAPES = {
    "skewed": lambda rng, n: rng.random(n) ** 4,
    "hits": lambda rng, n: (rng.random(n) < 0.1).astype(float),
    "few values": lambda rng, n: rng.integers(0, 5, n) / 4.0,
    "large": lambda rng, n: rng.lognormal(3, 1, n),
}


@pytest.fixture
def report():
    """A report with two figures of users and one of the catalogue."""
    users = pd.DataFrame(
        {"ndcg@5": [0.1, 0.5, 0.9, 0.2], "ndcg@10": [0.2, 0.6, 0.9, 0.3], "auc": [0.9, 0.8, 1.0, 0.7]},
        index=pd.Index(["a", "b", "c", "d"], name="user"),
    )
    figures = {"ndcg@5": 0.425, "ndcg@10": 0.5, "auc": 0.85, "coverage@5": 0.5}
    return Report("ease", "made up", "full", 4, 9, 0.0, (5, 10), figures, per_user=users)


class TestAgainstSciPy:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize(("n", "n_resamples", "level"), [(60, 1000, 0.95), (257, 400, 0.8)])
    def test_one_column(self, shape, n, n_resamples, level):
        values = SHAPES[shape](np.random.default_rng(n), n)
        reference = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=n_resamples,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(7),
        ).confidence_interval
        found = mean_intervals(values[:, np.newaxis], level=level, n_resamples=n_resamples, seed=7)
        np.testing.assert_allclose([found.low[0], found.high[0]], [*reference], rtol=1e-9)
        assert found.mean[0] == values.mean()

    def test_many_columns_are_each_as_alone(self):
        rng = np.random.default_rng(3)
        values = np.stack([shape(rng, 90) for shape in SHAPES.values()], axis=1)
        together = mean_intervals(values)
        for column in range(values.shape[1]):
            alone = mean_intervals(values[:, column : column + 1])
            np.testing.assert_allclose(np.ravel(alone), [ends[column] for ends in together], rtol=1e-12)

    def test_equal_means_are_ties_whatever_their_rounding(self):
        whole = np.random.default_rng(8).integers(0, 4, (257, 1)).astype(float)  # sums of whole numbers are exact
        np.testing.assert_allclose(mean_intervals(whole / 3), np.array(mean_intervals(whole)) / 3, rtol=1e-9)

    def test_batches_change_nothing(self, monkeypatch):
        values = np.random.default_rng(0).random((50, 3))
        whole = mean_intervals(values)
        monkeypatch.setattr(bootstrap, "_BATCH_BYTES", 1)
        np.testing.assert_allclose(mean_intervals(values), whole, rtol=1e-12)


class TestProperties:
    def test_coverage(self):
        """Of 95% intervals about 95% hold the true mean: here of 400 samples of a skewed figure, 60 users each."""
        rng = np.random.default_rng(5)
        samples = rng.beta(0.6, 3.0, (60, 400))  # each column is an experiment of its own
        found = mean_intervals(samples, n_resamples=600)
        share = np.mean((found.low <= 0.6 / 3.6) & (found.high >= 0.6 / 3.6))
        assert 0.90 <= share <= 0.983  # 20,000 experiments give 94.2%; ±3.5 standard errors of 400

    @given(st.lists(st.floats(0, 1, width=16), min_size=2, max_size=30), st.sampled_from([0.5, 0.9, 0.99]))
    def test_the_ends_lie_around_the_mean_and_within_the_values(self, users, level):
        values = np.array(users)[:, np.newaxis]
        mean, low, high = (ends[0] for ends in mean_intervals(values, level=level, n_resamples=200))
        assert min(users) - 1e-12 <= low <= high <= max(users) + 1e-12
        assert np.isfinite([mean, low, high]).all()

    def test_no_difference_between_users_is_no_width(self):
        with np.errstate(all="raise"):
            found = mean_intervals(np.full((10, 2), [0.1, 0.0]))
        np.testing.assert_allclose(found, [[0.1, 0.0]] * 3, rtol=1e-15)

    def test_one_user(self):
        np.testing.assert_array_equal(mean_intervals(np.array([[0.25]])), [[0.25]] * 3)

    def test_the_seed_decides(self):
        values = np.random.default_rng(0).random((30, 2))
        np.testing.assert_array_equal(mean_intervals(values, seed=1), mean_intervals(values, seed=1))
        assert (mean_intervals(values, seed=1).low != mean_intervals(values, seed=2).low).any()

    def test_more_confidence_is_wider(self):
        values = np.random.default_rng(0).random((30, 2))
        narrow, wide = mean_intervals(values, level=0.8), mean_intervals(values, level=0.99)
        assert (wide.low < narrow.low).all()
        assert (narrow.high < wide.high).all()


class TestReport:
    def test_a_row_for_each_figure_of_users(self, report):
        frame = report.confidence_intervals()
        assert frame.index.tolist() == ["ndcg@5", "ndcg@10", "auc"]
        assert frame.index.name == "metric"
        assert frame.columns.tolist() == ["mean", "low", "high"]
        np.testing.assert_allclose(frame["mean"], [report[key] for key in frame.index])

    @pytest.mark.parametrize(
        ("metrics", "rows"),
        [("ndcg@10", ["ndcg@10"]), ("ndcg", ["ndcg@5", "ndcg@10"]), (["auc", "ndcg@5"], ["auc", "ndcg@5"])],
    )
    def test_chosen_figures(self, report, metrics, rows):
        chosen = report.confidence_intervals(metrics=metrics)
        assert chosen.index.tolist() == rows
        pd.testing.assert_frame_equal(chosen, report.confidence_intervals().loc[rows])

    def test_a_figure_of_the_catalogue_is_refused(self, report):
        with pytest.raises(ValueError, match=r"'coverage@5' has no value for a single user.* of ndcg, auc"):
            report.confidence_intervals(metrics="coverage@5")

    def test_an_unknown_figure(self, report):
        with pytest.raises(ValueError, match="Did you mean 'ndcg@5'"):
            report.confidence_intervals(metrics="ndgc@5")

    def test_figures_of_the_catalogue_only(self, report):
        figures = dataclasses.replace(report, metrics={"coverage@5": 0.5}, per_user=report.per_user[[]])
        with pytest.raises(ValueError, match="none of the figures has per-user values: coverage@5"):
            figures.confidence_intervals()

    def test_without_values_of_users(self, report):
        with pytest.raises(ValueError, match="no per-user values"):
            Report.from_json(report.to_json()).confidence_intervals()

    @pytest.mark.parametrize("level", [0.0, 1.0, 95, "0.95", float("nan")])
    def test_bad_level(self, report, level):
        with pytest.raises(ValueError, match="level must be a number between 0 and 1"):
            report.confidence_intervals(level)

    @pytest.mark.parametrize("wrong", [{"n_resamples": 0}, {"seed": -1}])
    def test_numbers_out_of_range(self, report, wrong):
        with pytest.raises(ValueError, match="must be an integer of at least"):
            report.confidence_intervals(**wrong)

    def test_figures_of_ratings_say_why(self, report):
        ratings = dataclasses.replace(report, metrics={"rmse": 0.9, "mae": 0.7}, k=(), per_user=None)
        with pytest.raises(ValueError, match=r"are of ratings \(rmse, mae\), taken over the test rows"):
            ratings.confidence_intervals()

    def test_no_users(self):
        with pytest.raises(ValueError, match="without users there are no"):
            mean_intervals(np.empty((0, 2)))
