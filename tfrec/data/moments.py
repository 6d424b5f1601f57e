"""Moments as people write them, and the whole Unix seconds that the data's times are."""

import math
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np

Moment = int | float | str | date | np.datetime64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_WANTED = (
    "Unix seconds, a date, a datetime or one in ISO format, such as "
    '"2000-12-31" or "2000-12-31T18:30:00"'
)  # fmt: skip
_LOWEST, _HIGHEST = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)
_SECONDS_OF = {"W": Fraction(604_800), "D": Fraction(86_400), "h": Fraction(3_600), "m": Fraction(60)} | {
    unit: Fraction(1, 1000**power) for power, unit in enumerate(("s", "ms", "us", "ns", "ps", "fs", "as"))
}


def unix_second(caller: str, name: str, moment: Any) -> int:
    """The first whole Unix second that isn't before a moment, exactly.

    Rows from the moment on are then those whose time is at least that, as times are whole; and likewise before it.

    Args:
        caller: The function whose argument it is, for the errors.
        name: The argument's name, likewise.
        moment: Unix seconds, a date (its first second), a datetime, a datetime64, or one of them in ISO format. What
            has no time zone is UTC.

    Raises:
        TypeError: If it is no kind of moment.
        ValueError: If it is none that can be reckoned with: NaN, a text that says no date, or beyond what int64 holds.
    """
    wanted = f"{caller}: expected {name} to be {_WANTED}, got {moment!r}"
    if isinstance(moment, bool) or not isinstance(moment, str | date | np.datetime64 | Real):
        raise TypeError(f"{wanted}, a {type(moment).__name__}")
    try:
        second = _second(moment)
    except (ValueError, OverflowError):  # NaN, NaT and infinity are no moments either
        hint = f"; for Unix seconds leave out the quotes: {moment}" if _is_whole_number(moment) else ""
        raise ValueError(f"{wanted}{hint}") from None
    if not _LOWEST <= second <= _HIGHEST:
        raise ValueError(f"{wanted}, which int64 can't hold")
    return second


def plain_moment(moment: Any, second: int) -> int | float | str:
    """A moment ready for JSON, and readable: one that `unix_second` maps to this second too."""
    if isinstance(moment, str):
        return str(moment)
    if isinstance(moment, Integral):
        return int(moment)
    if isinstance(moment, float):
        return float(moment)
    try:
        same = _second(str(moment)) == second
    except (ValueError, OverflowError):
        same = False
    return str(moment) if same else second


def _second(moment: Any) -> int:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if moment != moment:  # noqa: PLR0124  # NaN, and the NaT of numpy and pandas
        raise ValueError("no moment")
    if isinstance(moment, np.datetime64):
        return _second_of_datetime64(moment)
    if isinstance(moment, date):
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        elapsed = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - _EPOCH
        return -int(-elapsed // _SECOND)
    return int(moment) if isinstance(moment, Integral) else math.ceil(moment)


def _second_of_datetime64(moment: np.datetime64) -> int:
    """In Python's numbers: numpy's own conversion to seconds wraps around where int64 ends."""
    unit, step = np.datetime_data(moment.dtype)
    count = step * int(moment.astype(np.int64))
    if unit in ("Y", "M"):
        years, month = divmod(count * (12 if unit == "Y" else 1), 12)
        return (date(1970 + years, 1 + month, 1) - _EPOCH.date()) // _SECOND
    return math.ceil(count * _SECONDS_OF[unit])


def _is_whole_number(moment: Any) -> bool:
    return isinstance(moment, str) and moment.isascii() and moment.isdigit()
