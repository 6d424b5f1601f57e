"""Metrics of what is in a user's list, rather than of whether it was wanted: novelty, diversity, serendipity.

Every function takes `ItemLists` and the cutoffs, one or several in any order, and returns float64 [n_users, len(k)],
never NaN. Only the first k places count, and a list that is shorter than k counts as it is. A figure of a whole test
set is the mean over its users.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tfrec.metrics.items import ItemLists
from tfrec.metrics.lists import Cutoffs, PerUser, check_cutoffs, running_totals

_BLOCK = 2**17  # numbers in a block of sums of vectors, so that it stays in the processor's cache


def novelty(lists: ItemLists, k: int | Iterable[int]) -> PerUser:
    """Mean self-information of the listed items, in bits: mean of log2(n_users / popularity of the item).

    Zhou et al. 2010 (Solving the apparent diversity-accuracy dilemma of recommender systems); RecTools'
    MeanInvUserFreq. 0 says that everybody has all of the listed items, log2(n_users) that one user has each. An item
    that nobody has in training counts as one that one user has: it would be infinite. An empty list has 0.
    """
    return lists.mean(lists.statistics.self_information, check_cutoffs(k))


def average_popularity(lists: ItemLists, k: int | Iterable[int]) -> PerUser:
    """Mean popularity of the listed items, each its number of training users; 0 for an empty list.

    The average recommendation popularity of Yin et al. 2012 (Challenging the long tail recommendation) and
    Abdollahpouri et al. 2019. RecBole and RecTools count interactions, not users: the same where no pair is repeated.
    """
    return lists.mean(lists.statistics.popularity, check_cutoffs(k))


def user_coverage(lists: ItemLists, k: int | Iterable[int]) -> PerUser:
    """Whether the user's list has k items: 1 or 0. Its mean is the share of users that the model can serve in full.

    User space coverage (Shani & Gunawardana 2011, Evaluating recommendation systems, section 8.3.3).
    """
    return (lists.lengths[:, np.newaxis] >= check_cutoffs(k)).astype(np.float64)


def serendipity(lists: ItemLists, k: int | Iterable[int]) -> PerUser:
    """Share of the k places that are hits and that a list of the most popular items would not have shown.

    |hits@k without the k most popular items| / k: Ge, Delgado-Battenfeld & Jannach 2010 (Beyond accuracy), who call an
    item unexpected that a primitive model does not recommend. Here that model is the popularity in training, the same
    for all users. Items as popular as the k-th are expected as well, so that it does not matter which of them is taken
    for the k-th. It is at most `precision`; places beyond the end of a list count as misses.
    """
    cutoffs = check_cutoffs(k)
    descending = lists.statistics.descending_popularity
    popularity = lists.statistics.popularity[lists.items]  # of any item where there is none, which is no hit
    values = np.empty((len(lists), len(cutoffs)))
    for column, cutoff in enumerate(cutoffs):
        is_unexpected = popularity[:, :cutoff] < descending[:cutoff].min(initial=np.inf)
        values[:, column] = np.count_nonzero(lists.hits[:, :cutoff] & is_unexpected, axis=1) / cutoff
    return values


def diversity(lists: ItemLists, k: int | Iterable[int]) -> PerUser:
    """Intra-list diversity: 1 - mean cosine similarity, over all pairs of listed items, of the items' vectors.

    The mean dissimilarity of Smyth & McClave 2001, with the intra-list similarity of Ziegler et al. 2005. 0 for items
    that are all alike, 1 for items that have nothing in common, up to 2 for opposite vectors. An item whose vector is 0
    is similar to none. A list of fewer than two items has no pairs, and a diversity of 0.
    """
    cutoffs = check_cutoffs(k)
    vectors = lists.statistics.unit_vectors
    step = max(1, _BLOCK // max(1, vectors.shape[1]))
    similarities = np.empty((len(lists), len(cutoffs)))
    for start in range(0, len(lists), step):
        items = lists.by_rank[:, start : start + step]
        similarities[start : start + step] = _similarities(vectors, lists.statistics.has_vector, items, cutoffs)
    n = lists.n_listed(cutoffs)
    n_pairs = n * (n - 1) / 2
    # The clip takes off rounding: a mean of cosines is at most 1.
    return np.where(n_pairs > 0, np.clip(1.0 - similarities / np.maximum(n_pairs, 1.0), 0.0, 2.0), 0.0)


def _similarities(
    vectors: NDArray[np.float64], squares: NDArray[np.float64], items: NDArray[np.int32], k: Cutoffs
) -> PerUser:
    """Sum of the cosine similarities of the pairs in the first k, from (‖Σ v‖² - Σ ‖v‖²) / 2.

    Args:
        vectors: of length 1 or 0, float64 [n_items + 1, d]; the last is 0, which is where index -1 leads.
        squares: their squared lengths, float64 [n_items + 1].
        items: rank by rank, int32 [K, n_users].
        k: the cutoffs.
    """
    n_users, d = items.shape[1], vectors.shape[1]
    sums = running_totals((vectors[row] for row in items), k, (n_users, d))
    of_squares = running_totals((squares[row] for row in items), k, (n_users,))
    return (np.square(sums).sum(axis=2) - of_squares) / 2
