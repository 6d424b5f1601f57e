"""Splits of interactions into training and test rows."""

from numbers import Real
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.grouping import group_rows, ranks_in_groups
from tfrec.data.interactions import Interactions


class Split(NamedTuple):
    """Training and test rows of one data set, with the same vocabularies."""

    train: Interactions
    test: Interactions


def random_split(
    data: Interactions, test: float = 0.2, by: Literal["user", "global"] = "user", seed: int = 42
) -> Split:
    """Divide the rows at random; both parts keep the order of rows.

    Args:
        data: The interactions.
        test: The share of rows to test on, between 0 and 1.
        by: ``"user"``: of each user's n rows, ``round(test · n)`` are test rows, but never all. ``"global"``: the same
            of all rows together. Halves are rounded to even, as Python's ``round`` does, so a user with few rows may
            have none in the test.
        seed: The same seed divides the same data alike.

    Raises:
        ValueError: If ``test`` is not between 0 and 1, or ``by`` is something else.
    """
    if not (isinstance(test, Real) and 0 < test < 1):
        raise ValueError(f"random_split: expected test to be a share between 0 and 1, got {test!r}")
    if by not in ("user", "global"):
        raise ValueError(f'random_split: expected by to be "user" or "global", got {by!r}')
    shuffled = np.random.default_rng(seed).permutation(np.arange(len(data), dtype=np.int32))
    if by == "user":
        splits, positions = group_rows(data.user[shuffled], data.n_users)
        shuffled = shuffled[positions]
    else:
        splits = np.array([0, len(data)], np.int64)
    held_out = np.zeros(len(data), np.bool_)
    held_out[shuffled[_first_of_each(splits, test)]] = True
    return Split(data.select(~held_out), data.select(held_out))


def _first_of_each(splits: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """Which elements are among the first ``round(share · n)`` of their group of n, and not its whole."""
    sizes = np.diff(splits)
    taken = np.minimum(np.rint(share * sizes).astype(np.int64), np.maximum(sizes - 1, 0))
    return ranks_in_groups(splits) < np.repeat(taken, sizes)
