"""Metrics of listed items against their definitions, written out user by user, and by their properties."""

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.metrics import (
    ItemLists,
    ItemStatistics,
    average_popularity,
    diversity,
    novelty,
    precision,
    serendipity,
    user_coverage,
)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def naive_novelty(items, hits, k, statistics):
    return mean(-math.log2(max(statistics.popularity[item], 1) / statistics.n_users) for item in items[:k])


def naive_average_popularity(items, hits, k, statistics):
    return mean(statistics.popularity[item] for item in items[:k])


def naive_user_coverage(items, hits, k, statistics):
    return float(len(items) >= k)


def naive_serendipity(items, hits, k, statistics):
    kth = sorted(statistics.popularity, reverse=True)[:k][-1]
    unexpected = [item for item, hit in zip(items[:k], hits, strict=False) if hit and statistics.popularity[item] < kth]
    return len(unexpected) / k


def naive_diversity(items, hits, k, statistics):
    def cosine(one, other):
        lengths = math.hypot(*one) * math.hypot(*other)
        return sum(a * b for a, b in zip(one, other, strict=True)) / lengths if lengths else 0.0

    pairs = list(combinations([tuple(map(float, statistics.vectors[item])) for item in items[:k]], 2))
    return 1 - mean(cosine(*pair) for pair in pairs) if pairs else 0.0


METRICS = {
    novelty: naive_novelty,
    average_popularity: naive_average_popularity,
    user_coverage: naive_user_coverage,
    serendipity: naive_serendipity,
    diversity: naive_diversity,
}
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)


@st.composite
def item_lists(draw):
    """Lists of some users; popularities with ties and zeros; vectors with zeros and repetitions."""
    n_items, n_users = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    length = draw(st.integers(0, n_items))
    items = np.full((n_users, length), -1, np.int32)
    for row in items:
        order, end = draw(st.permutations(range(n_items))), draw(st.integers(0, length))
        row[:end] = order[:end]
    hits = np.array(draw(st.lists(st.booleans(), min_size=items.size, max_size=items.size)), bool)
    popularity = draw(st.lists(st.integers(0, 6), min_size=n_items, max_size=n_items))
    d = draw(st.integers(0, 3))
    vectors = draw(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=n_items * d, max_size=n_items * d))
    statistics = ItemStatistics(np.array(popularity), draw(st.integers(6, 9)), np.reshape(vectors, (n_items, d)))
    return ItemLists(items, hits.reshape(items.shape) & (items >= 0), statistics)


@pytest.fixture
def lists(make_lists):
    items = make_lists()
    rng = np.random.default_rng(1)
    popularity = np.sort(rng.integers(0, 30, 40))[::-1]
    vectors = ((rng.random((40, 5)) < 0.3) * rng.random((40, 5))).astype(np.float32)
    return ItemLists(items, (rng.random(items.shape) < 0.4) & (items >= 0), ItemStatistics(popularity, 30, vectors))


@every_metric
@settings(max_examples=60)
@given(item_lists(), st.lists(st.integers(1, 10), min_size=1, max_size=4, unique=True))
def test_as_defined_at_all_cutoffs_in_any_order(metric, lists, k):
    users = [(row[row >= 0].tolist(), hits.tolist()) for row, hits in zip(lists.items, lists.hits, strict=True)]
    expected = [[METRICS[metric](*user, cutoff, lists.statistics) for cutoff in k] for user in users]
    values = metric(lists, k)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@every_metric
def test_as_defined_for_many(metric, lists):
    k = (10, 1, 3, 12, 20)
    users = [(row[row >= 0].tolist(), hits.tolist()) for row, hits in zip(lists.items, lists.hits, strict=True)]
    expected = [[METRICS[metric](*user, cutoff, lists.statistics) for cutoff in k] for user in users]
    np.testing.assert_allclose(metric(lists, k), expected, rtol=1e-12, atol=1e-12)


@every_metric
@pytest.mark.parametrize("d", [1, 18, 300])
def test_a_user_counts_alone(metric, d, lists):
    """Bit for bit the same, whoever else is in the batch, and in whatever order, in one block of vectors or several."""
    vectors = np.random.default_rng(d).normal(size=(40, d))
    statistics = ItemStatistics(lists.statistics.popularity, 30, vectors)
    items, hits = np.tile(lists.items, (4, 1)), np.tile(lists.hits, (4, 1))
    k = (1, 2, 7, 12, 20)
    values = metric(ItemLists(items, hits, statistics), k)
    order = np.random.default_rng(0).permutation(len(items))
    np.testing.assert_array_equal(metric(ItemLists(items[order], hits[order], statistics), k), values[order])
    for start, size in ((0, 1), (5, 1), (17, 3), (100, 133)):
        some = slice(start, start + size)
        np.testing.assert_array_equal(metric(ItemLists(items[some], hits[some], statistics), k), values[some])


