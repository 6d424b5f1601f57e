# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import Interactions

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5), st.integers(0, 3)), max_size=40)


def from_rows(rows, *, weighted=True, timed=True):
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Interactions(
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        columns[:, 3] if timed else None,
        columns[:, 2] + 0.5 if weighted else None,
        user_ids=list("abcde"),
        item_ids=list("tuvwxyz"),
    )


def reference(rows, values):
    dense = np.zeros((5, 7), np.float32)
    for user, item, rating, _ in rows:
        dense[user, item] = {"binary": 1, "rating": rating, "weight": dense[user, item] + rating + 0.5}[values]
    return dense


@given(ROWS)
@pytest.mark.parametrize("values", ["binary", "rating", "weight"])
def test_csr_is_the_naive_matrix(values, rows):
    matrix = from_rows(rows).to_csr(values)
    assert matrix.shape == (5, 7)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix.toarray(), reference(rows, values))


@given(ROWS)
def test_csr_is_canonical(rows):
    matrix = from_rows(rows).to_csr("rating")
    assert matrix.nnz == len({(user, item) for user, item, *_ in rows})  # ratings of zero are stored
    for user in range(5):
        columns = matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]
        assert (np.diff(columns) > 0).all()


def test_weights_are_ones_where_there_are_none():
    data = from_rows([(0, 1, 3, 0), (0, 1, 4, 0), (2, 2, 1, 0)], weighted=False)
    assert data.to_csr("weight")[0, 1] == 2
    assert data.to_csr("weight").sum() == 3


def test_the_matrix_can_be_changed_without_changing_the_data(small):
    distinct = small.select([0, 1, 2])
    for values in ("binary", "rating", "weight"):
        matrix = distinct.to_csr(values)
        matrix.data *= 2
    np.testing.assert_array_equal(distinct.weight, small.weight[:3])
    np.testing.assert_array_equal(distinct.rating, small.rating[:3])


def test_csr_of_nothing():
    assert Interactions([], [], user_ids=["u"], item_ids=["i", "j"]).to_csr().toarray().tolist() == [[0, 0]]
    assert Interactions([], [], user_ids=[], item_ids=[]).to_csr().shape == (0, 0)


def test_csr_refuses_other_values(small):
    with pytest.raises(ValueError, match="binary, rating, weight, got 'count'"):
        small.to_csr("count")


@given(ROWS)
@pytest.mark.parametrize("timed", [True, False])
def test_sequences_are_chronological_and_ties_stay_in_the_order_of_rows(timed, rows):
    sequences = from_rows(rows, timed=timed).sequences()
    assert len(sequences) == 5
    assert sequences.splits.dtype == np.int64
    assert sequences.items.dtype == np.int32
    for user in range(5):
        own = [row for row in rows if row[0] == user]
        if timed:
            own.sort(key=lambda row: row[3])  # Python's sort is stable
        assert sequences[user].tolist() == [item for _, item, *_ in own]


def test_sequences_are_read_only_and_checked(small):
    sequences = small.sequences()
    with pytest.raises(ValueError, match="read-only"):
        sequences.items[0] = 1
    for user in (-1, 3):
        with pytest.raises(IndexError, match="is not in 0 … 2"):
            sequences[user]


def test_real_sequences_match_pandas(tfrec_data):
    from tfrec.data import movielens

    data = movielens("100k")
    frame = data.to_frame().sort_values("timestamp", kind="stable")
    sequences = data.sequences()
    for user, items in frame.groupby("user", sort=False)["item"]:
        index = int(np.flatnonzero(data.user_ids == user)[0])
        assert data.item_ids[sequences[index]].tolist() == items.tolist()
