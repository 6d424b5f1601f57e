"""Orders of rows from which a split takes the first ones of each group: at random, or the newest first."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.grouping import group_rows, group_rows_by_time, ranks_in_groups
from tfrec.data.interactions import Interactions

By = Literal["user", "global"]
BY = ("user", "global")


class Order(NamedTuple):
    """The rows by group, in some order within each: ``rows[splits[g]:splits[g + 1]]`` are those of group g.

    A group is a user (index u is group u), or there is one group of all rows.
    """

    splits: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The number of rows of each group."""
        return np.diff(self.splits)

    def first(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which rows, in the data's own order, are among the first ``counts[g]`` of their group g: bool [n]."""
        chosen = np.zeros(len(self.rows), np.bool_)
        chosen[self.rows[ranks_in_groups(self.splits) < np.repeat(counts, self.sizes)]] = True
        return chosen


def shuffled(data: Interactions, by: By, generator: np.random.Generator) -> Order:
    """The rows of each user, or all rows, in random order."""
    rows = generator.permutation(np.arange(len(data), dtype=np.int32))
    if by == "global":
        return Order(np.array([0, len(data)], np.int64), rows)
    splits, positions = group_rows(data.user[rows], data.n_users)
    return Order(splits, rows[positions])


def newest_first(data: Interactions) -> Order:
    """The rows of each user, the newest first: the reverse of `Interactions.sequences`.

    Of equal times the later row is the newer, and without times the order of rows is that of time.
    """
    splits, rows = group_rows_by_time(data.user, data.timestamp, data.n_users)
    positions = np.arange(len(rows))
    return Order(splits, rows[np.repeat(splits[:-1] + splits[1:] - 1, np.diff(splits)) - positions])


def share_of_each(sizes: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.int64]:
    """``round(share · n)`` of each group of n rows, but never all of them; halves are rounded to even."""
    return np.minimum(np.rint(share * sizes).astype(np.int64), np.maximum(sizes - 1, 0))
