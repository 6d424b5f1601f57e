"""What metrics need to know of the items."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.data import Interactions
from tfrec.evaluation.held_out import translation
from tfrec.metrics import ItemStatistics, Metric


def item_statistics(model: Any, test: Interactions, vectors: NDArray[np.float32] | None) -> ItemStatistics:
    """Popularity of the model's items, and their vectors, if there are any, in the model's order.

    Args:
        model: what `tfrec.evaluate` takes.
        test: the test set.
        vectors: what `vectors_for` gave, in the order of the test set's items. An item that the test set's vocabulary
            doesn't have gets 0.
    """
    n_users = int(np.count_nonzero(model.has_history(np.arange(len(model.user_ids), dtype=np.int32))))
    if vectors is not None:
        position = translation(model.item_ids, test.item_ids)
        vectors = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])[position]
    return ItemStatistics(np.asarray(model.item_counts), n_users, vectors)


def vectors_for(
    metrics: Sequence[Metric], test: Interactions, item_vectors: ArrayLike | None
) -> NDArray[np.float32] | None:
    """What the test set's items are like, if a metric needs it: float32 [test.n_items, d].

    Raises:
        ValueError: if a metric needs vectors and there are none, or they don't fit.
    """
    needing = [metric.name for metric in metrics if "item_vectors" in metric.needs]
    if not needing:
        return None
    if item_vectors is not None:
        return _given_vectors(item_vectors, test.n_items)
    features = None if test.item_features is None else test.item_features.select_dtypes("bool")
    if features is None or not features.shape[1]:
        raise ValueError(
            f"the metric {needing[0]!r} needs to know what the items are like: give item_vectors, "
            f"[{test.n_items}, d], or interactions with bool item_features (such as MovieLens' genres)"
        )
    return features.to_numpy(np.float32)


def _given_vectors(item_vectors: ArrayLike, n_items: int) -> NDArray[np.float32]:
    try:
        table = np.asarray(item_vectors)
    except ValueError:
        raise ValueError("item_vectors must be one table of numbers; got rows of different lengths") from None
    if table.ndim != 2 or len(table) != n_items or not table.shape[1] or table.dtype.kind not in "biuf":
        raise ValueError(
            f"item_vectors must be numbers [{n_items}, d], a row for each item of the test set's vocabulary; "
            f"got {table.dtype} {list(table.shape)}"
        )
    if not (np.abs(table) <= np.finfo(np.float32).max).all():
        raise ValueError("item_vectors must be finite numbers that float32 can hold; some are not")
    return table.astype(np.float32)
