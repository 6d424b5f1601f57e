"""How sure a figure over users is: bootstrap confidence intervals, of many figures at once."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfrec.checks import check_integer

Floats = NDArray[np.float64]

_BATCH_BYTES = 64 * 2**20
_BYTES_A_DRAW = 24  # its index, its place in the counts, and the count as the float that the product takes


class Intervals(NamedTuple):
    """Figures, such as means, and the ends of their confidence intervals, each float64 [n_figures]."""

    mean: Floats
    low: Floats
    high: Floats


def mean_intervals(values: Floats, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0) -> Intervals:
    """Bias-corrected and accelerated (BCa) bootstrap intervals of the means over users.

    BCa (Efron 1987, Better Bootstrap Confidence Intervals, JASA 82) corrects the percentile interval for bias and skew,
    and the values of ranking metrics are skewed: most users have few hits. For a mean both corrections are cheap, the
    acceleration being a sixth of the skewness over the root of n.

    The result is that of `scipy.stats.bootstrap(method="BCa")` with the same generator, column by column. SciPy's would
    take a copy of the values for each resample and n means of n - 1 values for the acceleration; here a batch of
    resamples is a matrix of how often each user was drawn, and one product with the values gives all figures' means.
    So all figures share the resamples of users, and the memory is a fixed number of bytes for any number of figures.

    Args:
        values: float64 [n_users, n_figures], finite.
        level: confidence level, between 0 and 1.
        n_resamples: how many samples of users are drawn.
        seed: of the draws; the same seed gives the same intervals.

    Returns:
        The means and the ends of their intervals. All users having one value, they are this value.

    Raises:
        ValueError: if there are no users; if `level` is not between 0 and 1; if another is too small.
    """
    sums = _resampled_sums(values, level, n_resamples, seed)
    mean = values.mean(axis=0)
    deviations = values - mean
    varies = (values != values[0]).any(axis=0)
    rounding = 1e-12 * np.abs(values).max(axis=0)
    return _bca(mean, sums / len(values), np.where(varies, deviations, 0.0), level, rounding)


def sum_intervals(
    sums: Floats, statistic: Callable[[Floats], Floats], *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0
) -> Intervals:
    """BCa bootstrap intervals of figures that follow from sums over users, such as a ratio of two of them.

    Users are drawn with all their rows. The acceleration is that of the figures without one user (Efron & Tibshirani
    1993, An Introduction to the Bootstrap, eq. 14.15), which takes one subtraction for each user.

    Args:
        sums: float64 [n_users, n_sums], finite: each user's share of the sums.
        statistic: of sums [..., n_sums], to figures [..., n_figures].
        level: as for `mean_intervals`, like the others.
        n_resamples: how many samples of users are drawn.
        seed: of the draws.

    Returns:
        The figures and the ends of their intervals. Of a single user they are the figure itself.

    Raises:
        ValueError: as `mean_intervals`.
    """
    resampled = statistic(_resampled_sums(sums, level, n_resamples, seed))
    total = sums.sum(axis=0)
    figure = statistic(total)
    without = statistic(total - sums) if len(sums) > 1 else figure[np.newaxis]
    rounding = 1e-12 * np.abs(without).max(axis=0)
    deviations = without.mean(axis=0) - without
    varies = (np.abs(deviations) > rounding).any(axis=0)
    return _bca(figure, resampled, np.where(varies, deviations, 0.0), level, rounding)


def check_level(level: float) -> float:
    """`level`, if it is a confidence level.

    Raises:
        ValueError: it is not a number between 0 and 1.
    """
    if not isinstance(level, (float, np.floating)) or not 0 < level < 1:
        raise ValueError(f"level must be a number between 0 and 1, such as 0.95; got {level!r}")
    return float(level)


def _bca(figure: Floats, resampled: Floats, deviations: Floats, level: float, rounding: Floats) -> Intervals:
    """The intervals of figures from those of resamples.

    Args:
        figure: float64 [n_figures].
        resampled: float64 [n_resamples, n_figures].
        deviations: float64 [n_users, n_figures], proportional to each user's influence; all 0: the figure cannot vary.
        level: confidence level.
        rounding: float64 [n_figures]; equal figures differ by it, by the order in which they were added up.
    """
    from scipy.special import ndtr, ndtri

    n_resamples = len(resampled)
    varies = deviations.any(axis=0)
    variance = np.where(varies, (deviations**2).sum(axis=0), 1.0)
    acceleration = (deviations**3).sum(axis=0) / variance**1.5 / 6
    # Half of the equal ones count as below.
    below = ((resampled < figure - rounding).mean(axis=0) + (resampled <= figure + rounding).mean(axis=0)) / 2
    # With few resamples all may be on one side.
    bias = ndtri(np.clip(below, 0.5 / n_resamples, 1 - 0.5 / n_resamples))
    ends = []
    for quantile in ((1 - level) / 2, (1 + level) / 2):
        shifted = bias + ndtri(quantile)
        corrected = ndtr(bias + shifted / (1 - acceleration * shifted))
        columns = zip(resampled.T, corrected, strict=True)
        ends.append(np.array([np.quantile(column, share) for column, share in columns]))
    return Intervals(figure, *(np.where(varies, end, figure) for end in ends))


def _resampled_sums(values: Floats, level: float, n_resamples: int, seed: int) -> Floats:
    """The sums over samples of as many users, drawn with replacement: float64 [n_resamples, n_columns]."""
    check_level(level)
    n_resamples = check_integer("n_resamples", n_resamples, minimum=1)
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    n = len(values)
    if not n:
        raise ValueError("without users there are no confidence intervals")
    batch = max(1, _BATCH_BYTES // (_BYTES_A_DRAW * n))
    sums = np.empty((n_resamples, values.shape[1]))
    for start in range(0, n_resamples, batch):
        rows = min(batch, n_resamples - start)
        drawn = rng.integers(0, n, (rows, n))
        drawn += np.arange(rows)[:, np.newaxis] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        sums[start : start + rows] = counts.astype(np.float64) @ values
    return sums
