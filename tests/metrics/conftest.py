"""Fixtures of the metrics' tests: ranked lists of items of different lengths."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_lists():
    """Maker of lists int32 [n_users, length] without repeated items; they end anywhere, some at once."""

    def make(n_users=200, n_items=40, length=12, seed=0, shortest=0):
        rng = np.random.default_rng(seed)
        # Items with low numbers are listed more often.
        weights = np.log(rng.random((n_users, n_items))) * np.arange(1, n_items + 1)
        items = np.argsort(-weights, axis=1)[:, :length].astype(np.int32)
        lengths = rng.integers(shortest, length + 1, n_users)
        return np.where(np.arange(items.shape[1]) < lengths[:, np.newaxis], items, np.int32(-1))

    return make
