"""Vectors to search, and what scoring every one of them answers."""

import numpy as np
import pytest


def _clustered(n: int, dimension: int, *, n_clusters: int = 20, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(n_clusters, dimension))
    return (centres[generator.integers(n_clusters, size=n)] + 0.3 * generator.normal(size=(n, dimension))).astype("f")


@pytest.fixture(scope="session")
def clustered():
    """Makes float32 [n, dimension] in clusters: `clustered(n, dimension, seed=0)`."""
    return _clustered


def _brute_force(candidates, queries, k, exclude=None) -> list[list[int]]:
    scores = queries.astype(np.float64) @ candidates.astype(np.float64).T
    answers = []
    for row, wanted in enumerate(np.broadcast_to(k, len(queries))):
        hidden = [] if exclude is None else [item for item in exclude[row] if 0 <= item < len(candidates)]
        scores[row, hidden] = -np.inf
        left = int(np.isfinite(scores[row]).sum())
        answers.append(np.argsort(-scores[row], kind="stable")[: min(max(int(wanted), 0), left)].tolist())
    return answers


@pytest.fixture(scope="session")
def brute_force():
    """The best candidates of each query by scoring all: `brute_force(candidates, queries, k, exclude=None)`."""
    return _brute_force


def _listed(ranked) -> list[list[int]]:
    rows = []
    for items, scores in zip(ranked.item.numpy().tolist(), ranked.score.numpy().tolist(), strict=True):
        n_listed = sum(item >= 0 for item in items)
        assert all(item == -1 for item in items[n_listed:])
        assert all(score == 0 for score in scores[n_listed:])
        assert scores[:n_listed] == sorted(scores[:n_listed], reverse=True)
        rows.append(items[:n_listed])
    return rows


@pytest.fixture(scope="session")
def listed():
    """The answers of a `Ranked` without their padding, which is checked: lists of positions."""
    return _listed
