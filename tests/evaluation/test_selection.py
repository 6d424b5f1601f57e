"""The best columns of rows: against sorting, for scores with and without equals, masked, few and many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.evaluation.selection import best, in_order, rows_at_a_time

KINDS = {
    "distinct": lambda rng, shape: rng.permuted(np.tile(np.arange(shape[1]) - shape[1] // 2, (shape[0], 1)), axis=1),
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "falling": lambda rng, shape: -np.sort(-rng.standard_normal(shape), axis=1),
    "few levels": lambda rng, shape: rng.integers(-2, 3, shape),
    "constant": lambda rng, shape: np.zeros(shape),
    "mostly masked": lambda rng, shape: np.where(rng.random(shape) < 0.95, -np.inf, rng.standard_normal(shape)),
    "all masked": lambda rng, shape: np.full(shape, -np.inf),
    "extreme": lambda rng, shape: rng.choice(np.array([3.4e38, -3.4e38, 1e-45, -1e-45, 0.0, -0.0]), shape),
}


def keys(n, seed=1):
    return np.random.default_rng(seed).integers(2**64, size=n, dtype=np.uint64)


def make(kind, n_rows, n_columns, seed):
    return np.asarray(KINDS[kind](np.random.default_rng(seed), (n_rows, n_columns)), np.float32)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(KINDS)),
    st.integers(1, 9),
    st.one_of(st.integers(1, 70), st.integers(300, 900)),
    st.integers(1, 60),
    st.integers(0, 1000),
)
def test_the_scores_listed_are_the_largest(kind, n_rows, n_columns, k, seed):
    scores = make(kind, n_rows, n_columns, seed)
    listed = best(scores, keys(n_rows), keys(n_columns), k)
    assert listed.shape == (n_rows, k)
    assert listed.dtype == np.int32
    for row, columns in zip(scores, listed, strict=True):
        largest = -np.sort(-row)[:k]
        n_left = int((largest > -np.inf).sum())
        assert (columns[n_left:] == -1).all()
        assert len(set(columns[:n_left])) == n_left
        np.testing.assert_array_equal(row[columns[:n_left]], largest[:n_left])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(KINDS)), st.integers(2, 9), st.integers(1, 300), st.integers(1, 30), st.integers(0, 1000))
def test_a_row_does_not_depend_on_the_others_nor_on_k(kind, n_rows, n_columns, k, seed):
    scores = make(kind, n_rows, n_columns, seed)
    users, items = keys(n_rows, seed), keys(n_columns, seed + 1)
    together = best(scores, users, items, k)
    for row in range(n_rows):
        alone = best(scores[row : row + 1], users[row : row + 1], items, k + 5)
        np.testing.assert_array_equal(alone[0, :k], together[row])


def test_ties_are_in_every_order_equally_often():
    """Of 4 equal items, each of the 24 orders: chi-square with 23 degrees of freedom, p = 1e-4 at 56.5."""
    n_users = 24_000
    scores = np.zeros((1, 4), np.float32)
    orders, counts = np.unique(
        [best(scores, user, keys(4), 4)[0] for user in keys(n_users, 2)[:, np.newaxis]], axis=0, return_counts=True
    )
    assert len(orders) == 24
    expected = n_users / 24
    assert ((counts - expected) ** 2 / expected).sum() < 56.5


def test_in_order_knows_only_the_entries_it_is_given():
    scores = np.array([[5, 4, 3, 2], [1, 2, 3, 4]], np.float32)
    found = np.array([1, 3, 4, 5])
    listed = in_order(found, scores, keys(2), keys(4), 3)
    np.testing.assert_array_equal(listed, [[1, 3, -1], [1, 0, -1]])


def test_no_entries_at_all():
    np.testing.assert_array_equal(
        in_order(np.empty(0, np.int64), np.zeros((2, 3), np.float32), keys(2), keys(3), 2), -1
    )


@pytest.mark.parametrize("n_columns", [1, 2, 1000, 2**20, 2**22 + 1, 2**31 - 1])
def test_row_score_and_column_fit_into_63_bits(n_columns):
    n_rows = rows_at_a_time(n_columns)
    assert n_rows >= 1
    assert (n_rows - 1).bit_length() + 32 + (n_columns - 1).bit_length() <= 63


def test_the_order_of_ties_follows_the_keys_not_the_columns():
    items, turned = keys(50), np.random.default_rng(0).permutation(50)
    listed = best(np.zeros((1, 50), np.float32), keys(1), items, 10)[0]
    listed_of_turned = best(np.zeros((1, 50), np.float32), keys(1), items[turned], 10)[0]
    np.testing.assert_array_equal(turned[listed_of_turned], listed)
