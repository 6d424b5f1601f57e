"""From the scores of a batch of test users to their ranked lists, with the hits in them."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tfrec.evaluation.held_out import Indices, Pairs
from tfrec.evaluation.selection import best, in_order, rows_at_a_time

_MOST_THREADS = 8


class Lists(NamedTuple):
    """What some test users are recommended.

    Attributes:
        items: int32 [n_rows, K], best first; -1 where a list has ended.
        hits: bool [n_rows, K], which of them are relevant.
        n_reachable: int64 [n_rows], how many of a user's relevant items could have been recommended.
        auc: float64 [n_rows], the area under the ROC curve; nothing, [0], where it wasn't asked for.
    """

    items: NDArray[np.int32]
    hits: NDArray[np.bool_]
    n_reachable: Indices
    auc: NDArray[np.float64]


class Query(NamedTuple):
    """What is asked of some test users, all pairs with rows counted from the first of them.

    Attributes:
        users: uint64 [n_rows], numbers by which the order of equal scores differs.
        relevant: the relevant items.
        n_relevant: int64 [n_rows], their number, with those that the model doesn't know.
        hidden: the items that are not to be recommended.
        given: the only items that are to be ranked, or None for all.
    """

    users: NDArray[np.uint64]
    relevant: Pairs
    n_relevant: Indices
    hidden: tuple[Pairs, ...]
    given: Pairs | None

    def of(self, start: int, stop: int) -> "Query":
        """The part of the rows from start to stop."""
        return Query(
            self.users[start:stop],
            self.relevant.of(start, stop),
            self.n_relevant[start:stop],
            tuple(pairs.of(start, stop) for pairs in self.hidden),
            None if self.given is None else self.given.of(start, stop),
        )


class Ranker:
    """Ranks tables of scores, some rows at a time so that the work stays in the cache, on all processors.

    Args:
        recommendable: bool [n_items]; the other items are never recommended.
        items: uint64 [n_items], numbers by which the order of equal scores differs too.
        k: length of the lists.
        auc: the metric of that name, or None to leave it out.
    """

    def __init__(
        self,
        recommendable: NDArray[np.bool_],
        items: NDArray[np.uint64],
        k: int,
        auc: Callable[..., Any] | None,
    ) -> None:
        self._masked = np.flatnonzero(~recommendable)
        self._items = items
        self._k = k
        self._auc = auc
        self._step = rows_at_a_time(len(recommendable))
        self._n_items = len(recommendable)
        self._own = threading.local()  # every thread has tables of its own, used again and again
        self._threads = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def rank(self, scores: NDArray[np.float32], query: Query) -> Lists:
        """The lists of as many users as there are rows of scores, float32 [n_rows, n_items]."""
        starts = range(0, len(scores), self._step)
        parts = list(self._threads.map(lambda start: self._rank_some(scores, query, start), starts))
        return Lists(*map(np.concatenate, zip(*parts, strict=True)))

    def _rank_some(self, scores: NDArray[np.float32], query: Query, start: int) -> Lists:
        scores = scores[start : start + self._step]
        query = query.of(start, start + len(scores))
        table, is_relevant = self._tables(len(scores))
        np.copyto(table, scores)
        table[:, self._masked] = -np.inf
        for pairs in query.hidden:
            table[pairs.row, pairs.item] = -np.inf
        items = self._best(table, query)
        relevant = query.relevant
        is_relevant[relevant.row, relevant.item] = True
        hits = np.take_along_axis(is_relevant, items, axis=1) & (items >= 0)
        areas = self._areas(table, is_relevant, query)
        is_relevant[relevant.row, relevant.item] = False
        is_reachable = table[relevant.row, relevant.item] > -np.inf
        return Lists(items, hits, np.bincount(relevant.row[is_reachable], minlength=len(table)), areas)

    def _tables(self, n_rows: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """A thread's tables of scores to mask, and of flags of relevant items, all False: [n_rows, n_items]."""
        if not hasattr(self._own, "scores"):
            self._own.scores = np.empty((self._step, self._n_items), np.float32)
            self._own.flags = np.zeros((self._step, self._n_items), np.bool_)
        return self._own.scores[:n_rows], self._own.flags[:n_rows]

    def _best(self, table: NDArray[np.float32], query: Query) -> NDArray[np.int32]:
        if query.given is None:
            return best(table, query.users, self._items, self._k)
        entries = query.given.row * self._n_items + query.given.item
        found = entries[table.ravel()[entries] > -np.inf]
        return in_order(found, table, query.users, self._items, self._k)

    def _areas(self, table: NDArray[np.float32], is_relevant: NDArray[np.bool_], query: Query) -> NDArray[np.float64]:
        """Relevant items that can't be recommended, or that the model doesn't know, come after all others."""
        if self._auc is None:
            return np.empty(0)
        competes = table > -np.inf
        if query.given is not None:
            given = np.zeros_like(competes)
            given[query.given.row, query.given.item] = True
            competes &= given
        n_known = np.bincount(query.relevant.row, minlength=len(table))
        has_both = (n_known > 0) & (competes & ~is_relevant).any(axis=1)
        areas = np.where(n_known > 0, 0.5, 0.0)  # nothing to be told apart
        areas[has_both] = self._auc(table[has_both], is_relevant[has_both], competes[has_both])
        return areas * n_known / query.n_relevant
