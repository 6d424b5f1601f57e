"""From ranked lists, batch by batch, to the figures of a report."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec.evaluation.lists import Lists
from tfrec.metrics import Exposure, HitLists, ItemLists, ItemStatistics, Metric


def figure_names(metric: Metric, k: Sequence[int]) -> list[str]:
    """What the figures of a metric are called: with each cutoff, if it has any."""
    return [f"{metric.name}@{cutoff}" for cutoff in k] if metric.has_cutoff else [metric.name]


class Figures:
    """Gathers what the ranking metrics say of the lists.

    Args:
        metrics: the metrics, those of ratings left out.
        k: the cutoffs.
        recommendable: bool [n_items], the catalogue.
        statistics: what is known of the items.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        k: Sequence[int],
        recommendable: NDArray[np.bool_],
        statistics: ItemStatistics,
    ) -> None:
        self._metrics = [metric for metric in metrics if metric.kind != "ratings"]
        self._k = k
        self._statistics = statistics
        self._exposure = Exposure(len(recommendable), k, recommendable)
        self._values: dict[str, list[NDArray[np.float64]]] = {
            metric.name: [] for metric in self._metrics if metric.kind != "catalogue"
        }

    @property
    def auc(self) -> Callable[..., Any] | None:
        """The function of the area under the ROC curve, if it is asked for."""
        return next((metric.function for metric in self._metrics if metric.kind == "scores"), None)

    def add(self, lists: Lists, n_relevant: NDArray[np.int64]) -> None:
        """Take in the lists of a batch of users, with the numbers of their relevant items."""
        hit_lists = HitLists(lists.hits, n_relevant)
        item_lists = ItemLists(lists.items, lists.hits, self._statistics)
        self._exposure.add(lists.items)
        for metric in self._metrics:
            if metric.kind == "hits":
                self._values[metric.name].append(metric.function(hit_lists, self._k))
            elif metric.kind == "items":
                self._values[metric.name].append(metric.function(item_lists, self._k))
            elif metric.kind == "scores":
                self._values[metric.name].append(lists.auc[:, np.newaxis])

    def per_user(self, user_ids: NDArray[Any]) -> pd.DataFrame:
        """The value of every user: a row a user, a column a figure."""
        tables = {name: np.concatenate(parts) for name, parts in self._values.items()}
        columns = [key for metric in self._metrics if metric.name in tables for key in figure_names(metric, self._k)]
        values = np.concatenate([np.empty((len(user_ids), 0)), *tables.values()], axis=1)
        return pd.DataFrame(values, index=pd.Index(user_ids, name="user"), columns=columns)

    def means(self, per_user: pd.DataFrame) -> dict[str, float]:
        """Every figure, in the order of the metrics."""
        means = dict(zip(per_user.columns, per_user.to_numpy().mean(axis=0).tolist(), strict=True))
        for metric in self._metrics:
            if metric.kind == "catalogue":
                means |= dict(zip(figure_names(metric, self._k), metric.function(self._exposure).tolist(), strict=True))
        return {key: means[key] for metric in self._metrics for key in figure_names(metric, self._k)}

    def exposure(self, item_ids: NDArray[Any]) -> pd.DataFrame:
        """How many training users each item has, and to how many users it was recommended at each cutoff."""
        columns: dict[str | int, NDArray[Any]] = {"popularity": self._statistics.popularity}
        columns.update(zip(self._k, self._exposure.listed, strict=True))
        return pd.DataFrame(columns, index=pd.Index(item_ids, name="item"))
