# mypy: no-check-untyped-defs
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, time_window

NEW_YEAR = 946_684_800  # 2000-01-01 UTC


def at(*times):
    n = len(times)
    return Interactions(
        np.zeros(n, int),
        np.arange(n),
        None,
        np.array(times),
        user_ids=["u"],
        item_ids=list("abcdefghij")[: max(n, 1)],
        name="timed",
    )


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=10), st.integers(-60, 60), st.integers(1, 60))
def test_the_window_is_half_open_and_rows_stay_in_order(times, start, length):
    expected = [row for row, time in enumerate(times) if start <= time < start + length]
    data = at(*times)
    if expected:
        window, report = time_window(data, start, start + length)
        assert window.item.tolist() == expected
        assert report.parameters == {"start": start, "end": start + length}
    else:
        with pytest.raises(DataError, match=rf"time_window\(start={start}, end={start + length}\) leaves none"):
            time_window(data, start, start + length)


def test_either_end_may_be_open():
    data = at(10, 20, 30)
    assert time_window(data, start=20).data.timestamp.tolist() == [20, 30]
    assert time_window(data, end=20).data.timestamp.tolist() == [10]


@pytest.mark.parametrize(
    "moment",
    [
        NEW_YEAR,
        float(NEW_YEAR),
        NEW_YEAR - 0.5,
        np.int64(NEW_YEAR),
        "2000-01-01",
        "2000-01-01T00:00:00",
        "2000-01-01 00:00Z",
        "2000-01-01T02:00+02:00",
        date(2000, 1, 1),
        datetime(2000, 1, 1),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 19, tzinfo=timezone(timedelta(hours=-5))),
        datetime(1999, 12, 31, 23, 59, 59, 1),
        np.datetime64("2000-01-01"),
        np.datetime64("1999-12-31T23:59:59.000000001"),
        np.datetime64("2000"),
        np.datetime64("2000-01"),
        np.datetime64(30 * 12 // 5, "5M"),  # type: ignore[call-overload]
        pd.Timestamp("2000-01-01"),
        pd.Timestamp("1999-12-31T23:59:59.000000001"),
        Fraction(2 * NEW_YEAR - 1, 2),
        pd.Timestamp("2000-01-01T01:00", tz="Europe/Paris"),
    ],
)
def test_moments(moment):
    data = at(NEW_YEAR - 1, NEW_YEAR, NEW_YEAR + 1)
    assert time_window(data, start=moment).data.timestamp.tolist() == [NEW_YEAR, NEW_YEAR + 1]
    window, report = time_window(data, end=moment)
    assert window.timestamp.tolist() == [NEW_YEAR - 1]
    parameters = report.to_dict()["parameters"]
    assert type(parameters["end"]) in (int, float, str)
    again = time_window(data, **parameters)  # a report can be run again
    assert again.data.timestamp.tolist() == [NEW_YEAR - 1]
    assert again.report.parameters == report.parameters


@pytest.mark.parametrize("moment", [np.datetime64(-1500, "ms"), datetime(1969, 12, 31, 23, 59, 58, 500_000), -1.5])
def test_moments_before_1970_are_rounded_up_too(moment):
    assert time_window(at(-2, -1, 0), start=moment).data.timestamp.tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "expected start or end or both"),
        ({"start": 20, "end": 20}, ValueError, "expected start before end, got 20 and 20"),
        ({"start": "2001-01-01", "end": "2000-01-01"}, ValueError, "expected start before end"),
        (
            {"start": "yesterday"},
            ValueError,
            "expected start to be Unix seconds, a date, a datetime or one in ISO format, .* got 'yesterday'",
        ),
        ({"start": "946684801"}, ValueError, "for Unix seconds leave out the quotes: 946684801"),
        ({"end": float("nan")}, ValueError, "expected end to be"),
        ({"end": float("inf")}, ValueError, "expected end to be"),
        ({"end": pd.NaT}, ValueError, "expected end to be"),
        ({"end": np.datetime64("NaT")}, ValueError, "expected end to be"),
        ({"end": True}, TypeError, "expected end to be .* got True, a bool"),
        ({"end": np.array([1, 2])}, TypeError, "expected end to be .* a ndarray"),
        ({"end": 2**63}, ValueError, "expected end to be .* got 9223372036854775808, which int64 can't hold"),
        ({"end": 1e300}, ValueError, "which int64 can't hold"),
        ({"end": np.datetime64(2**62, "D")}, ValueError, "which int64 can't hold"),
        ({"end": np.datetime64(2**62, "Y")}, ValueError, "expected end to be"),
        ({"end": [2000]}, TypeError, "expected end to be .* got .2000., a list"),
    ],
)
def test_windows_that_are_none(arguments, error, message):
    with pytest.raises(error, match=f"time_window: .*{message}"):
        time_window(at(10, 20), **arguments)


@pytest.mark.filterwarnings("error")
def test_the_ends_of_int64_are_moments():
    data = at(10, 20)
    lowest, highest = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    assert len(time_window(data, np.int64(lowest), np.int64(highest)).data) == 2


def test_times_are_needed():
    data = Interactions([0], [0], user_ids=["u"], item_ids=["i"], name="timeless")
    with pytest.raises(DataError, match=r"time_window\(start=3\): 'timeless' has no times"):
        time_window(data, start=3)
