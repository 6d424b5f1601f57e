"""Each metric against its definition, written out user by user, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from tfrec.metrics import METRICS, average_precision, hit_rate, mrr, ndcg, precision, recall


def naive_ndcg(hits, n_relevant, k):
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], 1) if hit)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_relevant) + 1))


def naive_recall(hits, n_relevant, k):
    return len([hit for hit in hits[:k] if hit]) / n_relevant


def naive_precision(hits, n_relevant, k):
    return len([hit for hit in hits[:k] if hit]) / k


def naive_hit_rate(hits, n_relevant, k):
    return 1.0 if True in hits[:k] else 0.0


def naive_mrr(hits, n_relevant, k):
    return next((1 / rank for rank, hit in enumerate(hits[:k], 1) if hit), 0.0)


def naive_map(hits, n_relevant, k):
    precisions = [sum(hits[:rank]) / rank for rank in range(1, len(hits[:k]) + 1) if hits[rank - 1]]
    return sum(precisions) / min(k, n_relevant)


NAIVE = {
    "ndcg": naive_ndcg,
    "recall": naive_recall,
    "precision": naive_precision,
    "hit_rate": naive_hit_rate,
    "mrr": naive_mrr,
    "map": naive_map,
}


@st.composite
def ranked_lists(draw):
    """Hits of some users, of lists of any length, none too; relevant items, in the list and out of it; a cutoff."""
    length = draw(st.integers(0, 12))
    hits = draw(st.lists(st.lists(st.booleans(), min_size=length, max_size=length), min_size=1, max_size=6))
    missed = draw(st.lists(st.integers(0, 12), min_size=len(hits), max_size=len(hits)))
    n_relevant = [max(1, sum(row) + more) for row, more in zip(hits, missed, strict=True)]
    return np.array(hits, bool).reshape(len(hits), length), np.array(n_relevant), draw(st.integers(1, 15))


def test_every_metric_has_a_reference():
    assert set(NAIVE) == set(METRICS)


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=50)
@given(ranked_lists())
def test_as_defined(name, lists):
    hits, n_relevant, k = lists
    expected = [NAIVE[name](row.tolist(), int(n), k) for row, n in zip(hits, n_relevant, strict=True)]
    values = METRICS[name](hits, n_relevant, k)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=50)
@given(ranked_lists())
def test_between_0_and_1(name, lists):
    values = METRICS[name](*lists)
    assert (values >= 0).all()
    assert (values <= 1).all()


@pytest.mark.parametrize("name", ["ndcg", "mrr", "map"])
@settings(max_examples=50)
@given(ranked_lists(), st.data())
def test_a_hit_further_up_is_no_worse(name, lists, data):
    hits, n_relevant, k = lists
    if hits.shape[1] < 2:
        return
    rank = data.draw(st.integers(0, hits.shape[1] - 2))
    better = hits.copy()
    better[:, rank], better[:, rank + 1] = hits[:, rank] | hits[:, rank + 1], hits[:, rank] & hits[:, rank + 1]
    assert (METRICS[name](better, n_relevant, k) >= METRICS[name](hits, n_relevant, k) - 1e-12).all()


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    relevant = rng.random((20, 30)) < 0.3
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    hits = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    for k in (1, 5, 30):
        # scikit-learn averages over the rows, so each is given to it alone.
        expected = [ndcg_score(relevant[[row]], scores[[row]], k=k) for row in range(20)]
        np.testing.assert_allclose(ndcg(hits, relevant.sum(axis=1), k), expected)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_of_the_whole_list_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    relevant = rng.random((20, 30)) < 0.3
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    hits = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    expected = [average_precision_score(relevant[row], scores[row]) for row in range(20)]
    np.testing.assert_allclose(average_precision(hits, relevant.sum(axis=1), 30), expected)


@pytest.mark.parametrize("name", ["ndcg", "hit_rate", "mrr", "map"])
@pytest.mark.parametrize("n_relevant", [1, 3, 10, 25])
def test_the_best_list_scores_exactly_1(name, n_relevant):
    hits = np.arange(20)[np.newaxis] < n_relevant
    assert [METRICS[name](hits, np.array([n_relevant]), k)[0] for k in (1, 2, 5, 10, 20)] == [1.0] * 5


def test_by_hand():
    hits, n_relevant = np.array([[False, True, True, False], [False, False, False, False]]), np.array([4, 1])
    discount = [1 / math.log2(rank + 1) for rank in (1, 2, 3)]
    np.testing.assert_allclose(ndcg(hits, n_relevant, 3), [sum(discount[1:]) / sum(discount), 0])
    np.testing.assert_allclose(recall(hits, n_relevant, 3), [2 / 4, 0])
    np.testing.assert_allclose(precision(hits, n_relevant, 3), [2 / 3, 0])
    np.testing.assert_allclose(hit_rate(hits, n_relevant, 3), [1, 0])
    np.testing.assert_allclose(mrr(hits, n_relevant, 3), [1 / 2, 0])
    np.testing.assert_allclose(average_precision(hits, n_relevant, 3), [(1 / 2 + 2 / 3) / 3, 0])


def test_a_short_list_ends_in_misses():
    short, n_relevant = np.array([[True, False], [False, True]]), np.array([3, 1])
    padded = np.pad(short, [(0, 0), (0, 8)])
    for metric in METRICS.values():
        np.testing.assert_array_equal(metric(short, n_relevant, 10), metric(padded, n_relevant, 10))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("hits", "n_relevant", "k", "message"),
    [
        (np.zeros(3, bool), np.ones(3, int), 1, "hits must be a bool array"),
        (np.zeros((3, 2)), np.ones(3, int), 1, "hits must be a bool array"),
        (np.zeros((3, 2), bool), np.ones(2, int), 1, "n_relevant must be an int array"),
        (np.zeros((3, 2), bool), np.ones(3), 1, "n_relevant must be an int array"),
        (np.zeros((3, 2), bool), np.ones(3, int), 0, "k must be at least 1"),
        (np.zeros((3, 2), bool), np.zeros(3, int), 1, "leave users without relevant items out"),
        (np.ones((3, 2), bool), np.ones(3, int), 1, "at least the number of hits"),
    ],
)
def test_bad_arguments(name, hits, n_relevant, k, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name](hits, n_relevant, k)
