"""Whether differences between two models, user by user, are more than chance: paired tests and their correction."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BATCH_BYTES = 64 * 2**20
_BYTES_A_SIGN = 17  # a byte at random, and two floats made of it


class Differences(NamedTuple):
    """Mean differences, the ends of their confidence intervals and p-values, each float64 [n_figures]."""

    mean: Floats
    low: Floats
    high: Floats
    p_value: Floats


def paired_differences(
    differences: Floats, *, test: str, level: float, n_resamples: int = 9999, seed: int = 0
) -> Differences:
    """Test the differences of each figure against no difference.

    Args:
        differences: float64 [n_users, n_figures], model minus other; finite.
        test: a key of `TESTS`.
        level: of the confidence intervals, which are those of the paired t-test whatever the test.
        n_resamples: of the permutation test.
        seed: of the permutation test.

    Raises:
        ValueError: if there are fewer than two users.
    """
    if len(differences) < 2:
        raise ValueError(f"a paired test takes at least two users; got {len(differences)}")
    p_value = TESTS[test](differences, n_resamples, seed)
    return Differences(differences.mean(axis=0), *_interval(differences, level), p_value)


def _interval(differences: Floats, level: float) -> tuple[Floats, Floats]:
    from scipy import stats

    mean = differences.mean(axis=0)
    error = stats.sem(differences, axis=0)
    half = error * stats.t.ppf((1 + level) / 2, len(differences) - 1)
    return mean - half, mean + half


def _t(differences: Floats, _: int, __: int) -> Floats:
    """Student's paired t-test. Where all differences are one number, p is 1 if it is zero and else 0, the limit."""
    from scipy import stats

    varies = _varies(differences)
    p_value = np.where(differences[0] == 0, 1.0, 0.0)
    if varies.any():
        p_value[varies] = stats.ttest_1samp(differences[:, varies], 0.0, axis=0).pvalue
    return p_value


def _wilcoxon(differences: Floats, _: int, __: int) -> Floats:
    """Wilcoxon's signed-rank test; users without a difference are left out, and where nobody has one, p is 1."""
    from scipy import stats

    differs = differences.any(axis=0)
    p_value = np.ones(differences.shape[1])
    if differs.any():
        p_value[differs] = stats.wilcoxon(differences[:, differs], axis=0).pvalue
    return p_value


def _permutation(differences: Floats, n_resamples: int, seed: int) -> Floats:
    """Fisher's randomisation test: how often a mean is as far from zero when each user's sign is random.

    As `scipy.stats.permutation_test(permutation_type="samples")` with one sample, which permutes figure by figure;
    here a batch of signs is a matrix, and one product with the differences gives all figures' sums. The observed
    assignment counts as one of the permutations, so no p-value is zero (Phipson & Smyth 2010).
    """
    n, generator = len(differences), np.random.default_rng(seed)
    batch = max(1, _BATCH_BYTES // (_BYTES_A_SIGN * n))
    observed = np.abs(differences.sum(axis=0)) * (1 - 1e-12)  # sums in another order differ in their last bits
    as_far = np.zeros(differences.shape[1], np.int64)
    for start in range(0, n_resamples, batch):
        heads = generator.integers(0, 2, (min(batch, n_resamples - start), n), dtype=np.int8)
        sums = (2.0 * heads - 1.0) @ differences
        as_far += np.count_nonzero(np.abs(sums) >= observed, axis=0)
    return (1 + as_far) / (1 + n_resamples)


def _varies(values: Floats) -> NDArray[np.bool_]:
    return (values != values[0]).any(axis=0)


# Of (differences [n_users, n_figures], number of permutations, seed), to two-sided p-values [n_figures].
TESTS: dict[str, Callable[[Floats, int, int], Floats]] = {"t": _t, "wilcoxon": _wilcoxon, "permutation": _permutation}


def holm(p_values: Floats) -> Floats:
    """P-values adjusted for their number by Holm's step-down procedure (1979), float64 [n].

    Rejecting where the adjusted value is below a limit keeps the chance of any false rejection below that limit,
    whatever the dependence between the tests.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
