"""One row for each pair of user and item."""

import dataclasses
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.report import Preprocessed, finish

_KEEP = ("first", "last", "mean", "error")


def drop_duplicates(data: Interactions, keep: Literal["first", "last", "mean", "error"] = "last") -> Preprocessed:
    """Keep one row of each pair of user and item.

    First and last are meant in time; equal times, and data without times, go by the order of rows (the order of
    `Interactions.sequences`).

    Args:
        data: The interactions.
        keep: What becomes of a pair that occurs more than once. ``"first"``: its first row. ``"last"``: its last.
            ``"mean"``: its last row, with the mean of the ratings and the sum of the weights. ``"error"``: an error,
            for data that should have none.

    Raises:
        DataError: If a pair occurs more than once and ``keep`` is ``"error"`` (the message names one), or there are no
            interactions.
        ValueError: If ``keep`` is something else.
    """
    if keep not in _KEEP:
        raise ValueError(f"drop_duplicates: expected keep to be one of {', '.join(_KEEP)}, got {keep!r}")
    order, starts = _by_pair(data)
    ends = np.append(starts, len(order))[1:]
    if keep == "error" and len(starts) < len(order):
        raise _repeated(data, order, starts, ends)
    chosen = order[starts] if keep == "first" else order[ends - 1]
    kept = data.select(np.sort(chosen))
    if keep == "mean" and len(kept) < len(data):
        in_order = np.argsort(chosen)
        counts = (ends - starts)[in_order]
        changes: dict[str, Any] = {}
        if data.has_ratings:
            changes["rating"] = _sums(data.rating[order], starts)[in_order] / counts
        if data.weight is not None:
            changes["weight"] = _sums(data.weight[order], starts)[in_order]
        kept = dataclasses.replace(kept, **changes)
    return finish("drop_duplicates", {"keep": keep}, data, kept)


def _by_pair(data: Interactions) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows by pair, oldest first, and where in them each pair starts."""
    order = np.arange(len(data)) if data.timestamp is None else np.argsort(data.timestamp, kind="stable")
    pairs = data.user[order].astype(np.int64) * data.n_items + data.item[order]
    by_pair = np.argsort(pairs, kind="stable")
    pairs = pairs[by_pair]
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)])
    return order[by_pair], starts


def _sums(values: npt.NDArray[np.float32], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    return np.add.reduceat(values, starts, dtype=np.float64)


def _repeated(
    data: Interactions, order: npt.NDArray[np.intp], starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> DataError:
    counts = ends - starts
    repeated = np.flatnonzero(counts > 1)
    first = repeated[np.argmin(order[starts[repeated]])]
    row = order[starts[first]]
    user, item = data.user_ids[data.user[row]], data.item_ids[data.item[row]]
    return DataError(
        f"drop_duplicates(keep='error'): {len(repeated):,} pairs of user and item occur more than once in "
        f"{data.name!r}: user {user!r} has item {item!r} {counts[first]} times. "
        'To keep one row of each, use keep="first", "last" or "mean"'
    )
