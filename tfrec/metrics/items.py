"""Lists of items, and what is known of the items: what the metrics beyond accuracy are functions of."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.checks import check_integer
from tfrec.metrics.lists import Cutoffs, Hits, PerUser, checked_hits, running_totals

Items = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ItemStatistics:
    """What is known of the items that lists are made of.

    Attributes:
        popularity: float64 [n_items], how many training users have each item.
        n_users: how many users the training data have.
        vectors: float64 [n_items, d], what the items are like (genres, an embedding); None where that is not known.

    Raises:
        ValueError: if the shapes don't fit, a number is not finite, or an item has more users than there are.
        TypeError: if `n_users` is not an integer.
    """

    popularity: NDArray[Any]
    n_users: int
    vectors: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        popularity, n_users = np.asarray(self.popularity), check_integer("n_users", self.n_users, minimum=1)
        if popularity.ndim != 1 or not popularity.size or popularity.dtype.kind not in "iuf":
            raise ValueError(f"popularity must be numbers [n_items]; got {popularity.dtype} {list(popularity.shape)}")
        if not ((popularity >= 0) & (popularity <= n_users)).all():
            raise ValueError(f"popularity must count the users of each item, from 0 to n_users, here {n_users}")
        if self.vectors is not None:
            object.__setattr__(self, "vectors", _checked_vectors(self.vectors, len(popularity)))
        object.__setattr__(self, "popularity", popularity.astype(np.float64))
        object.__setattr__(self, "n_users", n_users)

    @cached_property
    def self_information(self) -> NDArray[np.float64]:
        """-log2 of the share of users who have each item, in bits: float64 [n_items]; none counts as one user."""
        return np.log2(self.n_users / np.maximum(self.popularity, 1.0))

    @cached_property
    def descending_popularity(self) -> NDArray[np.float64]:
        """The popularities from the largest to the smallest: float64 [n_items]."""
        return np.sort(self.popularity)[::-1]

    @cached_property
    def unit_vectors(self) -> NDArray[np.float64]:
        """The vectors at length 1, or 0 where they are 0, and one more that is 0: float64 [n_items + 1, d].

        Raises:
            ValueError: if there are no vectors.
        """
        if self.vectors is None:
            raise ValueError("this metric needs to know what the items are like: give ItemStatistics their vectors")
        vectors = np.pad(self.vectors, [(0, 1), (0, 0)])
        # Scaled by the largest entry first, so that the squares neither overflow nor vanish.
        vectors /= _ones_for_zeros(np.abs(vectors).max(axis=1, initial=0.0, keepdims=True))
        vectors /= _ones_for_zeros(np.sqrt(np.square(vectors).sum(axis=1, keepdims=True)))
        return vectors

    @cached_property
    def has_vector(self) -> NDArray[np.float64]:
        """1 where `unit_vectors` has a vector of length 1, 0 where it is 0: float64 [n_items + 1]."""
        return np.where(self.unit_vectors.any(axis=1), 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class ItemLists:
    """The ranked lists of some users, with what is known of the items.

    Attributes:
        items: int32 [n_users, K], indices of the listed items, best first, none of them twice; where a list ends, -1
            to the end of its row.
        hits: bool [n_users, K], which of them are relevant.
        statistics: what is known of the items.

    Raises:
        ValueError: if the shapes, types or numbers don't fit.
    """

    items: Items
    hits: Hits
    statistics: ItemStatistics
    lengths: NDArray[np.int64] = field(init=False)  # int64 [n_users], how many items each list has

    def __post_init__(self) -> None:
        items, lengths = checked_items(self.items, len(self.statistics.popularity))
        hits = checked_hits(self.hits)
        if hits.shape != items.shape:
            raise ValueError(f"hits must have the shape of items, {list(items.shape)}; got {list(hits.shape)}")
        if (hits & (items < 0)).any():
            raise ValueError("hits must be False where a list has no item (-1)")
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "hits", hits)
        object.__setattr__(self, "lengths", lengths)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def by_rank(self) -> Items:
        """The items, rank by rank: int32 [K, n_users]."""
        return np.ascontiguousarray(self.items.T)

    def n_listed(self, k: Cutoffs) -> NDArray[np.int64]:
        """How many items are in the first k places: int64 [n_users, len(k)]."""
        return np.minimum(self.lengths[:, np.newaxis], k)

    def mean(self, values: NDArray[np.float64], k: Cutoffs) -> PerUser:
        """Mean over the items listed in the first k places of a value that each item has, [n_items]; 0 for none."""
        with_zero = np.append(values, 0.0)  # which is where index -1 leads
        totals = running_totals((with_zero[row] for row in self.by_rank), k, (len(self),))
        return totals / np.maximum(self.n_listed(k), 1)


def checked_items(items: ArrayLike, n_items: int) -> tuple[Items, NDArray[np.int64]]:
    """Lists of items as an array, and how long they are.

    Raises:
        ValueError: as `ItemLists` says.
    """
    items = np.asarray(items)
    if items.ndim != 2 or items.dtype.kind not in "iu":
        raise ValueError(f"items must be an int array [n_users, K]; got {items.dtype} {list(items.shape)}")
    if items.size and not -1 <= items.min() <= items.max() < n_items:
        raise ValueError(
            f"items must be indices from 0 to {n_items - 1}, or -1 where a list has ended; "
            f"got numbers from {items.min()} to {items.max()}"
        )
    listed = items >= 0
    if (listed[:, 1:] > listed[:, :-1]).any():
        raise ValueError("items must not go on after the end of a list: -1 comes last")
    ascending = np.sort(items, axis=1)
    if ((ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)).any():
        raise ValueError("items must not have an item twice in one list")
    return items.astype(np.int32, copy=False), listed.sum(axis=1)


def _checked_vectors(vectors: ArrayLike, n_items: int) -> NDArray[np.float64]:
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or len(vectors) != n_items or vectors.dtype.kind not in "biuf":
        raise ValueError(
            f"vectors must be numbers [n_items, d], here [{n_items}, d]; got {vectors.dtype} {list(vectors.shape)}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite numbers; some are NaN or infinite")
    return vectors.astype(np.float64)


def _ones_for_zeros(divisors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(divisors == 0, 1.0, divisors)
