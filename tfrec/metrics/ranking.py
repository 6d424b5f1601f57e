"""Metrics of ranked lists against what the users turned out to want, with binary relevance.

Every function takes the same three arguments and answers for all users at once:

- ``hits``: bool [n_users, K], whether the item at each rank (best first) of a user's list is relevant. A list may be
  shorter than the cutoff: what is not there is no hit.
- ``n_relevant``: int [n_users], how many relevant items each user has, in the list or not; at least 1.
- ``k``: the cutoff, or several of them in any order; only the first k ranks count.

and returns float64 [n_users], or [n_users, len(k)] for several cutoffs, between 0 and 1. A figure of a whole test set
is the mean over its users. Arguments that don't belong together (shapes, k < 1, a cutoff twice, fewer relevant items
than hits, none at all) are a ValueError.

Several metrics of the same lists share their work through `HitLists`: ``ndcg.of_lists(HitLists(hits, n_relevant), k)``
is ``ndcg(hits, n_relevant, k)``, always for several cutoffs. In the formulas below, hits@k is the number of hits in the
first k places. Where other libraries are named, that is what their code does at the time of writing.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tfrec.metrics.lists import Counts, Cutoffs, HitLists, Hits, PerUser, check_cutoffs, running_totals


class HitMetric(Protocol):
    """A metric of hits: a function of arrays, and, as `of_lists`, of checked lists."""

    __name__: str
    of_lists: Callable[[HitLists, Cutoffs], PerUser]

    def __call__(self, hits: Hits, n_relevant: Counts, k: int | Iterable[int]) -> PerUser:
        """The value of each user; see the module's docstring."""


def _hit_metric(formula: Callable[[HitLists, Cutoffs], PerUser]) -> HitMetric:
    """Make a formula on checked lists the public function of arrays, with the formula's docstring."""

    def of_lists(lists: HitLists, k: Cutoffs) -> PerUser:
        return formula(lists, check_cutoffs(k))

    def metric(hits: Hits, n_relevant: Counts, k: int | Iterable[int]) -> PerUser:
        values = formula(HitLists(hits, n_relevant), check_cutoffs(k))
        return values if isinstance(k, Iterable) else values[:, 0]

    for function in (of_lists, metric):
        function.__name__, function.__qualname__, function.__doc__ = formula.__name__, formula.__name__, formula.__doc__
    public: Any = metric
    public.of_lists = of_lists
    return public


@_hit_metric
def precision(lists: HitLists, k: Cutoffs) -> PerUser:
    """Share of the k places that are hits: hits@k / k (Herlocker et al. 2004), also where the list is shorter than k.

    As in ranx, RecTools and RecBole. implicit's `precision` is another figure: the hits of all users over the sum of
    their min(k, n_relevant).
    """
    return lists.n_hits(k) / np.asarray(k)


@_hit_metric
def recall(lists: HitLists, k: Cutoffs) -> PerUser:
    """Share of a user's relevant items that are in the first k: hits@k / n_relevant (Herlocker et al. 2004).

    The denominator is not cut at k: with more than k relevant items even the best list stays below 1. As in ranx,
    RecTools, RecBole and, by default, irspack; see `recall_capped` for the other one.
    """
    return lists.n_hits(k) / _column(lists.n_relevant)


@_hit_metric
def recall_capped(lists: HitLists, k: Cutoffs) -> PerUser:
    """Share of the hits that a list of k can have at best: hits@k / min(k, n_relevant).

    The Recall@R of Liang et al. 2018 (Variational autoencoders for collaborative filtering, section 4.3) and of those
    who follow their protocol; irspack's with `recall_with_cutoff`. The best possible list scores 1 whatever k is.
    """
    return lists.n_hits(k) / np.minimum(_column(lists.n_relevant), k)


@_hit_metric
def f1(lists: HitLists, k: Cutoffs) -> PerUser:
    """Harmonic mean of `precision` P and `recall` R: 2PR / (P + R) = 2 hits@k / (k + n_relevant); 0 without a hit.

    Van Rijsbergen 1979, of each user, as in ranx and RecTools: its mean is not the harmonic mean of the means.
    """
    return 2 * lists.n_hits(k) / (_column(lists.n_relevant) + np.asarray(k))


