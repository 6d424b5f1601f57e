"""Python lists to the arrays that the signatures of exported models take."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def check_list(name: str, values: Any) -> None:
    """Refuse a single text where a list is meant: it would pass for a list of letters.

    Raises:
        TypeError: if `values` is text.
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a list, and the text {values!r} came; did you mean [{values!r}]?")


def id_array(name: str, ids: Sequence[str]) -> np.ndarray:
    """Raw ids as an array of objects, [len(ids)].

    Raises:
        TypeError: if `ids` is no list, or an id is no string.
    """
    check_list(name, ids)
    for value in ids:
        if not isinstance(value, str):
            raise TypeError(
                f"{name} holds raw ids, which are strings, and {value!r} came; did you mean {str(value)!r}?"
            )
    return np.array(list(ids), dtype=object)


def k_array(k: int | Sequence[int], n_rows: int) -> np.ndarray:
    """How many items each row asks for: int32 [n_rows].

    Raises:
        TypeError: if `k` isn't made of whole numbers.
        ValueError: if it has another length, or a number below 1.
    """
    array = np.asarray(k)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"k must be a whole number, or one for each row, and {k!r} came")
    if array.ndim and array.shape != (n_rows,):
        raise ValueError(f"k must be one number or {n_rows}, one for each row, and it has the shape {array.shape}")
    if array.size and not 1 <= array.min() <= array.max() < 2**31:
        raise ValueError(f"k must be at least 1, and {k!r} came")
    return np.broadcast_to(array, (n_rows,)).astype(np.int32)


def padded_ids(name: str, lists: Sequence[Sequence[str]] | None, n_rows: int) -> np.ndarray:
    """Lists of raw ids as a rectangle [n_rows, 1 + the longest]; column 0 and the ends are "", which models pass over.

    A server that merges requests pads them with the very first element of a tensor: hence column 0.

    Raises:
        TypeError: if a row is no list, or an id is no string.
        ValueError: if there are more or fewer rows.
    """
    arrays: list[np.ndarray] = [
        id_array(f"a row of {name}", ids) for ids in ([[]] * n_rows if lists is None else lists)
    ]
    if len(arrays) != n_rows:
        raise ValueError(f"{name} must have {n_rows} rows, one for each answer, and has {len(arrays)}")
    rectangle = np.full((n_rows, 1 + max(map(len, arrays), default=0)), "", dtype=object)
    for row, ids in zip(rectangle, arrays, strict=True):
        row[1 : 1 + len(ids)] = ids
    return rectangle


def padded_ratings(ratings: Sequence[Sequence[float]], histories: Sequence[Sequence[str]]) -> np.ndarray:
    """Ratings as a float32 rectangle that lies over ``padded_ids("histories", histories, …)``, padded with 0.

    Raises:
        ValueError: if they don't match the histories one for one, or one isn't finite.
    """
    if [len(row) for row in ratings] != [len(row) for row in histories]:
        raise ValueError("ratings must have one number for each item of each history")
    rectangle = np.zeros((len(histories), 1 + max(map(len, histories), default=0)), dtype=np.float32)
    for row, values in zip(rectangle, ratings, strict=True):
        row[1 : 1 + len(values)] = values
    if not np.isfinite(rectangle).all():
        raise ValueError("ratings must be finite numbers")
    return rectangle
