# mypy: no-check-untyped-defs
"""What holds for every split, whatever divides the rows."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import tfrec.data
from tfrec.data import DataError, Interactions, k_fold, leave_out, random_split, strong_split, temporal_split

SEEDED = {
    "random by user": random_split,
    "random": lambda data, **seed: random_split(data, by="global", **seed),
    "leave one out at random": lambda data, **seed: leave_out(data, order="random", **seed),
    "leave two out at random": lambda data, **seed: leave_out(data, n=2, order="random", keep=0, **seed),
    "strong": lambda data, **seed: strong_split(data, test_users=0.4, given=0.6, **seed),
    "strong, last hidden": lambda data, **seed: strong_split(data, test_users=2, order="last", **seed),
    "first of two folds": lambda data, **seed: k_fold(data, 2, **seed)[0],
    "last of three folds by user": lambda data, **seed: k_fold(data, 3, by="user", **seed)[-1],
}
FIXED = {
    "leave one out": leave_out,
    "leave three out": lambda data: leave_out(data, n=3, keep=2),
    "temporal": temporal_split,
    "temporal by user": lambda data: temporal_split(data, 0.5, by="user"),
    "temporal from a date": lambda data: temporal_split(data, date=1),
}
seeded = pytest.mark.parametrize("split", SEEDED.values(), ids=SEEDED.keys())
every = pytest.mark.parametrize("split", [*SEEDED.values(), *FIXED.values()], ids=[*SEEDED, *FIXED])
COLUMNS = ("user", "item", "rating", "timestamp", "weight")


def parts_of(split, data):
    """The parts, or a rejected example where the data can't be divided (which no test counts as passed)."""
    try:
        return split(data)
    except DataError:
        reject()


@every
@given(st.from_type(Interactions))
def test_every_row_is_in_one_part_as_it_was(split, rows, data):
    parts = parts_of(split, data)
    assert sorted(row for part in parts for row in rows(part)) == list(range(len(data)))
    for part in parts:
        assert rows(part) == sorted(rows(part))
        for name in COLUMNS:
            whole, own = getattr(data, name), getattr(part, name)
            assert own is None if whole is None else np.array_equal(own, whole[rows(part)])
        assert part.user_ids is data.user_ids
        assert part.item_ids is data.item_ids
        assert part.name == data.name


@every
def test_repeated_rows_are_as_many_as_before(split):
    users, items = np.repeat([0, 1, 2], 20), np.repeat([0, 1, 0, 1, 2, 0], 10)
    data = Interactions(
        users, items, None, items.astype(np.int64), items + 1, user_ids=list("abc"), item_ids=list("xyz")
    )
    parts = split(data)
    together = Counter()
    for part in parts:
        assert not part.has_ratings
        together.update(zip(part.user, part.item, part.timestamp, part.weight, strict=True))
    assert together == Counter(zip(users, items, items, items + 1, strict=True))


@seeded
def test_the_seed_decides(split, make, rows):
    data = make(np.repeat(np.arange(30), 4))
    first, again, other, default = (
        [rows(part) for part in split(data, **kw)] for kw in [{"seed": 1}] * 2 + [{"seed": 2}, {}]
    )
    assert first == again
    assert first != other
    assert default == [rows(part) for part in split(data, seed=42)]


@seeded
@pytest.mark.parametrize("seed", [1.0, "1", None, True, np.array([1])])
def test_seeds_that_are_no_whole_numbers(split, make, seed):
    with pytest.raises(TypeError, match="seed must be an integer of at least 0; got "):
        split(make([0, 0, 1, 1, 2, 2, 3, 3]), seed=seed)


@seeded
def test_negative_seeds(split, make):
    with pytest.raises(ValueError, match="seed must be an integer of at least 0; got -1"):
        split(make([0, 0, 1, 1, 2, 2, 3, 3]), seed=-1)


@every
@pytest.mark.parametrize("data", [None, [("ann", "a")], np.zeros((2, 2))])
def test_what_is_not_interactions(split, data):
    with pytest.raises(TypeError, match=r"expected tfrec\.data\.Interactions, got (NoneType|list|ndarray)"):
        split(data)


@every
def test_no_rows(split, make):
    data = make([], [])
    if split in (SEEDED["random by user"], SEEDED["random"]):
        assert [len(part) for part in split(data)] == [0, 0]
    else:
        with pytest.raises(DataError, match=r"there is nothing to split, Interactions.* has no rows"):
            split(data)


def test_all_are_exported():
    names = {"Folds", "Split", "StrongSplit", "k_fold", "leave_out", "random_split", "strong_split", "temporal_split"}
    assert names <= set(tfrec.data.__all__)
    assert names == set(tfrec.data.splits.__all__)