@every_metric
def test_nobody_and_nothing(metric, lists):
    nobody = ItemLists(lists.items[:0], lists.hits[:0], lists.statistics)
    assert metric(nobody, (1, 5)).shape == (0, 2)
    nothing = ItemLists(np.full((3, 4), -1), np.zeros((3, 4), bool), lists.statistics)
    assert (metric(nothing, (1, 5)) == 0).all()
    no_places = ItemLists(np.empty((3, 0), int), np.zeros((3, 0), bool), lists.statistics)
    assert (metric(no_places, (1, 5)) == 0).all()


@every_metric
def test_bad_cutoffs(metric, lists):
    with pytest.raises(ValueError, match="k must be an integer of at least 1"):
        metric(lists, 0)
    with pytest.raises(ValueError, match="k must not repeat a cutoff"):
        metric(lists, (3, 3))


@settings(max_examples=60)
@given(item_lists())
def test_bounds(lists):
    k = range(1, 10)
    assert (novelty(lists, k) >= 0).all()
    assert (novelty(lists, k) <= math.log2(lists.statistics.n_users)).all()
    assert (average_popularity(lists, k) >= 0).all()
    assert (average_popularity(lists, k) <= lists.statistics.popularity.max()).all()
    assert (diversity(lists, k) >= 0).all()
    assert (diversity(lists, k) <= 2).all()
    n_relevant = np.maximum(lists.hits.sum(axis=1), 1)
    assert (serendipity(lists, k) >= 0).all()
    assert (serendipity(lists, k) <= precision(lists.hits, n_relevant, k)).all()
    assert (np.diff(user_coverage(lists, k), axis=1) <= 0).all()


def lists_of(items, popularity=None, n_users=8, vectors=None, hits=None):
    items = np.array(items)
    popularity = np.ones(10) if popularity is None else np.array(popularity)
    hits = items >= 0 if hits is None else np.array(hits)
    return ItemLists(items, hits, ItemStatistics(popularity, n_users, vectors))


def test_novelty_in_bits():
    lists = lists_of([[0, 1, 2, 3]], popularity=[8, 4, 1, 0])
    np.testing.assert_array_equal(novelty(lists, (1, 2, 3, 4)), [[0, 1 / 2, 4 / 3, 7 / 4]])
    assert novelty(lists_of([[0]], popularity=[1], n_users=1), 1).tolist() == [[0.0]]


def test_average_popularity_counts_users():
    assert average_popularity(lists_of([[0, 1, -1]], popularity=[8, 4]), (1, 2, 3)).tolist() == [[8.0, 6.0, 6.0]]


def test_user_coverage_wants_the_whole_list():
    lists = lists_of([[0, 1, 2], [0, 1, -1], [-1, -1, -1]])
    assert user_coverage(lists, (1, 2, 3, 4)).tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]


def test_a_list_of_the_most_popular_has_no_serendipity():
    popularity = [7, 6, 5, 4, 3, 2, 1, 0]
    assert serendipity(lists_of([range(8)], popularity), range(1, 10)).tolist() == [[0.0] * 9]
    assert serendipity(lists_of([range(4, 8)], popularity), (1, 4)).tolist() == [[1.0, 1.0]]


def test_items_as_popular_as_the_kth_are_expected_whatever_their_number_is():
    assert serendipity(lists_of([[1], [2], [3]], popularity=[5, 3, 3, 2]), (1, 2)).tolist() == [
        [1.0, 0.0],
        [1.0, 0.0],
        [1.0, 1 / 2],
    ]


def test_only_hits_are_serendipitous():
    lists = lists_of([[3, 2]], popularity=[4, 3, 2, 1], hits=[[False, True]])
    assert serendipity(lists, (1, 2)).tolist() == [[0.0, 1 / 2]]


