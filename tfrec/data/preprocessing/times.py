"""The part of the data within a window of time."""

import math
from datetime import UTC, date, datetime
from numbers import Real
from typing import Any

import numpy as np

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.report import Preprocessed, call, finish

Moment = int | float | str | date | np.datetime64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WANTED = 'Unix seconds, a datetime or an ISO string such as "2000-12-31" or "2000-12-31T18:00+01:00"'


def time_window(data: Interactions, start: Moment | None = None, end: Moment | None = None) -> Preprocessed:
    """Keep the rows from ``start`` up to but not including ``end``.

    Args:
        data: The interactions, with times.
        start: Unix seconds, a date, a datetime or an ISO string; without a time zone it is UTC. A date is its first
            second. None: from the first row.
        end: Likewise. None: to the last row.

    Raises:
        DataError: If the data have no times, or nothing is left.
        TypeError: If a moment is of another type.
        ValueError: If it is none, if both are None, or if ``start`` isn't before ``end``.
    """
    parameters: dict[str, Any] = {
        name: value if value is None or isinstance(value, int | float | str) else str(value)
        for name, value in (("start", start), ("end", end))
    }
    first = None if start is None else _second("start", start)
    stop = None if end is None else _second("end", end)
    if first is None and stop is None:
        raise ValueError("time_window: expected start or end or both, got None for both")
    if first is not None and stop is not None and first >= stop:
        raise ValueError(f"time_window: expected start before end, got {start!r} and {end!r}")
    if data.timestamp is None:
        raise DataError(f"{call('time_window', parameters)}: {data.name!r} has no times, and this step needs them")
    kept = np.ones(len(data), np.bool_)
    if first is not None:
        kept &= data.timestamp >= first
    if stop is not None:
        kept &= data.timestamp < stop
    return finish("time_window", parameters, data, data.select(kept))


def _second(name: str, moment: Any) -> int:
    """The first whole Unix second that isn't before the moment: the data's times are whole, so both ends round up.

    Raises:
        TypeError: It is no kind of moment.
        ValueError: It is none that can be reckoned with.
    """
    if isinstance(moment, str):
        moment = _parse(name, moment)
    if moment != moment:  # noqa: PLR0124  # NaN, and the NaT of numpy and pandas
        raise ValueError(f"time_window: {name} must be {_WANTED}; got {moment!r}")
    if isinstance(moment, np.datetime64):
        whole: np.datetime64 = moment.astype("datetime64[s]")
        return int(whole.astype(np.int64)) + bool(whole < moment)
    if isinstance(moment, date):
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day)
        elapsed = (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - _EPOCH
        return elapsed.days * 86_400 + elapsed.seconds + bool(elapsed.microseconds)
    if isinstance(moment, bool) or not isinstance(moment, Real):
        raise TypeError(f"time_window: {name} must be {_WANTED}; got {moment!r}, a {type(moment).__name__}")
    seconds: Any = moment
    if abs(seconds) > 2**62:
        raise ValueError(f"time_window: {name} must be {_WANTED}; got {moment!r}")
    return math.ceil(seconds)


def _parse(name: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        hint = f"; for Unix seconds leave out the quotes: {text}" if text.isdigit() else ""
        raise ValueError(f"time_window: {name} must be {_WANTED}; got {text!r}{hint}") from None
