"""The area under the ROC curve against scikit-learn, pair by pair, and by its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tfrec.metrics import auc


def naive(scores, relevant, candidates):
    """The share of pairs in the right order, ties half."""
    wanted = [score for score, is_relevant in zip(scores, relevant, strict=True) if is_relevant]
    others = [score for score, hit, rival in zip(scores, relevant, candidates, strict=True) if rival and not hit]
    points = [(w > o) + (w == o) / 2 for w in wanted for o in others]
    return sum(points) / len(points) if points else 0.5


@st.composite
def scored(draw):
    """Scores of few values, so that there are ties, relevant items and candidates of some users."""
    n_users, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 10))
    size = n_users * n_items
    values = draw(st.lists(st.sampled_from([-np.inf, -1.5, 0.0, -0.0, 1e-7, 2.0]), min_size=size, max_size=size))
    flags = draw(st.lists(st.booleans(), min_size=2 * size, max_size=2 * size))
    relevant, candidates = np.array(flags).reshape(2, n_users, n_items)
    relevant[:, draw(st.integers(0, n_items - 1))] = True
    return np.array(values).reshape(n_users, n_items), relevant, candidates


@settings(max_examples=200)
@given(scored())
def test_pair_by_pair(users):
    values = auc(*users)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, [naive(*user) for user in zip(*users, strict=True)], rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_levels", [2, 20, 10**9])
def test_as_in_scikit_learn(seed, n_levels):
    rng = np.random.default_rng(seed)
    relevant = rng.random((30, 100)) < 0.2
    relevant[:, 0], relevant[:, 1] = True, False
    scores = (rng.integers(n_levels, size=(30, 100)) + relevant * n_levels // 4).astype(np.float32)
    expected = [roc_auc_score(*user) for user in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(auc(scores, relevant), expected, rtol=1e-12)
    some = rng.random((30, 100)) < 0.7
    some[:, 1] = True
    kept = some | relevant
    expected = [roc_auc_score(hits[keep], row[keep]) for hits, row, keep in zip(relevant, scores, kept, strict=True)]
    np.testing.assert_allclose(auc(scores, relevant, some), expected, rtol=1e-12)
    np.testing.assert_array_equal(auc(scores, relevant, kept), auc(scores, relevant, some))


def test_best_worst_and_constant_scores():
    relevant = np.array([[True, True, False, False, False]] * 3)
    scores = np.array([[5, 4, 3, 2, 1], [1, 2, 3, 4, 5], [7, 7, 7, 7, 7]], float)
    assert auc(scores, relevant).tolist() == [1.0, 0.0, 0.5]


def test_an_item_that_is_never_recommended_comes_last():
    scores = np.array([[-np.inf, 3.0, 2.0, 1.0]])
    relevant = np.array([[True, True, False, False]])
    assert auc(scores, relevant).tolist() == [0.5]


def test_nothing_to_tell_apart():
    assert auc(np.ones((1, 3)), np.ones((1, 3), bool)).tolist() == [0.5]
    assert auc(np.ones((0, 3)), np.ones((0, 3), bool)).shape == (0,)


@settings(max_examples=50)
@given(scored())
def test_only_the_order_matters_and_reversed_it_is_the_rest(users):
    scores, relevant, candidates = users
    values = auc(scores, relevant, candidates)
    np.testing.assert_array_equal(auc(np.arctan(scores), relevant, candidates), values)
    np.testing.assert_allclose(auc(-scores, relevant, candidates), 1 - values, rtol=0, atol=1e-12)


def test_scores_of_others_do_not_matter():
    scores = np.array([[1.0, 2.0, np.nan]])
    relevant, candidates = np.array([[False, True, False]]), np.array([[True, True, False]])
    assert auc(scores, relevant, candidates).tolist() == [1.0]


YES, NO = np.ones((2, 3), bool), np.zeros((2, 3), bool)


@pytest.mark.parametrize(
    ("scores", "relevant", "candidates", "message"),
    [
        (np.ones(3), YES, None, r"scores must be a float array \[n_users, n_items\]; got float64 \[3\]"),
        (np.ones((2, 3), int), YES, None, "scores must be a float array"),
        (np.ones((2, 3)), YES[:, :2], None, r"relevant must be a bool array of the shape of scores, \[2, 3\]"),
        (np.ones((2, 3)), np.ones((2, 3)), None, "relevant must be a bool array"),
        (np.ones((2, 3)), YES, YES[:1], "candidates must be a bool array"),
        (np.ones((2, 3)), NO, None, "leave users without relevant items out"),
        (np.full((2, 3), np.nan), YES, None, "some are NaN"),
        (np.full((2, 3), np.nan), YES, NO, "some are NaN"),
    ],
)
def test_bad_arguments(scores, relevant, candidates, message):
    with pytest.raises(ValueError, match=message):
        auc(scores, relevant, candidates)
