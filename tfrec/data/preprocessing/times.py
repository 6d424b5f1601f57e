"""The part of the data within a window of time."""

import numpy as np

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.moments import Moment, plain_moment, unix_second
from tfrec.data.preprocessing.report import Preprocessed, call, finish


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
    first = None if start is None else unix_second("time_window", "start", start)
    stop = None if end is None else unix_second("time_window", "end", end)
    if first is None and stop is None:
        raise ValueError("time_window: expected start or end or both, got None for both")
    if first is not None and stop is not None and first >= stop:
        raise ValueError(f"time_window: expected start before end, got {start!r} and {end!r}")
    parameters = {
        name: None if second is None else plain_moment(moment, second)
        for name, moment, second in (("start", start, first), ("end", end, stop))
    }
    if data.timestamp is None:
        raise DataError(f"{call('time_window', parameters)}: {data.name!r} has no times, and this step needs them")
    kept = np.ones(len(data), np.bool_)
    if first is not None:
        kept &= data.timestamp >= first
    if stop is not None:
        kept &= data.timestamp < stop
    return finish("time_window", parameters, data, data.select(kept))
