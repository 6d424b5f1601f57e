"""Metrics of all lists together against their definitions, by their properties, and batch by batch."""

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.metrics import Exposure, coverage, entropy, gini, personalisation


def naive_coverage(lists, catalogue):
    return len({item for items in lists for item in items}) / len(catalogue)


def naive_gini(lists, catalogue):
    """By its definition: the mean absolute difference of all pairs over twice the mean."""
    counts = Counter(item for items in lists for item in items)
    differences = [abs(counts[one] - counts[other]) for one in catalogue for other in catalogue]
    total = sum(counts.values())
    return sum(differences) / len(differences) / (2 * total / len(catalogue)) if total else 0.0


def naive_entropy(lists, catalogue):
    counts = Counter(item for items in lists for item in items)
    total = sum(counts.values())
    return math.fsum(-count / total * math.log2(count / total) for count in counts.values())


def naive_personalisation(lists, catalogue):
    pairs = list(combinations([set(items) for items in lists if items], 2))
    similarities = [len(one & other) / math.sqrt(len(one) * len(other)) for one, other in pairs]
    return 1 - math.fsum(similarities) / len(pairs) if pairs else 0.0


METRICS = {
    coverage: naive_coverage,
    gini: naive_gini,
    entropy: naive_entropy,
    personalisation: naive_personalisation,
}
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)


def exposure_of(batches, n_items, k, recommendable=None):
    exposure = Exposure(n_items, k, recommendable)
    for items in batches:
        exposure.add(items)
    return exposure


@st.composite
def lists_of_items(draw):
    """Lists of some users out of the recommendable items, and which these are."""
    recommendable = np.array(draw(st.lists(st.booleans(), min_size=1, max_size=8)), bool)
    recommendable[0] = True
    catalogue = np.flatnonzero(recommendable).tolist()
    length = draw(st.integers(0, len(catalogue)))
    items = np.full((draw(st.integers(0, 6)), length), -1, np.int32)
    for row in items:
        order, end = draw(st.permutations(catalogue)), draw(st.integers(0, length))
        row[:end] = order[:end]
    return items, recommendable


@every_metric
@settings(max_examples=80)
@given(lists_of_items(), st.lists(st.integers(1, 10), min_size=1, max_size=4, unique=True))
def test_as_defined_at_all_cutoffs_in_any_order(metric, lists, k):
    items, recommendable = lists
    catalogue = np.flatnonzero(recommendable).tolist()
    cut = [[row[row >= 0][:cutoff].tolist() for row in items] for cutoff in k]
    values = metric(exposure_of([items], len(recommendable), k, recommendable))
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, [METRICS[metric](each, catalogue) for each in cut], rtol=1e-9, atol=1e-12)


@every_metric
@pytest.mark.parametrize("shortest", [0, 12])
def test_as_defined_for_many(metric, make_lists, shortest):
    items = make_lists(shortest=shortest)
    k = (10, 1, 12, 30)
    cut = [[row[row >= 0][:cutoff].tolist() for row in items] for cutoff in k]
    expected = [METRICS[metric](each, range(40)) for each in cut]
    np.testing.assert_allclose(metric(exposure_of([items], 40, k)), expected, rtol=1e-12, atol=1e-12)


@every_metric
@pytest.mark.parametrize("size", [1, 7, 64])
def test_batch_by_batch_it_is_the_same(metric, make_lists, size):
    """Bit for bit."""
    items, k = make_lists(), (10, 1, 12, 30)
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    np.testing.assert_array_equal(metric(exposure_of(batches, 40, k)), metric(exposure_of([items], 40, k)))


@every_metric
def test_who_comes_first_does_not_matter(metric, make_lists):
    items, k = make_lists(), (10, 1, 12, 30)
    shuffled = np.random.default_rng(0).permutation(items)
    np.testing.assert_allclose(metric(exposure_of([shuffled], 40, k)), metric(exposure_of([items], 40, k)), rtol=1e-12)


def test_exposure_counts_users(make_lists):
    items, k = make_lists(), (10, 1, 12, 30)
    exposure = exposure_of([items[:50], items[50:50], items[50:]], 40, k)
    expected = [[int((items[:, :cutoff] == item).sum()) for item in range(40)] for cutoff in k]
    assert exposure.listed.dtype == np.int64
    assert exposure.listed.tolist() == expected
    assert (exposure.n_users, exposure.n_lists) == (200, int((items[:, 0] >= 0).sum()))


