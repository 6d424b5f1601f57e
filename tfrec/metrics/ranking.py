"""Metrics of ranked lists against what the users turned out to want, with binary relevance.

Every function takes the same three arguments and answers for all users at once:

- ``hits``: bool [n_users, K], whether the item at each rank (best first) of a user's list is relevant. A list may be
  shorter than the cutoff: what is not there is no hit.
- ``n_relevant``: int [n_users], how many relevant items each user has, in the list or not; at least 1.
- ``k``: the cutoff; only the first k ranks count.

and returns float64 [n_users], between 0 and 1. A figure of a whole test set is the mean over its users. Arguments that
don't belong together (shapes, k < 1, fewer relevant items than hits, none at all) are a ValueError.
"""

from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]
PerUser = NDArray[np.float64]


def ndcg(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Normalised discounted cumulative gain.

    DCG@k = sum over the hits at ranks r ≤ k of 1 / log2(r + 1), divided by the DCG of the best possible list, whose
    first min(k, n_relevant) ranks are hits (Järvelin & Kekäläinen 2002, binary gains).
    """
    hits, n_relevant = _checked(hits, n_relevant, k)
    n_ranks = max(hits.shape[1], min(k, int(n_relevant.max(initial=1))))
    discount = 1.0 / np.log2(np.arange(2, n_ranks + 2))
    # Both sums run rank by rank, so that a perfect list scores 1 exactly.
    ideal = np.cumsum(discount)[np.minimum(n_relevant, k) - 1]
    return _total(np.where(hits, discount[: hits.shape[1]], 0.0)) / ideal


def recall(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Share of a user's relevant items that are in the first k: hits@k / n_relevant.

    The denominator is not cut at k: with more than k relevant items even the best list stays below 1.
    """
    hits, n_relevant = _checked(hits, n_relevant, k)
    return _total(hits) / n_relevant


def precision(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Share of the k places that are hits: hits@k / k, also where the list is shorter than k."""
    hits, _ = _checked(hits, n_relevant, k)
    return _total(hits) / k


def hit_rate(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Whether there is a hit in the first k: 1 or 0."""
    hits, _ = _checked(hits, n_relevant, k)
    return (_total(hits) > 0).astype(np.float64)


def mrr(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Reciprocal rank of the first hit, 0 if there is none in the first k. Its mean over users is the MRR."""
    hits, _ = _checked(hits, n_relevant, k)
    # The running count is 1 from the first hit to the second: only the first is a hit too.
    first = hits & (np.cumsum(hits, axis=1) == 1)
    return _total(first / np.arange(1, hits.shape[1] + 1))


def average_precision(hits: Hits, n_relevant: Counts, k: int) -> PerUser:
    """Average precision, cut at k. Its mean over users is the MAP.

    AP@k = (sum over the hits at ranks r ≤ k of precision@r) / min(k, n_relevant): the form of the Million Song Dataset
    Challenge (McFee et al. 2012) and of Kaggle's MAP@k, in which the best possible list scores 1 whatever k is.
    Others divide by n_relevant (trec_eval's map_cut) or by the number of hits; those figures are not comparable.
    """
    hits, n_relevant = _checked(hits, n_relevant, k)
    precision_at_rank = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return _total(np.where(hits, precision_at_rank, 0.0)) / np.minimum(n_relevant, k)


def _total(gains: NDArray[Any]) -> PerUser:
    """Sum of each row from left to right, always in the same order of addition; 0 for empty rows."""
    if gains.shape[1] == 0:
        return np.zeros(len(gains))
    return np.cumsum(gains, axis=1, dtype=np.float64)[:, -1]


def _checked(hits: ArrayLike, n_relevant: ArrayLike, k: int) -> tuple[Hits, Counts]:
    """The first k columns of `hits`, and `n_relevant`, as arrays that belong together."""
    hits, n_relevant = np.asarray(hits), np.asarray(n_relevant)
    if hits.ndim != 2 or hits.dtype != np.bool_:
        raise ValueError(f"hits must be a bool array [n_users, K]; got {hits.dtype} {list(hits.shape)}")
    if n_relevant.shape != hits.shape[:1] or not np.issubdtype(n_relevant.dtype, np.integer):
        raise ValueError(
            f"n_relevant must be an int array [n_users], here [{len(hits)}]; "
            f"got {n_relevant.dtype} {list(n_relevant.shape)}"
        )
    if index(k) < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    if (n_relevant < np.maximum(hits.sum(axis=1), 1)).any():
        raise ValueError(
            "n_relevant counts all relevant items of a user: it must be at least 1 and at least the number of hits; "
            "leave users without relevant items out"
        )
    return hits[:, :k], n_relevant.astype(np.int64)
