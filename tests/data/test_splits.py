# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import Interactions, random_split

USERS = st.lists(st.integers(0, 5), max_size=60)
SHARES = st.floats(0.01, 0.99)


def numbered(users):
    """Interactions whose timestamps are the row numbers."""
    n = len(users)
    users = np.array(users, dtype=np.int64)
    return Interactions(users, np.arange(n) % 3, None, np.arange(n), user_ids=list("abcdef"), item_ids=list("xyz"))


@given(USERS, SHARES, st.sampled_from(["user", "global"]), st.integers(0, 2**32))
def test_nothing_is_lost_and_nothing_is_in_both(users, share, by, seed):
    data = numbered(users)
    train, test = random_split(data, test=share, by=by, seed=seed)
    assert sorted([*train.timestamp, *test.timestamp]) == list(range(len(data)))
    for part in (train, test):
        assert (np.diff(part.timestamp) > 0).all()
        assert part.user.tolist() == [users[row] for row in part.timestamp]
        assert part.user_ids is data.user_ids
        assert part.item_ids is data.item_ids


@given(USERS, SHARES)
def test_sizes_by_user(users, share):
    test = random_split(numbered(users), test=share).test
    for user in range(6):
        n = users.count(user)
        assert test.user.tolist().count(user) == max(0, min(round(share * n), n - 1))


@given(USERS, SHARES)
def test_size_global(users, share):
    n = len(users)
    assert len(random_split(numbered(users), test=share, by="global").test) == max(0, min(round(share * n), n - 1))


@pytest.mark.parametrize("by", ["user", "global"])
def test_the_seed_decides(by):
    data = numbered(np.repeat(np.arange(6), 50))
    first, again, other = (random_split(data, by=by, seed=seed).test.timestamp.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("by", ["user", "global"])
def test_every_row_has_the_same_chance(by):
    data = numbered(np.repeat([0, 1], [10, 30]))
    counts = np.zeros(40)
    n_splits = 2_000
    for seed in range(n_splits):
        counts[random_split(data, test=0.2, by=by, seed=seed).test.timestamp] += 1
    # Five standard deviations of a binomial: about one run of 40,000 would fail by chance, and the seeds are fixed.
    assert np.abs(counts / n_splits - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / n_splits)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.2", None, True])
def test_shares_that_are_none(share):
    with pytest.raises(ValueError, match="expected test to be a share between 0 and 1"):
        random_split(numbered([0, 0]), test=share)


def test_another_way_to_split():
    with pytest.raises(ValueError, match='expected by to be "user" or "global", got \'item\''):
        random_split(numbered([0, 0]), by="item")
