"""Train on the past and test on the future."""

import numpy as np
import numpy.typing as npt

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.moments import Moment, unix_second
from tfrec.data.splits.orders import BY, By, newest_first, share_of_each
from tfrec.data.splits.parts import Split, check_choice, check_rows, check_share, divide


def temporal_split(
    data: Interactions, test: float | None = None, by: By = "global", *, date: Moment | None = None
) -> Split:
    """Test on the newest rows: a share of them, or those from a date on.

    With ``by="global"`` there is one moment for everybody, and all training rows are older than all test rows. Users
    and items that first appear after it have no training rows. Rows of the same second are never separated: those of
    the second that the share cuts through all go to the side that brings the test nearer to the share, to training if
    both sides are as near, and never so that a part is empty.

    With ``by="user"`` each user's newest rows are the test, in the order of `Interactions.sequences`: of equal times
    the row that comes later is the newer, and without times the order of rows is that of time. A user's training rows
    may then be newer than another user's test rows.

    Args:
        data: The interactions.
        test: The share of rows to test on, between 0 and 1; 0.2 if there is no ``date``. By user, of each user's n rows
            ``round(test · n)``, but never all, with halves rounded to even.
        by: ``"global"`` or ``"user"``.
        date: Instead of a share, when the test begins: rows of this moment or later are test rows. Unix seconds, a
            date or a datetime, or one of them in ISO format; a date begins at midnight, and without a time zone it is
            UTC. Only with ``by="global"``.

    Raises:
        TypeError: If ``data`` is not `Interactions`, or ``date`` is of another type.
        ValueError: If ``test`` is not between 0 and 1, ``by`` is something else, ``date`` is no date, or both ``test``
            and ``date``, or ``date`` and ``by="user"``, are given.
        DataError: If there are no times to go by, or one of the parts would be empty.
    """
    check_rows("temporal_split", data)
    check_choice("temporal_split", "by", by, BY)
    if date is not None:
        if test is not None or by == "user":
            other = f"test={test!r}" if test is not None else 'by="user"'
            raise ValueError(f"temporal_split: date={date!r} divides all rows at one moment: leave {other} out")
        return _split_at_date(data, date)
    share = 0.2 if test is None else test
    check_share("temporal_split", "test", share)
    return _split_by_user(data, share) if by == "user" else _split_at_share(data, share)


def _split_by_user(data: Interactions, share: float) -> Split:
    order = newest_first(data)
    counts = share_of_each(order.sizes, share)
    if not counts.any():
        raise DataError(
            f"temporal_split: nothing to test on: test={share} of any user's rows, of {data!r}, is less than one row"
        )
    return divide(data, order.first(counts))


def _split_at_share(data: Interactions, share: float) -> Split:
    times = _times(data)
    n_train = len(data) - round(share * len(data))
    if n_train == len(data):
        raise DataError(f"temporal_split: nothing to test on: test={share} of {data!r} is less than one row")
    second = np.partition(times, n_train)[n_train]  # the second that the share cuts through, or cuts before
    before, until = int((times < second).sum()), int((times <= second).sum())
    if before == 0 and until == len(data):
        raise DataError(f"temporal_split: all rows of {data!r} have the same time: no moment divides them")
    later_half = n_train - before < until - n_train
    held_out = times >= second if before and (later_half or until == len(data)) else times > second
    return divide(data, held_out)


def _split_at_date(data: Interactions, date: Moment) -> Split:
    times = _times(data)
    held_out = times >= unix_second("temporal_split", "date", date)
    n_test = int(held_out.sum())
    if n_test in (0, len(data)):
        side = "before" if n_test == 0 else "at or after"
        part = "test" if n_test == 0 else "train"
        raise DataError(f"temporal_split: nothing to {part} on: all rows of {data!r} are {side} {date!r}")
    return divide(data, held_out)


def _times(data: Interactions) -> npt.NDArray[np.int64]:
    if data.timestamp is None:
        raise DataError(
            f'temporal_split: {data!r} has no timestamps to divide it by; by="user" takes the order of rows instead'
        )
    return data.timestamp
