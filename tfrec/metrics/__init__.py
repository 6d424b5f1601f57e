"""What a model's lists, scores and ratings are measured by, as plain numpy functions.

`METRICS` maps the names of reports to them; each says in its docstring what its formula is and where that comes from.
The metrics of ranked lists (`tfrec.metrics.ranking`) are functions of hits, those beyond accuracy
(`tfrec.metrics.beyond_accuracy`) of `ItemLists`, those of all lists together (`tfrec.metrics.catalogue`) of an
`Exposure`, those of ratings (`tfrec.metrics.ratings`) of two arrays, and `auc` is one of scores.
"""

from tfrec.metrics.beyond_accuracy import average_popularity, diversity, novelty, serendipity, user_coverage
from tfrec.metrics.catalogue import Exposure, coverage, entropy, gini, personalisation
from tfrec.metrics.items import ItemLists, ItemStatistics
from tfrec.metrics.lists import HitLists
from tfrec.metrics.ranking import (
    average_precision,
    average_precision_full,
    f1,
    hit_rate,
    mrr,
    ndcg,
    precision,
    r_precision,
    recall,
    recall_capped,
)
from tfrec.metrics.ratings import explained_variance, mae, mse, r2, rmse
from tfrec.metrics.registry import METRICS, Metric, get_metric
from tfrec.metrics.roc import auc

__all__ = [
    "METRICS",
    "Exposure",
    "HitLists",
    "ItemLists",
    "ItemStatistics",
    "Metric",
    "auc",
    "average_popularity",
    "average_precision",
    "average_precision_full",
    "coverage",
    "diversity",
    "entropy",
    "explained_variance",
    "f1",
    "get_metric",
    "gini",
    "hit_rate",
    "mae",
    "mrr",
    "mse",
    "ndcg",
    "novelty",
    "personalisation",
    "precision",
    "r2",
    "r_precision",
    "recall",
    "recall_capped",
    "rmse",
    "serendipity",
    "user_coverage",
]
