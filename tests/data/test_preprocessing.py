# mypy: no-check-untyped-defs
import fractions
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import (
    DataError,
    Interactions,
    binarise,
    k_core,
    minimum_rating,
    subsample,
    synthetic,
)

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 6)), min_size=1, max_size=60)


def from_pairs(pairs, ratings=None):
    """Interactions whose timestamps are the row numbers."""
    users, items = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Interactions(
        users, items, ratings, np.arange(len(pairs)), user_ids=list("abcdefgh"), item_ids=list("tuvwxyz"), name="made"
    )


def rows_of(data):
    """The row numbers that are left, in their order."""
    return data.timestamp.tolist()


def core_by_deletion(pairs, user, item, generator):
    """Remove one user or item that has too little, any one, until nobody has."""
    rows = dict(enumerate(pairs))
    while True:
        few = []
        for side, enough in ((0, user), (1, item)):
            keys = [pair[side] for pair in rows.values()]
            few += [(side, key) for key in set(keys) if keys.count(key) < enough]
        if not few:
            return sorted(rows)
        side, key = few[generator.integers(len(few))]
        rows = {row: pair for row, pair in rows.items() if pair[side] != key}


@given(PAIRS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_k_core_is_what_deleting_one_by_one_in_any_order_leaves(pairs, user, item, seed):
    data = from_pairs(pairs)
    expected = core_by_deletion(pairs, user, item, np.random.default_rng(seed))
    if not expected:
        with pytest.raises(DataError, match=rf"k_core\(user={user}, item={item}\) leaves none"):
            k_core(data, user=user, item=item)
        return
    core, report = k_core(data, user=user, item=item)
    assert rows_of(core) == expected
    assert core.user_ids is data.user_ids
    assert core.item_ids is data.item_ids
    assert (report.details["rounds"] == 0) == (len(core) == len(data))
    again, report = k_core(core, user=user, item=item)
    assert rows_of(again) == expected
    assert report.details["rounds"] == 0


FEW_PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=9)


@settings(max_examples=50)
@given(FEW_PAIRS, st.integers(1, 3), st.integers(1, 3))
def test_k_core_is_the_largest_part_in_which_everybody_has_enough(pairs, user, item):
    """Try all parts: whichever has enough for everybody in it is within the core, and the core is one of them."""
    parts = []
    for size in range(1, len(pairs) + 1):
        for part in itertools.combinations(range(len(pairs)), size):
            users, items = zip(*(pairs[row] for row in part), strict=True)
            if min(map(users.count, users)) >= user and min(map(items.count, items)) >= item:
                parts.append(part)
    largest = sorted(set().union(*parts))
    if largest:
        assert tuple(largest) in parts
        assert rows_of(k_core(from_pairs(pairs), user=user, item=item).data) == largest
    else:
        with pytest.raises(DataError, match="leaves none"):
            k_core(from_pairs(pairs), user=user, item=item)


def test_a_long_chain_unravels():
    """Each removal makes the next: as many rounds as there are rows."""
    n = 60
    users, items = np.repeat(np.arange(n), 2)[1:], np.repeat(np.arange(n), 2)[:-1]
    loop = ([100, 100, 101, 101], [100, 101, 100, 101])
    ids = [str(number) for number in range(102)]
    data = Interactions(np.append(users, loop[0]), np.append(items, loop[1]), user_ids=ids, item_ids=ids)
    core, report = k_core(data, user=2, item=2)
    assert core.user.tolist() == loop[0]
    assert report.details["rounds"] > n / 2


def test_report_of_a_k_core():
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 0)]
    core, report = k_core(from_pairs(pairs), 2, 2)
    assert rows_of(core) == [0, 1, 2, 3]
    assert report.step == "k_core"
    assert (report.before, report.after) == ((6, 3, 3), (4, 2, 2))
    assert str(report) == "k_core(user=2, item=2): rows 6 → 4, users 3 → 2, items 3 → 2, rounds 2"
    assert json.loads(json.dumps(report.to_dict())) == {
        "step": "k_core",
        "parameters": {"user": 2, "item": 2},
        "before": {"rows": 6, "users": 3, "items": 3},
        "after": {"rows": 4, "users": 2, "items": 2},
        "rounds": 2,
    }


RATED = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 6), st.sampled_from([0.5, 1, 2.7, 3.7, 4, 5])), min_size=1)


@given(RATED, st.sampled_from([0.5, 2.7, 3.7, 4, 4.5, 5]))
def test_minimum_rating_and_binarise(rows, lowest):
    pairs, ratings = [row[:2] for row in rows], [row[2] for row in rows]
    expected = [row for row, rating in enumerate(ratings) if rating >= lowest]
    data = from_pairs(pairs, ratings)
    if not expected:
        for step in (minimum_rating, binarise):
            with pytest.raises(DataError, match=rf"{step.__name__}\(.*={float(lowest)}\) leaves none of the"):
                step(data, lowest)
        return
    liked, report = minimum_rating(data, lowest)
    assert rows_of(liked) == expected
    np.testing.assert_array_equal(liked.rating, data.rating[expected])
    assert report.parameters == {"rating": lowest}
    implicit, report = binarise(data, lowest)
    assert rows_of(implicit) == expected
    assert not implicit.has_ratings
    assert (implicit.rating == 1).all()
    assert implicit.item_ids is data.item_ids
    assert report.parameters == {"threshold": lowest}


