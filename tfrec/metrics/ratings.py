"""Metrics of predicted ratings: functions of two arrays [n], `predicted` and `actual`, that return a float.

They equal scikit-learn's functions of these names, which take the actual values first. All sums are in float64. Arrays
that are empty, not of one length, or not all finite numbers are a ValueError.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def mse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean squared error: mean of (predicted - actual)²."""
    predicted, actual = _checked(predicted, actual)
    return float(np.square(predicted - actual).mean())


def rmse(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Root mean squared error, √(mean of (predicted - actual)²), in units of the rating."""
    return float(np.sqrt(mse(predicted, actual)))


def mae(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Mean absolute error: mean of |predicted - actual|, in units of the rating."""
    predicted, actual = _checked(predicted, actual)
    return float(np.abs(predicted - actual).mean())


def r2(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Coefficient of determination: 1 - Σ (actual - predicted)² / Σ (actual - mean actual)².

    1 for perfect predictions, 0 for the mean of the actual values, below 0 for worse ones. Where all actual values are
    equal, one alone too, it is 1 for perfect predictions and else 0: scikit-learn's `force_finite`.
    """
    predicted, actual = _checked(predicted, actual)
    error = actual - predicted
    return _share_explained(error, actual, is_perfect=not error.any())


def explained_variance(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Explained variance: 1 - Var(actual - predicted) / Var(actual).

    `r2` without the mean of the errors: predictions that are all too high by the same amount lose nothing. Where all
    actual values are equal, one alone too, it is 1 if all errors are equal and else 0: scikit-learn's `force_finite`.
    """
    predicted, actual = _checked(predicted, actual)
    error = actual - predicted
    return _share_explained(error - error.mean(), actual, is_perfect=_is_constant(error))


def _share_explained(error: NDArray[np.float64], actual: NDArray[np.float64], *, is_perfect: bool) -> float:
    if is_perfect:
        return 1.0
    # Not by the sum below, which rounding of the mean may leave just above 0.
    if _is_constant(actual):
        return 0.0
    return float(1.0 - np.square(error).sum() / np.square(actual - actual.mean()).sum())


def _is_constant(values: NDArray[np.float64]) -> bool:
    return bool((values == values[0]).all())


def _checked(predicted: ArrayLike, actual: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predicted, actual = np.asarray(predicted), np.asarray(actual)
    for name, values in (("predicted", predicted), ("actual", actual)):
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be an array of numbers [n]; got {values.dtype} {list(values.shape)}")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite numbers; some are NaN or infinite")
    if len(predicted) != len(actual):
        raise ValueError(f"predicted and actual must be of one length; got {len(predicted)} and {len(actual)}")
    if not len(actual):
        raise ValueError("predicted and actual are empty: there is nothing to measure")
    return predicted.astype(np.float64), actual.astype(np.float64)
