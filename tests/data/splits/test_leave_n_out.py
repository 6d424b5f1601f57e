# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, leave_out

NUMBERS = st.integers(1, 4)
KEPT = st.integers(0, 3)


@given(st.from_type(Interactions), NUMBERS, KEPT)
def test_the_last_rows_as_a_stable_sort_finds_them(rows, oldest_first, data, n, keep):
    expected = [row for of_user in oldest_first(data).values() if len(of_user) >= n + keep for row in of_user[-n:]]
    assume(expected)
    assert rows(leave_out(data, n=n, keep=keep).test) == sorted(expected)


@given(st.from_type(Interactions), NUMBERS, KEPT, st.integers(0, 2**40))
def test_random_rows_are_as_many(data, n, keep, seed):
    sizes = np.bincount(data.user, minlength=data.n_users)
    assume((sizes >= n + keep).any())
    train, test = leave_out(data, n=n, order="random", seed=seed, keep=keep)
    np.testing.assert_array_equal(np.bincount(test.user, minlength=data.n_users), np.where(sizes >= n + keep, n, 0))
    assert (np.bincount(train.user, minlength=data.n_users)[test.user] >= keep).all()


def test_every_row_has_the_same_chance(make, rows):
    data = make(np.repeat([0, 1, 2], [10, 4, 1]))
    counts = np.zeros(15)
    n_splits = 2_000
    for seed in range(n_splits):
        counts[rows(leave_out(data, order="random", seed=seed).test)] += 1
    chances = np.repeat([0.1, 0.25, 0], [10, 4, 1])
    assert (np.abs(counts / n_splits - chances) <= 5 * np.sqrt(chances * (1 - chances) / n_splits)).all()


@given(st.from_type(Interactions))
def test_no_future_in_the_past(data):
    assume(data.timestamp is not None and np.bincount(data.user).max(initial=0) > 1)
    train, test = leave_out(data)
    for user, time in zip(test.user, test.timestamp, strict=True):
        assert train.timestamp[train.user == user].max() <= time


@given(st.from_type(Interactions), st.data())
def test_other_users_don_t_matter(rows, data, draw):
    assume(np.bincount(data.user).max(initial=0) > 1)
    others = np.array(draw.draw(st.lists(st.integers(0, data.n_users - 1), max_size=4)), np.int32)
    some = data.select(~np.isin(data.user, others))
    assume(np.bincount(some.user).max(initial=0) > 1)
    test = leave_out(data).test
    assert rows(leave_out(some).test) == rows(test.select(~np.isin(test.user, others)))


def test_of_equal_times_the_later_row_is_the_newer(make, rows):
    assert rows(leave_out(make([0, 1, 0, 1, 0], [7, 3, 9, 3, 9])).test) == [3, 4]
    assert rows(leave_out(make([0, 1, 0, 1, 0], [9, 3, 9, 2, 7])).test) == [1, 2]
    assert rows(leave_out(make([0, 1, 0, 1, 0])).test) == [3, 4]


def test_three_parts_by_splitting_twice(make, rows):
    data = make([0, 0, 0, 1, 1, 0, 2], [1, 4, 2, 5, 6, 3, 0])
    rest, test = leave_out(data, keep=2)
    train, validation = leave_out(rest)
    assert rows(test) == [1]
    assert rows(validation) == [3 + 1, 5]
    assert rows(train) == [0, 2, 3, 6]


def test_short_histories_stay_in_training(make, rows):
    data = make([0, 1, 1, 2, 2, 2])
    assert rows(leave_out(data).test) == [2, 5]
    assert rows(leave_out(data, keep=2).test) == [5]
    assert rows(leave_out(data, keep=0).test) == [0, 2, 5]


def test_nobody_has_enough_rows(make):
    with pytest.raises(DataError, match=r"nothing to test on: no user has the 4 rows that n=1 and keep=3 .* being 3"):
        leave_out(make([0, 1, 1, 2, 2, 2]), keep=3)


@pytest.mark.parametrize(("name", "smallest"), [("n", 1), ("keep", 0)])
def test_numbers_that_are_none(make, name, smallest):
    data = make([0, 0])
    with pytest.raises(ValueError, match=f"leave_out: {name} must be an integer of at least {smallest}; got "):
        leave_out(data, **{name: smallest - 1})
    for value in (1.0, "1", None, True):
        with pytest.raises(TypeError, match=f"leave_out: {name} must be an integer of at least {smallest}; got "):
            leave_out(data, **{name: value})


@pytest.mark.parametrize("order", ["first", None, 1, ["last"]])
def test_another_order(make, order):
    with pytest.raises(ValueError, match='leave_out: expected order to be "last" or "random", got '):
        leave_out(make([0, 0]), order=order)
