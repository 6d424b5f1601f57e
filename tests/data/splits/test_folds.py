# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrec.data import DataError, Folds, Interactions, Split, k_fold

BY = st.sampled_from(["global", "user"])


@given(st.from_type(Interactions), st.integers(2, 7), BY, st.integers(0, 2**40))
def test_every_row_is_tested_once_and_trained_on_otherwise(rows, data, n_folds, by, seed):
    assume(len(data) >= n_folds)
    folds = k_fold(data, n_folds, by=by, seed=seed)
    assert len(folds) == n_folds
    everything = list(range(len(data)))
    assert sorted(row for fold in folds for row in rows(fold.test)) == everything
    for train, test in folds:
        assert sorted(rows(train) + rows(test)) == everything
    assert {len(test) for _, test in folds} <= {len(data) // n_folds, -(-len(data) // n_folds)}


@given(st.from_type(Interactions), st.integers(2, 7))
def test_users_are_spread_evenly(data, n_folds):
    assume(len(data) >= n_folds)
    for train, test in k_fold(data, n_folds, by="user"):
        for user, n in enumerate(np.bincount(data.user, minlength=data.n_users)):
            n_test = np.count_nonzero(test.user == user)
            assert n // n_folds <= n_test <= -(-n // n_folds)
            assert np.count_nonzero(train.user == user) > 0 or n < 2


@pytest.mark.parametrize("by", ["global", "user"])
def test_every_row_has_the_same_chance_of_every_fold(make, by):
    data = make(np.repeat([0, 1, 2, 3], [1, 1, 4, 7]))
    counts = np.zeros((3, 13))
    together = 0
    n_splits = 2_000
    for seed in range(n_splits):
        fold = k_fold(data, 3, by=by, seed=seed).fold
        counts[fold, np.arange(13)] += 1
        together += fold[0] == fold[1]
    assert np.abs(counts / n_splits - 1 / 3).max() < 5 * np.sqrt(2 / 9 / n_splits)
    assert 0 < together < n_splits  # two users with one row each are neither always in one fold nor always in two


def test_folds_are_a_sequence(make, rows):
    data = make([0, 0, 0, 1, 1, 1, 1])
    folds = k_fold(data, 3)
    assert isinstance(folds, Folds)
    assert all(isinstance(fold, Split) for fold in folds)
    first_time = [rows(test) for _, test in folds]
    assert [rows(test) for _, test in folds] == first_time
    assert rows(folds[-1].test) == rows(folds[2].test) == first_time[2]
    assert [rows(test) for _, test in folds[1:]] == first_time[1:]
    assert [rows(test) for _, test in reversed(folds)] == first_time[::-1]
    assert folds.data is data
    assert [np.flatnonzero(folds.fold == fold).tolist() for fold in range(3)] == first_time
    assert not folds.fold.flags.writeable
    assert repr(folds) == f"Folds(3 of {data!r})"
    for index in (3, -4):
        with pytest.raises(IndexError, match=rf"fold {index} is not in 0 … 2"):
            folds[index]


def test_a_fold_has_a_whole_number(make):
    folds = k_fold(make([0, 1, 0]), 3)
    assert folds[np.int64(1)].test.fingerprint() == folds[1].test.fingerprint()
    for index in (1.0, "1", None):
        with pytest.raises(TypeError, match="integer"):
            folds[index]


def test_as_many_folds_as_rows(make, rows):
    assert sorted(rows(test)[0] for _, test in k_fold(make([0, 1, 0, 0]), 4)) == [0, 1, 2, 3]
    with pytest.raises(DataError, match=r"5 folds can't be made of .*: every fold takes a row"):
        k_fold(make([0, 1, 0, 0]), 5)


def test_numbers_of_folds_that_are_none(make):
    data = make([0, 0])
    for value in (1, 0, -5):
        with pytest.raises(ValueError, match="k_fold: n_folds must be an integer of at least 2; got "):
            k_fold(data, value)
    for value in (2.0, "2", None, True):
        with pytest.raises(TypeError, match="k_fold: n_folds must be an integer of at least 2; got "):
            k_fold(data, value)


def test_another_way_to_split(make):
    with pytest.raises(ValueError, match='k_fold: expected by to be "user" or "global", got \'item\''):
        k_fold(make([0, 0]), 2, by="item")
