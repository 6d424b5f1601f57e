"""Metrics that the evaluator reports, as plain numpy functions. `METRICS` maps the names of reports to them."""

import difflib
from collections.abc import Callable

from tfrec.metrics.ranking import PerUser, average_precision, hit_rate, mrr, ndcg, precision, recall

METRICS: dict[str, Callable[..., PerUser]] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "mrr": mrr,
    "map": average_precision,
}


def get_metric(name: str) -> Callable[..., PerUser]:
    """The metric function of a name in `METRICS`.

    Args:
        name: a key of `METRICS`, such as "ndcg".

    Returns:
        A function of (hits, n_relevant, k), as `tfrec.metrics.ranking` describes it.

    Raises:
        ValueError: if there is no metric of that name; the message names the nearest one.
    """
    if isinstance(name, str) and name in METRICS:
        return METRICS[name]
    nearest = difflib.get_close_matches(str(name).lower().replace("-", "_"), METRICS, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise ValueError(f"unknown metric {name!r}.{hint} Known metrics: {', '.join(METRICS)}")


__all__ = ["METRICS", "average_precision", "get_metric", "hit_rate", "mrr", "ndcg", "precision", "recall"]
