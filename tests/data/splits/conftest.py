# mypy: no-check-untyped-defs
"""What the tests of the splits share: hypothesis draws `Interactions` whose ratings are the numbers of the rows."""

import numpy as np
import pytest
from hypothesis import strategies as st

from tfrec.data import Interactions

N_USERS, N_ITEMS = 5, 3


@st.composite
def numbered_interactions(draw: st.DrawFn) -> Interactions:
    """Few users, few items and few different times, so that ties, repeated pairs and users without rows occur."""
    users = draw(st.lists(st.integers(0, N_USERS - 2), min_size=8, max_size=20))
    n = len(users)
    has_times, has_weights = draw(st.sampled_from([True, True, True, False])), draw(st.booleans())
    times = draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n)) if has_times else None
    return Interactions(
        np.array(users, np.int32),
        np.arange(n, dtype=np.int32) % N_ITEMS,
        np.arange(n, dtype=np.float32),
        None if times is None else np.array(times, np.int64),
        np.arange(n, dtype=np.float32) % 4 if has_weights else None,
        user_ids=np.array([f"user {user}" for user in range(N_USERS)], object),
        item_ids=np.array([f"item {item}" for item in range(N_ITEMS)], object),
    )


st.register_type_strategy(Interactions, numbered_interactions())


@pytest.fixture(scope="session")
def make():
    """A function that makes `Interactions` of given users and times; the ratings are the numbers of the rows."""

    def make(users, times=None):
        users = np.array(users, np.int32)
        n, n_users = len(users), int(users.max(initial=-1)) + 1
        return Interactions(
            users,
            np.arange(n, dtype=np.int32) % N_ITEMS,
            np.arange(n, dtype=np.float32),
            None if times is None else np.array(times, np.int64),
            user_ids=[f"user {user}" for user in range(n_users)],
            item_ids=[f"item {item}" for item in range(N_ITEMS)],
        )

    return make


@pytest.fixture(scope="session")
def rows():
    """A function that tells which rows of the whole a part has."""
    return lambda part: part.rating.astype(int).tolist()


@pytest.fixture(scope="session")
def oldest_first():
    """A function that gives each user's rows in the order of time, by Python's stable sort: {user: rows}."""

    def oldest_first(data):
        by_user: dict[int, list[int]] = {}
        for row in range(len(data)):
            by_user.setdefault(int(data.user[row]), []).append(row)
        if data.timestamp is not None:
            for user_rows in by_user.values():
                user_rows.sort(key=lambda row: data.timestamp[row])
        return by_user

    return oldest_first
