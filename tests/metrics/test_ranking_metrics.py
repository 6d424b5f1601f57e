"""Each metric of hits against its definition, written out user by user, against scikit-learn, and by its properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, ndcg_score, precision_score, recall_score

from tfrec.metrics import (
    HitLists,
    average_precision,
    average_precision_full,
    f1,
    hit_rate,
    mrr,
    ndcg,
    precision,
    r_precision,
    recall,
    recall_capped,
)


def naive_ndcg(hits, n_relevant, k):
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], 1) if hit)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_relevant) + 1))


def naive_recall(hits, n_relevant, k):
    return len([hit for hit in hits[:k] if hit]) / n_relevant


def naive_recall_capped(hits, n_relevant, k):
    return len([hit for hit in hits[:k] if hit]) / min(k, n_relevant)


def naive_precision(hits, n_relevant, k):
    return len([hit for hit in hits[:k] if hit]) / k


def naive_f1(hits, n_relevant, k):
    both = naive_precision(hits, n_relevant, k), naive_recall(hits, n_relevant, k)
    return 2 / (1 / both[0] + 1 / both[1]) if all(both) else 0.0


def naive_hit_rate(hits, n_relevant, k):
    return 1.0 if True in hits[:k] else 0.0


def naive_mrr(hits, n_relevant, k):
    return next((1 / rank for rank, hit in enumerate(hits[:k], 1) if hit), 0.0)


def naive_map(hits, n_relevant, k):
    return naive_map_full(hits, n_relevant, k) * n_relevant / min(k, n_relevant)


def naive_map_full(hits, n_relevant, k):
    return sum(sum(hits[:rank]) / rank for rank in range(1, len(hits[:k]) + 1) if hits[rank - 1]) / n_relevant


def naive_r_precision(hits, n_relevant, k):
    return sum(hits[:k][:n_relevant]) / n_relevant


METRICS = {
    ndcg: naive_ndcg,
    recall: naive_recall,
    recall_capped: naive_recall_capped,
    precision: naive_precision,
    f1: naive_f1,
    hit_rate: naive_hit_rate,
    mrr: naive_mrr,
    average_precision: naive_map,
    average_precision_full: naive_map_full,
    r_precision: naive_r_precision,
}
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
cutoffs = st.lists(st.integers(1, 15), min_size=1, max_size=5, unique=True)


@st.composite
def ranked_lists(draw):
    """Hits of some users, of lists of any length, none too; relevant items, in the list and out of it."""
    length = draw(st.integers(0, 12))
    hits = draw(st.lists(st.lists(st.booleans(), min_size=length, max_size=length), min_size=1, max_size=6))
    missed = draw(st.lists(st.integers(0, 12), min_size=len(hits), max_size=len(hits)))
    n_relevant = [max(1, sum(row) + more) for row, more in zip(hits, missed, strict=True)]
    return np.array(hits, bool).reshape(len(hits), length), np.array(n_relevant)


@pytest.fixture
def long_lists():
    """Hits and relevant items of 130 users."""
    rng = np.random.default_rng(7)
    hits = rng.random((130, 60)) < rng.random((130, 1)) ** 2
    return hits, hits.sum(axis=1) + rng.integers(1, 40, 130)


@every_metric
@settings(max_examples=50)
@given(ranked_lists(), cutoffs)
def test_as_defined_at_all_cutoffs_in_any_order(metric, lists, k):
    hits, n_relevant = lists
    naive = METRICS[metric]
    expected = [[naive(row, n, cutoff) for cutoff in k] for row, n in zip(hits.tolist(), n_relevant, strict=True)]
    values = metric(hits, n_relevant, k)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=0)


@every_metric
def test_one_cutoff_has_no_column(metric, long_lists):
    several = metric(*long_lists, (10, 3))
    np.testing.assert_array_equal(metric(*long_lists, 3), several[:, 1])
    np.testing.assert_array_equal(metric(*long_lists, np.int64(10)), several[:, 0])
    np.testing.assert_array_equal(metric(*long_lists, [3]), several[:, 1:])


@every_metric
def test_checked_lists_give_the_same(metric, long_lists):
    lists = HitLists(*long_lists)
    for k in ((10, 3), [70, 1, 60], range(1, 5), np.array([2, 4])):
        np.testing.assert_array_equal(metric.of_lists(lists, k), metric(*long_lists, k))


@every_metric
@settings(max_examples=50)
@given(ranked_lists(), cutoffs)
def test_between_0_and_1(metric, lists, k):
    values = metric(*lists, k)
    assert (values >= 0).all()
    assert (values <= 1).all()


@every_metric
@settings(max_examples=50)
@given(ranked_lists(), st.data())
def test_a_hit_further_up_is_no_worse(metric, lists, data):
    hits, n_relevant = lists
    if hits.shape[1] < 2:
        return
    rank = data.draw(st.integers(0, hits.shape[1] - 2))
    better = hits.copy()
    better[:, rank], better[:, rank + 1] = hits[:, rank] | hits[:, rank + 1], hits[:, rank] & hits[:, rank + 1]
    k = range(1, 15)
    assert (metric(better, n_relevant, k) >= metric(hits, n_relevant, k) - 1e-12).all()


@pytest.mark.parametrize("metric", [recall, hit_rate, mrr, average_precision_full, r_precision])
@settings(max_examples=50)
@given(ranked_lists())
def test_a_longer_list_is_no_worse(metric, lists):
    assert (np.diff(metric(*lists, range(1, 16)), axis=1) >= 0).all()


@every_metric
def test_a_user_counts_alone(metric, long_lists):
    """Bit for bit the same, whoever else is in the batch, and in whatever order."""
    hits, n_relevant = long_lists
    k = (1, 7, 20, 60, 90)
    values = metric(hits, n_relevant, k)
    order = np.random.default_rng(0).permutation(len(hits))
    np.testing.assert_array_equal(metric(hits[order], n_relevant[order], k), values[order])
    for size in (1, 3, 64):
        starts = range(0, len(hits), size)
        parts = [metric(hits[start : start + size], n_relevant[start : start + size], k) for start in starts]
        np.testing.assert_array_equal(np.concatenate(parts), values)


@every_metric
def test_a_list_in_any_layout(metric, long_lists):
    hits, n_relevant = long_lists
    expected = metric(hits, n_relevant, (5, 50))
    np.testing.assert_array_equal(metric(np.asfortranarray(hits), n_relevant.astype(np.uint16), (5, 50)), expected)


def in_order_of_scores(seed):
    """Relevance and distinct scores of 20 users' 30 items, and the hits in the order of the scores."""
    rng = np.random.default_rng(seed)
    relevant = rng.random((20, 30)) < 0.3
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(30.0), (20, 1)), axis=1)
    return relevant, scores, np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_scikit_learns(seed):
    relevant, scores, hits = in_order_of_scores(seed)
    for k in (1, 5, 30):
        # scikit-learn averages over the rows, so each is given to it alone.
        expected = [ndcg_score(relevant[[row]], scores[[row]], k=k) for row in range(20)]
        np.testing.assert_allclose(ndcg(hits, relevant.sum(axis=1), k), expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("metric", [average_precision, average_precision_full])
def test_average_precision_of_the_whole_list_is_scikit_learns(metric, seed):
    relevant, scores, hits = in_order_of_scores(seed)
    expected = [average_precision_score(relevant[row], scores[row]) for row in range(20)]
    np.testing.assert_allclose(metric(hits, relevant.sum(axis=1), 30), expected)


@pytest.mark.parametrize(
    ("metric", "reference"), [(precision, precision_score), (recall, recall_score), (f1, f1_score)]
)
def test_of_sets_it_is_scikit_learns(metric, reference):
    """The first k items are the predicted ones."""
    relevant, scores, hits = in_order_of_scores(0)
    for k in (1, 7, 30):
        predicted = scores >= 30 - k
        expected = [reference(relevant[row], predicted[row], zero_division=0) for row in range(20)]
        np.testing.assert_allclose(metric(hits, relevant.sum(axis=1), k), expected)


@pytest.mark.parametrize("metric", [ndcg, hit_rate, mrr, average_precision, recall_capped])
@pytest.mark.parametrize("n_relevant", [1, 3, 10, 25])
def test_the_best_list_scores_exactly_1(metric, n_relevant):
    hits = np.arange(20)[np.newaxis] < n_relevant
    assert metric(hits, np.array([n_relevant]), (1, 2, 5, 10, 20)).tolist() == [[1.0] * 5]


@pytest.mark.parametrize("metric", [recall, average_precision_full, r_precision])
def test_the_best_list_with_room_for_all_scores_exactly_1(metric):
    n_relevant = np.arange(1, 21)
    hits = np.arange(20) < n_relevant[:, np.newaxis]
    assert (metric(hits, n_relevant, (20, 33)) == 1.0).all()
    assert (metric(hits, n_relevant, 19)[:-1] == 1.0).all()
    assert metric(hits, n_relevant, 19)[-1] == pytest.approx(19 / 20)


@pytest.mark.parametrize("metric", [precision, f1])
def test_the_best_list_of_just_the_right_length_scores_exactly_1(metric):
    n_relevant = np.arange(1, 21)
    hits = np.arange(20) < n_relevant[:, np.newaxis]
    assert (np.diag(metric(hits, n_relevant, n_relevant)) == 1.0).all()


@every_metric
def test_a_list_without_hits_scores_0(metric):
    n_relevant = np.arange(1, 21)
    assert (metric(np.zeros((20, 10), bool), n_relevant, (1, 5, 30)) == 0.0).all()
    assert (metric(np.zeros((20, 0), bool), n_relevant, (1, 5, 30)) == 0.0).all()


@every_metric
def test_nobody(metric):
    assert metric(np.zeros((0, 10), bool), np.zeros(0, int), (1, 5)).shape == (0, 2)


@settings(max_examples=50)
@given(ranked_lists())
def test_the_two_definitions_agree_while_the_list_has_room(lists):
    hits, n_relevant = lists
    k = np.arange(1, 16)
    has_room = k >= n_relevant[:, np.newaxis]
    for strict, fair in ((recall, recall_capped), (average_precision_full, average_precision)):
        lower, upper = strict(hits, n_relevant, k), fair(hits, n_relevant, k)
        assert (lower <= upper).all()
        np.testing.assert_array_equal(lower[has_room], upper[has_room])


def test_by_hand():
    hits, n_relevant = np.array([[False, True, True, False], [False, False, False, False]]), np.array([4, 1])
    discount = [1 / math.log2(rank + 1) for rank in (1, 2, 3)]
    np.testing.assert_allclose(ndcg(hits, n_relevant, 3), [sum(discount[1:]) / sum(discount), 0])
    np.testing.assert_allclose(recall(hits, n_relevant, 3), [2 / 4, 0])
    np.testing.assert_allclose(recall_capped(hits, n_relevant, 3), [2 / 3, 0])
    np.testing.assert_allclose(precision(hits, n_relevant, 3), [2 / 3, 0])
    np.testing.assert_allclose(f1(hits, n_relevant, 3), [4 / 7, 0])
    np.testing.assert_allclose(hit_rate(hits, n_relevant, 3), [1, 0])
    np.testing.assert_allclose(mrr(hits, n_relevant, 3), [1 / 2, 0])
    np.testing.assert_allclose(average_precision(hits, n_relevant, 3), [(1 / 2 + 2 / 3) / 3, 0])
    np.testing.assert_allclose(average_precision_full(hits, n_relevant, 3), [(1 / 2 + 2 / 3) / 4, 0])
    assert r_precision(hits, n_relevant, (2, 4)).tolist() == [[1 / 4, 2 / 4], [0, 0]]


@every_metric
def test_a_short_list_ends_in_misses(metric):
    short, n_relevant = np.array([[True, False], [False, True]]), np.array([3, 1])
    padded = np.pad(short, [(0, 0), (0, 8)])
    np.testing.assert_array_equal(metric(short, n_relevant, 10), metric(padded, n_relevant, 10))


@every_metric
@pytest.mark.parametrize(
    ("hits", "n_relevant", "k", "message"),
    [
        (np.zeros(3, bool), np.ones(3, int), 1, "hits must be a bool array"),
        (np.zeros((3, 2)), np.ones(3, int), 1, "hits must be a bool array"),
        (np.zeros((3, 2), bool), np.ones(2, int), 1, "n_relevant must be an int array"),
        (np.zeros((3, 2), bool), np.ones(3), 1, "n_relevant must be an int array"),
        (np.zeros((3, 2), bool), np.ones(3, int), 0, "k must be an integer of at least 1; got 0"),
        (np.zeros((3, 2), bool), np.ones(3, int), (5, -1), "k must be an integer of at least 1; got -1"),
        (np.zeros((3, 2), bool), np.ones(3, int), (), "k must name at least one cutoff"),
        (np.zeros((3, 2), bool), np.ones(3, int), (5, 1, 5), r"k must not repeat a cutoff; got \(5, 1, 5\)"),
        (np.zeros((3, 2), bool), np.zeros(3, int), 1, "leave users without relevant items out"),
        (np.ones((3, 2), bool), np.ones(3, int), 1, "at least the number of hits"),
    ],
)
def test_bad_arguments(metric, hits, n_relevant, k, message):
    with pytest.raises(ValueError, match=message):
        metric(hits, n_relevant, k)


@every_metric
@pytest.mark.parametrize("k", [1.0, "5", None, True, (1, 2.5)])
def test_a_cutoff_is_an_integer(metric, k):
    with pytest.raises(TypeError, match="k must be an integer of at least 1"):
        metric(np.zeros((3, 2), bool), np.ones(3, int), k)


@every_metric
def test_it_has_a_docstring_of_its_own(metric):
    assert metric.__doc__ == metric.of_lists.__doc__ != HitLists.__doc__
    assert metric.__doc__
