# mypy: no-check-untyped-defs
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, temporal_split, time_window

SHARES = st.floats(0.01, 0.99)
NOON = 978_350_400  # 2001-01-01 12:00 UTC


@given(st.from_type(Interactions), SHARES)
def test_one_moment_for_all_and_the_nearest_to_the_share(rows, data, share):
    wanted = round(share * len(data))
    assume(data.timestamp is not None and wanted and len(set(data.timestamp.tolist())) > 1)
    times = data.timestamp.tolist()
    possible = [[row for row, time in enumerate(times) if time >= moment] for moment in sorted(set(times))[1:]]
    expected = min(possible, key=lambda test: (abs(len(test) - wanted), len(test)))
    train, test = temporal_split(data, share)
    assert rows(test) == expected
    assert train.timestamp.max() < test.timestamp.min()


@given(st.from_type(Interactions), SHARES)
def test_by_user_as_a_stable_sort_finds_them(rows, oldest_first, data, share):
    expected = []
    for of_user in oldest_first(data).values():
        n_test = min(round(share * len(of_user)), len(of_user) - 1)
        expected += of_user[len(of_user) - n_test :]
    assume(expected)
    train, test = temporal_split(data, share, by="user")
    assert rows(test) == sorted(expected)
    if data.timestamp is not None:
        for user, time in zip(test.user, test.timestamp, strict=True):
            assert train.timestamp[train.user == user].max() <= time


@given(st.from_type(Interactions), st.integers(-1, 5))
def test_from_a_date_on(rows, data, moment):
    assume(data.timestamp is not None)
    expected = [row for row, time in enumerate(data.timestamp) if time >= moment]
    if 0 < len(expected) < len(data):
        assert rows(temporal_split(data, date=moment).test) == expected
    else:
        with pytest.raises(DataError, match="nothing to train on" if expected else "nothing to test on"):
            temporal_split(data, date=moment)


def test_the_share_is_a_fifth_by_default(make, rows):
    assert rows(temporal_split(make([0] * 10, range(10))).test) == [8, 9]


@pytest.mark.parametrize(
    ("times", "share", "expected"),
    [
        ([1, 2, 3, 3, 3, 4, 5, 6], 0.5, [5, 6, 7]),  # of 4 wanted: 3 are nearer than 6
        ([1, 2, 3, 4, 4, 4, 4, 5], 0.5, [3, 4, 5, 6, 7]),  # 5 are nearer than 1
        ([1, 2, 2, 3], 0.5, [3]),  # 1 and 3 are as near
        ([1, 2, 3, 3], 0.5, [2, 3]),  # the share cuts between two seconds
        ([1, 1, 1, 2], 0.8, [3]),  # 4 were nearer, but there must be rows to train on
        ([1, 2, 2, 2], 0.3, [1, 2, 3]),  # and rows to test on
    ],
)
def test_a_second_is_never_divided(make, rows, times, share, expected):
    assert rows(temporal_split(make([0] * len(times), times), share).test) == expected


