"""The user-item matrix of interactions."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.grouping import group_rows

if TYPE_CHECKING:
    from scipy import sparse

    from tfrec.data.interactions import Interactions

VALUES = ("binary", "rating", "weight")


class _Ordered(NamedTuple):
    """The rows by user, then item, then position: user u has those from ``splits[u]`` to ``splits[u + 1]``."""

    splits: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    first: npt.NDArray[np.bool_]  # of its pair of user and item


def _ordered(data: "Interactions") -> _Ordered:
    """Two counting sorts, by item and then by user, are linear, and several times as fast as sorting pairs."""
    from scipy import sparse

    splits, by_item = group_rows(data.item, data.n_items)
    shape = (data.n_items, data.n_users)
    rows = sparse.csr_array((by_item, data.user[by_item], splits.astype(np.int32)), shape=shape).tocsc()
    first = np.ones(len(data), np.bool_)
    first[1:] = rows.indices[1:] != rows.indices[:-1]
    first[rows.indptr[:-1][np.diff(rows.indptr) > 0]] = True
    return _Ordered(rows.indptr, rows.indices, rows.data, first)


def count_pairs(data: "Interactions") -> int:
    """The number of distinct pairs of user and item."""
    return int(_ordered(data).first.sum())


def to_csr(data: "Interactions", values: str) -> "sparse.csr_array":
    """See `Interactions.to_csr`."""
    from scipy import sparse

    if values not in VALUES:
        raise ValueError(f"to_csr: expected values to be one of {', '.join(VALUES)}, got {values!r}")
    rows = _ordered(data)
    entries = _entries(data, values, rows)
    if len(entries) == len(data):
        splits, item = rows.splits, rows.item
    else:
        splits, item = np.append(0, np.cumsum(rows.first))[rows.splits], rows.item[rows.first]
    matrix = sparse.csr_array((entries, item, splits), shape=(data.n_users, data.n_items))
    matrix.has_canonical_format = True
    return matrix


def _entries(data: "Interactions", values: str, rows: _Ordered) -> npt.NDArray[Any]:
    """One entry for each distinct pair."""
    if values == "binary":
        return np.ones(int(rows.first.sum()), np.float32)
    if values == "rating":
        last = np.append(rows.first[1:], True)[: len(data)]
        return data.rating[rows.row[last]]
    weight = np.ones(len(data), np.float32) if data.weight is None else data.weight[rows.row]
    if rows.first.all():
        return weight
    return np.add.reduceat(weight, np.flatnonzero(rows.first), dtype=np.float64).astype(np.float32)