def test_batches_may_be_of_different_width():
    exposure = exposure_of([np.array([[0, 1, 2]]), np.array([[1]]), np.array([[2, -1, -1, -1]])], 4, (1, 3))
    assert exposure.listed.tolist() == [[1, 1, 1, 0], [1, 2, 2, 0]]


def test_everybody_the_same_list():
    exposure = exposure_of([np.tile(np.arange(5), (300, 1))] * 3, 20, (1, 3, 5))
    assert coverage(exposure).tolist() == [1 / 20, 3 / 20, 5 / 20]
    assert gini(exposure).tolist() == [19 / 20, 17 / 20, 15 / 20]
    np.testing.assert_allclose(entropy(exposure), [0, math.log2(3), math.log2(5)], atol=1e-14)
    assert personalisation(exposure).tolist() == [0.0, 0.0, 0.0]


def test_everybody_a_list_of_their_own():
    exposure = exposure_of([np.arange(20).reshape(4, 5)], 20, (5, 9))
    assert coverage(exposure).tolist() == [1.0, 1.0]
    assert gini(exposure).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(entropy(exposure), math.log2(20))
    assert personalisation(exposure)[0] == 1.0
    assert personalisation(exposure)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("n_users", [0, 1, 5])
def test_nothing_is_listed(n_users):
    exposure = exposure_of([np.full((n_users, 3), -1)], 6, (1, 3))
    assert [metric(exposure).tolist() for metric in METRICS] == [[0.0, 0.0]] * 4


def test_one_user_differs_from_nobody():
    exposure = exposure_of([np.array([[2, 0], [-1, -1]])], 3, (1, 2))
    assert personalisation(exposure).tolist() == [0.0, 0.0]
    assert coverage(exposure).tolist() == [1 / 3, 2 / 3]


def test_a_catalogue_of_one_item():
    exposure = exposure_of([np.array([[1], [1]])], 3, (1,), np.array([False, True, False]))
    assert [metric(exposure).tolist() for metric in METRICS] == [[1.0], [0.0], [0.0], [0.0]]


@settings(max_examples=80)
@given(lists_of_items())
def test_bounds_and_growth(lists):
    items, recommendable = lists
    exposure = exposure_of([items], len(recommendable), range(1, 10), recommendable)
    n = recommendable.sum()
    for metric, most in ((coverage, 1), (gini, (n - 1) / n), (entropy, math.log2(n) + 1e-12), (personalisation, 1)):
        assert (metric(exposure) >= 0).all()
        assert (metric(exposure) <= most).all()
    assert (np.diff(coverage(exposure)) >= 0).all()


def test_items_that_cannot_be_recommended_are_not_in_the_catalogue():
    recommendable = np.array([True, True, False, True])
    exposure = exposure_of([np.array([[0, 1], [1, 0]])], 4, 2, recommendable)
    assert coverage(exposure).tolist() == [2 / 3]
    assert gini(exposure).tolist() == [1 / 3]


def test_a_refused_batch_leaves_no_trace():
    exposure = exposure_of([np.array([[0, 1]])], 3, (1, 2), np.array([True, True, False]))
    for bad, message in (
        ([[0, 2]], "items must be recommendable ones; some are not"),
        ([[0, 3]], "indices from 0 to 2"),
        ([[1, 1]], "an item twice in one list"),
        ([[-1, 1]], "-1 comes last"),
        ([[0.0, 1.0]], "items must be an int array"),
    ):
        with pytest.raises(ValueError, match=message):
            exposure.add(np.array(bad))
    assert exposure.listed.tolist() == [[1, 0, 0], [1, 1, 0]]
    assert (exposure.n_users, exposure.n_lists) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5), "n_items must be an integer of at least 1"),
        ((3, 0), "k must be an integer of at least 1"),
        ((3, ()), "k must name at least one cutoff"),
        ((3, (5, 5)), "k must not repeat a cutoff"),
        ((3, 5, np.ones(2, bool)), r"recommendable must be a bool array \[n_items\], here \[3\]; got bool \[2\]"),
        ((3, 5, np.ones(3)), "recommendable must be a bool array"),
        ((3, 5, np.zeros(3, bool)), "there is no catalogue to cover"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Exposure(*arguments)
