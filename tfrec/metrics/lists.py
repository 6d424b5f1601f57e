"""Ranked lists of many users at once, checked, with what several metrics compute alike.

Sums run rank by rank, the same for every user: a user's value doesn't depend, bit for bit, on who else is in the batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.checks import check_integer

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
PerUser = NDArray[np.float64]
Cutoffs = Sequence[int]


@dataclass(frozen=True, eq=False)
class HitLists:
    """Where the hits are in the ranked lists of some users.

    Attributes:
        hits: bool [n_users, K], whether the item at each rank (best first) of a user's list is relevant. A list may be
            shorter than a cutoff: what is not there is no hit.
        n_relevant: int64 [n_users], how many relevant items each user has, in the list or not; at least 1.

    Raises:
        ValueError: if the shapes or types don't fit, or a user has no relevant item, or fewer than hits.
    """

    hits: Hits
    n_relevant: Counts

    def __post_init__(self) -> None:
        hits, n_relevant = checked_hits(self.hits), np.asarray(self.n_relevant)
        if n_relevant.shape != hits.shape[:1] or not np.issubdtype(n_relevant.dtype, np.integer):
            raise ValueError(
                f"n_relevant must be an int array [n_users], here [{len(hits)}]; "
                f"got {n_relevant.dtype} {list(n_relevant.shape)}"
            )
        object.__setattr__(self, "hits", hits)
        object.__setattr__(self, "n_relevant", n_relevant.astype(np.int64))
        if (self.n_relevant < np.maximum(self.counts[-1], 1)).any():
            raise ValueError(
                "n_relevant counts all relevant items of a user: it must be at least 1 and at least the number of "
                "hits; leave users without relevant items out"
            )

    def __len__(self) -> int:
        return len(self.hits)

    @cached_property
    def by_rank(self) -> Hits:
        """The hits, rank by rank: bool [K, n_users]."""
        return np.ascontiguousarray(self.hits.T)

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """How many hits are in the first 0, 1, … K places: int32 [K + 1, n_users]."""
        counts = np.zeros((self.hits.shape[1] + 1, len(self)), np.int32)
        for rank, row in enumerate(self.by_rank):
            np.add(counts[rank], row, out=counts[rank + 1])
        return counts

    def n_hits(self, k: Cutoffs) -> NDArray[np.int32]:
        """How many hits are in the first k places: int32 [n_users, len(k)]."""
        return np.ascontiguousarray(self.counts[np.minimum(k, self.hits.shape[1])].T)


def check_cutoffs(k: int | Iterable[int]) -> tuple[int, ...]:
    """One cutoff or several as a tuple, in the order given.

    Raises:
        TypeError: a cutoff is not an integer.
        ValueError: a cutoff is below 1 or comes twice, or there is none.
    """
    cutoffs = tuple(check_integer("k", cutoff, minimum=1) for cutoff in (k if isinstance(k, Iterable) else [k]))
    if not cutoffs:
        raise ValueError("k must name at least one cutoff; got none")
    if len(set(cutoffs)) < len(cutoffs):
        raise ValueError(f"k must not repeat a cutoff; got {cutoffs}")
    return cutoffs


def running_totals(rows: Iterable[NDArray[Any]], k: Cutoffs, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Sums over the first k ranks, added rank by rank: float64 [n_users, len(k), ...].

    Args:
        rows: for each rank, best first, the users' terms, [n_users, ...]; there may be fewer ranks than a cutoff has.
        k: the cutoffs.
        shape: the shape of a row, for when there is none.
    """
    totals, total = np.zeros((shape[0], len(k), *shape[1:])), np.zeros(shape)
    column = {cutoff: number for number, cutoff in enumerate(k)}
    rank = 0
    for rank, row in zip(range(1, max(k) + 1), rows, strict=False):
        total += row
        if rank in column:
            totals[:, column[rank]] = total
    for cutoff in k:
        if cutoff > rank:
            totals[:, column[cutoff]] = total
    return totals


def checked_hits(hits: ArrayLike) -> Hits:
    """Hits as an array.

    Raises:
        ValueError: if they are of another shape or type.
    """
    hits = np.asarray(hits)
    if hits.ndim != 2 or hits.dtype != np.bool_:
        raise ValueError(f"hits must be a bool array [n_users, K]; got {hits.dtype} {list(hits.shape)}")
    return hits
