"""Leave one out, or a few, of every user's rows."""

from typing import Literal

import numpy as np

from tfrec.checks import check_integer
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.splits.orders import newest_first, shuffled
from tfrec.data.splits.parts import Split, check_choice, check_rows, divide


def leave_out(
    data: Interactions, n: int = 1, order: Literal["last", "random"] = "last", seed: int = 42, keep: int = 1
) -> Split:
    """Test on n rows of every user: leave-one-out, or leave-n-out.

    A user who would keep fewer than ``keep`` rows has all of them in training and none in the test, so that
    ``len(test) // n`` users are tested, who may be fewer than there are.

    Args:
        data: The interactions.
        n: How many rows of a user to test on.
        order: ``"last"``: the newest rows, in the order of `Interactions.sequences`: of equal times the row that comes
            later is the newer, and without times the order of rows is that of time. ``"random"``: any.
        seed: For ``order="random"``: the same seed divides the same data alike.
        keep: How many training rows a tested user has at least. ``keep=2`` leaves every tested user a row to validate
            on when the training part is split again, and ``keep=0`` allows users who are only tested.

    Raises:
        TypeError: If ``data`` is not `Interactions`, or a number is not whole.
        ValueError: If ``order`` is something else, or ``n`` is below 1, ``seed`` or ``keep`` below 0.
        DataError: If no user has ``n + keep`` rows, so that there is nothing to test on.
    """
    check_rows("leave_out", data)
    check_choice("leave_out", "order", order, ("last", "random"))
    n = check_integer("leave_out: n", n, minimum=1)
    seed = check_integer("leave_out: seed", seed, minimum=0)
    keep = check_integer("leave_out: keep", keep, minimum=0)
    rows = newest_first(data) if order == "last" else shuffled(data, "user", np.random.default_rng(seed))
    enough = rows.sizes >= n + keep
    if not enough.any():
        raise DataError(
            f"leave_out: nothing to test on: no user has the {n + keep} rows that n={n} and keep={keep} take "
            f"together, the most of any user of {data!r} being {rows.sizes.max()}"
        )
    return divide(data, rows.first(np.where(enough, n, 0)))