@pytest.mark.parametrize("step", [minimum_rating, binarise])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("4", TypeError),
        (None, TypeError),
        (True, TypeError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (1e300, ValueError),
        (10**400, ValueError),
    ],
)
def test_thresholds_that_are_none(step, value, error):
    with pytest.raises(error, match="must be a"):
        step(from_pairs([(0, 0)], [3]), value)


@pytest.mark.parametrize("step", [minimum_rating, binarise])
def test_ratings_are_needed(step):
    with pytest.raises(DataError, match=rf"{step.__name__}\(.*=3.0\): 'made' has no ratings"):
        step(from_pairs([(0, 0)]), 3)


@pytest.mark.parametrize("kind", ["interactions", "users", "items"])
@pytest.mark.parametrize("amount", [1, 3, 0.4])
def test_subsample_keeps_as_many_as_asked_and_all_of_theirs(kind, amount):
    data = from_pairs([(user, item) for user in (1, 3, 4, 5, 7) for item in (0, 2, 3, 5, 6)] * 2)
    there = {"interactions": np.arange(50), "users": data.user, "items": data.item}[kind]
    sample, report = subsample(data, **{kind: amount}, seed=5)
    kept = rows_of(sample)
    assert kept == sorted(kept)
    wanted = amount if isinstance(amount, int) else round(amount * len(set(there.tolist())))
    assert len(set(there[kept].tolist())) == wanted
    assert kept == np.flatnonzero(np.isin(there, there[kept])).tolist()
    assert report.parameters == {kind: amount, "seed": 5}
    assert rows_of(subsample(data, **{kind: amount}, seed=5).data) == kept


def test_another_seed_takes_another_sample_and_each_row_has_the_same_chance():
    data = from_pairs([(0, 0)] * 20)
    counts = np.zeros(20)
    for seed in range(1_000):
        counts[rows_of(subsample(data, interactions=5, seed=seed).data)] += 1
    assert np.abs(counts / 1_000 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 1_000)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "expected one of interactions, users and items, got none of them"),
        ({"users": 1, "items": 2}, ValueError, "got users=1, items=2"),
        ({"users": 0}, ValueError, "users must be an integer of at least 1; got 0"),
        ({"users": 1.5}, ValueError, "users must be a whole number of at least 1, or a share between 0 and 1; got 1.5"),
        ({"items": float("nan")}, ValueError, "items must be a whole number"),
        ({"items": "3"}, TypeError, "items must be an integer"),
        ({"interactions": True}, TypeError, "interactions must be an integer"),
        (
            {"interactions": 3},
            DataError,
            r"subsample\(interactions=3, seed=0\): 'made' has no more than 2 interactions",
        ),
        ({"users": 2}, DataError, r"subsample\(users=2, seed=0\): 'made' has no more than 1 users"),
        ({"users": 1, "seed": -1}, ValueError, "seed must be"),
    ],
)
def test_samples_that_cannot_be_taken(arguments, error, message):
    with pytest.raises(error, match=message):
        subsample(from_pairs([(0, 0), (0, 1)]), **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"user": 0}, ValueError, "user must be an integer of at least 1; got 0"),
        ({"item": 2.5}, TypeError, "item must be an integer of at least 1; got 2.5"),
        ({"item": None}, TypeError, "item must be an integer"),
    ],
)
def test_cores_that_are_none(arguments, error, message):
    with pytest.raises(error, match=message):
        k_core(from_pairs([(0, 0)]), **arguments)


def test_nothing_in_nothing_out_is_an_error_that_names_the_step():
    nothing = from_pairs([(0, 0)], [3]).select([])
    for step, arguments in ((k_core, {}), (subsample, {"users": 1}), (minimum_rating, {"rating": 3})):
        with pytest.raises(DataError, match=rf"{step.__name__}\(.*\) was given no interactions of 'made'"):
            step(nothing, **arguments)


def test_k_core_of_real_data(tfrec_data):
    from tfrec.data import movielens

    core, report = k_core(movielens("100k"), user=20, item=20)
    frame = movielens("100k").to_frame()
    while True:
        enough = frame[
            (frame.groupby("user")["item"].transform("size") >= 20)
            & (frame.groupby("item")["user"].transform("size") >= 20)
        ]
        if len(enough) == len(frame):
            break
        frame = enough
    assert core.to_frame().to_numpy().tolist() == frame.to_numpy().tolist()
    assert report.after == (len(frame), frame["user"].nunique(), frame["item"].nunique())


def test_a_core_of_many_rows():
    data = synthetic(5_000, 1_500, 80_000)
    core, _ = k_core(data, user=10, item=20)
    assert np.bincount(core.user)[core.user].min() >= 10
    assert np.bincount(core.item)[core.item].min() >= 20


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.longdouble, fractions.Fraction])
@pytest.mark.parametrize("step", [minimum_rating, binarise])
def test_thresholds_are_compared_in_single_precision_whatever_number_they_are(step, kind):
    data = from_pairs([(0, 0), (0, 1), (1, 0)], [3.3, 3.2999, 4.7])
    kept, report = step(data, kind(3.3))
    assert rows_of(kept) == [0, 2]
    assert type(next(iter(report.parameters.values()))) is float
