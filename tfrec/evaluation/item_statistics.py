"""What metrics need to know of the items, in the model's order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.data import Interactions
from tfrec.evaluation.held_out import translation
from tfrec.metrics import ItemStatistics, Metric


def item_statistics(
    model: Any, test: Interactions, metrics: Sequence[Metric], item_vectors: ArrayLike | None
) -> ItemStatistics:
    """Popularity of the model's items, and vectors if a metric needs them.

    Raises:
        ValueError: if a metric needs vectors and there are none, or they don't fit.
    """
    n_users = int(np.count_nonzero(model.has_history(np.arange(len(model.user_ids), dtype=np.int32))))
    needing = [metric.name for metric in metrics if "item_vectors" in metric.needs]
    vectors = _item_vectors(model, test, item_vectors, needing[0]) if needing else None
    return ItemStatistics(np.asarray(model.item_counts), n_users, vectors)


def _item_vectors(model: Any, test: Interactions, given: ArrayLike | None, metric: str) -> NDArray[np.float32]:
    """Vectors in the order of the model's items; 0 for those that the test set's vocabulary doesn't have."""
    if given is not None:
        table = np.asarray(given)
        if table.ndim != 2 or len(table) != test.n_items or table.dtype.kind not in "biuf":
            raise ValueError(
                f"item_vectors must be numbers [{test.n_items}, d], a row for each item of the test set's vocabulary; "
                f"got {table.dtype} {list(table.shape)}"
            )
        vectors = table.astype(np.float32)
    else:
        features = None if test.item_features is None else test.item_features.select_dtypes("bool")
        if features is None or not features.shape[1]:
            raise ValueError(
                f"the metric {metric!r} needs to know what the items are like: give item_vectors, "
                f"[{test.n_items}, d], or interactions with bool item_features (such as MovieLens' genres)"
            )
        vectors = features.to_numpy(np.float32)
    position = translation(model.item_ids, test.item_ids)
    return np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])[position]
