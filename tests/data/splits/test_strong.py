# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, strong_split

SHARES = st.floats(0.01, 0.99)


def split_if_there_are_enough(data, test_users, **kw):
    sizes = np.bincount(data.user, minlength=data.n_users)
    assume(test_users <= (sizes > 1).sum() and test_users < (sizes > 0).sum())
    return strong_split(data, test_users, **kw)


@given(st.from_type(Interactions), st.integers(1, 3), SHARES, st.sampled_from(["random", "last"]), st.integers(0, 99))
def test_users_and_sizes(data, n_users, share, order, seed):
    train, given_part, hidden = split_if_there_are_enough(data, n_users, given=share, order=order, seed=seed)
    test_users = set(hidden.user.tolist())
    assert len(test_users) == n_users
    assert set(given_part.user.tolist()) == test_users
    assert not test_users & set(train.user.tolist())
    for user in test_users:
        n = data.user.tolist().count(user)
        assert given_part.user.tolist().count(user) == min(max(round(share * n), 1), n - 1)


@given(st.from_type(Interactions), st.integers(1, 3), SHARES)
def test_the_last_rows_are_hidden(rows, oldest_first, data, n_users, share):
    split = split_if_there_are_enough(data, n_users, given=share, order="last")
    ordered = oldest_first(data)
    expected = []
    for user in set(split.hidden.user.tolist()):
        n = len(ordered[user])
        expected += ordered[user][min(max(round(share * n), 1), n - 1) :]
    assert rows(split.hidden) == sorted(expected)


def test_every_user_and_every_row_has_the_same_chance(make, rows):
    data = make(np.repeat([0, 1, 2, 3, 4], [8, 8, 4, 1, 8]))
    n_splits = 2_000
    held_out, hidden = np.zeros(5), np.zeros(29)
    for seed in range(n_splits):
        split = strong_split(data, 2, given=0.75, seed=seed)
        held_out[np.unique(split.hidden.user)] += 1
        hidden[rows(split.hidden)] += 1
    user_chances = np.array([0.5, 0.5, 0.5, 0, 0.5])
    row_chances = np.repeat(user_chances / 4, [8, 8, 4, 1, 8])
    for counts, chances in ((held_out, user_chances), (hidden, row_chances)):
        assert (np.abs(counts / n_splits - chances) <= 5 * np.sqrt(chances * (1 - chances) / n_splits)).all()


def test_a_share_is_of_the_users_with_rows(make):
    data = make(np.repeat(np.arange(0, 60, 2), 3))  # 30 users of a vocabulary of 59
    assert len(np.unique(strong_split(data).hidden.user)) == 3
    assert len(np.unique(strong_split(data, test_users=np.float32(0.5)).hidden.user)) == 15
    assert len(np.unique(strong_split(data, test_users=np.int64(7)).hidden.user)) == 7


def test_validation_users_by_splitting_twice(make):
    data = make(np.repeat(np.arange(30), 5))
    test = strong_split(data)
    validation = strong_split(test.train, test_users=3)
    groups = [set(part.user.tolist()) for part in (test.hidden, validation.hidden, validation.train)]
    assert [len(group) for group in groups] == [3, 3, 24]
    assert set.union(*groups) == set(range(30))


def test_items_of_test_users_alone_can_be_left_out():
    data = Interactions([0, 0, 1, 1, 1], [0, 1, 1, 2, 0], user_ids=["a", "b"], item_ids=["x", "y", "z"])
    for seed in range(5):
        train, given_part, hidden = strong_split(data, 1, seed=seed)
        kept = hidden.select(np.isin(hidden.item, train.item))
        assert set(kept.item.tolist()) == set(hidden.item.tolist()) & set(train.item.tolist())
        assert train.item_ids is given_part.item_ids is kept.item_ids is data.item_ids


@pytest.mark.parametrize("value", [0, -1, 1.0, 0.0, 1.5, -0.1, float("nan"), "0.1", None, True, [1]])
def test_test_users_that_are_none(make, value):
    with pytest.raises(ValueError, match="expected test_users to be a number of users, at least 1, or a share betw"):
        strong_split(make([0, 0, 1, 1]), test_users=value)


@pytest.mark.parametrize(("users", "test_users", "problem"), [
    ([0, 0, 1, 1], 0.1, "test_users=0.1 of 2 users rounds to nobody"),
    ([0, 0, 1, 2], 2, "2 test users can't be drawn: only 1 users of .* have the two rows"),
    ([0, 1, 2, 3], 0.5, "2 test users can't be drawn: only 0 users"),
    ([0, 0, 1, 1], 2, "2 test users of 2 users with rows leave nobody to train on"),
    ([0, 0, 1, 1], 3, "3 test users can't be drawn: only 2 users"),
])  # fmt: skip
def test_users_who_are_too_few(make, users, test_users, problem):
    with pytest.raises(DataError, match=problem):
        strong_split(make(users), test_users)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.2", None, True])
def test_shares_that_are_none(make, share):
    with pytest.raises(ValueError, match="strong_split: expected given to be a share between 0 and 1, got "):
        strong_split(make([0, 0, 1, 1]), 1, given=share)


def test_another_order(make):
    with pytest.raises(ValueError, match='strong_split: expected order to be "random" or "last", got \'first\''):
        strong_split(make([0, 0, 1, 1]), 1, order="first")
