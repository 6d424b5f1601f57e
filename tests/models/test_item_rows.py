"""Factor models answer from single rows of their item table; another source of the same vectors may stand in for it."""

import numpy as np
import pytest

from tfrec._tf import tf

HISTORIES = [[1, 2, 5], [3], [7, 0, 7], []]
RATINGS = [[5.0, 1.0, 4.0], [2.0], [3.0, 5.0, 1.0], []]
# What passes a variable on without touching its content.
_PASSES = {"ReadVariableOp", "Identity", "IdentityN"}


def ragged(rows, dtype=tf.int32):
    return tf.ragged.constant(rows, dtype=dtype, row_splits_dtype=tf.int64)


@pytest.fixture(params=[None, RATINGS], ids=["items", "rated items"])
def histories(request):
    """Arguments of `query_histories`."""
    return ragged(HISTORIES), None if request.param is None else ragged(request.param, tf.float32)


@pytest.fixture
def with_table(fitted_factors):
    if fitted_factors.item_table is None:
        pytest.skip("no single rows of its item table are read")
    return fitted_factors


def trace(function, *arguments):
    """The graph of a function."""
    return tf.function(function, autograph=False).get_concrete_function(*arguments)


def captures(traced, variable):
    return any(variable is captured for captured in traced.graph.variables)


def test_rows_are_the_leading_columns_of_candidates(with_table):
    items = tf.constant([[3, 0], [29, 3]])
    rows = with_table.item_rows(items)
    np.testing.assert_array_equal(rows, np.asarray(with_table.candidates())[items, : rows.shape[-1]])


def test_candidate_rows_are_those_of_candidates(fitted_factors):
    items = tf.constant([[3, 0], [29, 3]])
    np.testing.assert_array_equal(fitted_factors.candidate_rows(items), np.asarray(fitted_factors.candidates())[items])


def test_the_same_vectors_from_elsewhere_change_no_bit(fitted_factors, histories):
    copy = tf.Variable(fitted_factors.candidates())
    expected = trace(fitted_factors.query_histories, *histories)(*histories)
    users, items = tf.constant([0, 3]), tf.constant([[4, 1], [2, 2]])
    expected_scores = fitted_factors.rescore(users, items)
    with fitted_factors.rows_from(lambda rows: tf.gather(copy, rows)):
        answered = trace(fitted_factors.query_histories, *histories)
        scores = fitted_factors.rescore(users, items)
    np.testing.assert_array_equal(answered(*histories), expected)
    np.testing.assert_array_equal(scores, expected_scores)


def test_the_table_is_then_not_needed(with_table, histories):
    table = getattr(with_table, with_table.item_table)
    users, items = tf.constant([0, 3]), tf.constant([4, 1])
    functions = (
        (with_table.query_histories, histories),
        (with_table.query, (users,)),
        (with_table.score_pairs, (users, items)),
        (with_table.rescore, (users, tf.constant([[4, 1], [2, 2]]))),
        (with_table.unknown_pair_scores, (users, items)),
    )
    copy = tf.Variable(with_table.candidates())
    with with_table.rows_from(lambda rows: tf.gather(copy, rows)):
        assert not any(captures(trace(function, *arguments), table) for function, arguments in functions)
    assert captures(trace(with_table.rescore, users, tf.constant([[4, 1], [2, 2]])), table)


def test_what_stands_in_is_used(with_table, histories):
    before = with_table.query_histories(*histories)
    if np.array_equal(before[0], before[1]) or (type(with_table).__name__ == "SVDpp" and histories[1] is None):
        pytest.skip("such histories are not described by rows of the item table")
    width = with_table.candidates().shape[1]
    with with_table.rows_from(lambda rows: tf.zeros([*rows.shape, width])):
        during = with_table.query_histories(*histories)
    assert np.abs(during - before)[:3].max() > 1e-6
    np.testing.assert_array_equal(with_table.query_histories(*histories), before)


def test_the_context_ends_with_an_error_too(with_table):
    before = with_table.item_rows(tf.constant([1]))
    with pytest.raises(KeyError), with_table.rows_from(lambda rows: tf.zeros([*rows.shape, 99])):
        raise KeyError
    np.testing.assert_array_equal(with_table.item_rows(tf.constant([1])), before)


def test_no_whole_table_is_computed(fitted_factors, histories, train):
    traced = trace(fitted_factors.query_histories, *histories)
    whole = [
        (op.type, output.shape)
        for op in traced.graph.get_operations()
        for output in op.outputs
        if op.type not in _PASSES and output.shape.rank == 2 and output.shape[0] == train.n_items
    ]
    assert whole == []
