"""The metrics by the names that reports have for them."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tfrec.metrics import beyond_accuracy, catalogue, ranking, ratings, roc

Kind = Literal["hits", "items", "catalogue", "scores", "ratings"]
_NEEDS = frozenset({"popularity", "item_vectors"})


@dataclass(frozen=True)
class Metric:
    """A metric by the name that reports have for it.

    Attributes:
        name: what reports call it, without a cutoff.
        kind: what it is a function of:

            - "hits": of (`HitLists`, k), to float64 [n_users, len(k)];
            - "items": of (`ItemLists`, k), to float64 [n_users, len(k)];
            - "catalogue": of an `Exposure`, to float64 [len(k)];
            - "scores": of (scores, relevant, candidates), as `auc` takes them, to float64 [n_users]; only `auc` is;
            - "ratings": of (predicted, actual), float64 [n], to a float.
        function: the function.
        higher_is_better: whether a larger value is a better one; None if neither end is good.
        needs: what it needs to know of the items, out of "popularity" and "item_vectors".

    Raises:
        ValueError: if the name is empty or has an "@" in it, or there is no such kind or need.
        TypeError: if the function is none.
    """

    name: str
    kind: Kind
    function: Callable[..., Any]
    higher_is_better: bool | None = True
    needs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or "@" in self.name:
            raise ValueError(f"the name of a metric must be a text without '@', which reports add; got {self.name!r}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}; got {self.kind!r}")
        if not callable(self.function):
            raise TypeError(f"function must be one; got {self.function!r}")
        needs = frozenset([self.needs] if isinstance(self.needs, str) else self.needs)
        if not _NEEDS.issuperset(needs):
            raise ValueError(f"needs must be out of {', '.join(sorted(_NEEDS))}; got {', '.join(sorted(needs))}")
        object.__setattr__(self, "needs", needs)

    @property
    def has_cutoff(self) -> bool:
        """Whether it is of lists cut at k, and so has a value for each cutoff."""
        return self.kind in ("hits", "items", "catalogue")


_POPULARITY, _VECTORS = frozenset({"popularity"}), frozenset({"item_vectors"})

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("ndcg", "hits", ranking.ndcg.of_lists),
        Metric("recall", "hits", ranking.recall.of_lists),
        Metric("recall_capped", "hits", ranking.recall_capped.of_lists),
        Metric("precision", "hits", ranking.precision.of_lists),
        Metric("f1", "hits", ranking.f1.of_lists),
        Metric("hit_rate", "hits", ranking.hit_rate.of_lists),
        Metric("mrr", "hits", ranking.mrr.of_lists),
        Metric("map", "hits", ranking.average_precision.of_lists),
        Metric("map_full", "hits", ranking.average_precision_full.of_lists),
        Metric("r_precision", "hits", ranking.r_precision.of_lists),
        Metric("auc", "scores", roc.auc),
        Metric("rmse", "ratings", ratings.rmse, higher_is_better=False),
        Metric("mae", "ratings", ratings.mae, higher_is_better=False),
        Metric("mse", "ratings", ratings.mse, higher_is_better=False),
        Metric("r2", "ratings", ratings.r2),
        Metric("explained_variance", "ratings", ratings.explained_variance),
        Metric("coverage", "catalogue", catalogue.coverage),
        Metric("user_coverage", "items", beyond_accuracy.user_coverage),
        Metric("gini", "catalogue", catalogue.gini, higher_is_better=False),
        Metric("entropy", "catalogue", catalogue.entropy),
        Metric("novelty", "items", beyond_accuracy.novelty, needs=_POPULARITY),
        Metric("average_popularity", "items", beyond_accuracy.average_popularity, None, needs=_POPULARITY),
        Metric("diversity", "items", beyond_accuracy.diversity, needs=_VECTORS),
        Metric("serendipity", "items", beyond_accuracy.serendipity, needs=_POPULARITY),
        Metric("personalisation", "catalogue", catalogue.personalisation),
    )
}

# Names that people know them by elsewhere, for hints only.
_KNOWN_AS = {
    "average_precision": "map",
    "average_precision_full": "map_full",
    "map_cut": "map_full",
    "hr": "hit_rate",
    "roc_auc": "auc",
    "catalogue_coverage": "coverage",
    "item_coverage": "coverage",
    "gini_index": "gini",
    "shannon_entropy": "entropy",
    "self_information": "novelty",
    "intra_list_diversity": "diversity",
    "ild": "diversity",
}


def get_metric(name: str) -> Metric:
    """The metric of a name in `METRICS`.

    Args:
        name: a key of `METRICS`, such as "ndcg".

    Returns:
        The metric: what it is a function of, and the function.

    Raises:
        ValueError: if there is no metric of that name; the message names the nearest one.
    """
    if isinstance(name, str) and name in METRICS:
        return METRICS[name]
    wanted = str(name).lower().replace("-", "_")
    nearest = difflib.get_close_matches(wanted, [*METRICS, *_KNOWN_AS], n=1)
    hint = f" Did you mean {_KNOWN_AS.get(nearest[0], nearest[0])!r}?" if nearest else ""
    raise ValueError(f"unknown metric {name!r}.{hint} Known metrics: {', '.join(METRICS)}")