@pytest.mark.parametrize(
    "date",
    [
        NOON,
        float(NOON),
        NOON - 0.5,
        np.int64(NOON),
        np.float64(NOON),
        "2001-01-01T12:00:00",
        "2001-01-01 12:00",
        "2001-01-01T12:00:00Z",
        "2001-01-01T14:00:00+02:00",
        dt.datetime(2001, 1, 1, 12),
        dt.datetime(2001, 1, 1, 11, 59, 59, 1),
        dt.datetime(2001, 1, 1, 12, tzinfo=dt.UTC),
        dt.datetime(2001, 1, 1, 7, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        np.datetime64("2001-01-01T12:00"),
        np.datetime64("2001-01-01T12:00:00.000000000"),
        pd.Timestamp("2001-01-01 12:00"),
        pd.Timestamp("2001-01-01 13:00", tz="Europe/Berlin"),
    ],
    ids=repr,
)
def test_dates_in_many_forms(make, rows, date):
    data = make([0, 1, 0, 1], [NOON, NOON - 1, NOON + 1, NOON - 2])
    assert rows(temporal_split(data, date=date).test) == [0, 2]


@pytest.mark.parametrize("date", [dt.date(2001, 1, 1), "2001-01-01", "20010101", np.datetime64("2001-01-01")], ids=repr)
def test_a_date_begins_at_midnight(make, rows, date):
    midnight = NOON - 12 * 3600
    assert rows(temporal_split(make([0, 1, 2], [midnight, midnight - 1, NOON]), date=date).test) == [0, 2]


@pytest.mark.parametrize("date", [-5, -4.5, "1969-12-31T23:59:55"])
def test_before_1970(make, rows, date):
    assert rows(temporal_split(make([0, 1, 2], [-6, -4, 0]), date=date).test) == [1, 2]


def test_a_share_is_the_same_as_its_date(make, rows):
    data = make([0] * 50, np.random.default_rng(0).integers(0, 20, 50))
    test = temporal_split(data, 0.3).test
    assert rows(temporal_split(data, date=int(test.timestamp.min())).test) == rows(test)


@pytest.mark.parametrize(
    "date",
    ["yesterday", "", "2001-13-01", "978350400", float("nan"), float("inf"), pd.NaT, np.datetime64("NaT"), 10**30],
)
def test_dates_that_are_none(make, date):
    with pytest.raises(ValueError, match="temporal_split: expected date to be Unix seconds, a date, a datetime or one"):
        temporal_split(make([0, 0], [1, 2]), date=date)


@pytest.mark.parametrize("date", [True, [NOON], dt.timedelta(1), 1j])
def test_what_is_no_kind_of_date(make, date):
    with pytest.raises(TypeError, match=r"temporal_split: expected date to be .* a (bool|list|timedelta|complex)$"):
        temporal_split(make([0, 0], [1, 2]), date=date)


@pytest.mark.parametrize("date", [
    np.datetime64("1970-01"), np.datetime64("1970"), np.datetime64(-1, "ns"), pd.Timestamp(-1), np.datetime64(0, "W"),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), -0.5,
], ids=repr)  # fmt: skip
def test_the_same_dates_as_for_a_window(make, rows, date):
    data = make([0, 1, 2], [-1, 0, 1])
    assert rows(temporal_split(data, date=date).test) == [1, 2]
    assert time_window(data, start=date).data.timestamp.tolist() == [0, 1]


@pytest.mark.parametrize(("date", "problem"), [
    ("2001-01-01", "nothing to test on: all rows of .* are before '2001-01-01'"),
    (10**15, "nothing to test on: all rows of .* are before 10{15}"),
    (1, "nothing to train on: all rows of .* are at or after 1"),
])  # fmt: skip
def test_dates_with_no_rows_on_one_side(make, date, problem):
    with pytest.raises(DataError, match=problem):
        temporal_split(make([0, 0], [1, 2]), date=date)


def test_a_date_and_something_else(make):
    data = make([0, 0], [1, 2])
    with pytest.raises(ValueError, match=r"date=2 divides all rows at one moment: leave test=0\.2 out"):
        temporal_split(data, 0.2, date=2)
    with pytest.raises(ValueError, match='date=2 divides all rows at one moment: leave by="user" out'):
        temporal_split(data, by="user", date=2)


@pytest.mark.parametrize("kw", [{}, {"date": 3}])
def test_no_timestamps(make, kw):
    with pytest.raises(DataError, match='has no timestamps to divide it by; by="user" takes the order of rows instead'):
        temporal_split(make([0, 0]), **kw)


@pytest.mark.parametrize(("times", "kw", "problem"), [
    ([5, 5, 5], {}, "all rows of .* have the same time"),
    ([5], {"test": 0.9}, "all rows of .* have the same time"),
    ([1, 2, 3], {"test": 0.1}, "nothing to test on: test=0.1 of .* is less than one row"),
    ([1, 2, 3], {"test": 0.1, "by": "user"}, "nothing to test on: test=0.1 of any user's rows"),
])  # fmt: skip
def test_nothing_to_test_on(make, times, kw, problem):
    with pytest.raises(DataError, match=problem):
        temporal_split(make([0] * len(times), times), **kw)


@pytest.mark.parametrize("by", ["global", "user"])
@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), "0.2", True])
def test_shares_that_are_none(make, share, by):
    with pytest.raises(ValueError, match="temporal_split: expected test to be a share between 0 and 1, got "):
        temporal_split(make([0, 0], [1, 2]), share, by=by)


def test_another_way_to_split(make):
    with pytest.raises(ValueError, match='temporal_split: expected by to be "user" or "global", got \'item\''):
        temporal_split(make([0, 0], [1, 2]), by="item")
