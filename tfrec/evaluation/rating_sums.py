"""What figures of ratings are made of: sums over each user's test rows, from which the figures of any users follow.

RMSE and its kin are ratios of sums over rows, and a user's rows belong together: they share a bias, and a user with
many of them weighs more. So what varies from sample to sample are users, as clusters of rows (Efron & Tibshirani 1993,
An Introduction to the Bootstrap, chapter 8, on what to resample).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfrec.metrics import METRICS, Metric

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

# The rounding of a difference of sums, relative to the larger one.
_ROUNDING = 1e-12


class _Sums(NamedTuple):
    """Sums over rows, float64 of any shape.

    Attributes:
        rows: how many rows there are.
        error: of predicted - actual.
        squared_error: of its square.
        absolute_error: of its absolute value.
        above: of actual - mean actual of the whole test set, which keeps the differences of squares exact.
        squared_above: of its square.
    """

    rows: Floats
    error: Floats
    squared_error: Floats
    absolute_error: Floats
    above: Floats
    squared_above: Floats


SUMS = _Sums._fields


def rating_sums(predicted: ArrayLike, actual: ArrayLike, row: NDArray[Any], user_ids: NDArray[Any]) -> pd.DataFrame:
    """The sums of each user.

    Args:
        predicted: predicted ratings [n].
        actual: ratings [n].
        row: the place of each rating's user among the users, int [n].
        user_ids: their raw ids, object [n_users].

    Returns:
        Float64, a row a user (index "user") with the columns `SUMS`.
    """
    actual = np.asarray(actual, np.float64)
    error, above = np.asarray(predicted, np.float64) - actual, actual - actual.mean()
    parts = _Sums(np.ones(len(row)), error, error**2, np.abs(error), above, above**2)
    columns = {name: np.bincount(row, part, len(user_ids)) for name, part in parts._asdict().items()}
    return pd.DataFrame(columns, index=pd.Index(user_ids, name="user"))


def _mse(sums: _Sums) -> Floats:
    return sums.squared_error / sums.rows


def _rmse(sums: _Sums) -> Floats:
    return np.sqrt(_mse(sums))


def _mae(sums: _Sums) -> Floats:
    return sums.absolute_error / sums.rows


def _r2(sums: _Sums) -> Floats:
    return _share_explained(sums.squared_error, _spread(sums.rows, sums.above, sums.squared_above))


def _explained_variance(sums: _Sums) -> Floats:
    unexplained = _spread(sums.rows, sums.error, sums.squared_error)
    return _share_explained(unexplained, _spread(sums.rows, sums.above, sums.squared_above))


def _spread(rows: Floats, total: Floats, squares: Floats) -> Floats:
    """The sum of squared deviations from the mean."""
    spread = squares - total**2 / rows
    return np.where(spread > _ROUNDING * squares, spread, 0.0)


def _share_explained(unexplained: Floats, spread: Floats) -> Floats:
    """As the metrics have it: where the ratings are all equal, 1 if nothing is unexplained and else 0."""
    share = 1 - unexplained / np.where(spread > 0, spread, 1.0)
    return np.where(unexplained == 0, 1.0, np.where(spread > 0, share, 0.0))


_FIGURES: dict[str, Callable[[_Sums], Floats]] = {
    "rmse": _rmse,
    "mse": _mse,
    "mae": _mae,
    "r2": _r2,
    "explained_variance": _explained_variance,
}


def are_of_sums(metrics: Sequence[Metric]) -> bool:
    """Whether any figure of the metrics follows from `SUMS`, and none has such a name for something of its own."""
    named = [metric for metric in metrics if metric.name in _FIGURES]
    return bool(named) and all(METRICS[metric.name] == metric for metric in named)


def figures_of_sums(keys: Sequence[str]) -> list[str]:
    """Those of the figures that follow from `SUMS`."""
    return [key for key in keys if key in _FIGURES]


def statistic(keys: Sequence[str]) -> Statistic:
    """The function from sums over any users, float64 [..., 6], to these figures, float64 [..., len(keys)]."""

    def figures(sums: Floats) -> Floats:
        named = _Sums(*np.moveaxis(sums, -1, 0))
        return np.stack([_FIGURES[key](named) for key in keys], axis=-1)

    return figures


def pseudo_values(sums: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Values of users whose mean is the figure and whose spread is its uncertainty: the jackknife's pseudo-values.

    Of n users, the pseudo-value of one is figure + (n - 1) (mean of the figures without one user - the figure without
    this one): Tukey's (Miller 1974, The Jackknife - a Review, Biometrika 61), moved so that their mean is the figure
    itself. For a mean over users they are the users' own values, so that paired tests of means carry over.

    Args:
        sums: what `rating_sums` gave.
        keys: the figures.

    Returns:
        A row a user, a column a figure.
    """
    of, values = statistic(keys), sums.to_numpy(np.float64)
    total, n = values.sum(axis=0), len(values)
    pseudo = np.broadcast_to(of(total), (n, len(keys)))
    if n > 1:
        without = of(total - values)
        pseudo = pseudo + (n - 1) * (without.mean(axis=0) - without)
    return pd.DataFrame(pseudo, index=sums.index, columns=pd.Index(keys))