def test_diversity_of_equal_orthogonal_and_opposite_items():
    vectors = np.array([[2, 0], [1, 0], [0, 3], [-1, 0], [0, 0]])
    lists = lists_of([[0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 4, -1], [0, 1, 2]], np.ones(5), vectors=vectors)
    np.testing.assert_array_equal(diversity(lists, 2)[:4], [[0], [1], [2], [1]])
    np.testing.assert_allclose(diversity(lists, 3)[4], 2 / 3)
    assert (diversity(lists, 1) == 0).all()


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_only_the_direction_of_vectors_counts(scale):
    vectors = np.random.default_rng(0).normal(size=(10, 4))
    expected = diversity(lists_of([range(10)], vectors=vectors), 10)
    np.testing.assert_allclose(diversity(lists_of([range(10)], vectors=vectors * scale), 10), expected, rtol=1e-12)


def test_diversity_of_alike_items_is_exactly_0():
    """Rounding must not leave a value below 0 either."""
    vectors = np.tile(np.random.default_rng(0).random(7), (10, 1)) * np.arange(1, 11)[:, np.newaxis]
    values = diversity(lists_of([range(10)], vectors=vectors), range(1, 11))
    assert (values >= 0).all()
    np.testing.assert_allclose(values, 0, atol=1e-15)


def test_diversity_needs_vectors():
    with pytest.raises(ValueError, match="give ItemStatistics their vectors"):
        diversity(lists_of([[0, 1]]), 2)


OTHER: dict[str, Any] = {"popularity": np.ones(3), "n_users": 5, "vectors": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"popularity": np.ones((3, 1))}, r"popularity must be numbers \[n_items\]; got float64 \[3, 1\]"),
        ({"popularity": np.ones(0)}, "popularity must be numbers"),
        ({"popularity": np.array(["1"])}, "popularity must be numbers"),
        ({"popularity": np.array([1, 6, 2])}, "from 0 to n_users, here 5"),
        ({"popularity": np.array([-1, 0, 2])}, "popularity must count the users of each item"),
        ({"popularity": np.array([np.nan, 0, 2])}, "popularity must count the users of each item"),
        ({"n_users": 0}, "n_users must be an integer of at least 1"),
        ({"vectors": np.ones((2, 4))}, r"vectors must be numbers \[n_items, d\], here \[3, d\]; got float64 \[2, 4\]"),
        ({"vectors": np.ones(3)}, "vectors must be numbers"),
        ({"vectors": np.array([["a"]] * 3)}, "vectors must be numbers"),
        ({"vectors": np.array([[1, np.inf]] * 3)}, "vectors must be finite"),
    ],
)
def test_bad_statistics(arguments, message):
    with pytest.raises(ValueError, match=message):
        ItemStatistics(**{**OTHER, **arguments})


def test_statistics_leave_the_given_arrays_alone():
    popularity, vectors = np.array([1, 2, 0]), np.ones((3, 2), np.float32)
    statistics = ItemStatistics(popularity, 5, vectors)
    diversity(ItemLists(np.array([[0, 1]]), np.ones((1, 2), bool), statistics), 2)
    assert popularity.tolist() == [1, 2, 0]
    assert vectors.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(
    ("items", "hits", "message"),
    [
        (np.zeros(3, int), np.zeros(3, bool), r"items must be an int array \[n_users, K\]; got int64 \[3\]"),
        (np.zeros((3, 1)), np.zeros((3, 1), bool), "items must be an int array"),
        (np.array([[0, 3]]), np.zeros((1, 2), bool), "indices from 0 to 2, or -1 .* got numbers from 0 to 3"),
        (np.array([[0, -2]]), np.zeros((1, 2), bool), "got numbers from -2 to 0"),
        (np.array([[0, -1, 1]]), np.zeros((1, 3), bool), "-1 comes last"),
        (np.array([[0, 1], [2, 2]]), np.zeros((2, 2), bool), "items must not have an item twice in one list"),
        (np.array([[1, 2, 1]]), np.zeros((1, 3), bool), "items must not have an item twice in one list"),
        (np.array([[0, 1]]), np.zeros((1, 3), bool), r"hits must have the shape of items, \[1, 2\]; got \[1, 3\]"),
        (np.array([[0, 1]]), np.zeros((1, 2)), "hits must be a bool array"),
        (np.array([[0, -1]]), np.ones((1, 2), bool), "hits must be False where a list has no item"),
    ],
)
def test_bad_lists(items, hits, message):
    with pytest.raises(ValueError, match=message):
        ItemLists(items, hits, ItemStatistics(**OTHER))