@_hit_metric
def hit_rate(lists: HitLists, k: Cutoffs) -> PerUser:
    """Whether there is a hit in the first k: 1 or 0.

    With one relevant item a user it is recall, and the hit rate of Deshpande & Karypis 2004; with more it is not.
    """
    return (lists.n_hits(k) > 0).astype(np.float64)


@_hit_metric
def ndcg(lists: HitLists, k: Cutoffs) -> PerUser:
    """Normalised discounted cumulative gain.

    DCG@k = sum over the hits at ranks r ≤ k of 1 / log2(r + 1), divided by the DCG of the best possible list, whose
    first min(k, n_relevant) ranks are hits (Järvelin & Kekäläinen 2002, with the discount of Burges et al. 2005).

    Relevance is binary, so that the gains rel and 2^rel - 1 are the same. As in ranx, RecBole, irspack, implicit and
    scikit-learn's `ndcg_score`. By default, RecTools takes k hits for the ideal also where a user has fewer relevant
    items, which gives smaller figures; `divide_by_achievable=True` gives these.
    """
    n_ranks = max(len(lists.by_rank), min(max(k), int(lists.n_relevant.max(initial=1))))
    discount = 1.0 / np.log2(np.arange(2, n_ranks + 2))
    gains = (row * gain for row, gain in zip(lists.by_rank, discount, strict=False))
    # Both sums run rank by rank, so that a perfect list scores 1 exactly.
    ideal = np.cumsum(discount)[np.minimum(_column(lists.n_relevant), k) - 1]
    return running_totals(gains, k, (len(lists),)) / ideal


@_hit_metric
def average_precision(lists: HitLists, k: Cutoffs) -> PerUser:
    """Average precision, cut at k. Its mean over users is the MAP, and reports call it `map`.

    AP@k = (sum over the hits at ranks r ≤ k of precision@r) / min(k, n_relevant): the form of the Million Song Dataset
    Challenge (McFee et al. 2012) and of Kaggle's MAP@k, in which the best possible list scores 1 whatever k is. As in
    RecBole and implicit; see `average_precision_full` for the other one.
    """
    return _precisions_at_hits(lists, k) / np.minimum(_column(lists.n_relevant), k)


@_hit_metric
def average_precision_full(lists: HitLists, k: Cutoffs) -> PerUser:
    """Average precision over all relevant items, also those that k places have no room for; `map_full` in reports.

    (Sum over the hits at ranks r ≤ k of precision@r) / n_relevant: trec_eval's map_cut (Buckley & Voorhees 2005), as in
    ranx, irspack and, by default, RecTools. With more than k relevant items even the best list stays below 1.
    """
    return _precisions_at_hits(lists, k) / _column(lists.n_relevant)


@_hit_metric
def mrr(lists: HitLists, k: Cutoffs) -> PerUser:
    """Reciprocal rank of the first hit, 0 if there is none in the first k. Its mean over users is the MRR.

    Voorhees 1999 (The TREC-8 question answering track report), with its cutoff k, as in ranx and RecBole.
    """
    has_hit = lists.counts[-1] > 0
    rank = np.where(has_hit, np.count_nonzero(lists.counts == 0, axis=0), np.inf)  # no hit in the first 0, 1, … places
    return np.where(_column(rank) <= np.asarray(k), 1.0 / _column(rank), 0.0)


@_hit_metric
def r_precision(lists: HitLists, k: Cutoffs) -> PerUser:
    """Precision at R, the number of relevant items, of the list cut at k: hits@min(k, R) / R.

    With k ≥ R it is the R-precision of trec_eval and ranx (Manning, Raghavan & Schütze 2008, section 8.4), in which the
    best possible list scores 1; with k < R, the places beyond k count as misses.
    """
    places = np.minimum(np.minimum(_column(lists.n_relevant), k), len(lists.by_rank))
    return lists.counts[places, _column(np.arange(len(lists)))] / _column(lists.n_relevant)


def _precisions_at_hits(lists: HitLists, k: Cutoffs) -> PerUser:
    """Sum, over the hits in the first k, of the precision at their rank."""
    rows = zip(lists.by_rank, lists.counts[1:], strict=True)
    return running_totals((row * (count / rank) for rank, (row, count) in enumerate(rows, 1)), k, (len(lists),))


def _column(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, np.newaxis]
