# mypy: no-check-untyped-defs
"""The table of known positives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tfrec
from tfrec._tf import tf
from tfrec.data import DataError, Interactions
from tfrec.data.samplers import KnownPositives

SIZES = st.tuples(st.integers(1, 7), st.sampled_from([1, 2, 31, 32, 33, 64, 65, 100]))


@given(liked=SIZES.flatmap(lambda size: arrays.arrays(bool, size)), bitmap=st.booleans())
def test_contains_what_is_liked(naive, liked, bitmap):
    liked[-1, -1] = True  # there is nothing to be known of nothing
    known = naive.known(liked, bitmap)
    users, items = np.indices(liked.shape, dtype=np.int32)
    np.testing.assert_array_equal(known.contains(users, items), liked)
    np.testing.assert_array_equal(known.contains(users[:, :1], items[:1]), liked)
    np.testing.assert_array_equal(known.counts, liked.sum(axis=0))
    rows, columns = np.arange(0, len(liked), 2, dtype=np.int32), np.arange(liked.shape[1], dtype=np.int32)[::-2]
    for chosen in (columns, np.repeat(columns, 2), columns[:0]):  # repeated items, and none at all
        np.testing.assert_array_equal(known.contains_all_pairs(rows, chosen), liked[np.ix_(rows, chosen)])
    assert known.contains_all_pairs(rows[:0], columns).shape == (0, len(columns))


def test_bitmap_and_search_agree_on_larger_data(naive):
    liked = np.random.default_rng(0).random((300, 1000)) < np.linspace(0, 1, 300)[:, None]
    users, items = np.indices(liked.shape, dtype=np.int32)
    for bitmap in (True, False):
        np.testing.assert_array_equal(naive.known(liked, bitmap).contains(users, items), liked)


def test_of_interactions():
    data = Interactions(
        np.array([1, 0, 1, 1]), np.array([2, 0, 1, 2]), user_ids=list("abc"), item_ids=list("wxyz")
    )  # one pair twice
    known = KnownPositives.of(data)
    assert known.splits.tolist() == [0, 1, 3, 3]
    assert known.items.tolist() == [0, 1, 2]
    assert known.counts.tolist() == [1, 1, 1, 0]
    assert KnownPositives.of(known) is known


def test_of_a_model(known, liked):
    """A model's own variables are such histories."""
    data = tfrec.data.synthetic(n_users=20, n_items=15, n_interactions=100, seed=1)
    model = tfrec.models.EASE()
    model.adapt(data)
    of_model = KnownPositives(model.history_splits, model.history_items, model.n_items)
    of_data = KnownPositives.of(data)
    np.testing.assert_array_equal(of_model.splits, of_data.splits)
    np.testing.assert_array_equal(of_model.items, of_data.items)
    np.testing.assert_array_equal(of_model.counts, model.item_counts)


def test_made_inside_a_function(liked, naive):
    """The tables are lifted out of the graph, so that they outlive it."""
    made = []

    @tf.function
    def trace():
        made.append(naive.known(liked))
        return made[0].contains(tf.constant([3]), tf.constant([1]))

    assert trace().numpy().tolist() == [liked[3, 1]]
    assert made[0].contains(tf.constant([3]), tf.constant([1])).numpy().tolist() == [liked[3, 1]]


@pytest.mark.parametrize(
    ("splits", "items", "message"),
    [
        ([0, 0], [], "no training row"),
        ([0, 2], [1, 1], "each once; user 0 has 1 behind 1"),
        ([0, 1, 3], [2, 2, 0], "each once; user 1 has 0 behind 2"),
        ([0, 1], [3], "expected items in 0 … 2, found 3 as lowest"),
        ([0, 1], [-1], "expected items in 0 … 2, found -1"),
        ([0, 2], [1], "ascend from 0 to the number of items, 1"),
        ([1, 1], [1], "ascend from 0"),
        ([0, 2, 1], [1], "ascend from 0"),
        ([0], [1], "ascend from 0"),
        ([0, 1], [1.0], "items as whole numbers"),
        ([[0, 1]], [1], "splits as whole numbers"),
    ],
)
def test_histories_that_are_none(splits, items, message):
    with pytest.raises(DataError, match=message):
        KnownPositives(np.array(splits), np.array(items, None if items else np.int32), 3)


def test_what_is_no_training_data():
    with pytest.raises(TypeError, match=r"takes tfrec.data.Interactions or .*KnownPositives, got ndarray"):
        KnownPositives.of(np.eye(3))
    empty = Interactions(np.array([], int), np.array([], int), user_ids=["a"], item_ids=["b"])
    with pytest.raises(DataError, match="no training row"):
        KnownPositives.of(empty)
