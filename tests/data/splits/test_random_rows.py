# mypy: no-check-untyped-defs
import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import Interactions, random_split

SHARES = st.floats(0.01, 0.99)


@given(st.from_type(Interactions), SHARES)
def test_sizes_by_user(data, share):
    test = random_split(data, test=share).test
    for user in range(data.n_users):
        n = data.user.tolist().count(user)
        assert test.user.tolist().count(user) == max(0, min(round(share * n), n - 1))


@given(st.from_type(Interactions), SHARES)
def test_size_global(data, share):
    n = len(data)
    assert len(random_split(data, test=share, by="global").test) == max(0, min(round(share * n), n - 1))


@pytest.mark.parametrize("by", ["user", "global"])
def test_every_row_has_the_same_chance(make, rows, by):
    data = make(np.repeat([0, 1], [10, 30]))
    counts = np.zeros(40)
    n_splits = 2_000
    for seed in range(n_splits):
        counts[rows(random_split(data, test=0.2, by=by, seed=seed).test)] += 1
    # Five standard deviations of a binomial: about one run of 40,000 would fail by chance, and the seeds are fixed.
    assert np.abs(counts / n_splits - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / n_splits)


@pytest.mark.parametrize(("by", "expected"), [("user", "5a75b25df7c0c736"), ("global", "056b77c4622ec6d1")])
def test_published_figures_depend_on_these_rows(make, rows, by, expected):
    data = make(np.arange(1_000) ** 2 % 37)
    test = rows(random_split(data, test=0.3, by=by, seed=7).test)
    assert hashlib.sha256(repr(test).encode()).hexdigest()[:16] == expected


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.2", None, True])
def test_shares_that_are_none(make, share):
    with pytest.raises(ValueError, match="random_split: expected test to be a share between 0 and 1, got "):
        random_split(make([0, 0]), test=share)


@pytest.mark.parametrize("by", ["item", None, ["user"]])
def test_another_way_to_split(make, by):
    with pytest.raises(ValueError, match='random_split: expected by to be "user" or "global", got '):
        random_split(make([0, 0]), by=by)
