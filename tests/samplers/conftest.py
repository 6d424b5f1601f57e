"""Small data with every awkward history, and the distributions that the samplers should have, in naive numpy."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse, stats

from tfrec._tf import tf
from tfrec.data.samplers import KnownPositives

N_ITEMS = 37


def naive_distribution(liked: np.ndarray, alpha: float) -> np.ndarray:
    """Of one draw, for each user: float64 [n_users, n_items]; all zero for a user who has every item."""
    counts = liked.sum(axis=0)
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(np.float64) ** alpha, 0.0)
    free = np.where(liked, 0.0, weights)
    total = free.sum(axis=1, keepdims=True)
    return np.divide(free, total, out=np.zeros_like(free), where=total > 0)


def make_known(liked: np.ndarray, bitmap: bool = True) -> KnownPositives:
    matrix = sparse.csr_array(liked)
    matrix.sort_indices()
    return KnownPositives(matrix.indptr, matrix.indices, liked.shape[1], bitmap_bytes=(64 << 20) if bitmap else 0)


def p_value(drawn: np.ndarray, expected: np.ndarray) -> float:
    """Of a chi-square test that draws of any shape are of `expected`, [n_items]; 0 where one is impossible."""
    counts = np.bincount(np.ravel(drawn), minlength=len(expected))
    if counts[expected == 0].any():
        return 0.0
    possible = expected > 0
    if possible.sum() == 1:
        return 1.0
    return float(stats.chisquare(counts[possible], expected[possible] * counts.sum()).pvalue)


def draws(sampler, user: int, n: int, *, seed: int = 0, epoch: int = 0, step: int = 0) -> np.ndarray:
    """`n` draws for one user, by rows of four."""
    users = tf.fill([-(-n // 4)], user)
    return sampler.sample(users, 4, seed=seed, epoch=epoch, step=step).numpy()


@pytest.fixture(scope="session")
def liked() -> np.ndarray:
    """Which items users have: bool [9, 37].

    Popularity falls from item 1 on; 0, 20 and 36 have no row; users: an empty history, all items but one, all but the
    most popular one, the popular half, the rest at random.
    """
    generator = np.random.default_rng(5)
    popular = 0.9 * 0.93 ** np.arange(N_ITEMS)
    liked = generator.random((9, N_ITEMS)) < popular
    liked[0] = False
    liked[1] = liked[2] = True
    liked[1, 30] = liked[2, 1] = False
    liked[3] = np.arange(N_ITEMS) < N_ITEMS // 2
    liked[:, [0, 20, 36]] = False
    return liked


@pytest.fixture(scope="session", params=[True, False], ids=["bitmap", "search"])
def known(request, liked) -> KnownPositives:
    return make_known(liked, bitmap=request.param)


@pytest.fixture(scope="session")
def naive() -> SimpleNamespace:
    """The helpers above, for test modules, which can't import each other."""
    return SimpleNamespace(distribution=naive_distribution, known=make_known, p_value=p_value, draws=draws)
