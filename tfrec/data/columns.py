"""Checks and conversions of the columns of `Interactions`: each function returns a read-only array or raises."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from tfrec.data.errors import DataError
from tfrec.data.malformed import shown

if TYPE_CHECKING:
    import pandas as pd

Number = TypeVar("Number", bound=np.generic)


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array itself if nothing can change it, so that vocabularies stay shared; else a read-only copy.

    A read-only view of an array that can be written to is copied.
    """
    if not _is_immutable(array):
        array = array.copy()
        array.setflags(write=False)
    return array


def _is_immutable(array: npt.NDArray[Any]) -> bool:
    """Whether an array and all that it is a view of are read-only."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base
    return owner is None or isinstance(owner, bytes)


def _column(name: str, values: Any, kinds: str, expected: str, n: int | None) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"{name}: expected one dimension, got shape {array.shape}")
    if n is not None and len(array) != n:
        raise DataError(f"{name}: expected {n:,} values, one for each interaction, got {len(array):,}")
    if array.size and array.dtype.kind not in kinds:
        raise DataError(f"{name}: expected {expected}, got dtype {array.dtype}")
    return array


def _refuse(name: str, values: npt.NDArray[Any], good: npt.NDArray[np.bool_], expected: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(f"{name}: expected {expected}, got {values[row]} in row {row} (counted from 0)")


def indices(
    name: str, values: Any, size: int, n: int | None = None, of: str = "indices into the vocabulary"
) -> npt.NDArray[np.int32]:
    """Indices in 0 … size - 1: int32 [n]."""
    array = _column(name, values, "iu", "whole numbers", n)
    _refuse(name, array, (array >= 0) & (array < size), f"{of}, 0 … {size - 1}")
    return frozen(_as(array, np.int32))


def ratings(values: Any, n: int) -> npt.NDArray[np.float32]:
    """Finite ratings: float32 [n]."""
    array = _as(_column("rating", values, "iuf", "numbers", n), np.float32)
    _refuse("rating", array, np.isfinite(array), "finite numbers")
    return frozen(array)


def weights(values: Any, n: int) -> npt.NDArray[np.float32]:
    """Finite weights of at least zero: float32 [n]."""
    array = _as(_column("weight", values, "iuf", "numbers", n), np.float32)
    _refuse("weight", array, np.isfinite(array) & (array >= 0), "finite numbers of at least zero")
    return frozen(array)


def timestamps(values: Any, n: int) -> npt.NDArray[np.int64]:
    """Unix seconds: int64 [n]."""
    array = _column("timestamp", values, "iu", "whole numbers (Unix seconds)", n)
    if array.dtype.kind == "u":
        _refuse("timestamp", array, array <= np.iinfo(np.int64).max, "numbers that int64 can hold")
    elif len(array) and array.min() == np.iinfo(np.int64).min:
        _refuse("timestamp", array, array > np.iinfo(np.int64).min, "Unix seconds (the lowest int64 stands for NaT)")
    return frozen(_as(array, np.int64))


def _as(array: npt.NDArray[Any], dtype: type[Number]) -> npt.NDArray[Number]:
    """The array itself if it is of this type; else a new one, read-only, that need not be copied again."""
    with np.errstate(over="ignore"):  # what overflows becomes inf, and is refused with its row
        converted = array.astype(dtype, copy=False)
    if converted is not array:
        converted.setflags(write=False)
    return converted


def vocabulary(name: str, ids: Any) -> npt.NDArray[np.object_]:
    """Unique, non-empty Python strings: object [size]."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise DataError(f"{name}: expected an array of ids, got {ids!r}")
    array = object_array(ids)
    if not _is_vocabulary(array):
        _refuse_id(name, array)
    return frozen(array)


def _is_vocabulary(ids: npt.NDArray[np.object_]) -> bool:
    """Whether all is well, without a look at each id in Python."""
    if not _are_strings(ids):
        return False
    distinct = set(ids)
    try:
        "".join(distinct).encode()
    except UnicodeEncodeError:
        return False
    return len(distinct) == len(ids) and "" not in distinct


def _are_strings(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {str}


def _refuse_id(name: str, ids: npt.NDArray[np.object_]) -> None:
    """Raise for the first id that can't be in a vocabulary."""
    seen: set[str] = set()
    for position, value in enumerate(ids):
        if not isinstance(value, str):
            hint = f"; did you mean {str(value)!r}?" if isinstance(value, int | np.integer) else ""
            raise DataError(f"{name}: ids are strings, got {value!r} at position {position}{hint}")
        problem = id_problem(value)
        if problem is not None:
            raise DataError(f"{name}: {problem} at position {position}")
        if value in seen:
            raise DataError(f"{name}: ids are unique, got {value!r} again at position {position}")
        seen.add(value)


def id_problem(text: str) -> str | None:
    """Why a string can't be an id, or None."""
    if not text:
        return "an empty id"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"an id that UTF-8 cannot encode, {shown(text)},"
    return None


def titles(values: Any, n_items: int) -> npt.NDArray[np.object_]:
    """Item titles, strings: object [n_items]."""
    array = object_array(values)
    if len(array) != n_items:
        raise DataError(f"item_titles: expected {n_items:,} titles, one for each item id, got {len(array):,}")
    if not _are_strings(array):
        position = next(position for position, value in enumerate(array) if not isinstance(value, str))
        raise DataError(f"item_titles: titles are strings, got {array[position]!r} at position {position}")
    return frozen(array)


def object_array(values: Iterable[Any]) -> npt.NDArray[np.object_]:
    """A one-dimensional object array of plain Python strings where the values are strings."""
    if isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1 and not values.flags.writeable:
        return values
    plain = list(values)
    if not _are_strings(plain):
        plain = [str(value) if isinstance(value, str) else value for value in plain]
    array = np.empty(len(plain), dtype=object)
    array[:] = plain
    return array


def features(name: str, frame: Any, ids: npt.NDArray[np.object_]) -> "pd.DataFrame":
    """Features in the order of the vocabulary, indexed by its ids."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{name}: expected a pandas DataFrame, got {type(frame).__name__}")
    if len(frame) != len(ids):
        raise DataError(f"{name}: expected {len(ids):,} rows, one for each id, got {len(frame):,}")
    in_order = isinstance(frame.index, pd.RangeIndex) and frame.index.equals(pd.RangeIndex(len(ids)))
    if not in_order and not np.array_equal(frame.index.to_numpy(dtype=object), ids):
        raise DataError(
            f"{name}: its index has other ids, or another order, than the vocabulary: "
            "use frame.reindex(ids), or frame.reset_index(drop=True) if the rows are in the vocabulary's order"
        )
    return frame.set_axis(pd.Index(ids, dtype=object), axis=0)
