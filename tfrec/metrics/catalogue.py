"""Metrics of all users' lists together: how much of the catalogue they show, how evenly, and how much they differ.

Every function takes an `Exposure`, which takes in the lists batch by batch, and returns float64 [len(k)], never NaN:
the same values, bit for bit, whatever the batches are.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.checks import check_integer
from tfrec.metrics.items import checked_items
from tfrec.metrics.lists import check_cutoffs


class Exposure:
    """How often each item is listed, at each cutoff, gathered batch by batch.

    The memory is 8 bytes for every item and cutoff, and three times that where the overlap of short lists is asked for.

    Args:
        n_items: size of the item vocabulary.
        k: the cutoffs, in any order.
        recommendable: bool [n_items], the catalogue: the items that can be listed; None for all.
        with_overlap: whether `overlap`, and so `personalisation`, will be asked for.

    Attributes:
        k: the cutoffs.
        n_items: size of the item vocabulary.
        recommendable: bool [n_items].
        listed: int64 [len(k), n_items], how many users have the item in their first k places.
        n_users: how many lists were added, empty ones too.
        n_lists: how many lists with an item were added.

    Raises:
        ValueError: if `recommendable` is of another shape or type or all False, or a cutoff is below 1 or comes twice.
        TypeError: if a number is not an integer.
    """

    def __init__(
        self,
        n_items: int,
        k: int | Iterable[int],
        recommendable: ArrayLike | None = None,
        *,
        with_overlap: bool = True,
    ) -> None:
        self.k = check_cutoffs(k)
        self.n_items = check_integer("n_items", n_items, minimum=1)
        self.recommendable = np.ones(n_items, bool) if recommendable is None else np.array(recommendable)
        if self.recommendable.shape != (n_items,) or self.recommendable.dtype != np.bool_:
            raise ValueError(
                f"recommendable must be a bool array [n_items], here [{n_items}]; "
                f"got {self.recommendable.dtype} {list(self.recommendable.shape)}"
            )
        if not self.recommendable.any():
            raise ValueError("recommendable is False for every item: there is no catalogue to cover")
        self.listed = np.zeros((len(self.k), n_items), np.int64)
        self.n_users = self.n_lists = 0
        # Of the lists that are shorter than a cutoff: how many have the item, and their sum of 1 / √length.
        n_rows = len(self.k) if with_overlap else 0
        self._in_short = np.zeros((n_rows, n_items), np.int64)
        self._weight_in_short = np.zeros((n_rows, n_items))

    def add(self, items: ArrayLike) -> None:
        """Take in the lists of some users.

        Args:
            items: int32 [batch, K], indices of the listed items, best first, none of them twice; where a list ends, -1
                to the end of its row.

        Raises:
            ValueError: if `items` is of another kind, or an item is not recommendable.
        """
        items, lengths = checked_items(items, self.n_items)
        if not np.append(self.recommendable, True)[items].all():  # the last is where -1 leads
            raise ValueError("items must be recommendable ones; some are not")
        self._count(items)
        for row, cutoff in enumerate(self.k[: len(self._in_short)]):
            self._add_short(row, items[lengths < cutoff, :cutoff], lengths[lengths < cutoff])
        self.n_users += len(items)
        self.n_lists += int(np.count_nonzero(lengths))

    def _count(self, items: NDArray[np.int32]) -> None:
        """Add how often each item is in the first k places."""
        so_far, start = np.zeros(self.n_items, np.int64), 0
        for row in np.argsort(self.k):
            places = items[:, start : self.k[row]].ravel()
            so_far += np.bincount(places + 1, minlength=self.n_items + 1)[1:]  # bin 0 is for -1
            self.listed[row] += so_far
            start = self.k[row]

    def _add_short(self, row: int, items: NDArray[np.int32], lengths: NDArray[np.int64]) -> None:
        listed = items[items >= 0]
        # One by one, user after user: the sums are the same, bit for bit, whatever the batches are.
        np.add.at(self._in_short[row], listed, 1)
        np.add.at(self._weight_in_short[row], listed, np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths))

    @property
    def catalogue(self) -> NDArray[np.int64]:
        """How many users have each recommendable item in their first k places: int64 [len(k), number of these]."""
        return self.listed[:, self.recommendable]

    def overlap(self) -> NDArray[np.float64]:
        """Sum over all ordered pairs of lists, each with itself too, of |A ∩ B| / √(|A| |B|): float64 [len(k)].

        That takes no pairs: with the lists as 0-1 vectors of items, divided by √|A| each, it is the squared norm of
        their sum, Σ over the items of (Σ over the lists A with the item of 1 / √|A|)².

        Raises:
            ValueError: if the exposure was made without it.
        """
        if not len(self._in_short):
            raise ValueError("this exposure was made with with_overlap=False: make one with the overlap")
        k = np.asarray(self.k)
        in_full = (self.listed - self._in_short).astype(np.float64)  # lists of k items: whole numbers, so exact sums
        in_short = self._weight_in_short
        mixed = 2 * (in_full * in_short).sum(axis=1) / np.sqrt(k)
        return np.square(in_full).sum(axis=1) / k + mixed + np.square(in_short).sum(axis=1)


def coverage(exposure: Exposure) -> NDArray[np.float64]:
    """Catalogue coverage: share of the recommendable items that are in anybody's first k (Ge et al. 2010)."""
    return np.count_nonzero(exposure.catalogue, axis=1) / exposure.catalogue.shape[1]


def gini(exposure: Exposure) -> NDArray[np.float64]:
    """Gini index of how often the recommendable items are listed, with those that never are.

    G = Σ (2j - n - 1) x_j / (n Σ x_j), where x_j is how often an item is listed, over the n items in ascending order of
    it (Gini 1912; of recommendations Fleder & Hosanagar 2009). 0 if all are listed equally often, (n - 1) / n if one
    item has all places. As in RecBole and irspack; Shani & Gunawardana 2011 divide by n - 1 instead of n. 0 if nothing
    is listed.
    """
    ascending = np.sort(exposure.catalogue, axis=1)
    n, total = ascending.shape[1], ascending.sum(axis=1)
    return (ascending @ np.arange(1 - n, n, 2)) / (n * np.maximum(total, 1.0))


def entropy(exposure: Exposure) -> NDArray[np.float64]:
    """Shannon entropy, in bits, of the shares that the recommendable items have of all places.

    H = -Σ p_i log2 p_i (Shani & Gunawardana 2011). log2(n) if all n items are listed equally often, 0 if one item has
    all places, or if nothing is listed. irspack's is in nats; RecBole's too, and divided by the number of listed items.
    """
    counts = exposure.catalogue
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.abs((share * np.log2(np.where(share > 0, share, 1.0))).sum(axis=1))


def personalisation(exposure: Exposure) -> NDArray[np.float64]:
    """How much the users' lists differ: 1 - mean, over all pairs of users, of |A ∩ B| / √(|A| |B|).

    The cosine similarity of two lists A and B as 0-1 vectors of items; for lists of k items each it is |A ∩ B| / k, and
    personalisation the mean Hamming distance of Zhou et al. 2010. 0 if everybody has the same list, 1 if no two lists
    share an item. Users with an empty list are left out, and with fewer than two others it is 0: there are no pairs.
    It is exact, of all pairs, by `Exposure.overlap`.
    """
    n = exposure.n_lists
    if n < 2:
        return np.zeros(len(exposure.k))
    # The clip takes off rounding.
    return np.clip(1.0 - (exposure.overlap() - n) / (n * (n - 1.0)), 0.0, 1.0)
