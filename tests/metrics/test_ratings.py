"""Metrics of ratings are scikit-learn's."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    explained_variance_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    root_mean_squared_error,
)

from tfrec.metrics import explained_variance, mae, mse, r2, rmse

REFERENCE = {
    rmse: root_mean_squared_error,
    mae: mean_absolute_error,
    mse: mean_squared_error,
    r2: r2_score,
    explained_variance: explained_variance_score,
}
every_metric = pytest.mark.parametrize("metric", REFERENCE, ids=lambda metric: metric.__name__)
ratings = st.lists(st.tuples(*[st.integers(-10, 10).map(lambda half: half / 2)] * 2), min_size=2, max_size=20)


@every_metric
@settings(max_examples=60)
@given(ratings)
def test_as_in_scikit_learn(metric, pairs):
    """Halves, so that constant ratings and perfect predictions come up, and their means are exact."""
    predicted, actual = np.array(pairs).T
    value = metric(predicted, actual)
    assert isinstance(value, float)
    assert value == pytest.approx(REFERENCE[metric](actual, predicted), rel=1e-9, abs=1e-12)


@every_metric
def test_as_in_scikit_learn_for_many(metric):
    rng = np.random.default_rng(0)
    actual = rng.integers(1, 6, 100_000)
    predicted = (actual + rng.normal(0.1, 0.9, 100_000)).astype(np.float32)
    expected = REFERENCE[metric](actual.astype(np.float64), predicted.astype(np.float64))
    assert metric(predicted, actual) == pytest.approx(expected, rel=1e-9)


def test_sums_are_in_double_precision():
    """In float32, a million sums of 0.01 would be off in the third digit."""
    predicted = np.zeros(1_000_000, np.float32)
    assert mse(predicted, np.full(1_000_000, 0.1, np.float32)) == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-12)
    # Differences are taken in float64 too.
    assert mae(np.array([1e8], np.float32), np.array([1e8 + 1])) == 1.0


@pytest.mark.parametrize("metric", [r2, explained_variance])
@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_constant_ratings(metric, n):
    """0.1 has no exact mean: a sum of squares about it is not 0."""
    actual = np.full(n, 0.1)
    assert metric(actual, actual) == 1.0
    assert metric(np.r_[actual[1:], 0.7], actual) == (1.0 if n == 1 and metric is explained_variance else 0.0)
    assert metric(actual + 0.5, actual) == (1.0 if metric is explained_variance else 0.0)


def test_a_shift_costs_r2_and_not_explained_variance():
    actual = np.array([1.0, 2.0, 4.0])
    assert explained_variance(actual + 1, actual) == 1.0
    assert r2(actual + 1, actual) == pytest.approx(1 - 3 / (14 / 3))
    assert r2(np.full(3, actual.mean()), actual) == pytest.approx(0.0, abs=1e-15)


@every_metric
def test_no_warnings(metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric(np.array([3.0]), np.array([3.5]))
        metric([3, 4], [3, 3])


@every_metric
@pytest.mark.parametrize(
    ("predicted", "actual", "message"),
    [
        ([1.0, 2.0], [1.0], "of one length; got 2 and 1"),
        ([], [], "predicted and actual are empty"),
        ([[1.0]], [[1.0]], r"predicted must be an array of numbers \[n\]; got float64 \[1, 1\]"),
        ([1.0], 1.0, "actual must be an array of numbers"),
        (["1"], [1.0], "predicted must be an array of numbers"),
        ([np.nan], [1.0], "predicted must be finite numbers"),
        ([1.0], [np.inf], "actual must be finite numbers"),
    ],
)
def test_bad_arguments(metric, predicted, actual, message):
    with pytest.raises(ValueError, match=message):
        metric(predicted, actual)
