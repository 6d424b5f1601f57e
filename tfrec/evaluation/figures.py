"""From ranked lists, batch by batch, to the figures of a report."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec.evaluation.lists import Lists
from tfrec.metrics import Exposure, HitLists, ItemLists, ItemStatistics, Metric

_WITHOUT_OVERLAP = ("coverage", "gini", "entropy")


def figure_names(metric: Metric, k: Sequence[int]) -> list[str]:
    """What the figures of a metric are called: with each cutoff, if it has any."""
    return [f"{metric.name}@{cutoff}" for cutoff in k] if metric.has_cutoff else [metric.name]


class Figures:
    """Gathers what the ranking metrics say of the lists.

    Args:
        metrics: the metrics of rankings.
        k: the cutoffs.
        recommendable: bool [n_items], the catalogue.
        statistics: what is known of the items.
        user_ids: the raw ids of the users, whose lists come batch by batch in this order.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        k: Sequence[int],
        *,
        recommendable: NDArray[np.bool_],
        statistics: ItemStatistics,
        user_ids: NDArray[Any],
    ) -> None:
        self._metrics = metrics
        self._k = k
        self._statistics = statistics
        with_overlap = any(metric.kind == "catalogue" and metric.name not in _WITHOUT_OVERLAP for metric in metrics)
        self._exposure = Exposure(len(recommendable), k, recommendable, with_overlap=with_overlap)
        self._user_ids = user_ids
        self._n_added = 0
        self._by_user = [metric for metric in metrics if metric.kind != "catalogue"]
        self._names = [name for metric in self._by_user for name in figure_names(metric, k)]
        self._values = np.empty((len(user_ids), len(self._names)))

    @property
    def auc(self) -> Callable[..., Any] | None:
        """The function of the area under the ROC curve, if it is asked for."""
        return next((metric.function for metric in self._metrics if metric.kind == "scores"), None)

    def add(self, lists: Lists, n_relevant: NDArray[np.int64]) -> None:
        """Take in the lists of a batch of users, with the numbers of their relevant items.

        Raises:
            ValueError: if a metric gives something else than a number for each user and cutoff.
        """
        stop = self._n_added + len(lists.items)
        taken = {
            "hits": HitLists(lists.hits, n_relevant),
            "items": ItemLists(lists.items, lists.hits, self._statistics),
        }
        self._exposure.add(lists.items)
        column = 0
        for metric in self._by_user:
            is_area = metric.kind == "scores"
            values = lists.auc[:, np.newaxis] if is_area else metric.function(taken[metric.kind], self._k)
            width = len(figure_names(metric, self._k))
            values = _checked(metric, values, (len(lists.items), width))
            self._values[self._n_added : stop, column : column + width] = values
            column += width
        self._n_added = stop

    def per_user(self) -> pd.DataFrame:
        """The value of every user: a row a user, a column a figure."""
        return pd.DataFrame(self._values, index=pd.Index(self._user_ids, name="user"), columns=self._names, copy=False)

    def means(self) -> dict[str, float]:
        """Every figure, in the order of the metrics.

        Raises:
            ValueError: if a metric gives something else than a number for each cutoff.
        """
        means = dict(zip(self._names, self._values.mean(axis=0).tolist(), strict=True))
        for metric in self._metrics:
            if metric.kind == "catalogue":
                values = _checked(metric, metric.function(self._exposure), (len(self._k),))
                means |= dict(zip(figure_names(metric, self._k), values.tolist(), strict=True))
        return {key: means[key] for metric in self._metrics for key in figure_names(metric, self._k)}

    def exposure(self, item_ids: NDArray[Any]) -> pd.DataFrame:
        """How many training users each item has, and to how many users it was recommended at each cutoff."""
        columns: dict[str | int, NDArray[Any]] = {"popularity": self._statistics.popularity}
        columns.update(zip(self._k, self._exposure.listed, strict=True))
        return pd.DataFrame(columns, index=pd.Index(item_ids, name="item"))


def _checked(metric: Metric, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a metric gave, which may be one of somebody's own."""
    array = np.asarray(values)
    if array.shape != shape or array.dtype.kind not in "biuf":
        wanted = "[n_users, len(k)]" if len(shape) > 1 else "[len(k)]"
        raise ValueError(
            f"the metric {metric.name!r}, of kind {metric.kind!r}, must give numbers {wanted}, here {list(shape)}; "
            f"got {array.dtype} {list(array.shape)}"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"the metric {metric.name!r} gave {array[~np.isfinite(array)][0]} for a user or a cutoff: it must say what "
            "it is worth where there is nothing to measure, such as 0"
        )
    return array.astype(np.float64, copy=False)
