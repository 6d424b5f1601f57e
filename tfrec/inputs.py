"""What models are given, checked before TensorFlow sees it."""

from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.data import Interactions


def check_data(argument: str, data: Any) -> None:
    """Raise a `TypeError` if `data` is nothing that a model learns from or is evaluated on."""
    if not isinstance(data, (Interactions, tf.data.Dataset, tf.distribute.DistributedDataset)):
        raise TypeError(
            f"{argument} takes tfrec.data.Interactions, or a data set that training_data(train) made; got "
            f"{type(data).__name__}. For a DataFrame: Interactions.from_frame(frame)"
        )


def check_training_data(model: Any, train: Any) -> None:
    """Raise if `train` is nothing that an adapted model can learn from.

    Raises:
        TypeError: it is no `Interactions`.
        ValueError: it is empty, or has other users or items than the model was adapted to; or the model wasn't.
    """
    if not isinstance(train, Interactions):
        raise TypeError(f"training_data takes tfrec.data.Interactions, got {type(train).__name__}")
    if not len(train):
        raise ValueError(f"there is nothing to learn from in {train!r}")
    for known, given in ((model.user_ids, train.user_ids), (model.item_ids, train.item_ids)):
        if known is not given and not np.array_equal(known, given):
            raise ValueError(
                f"{type(model).__name__} was adapted to other data than {train!r}: call adapt(train) first"
            )


def check_range(kind: str, indices: Any, size: int, *, minimum: int = 0) -> Tensor:
    """Indices as an int32 tensor [n], checked wherever their values are known.

    Args:
        kind: what they count, for messages: "user" or "item".
        indices: int [n]; in a graph, where values are not known, nothing is checked.
        size: how many there are.
        minimum: the smallest index: -1 where that may stand for an unknown one.

    Raises:
        TypeError: they are not whole numbers, or not a vector.
        ValueError: one of them is out of range.
    """
    if tf.is_tensor(indices) and not hasattr(indices, "numpy"):  # in a graph
        return tf.cast(indices, tf.int32)
    values = np.asarray(indices)
    if values.ndim != 1 or not (np.issubdtype(values.dtype, np.integer) or not values.size):
        raise TypeError(f"{kind} indices are whole numbers, int [n]; got {indices!r}. For raw ids use recommend")
    if values.size and not minimum <= values.min() <= values.max() < size:
        wrong = values.min() if values.min() < minimum else values.max()
        raise ValueError(f"{kind} indices are from {minimum} to {size - 1}; got {wrong}. For raw ids use recommend")
    return tf.constant(values, tf.int32)
