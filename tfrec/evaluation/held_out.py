"""The test set and the candidates as the evaluator needs them: by user, in the model's indices."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec.data import Candidates, Interactions

Indices = NDArray[np.int64]


class ItemsOfRows:
    """Which items belong to which row, each once."""

    def __init__(self, rows: Indices, items: Indices, n_items: int) -> None:
        """Take parallel arrays of rows and items (out of n_items); a pair may be repeated."""
        self._n_items = n_items
        self._keys = _sorted_distinct(rows * n_items + items)

    def pairs(self, start: int, stop: int) -> NDArray[np.int32]:
        """The items of rows start to stop: int32 [n, 2] of (row - start, item)."""
        first, last = np.searchsorted(self._keys, [start * self._n_items, stop * self._n_items])
        rows, items = np.divmod(self._keys[first:last], self._n_items)
        return np.stack([rows - start, items], axis=1).astype(np.int32)

    def contain(self, start: int, items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of `items`, int32 [n, K] for the n rows from `start` on, -1 for none, belong to their row."""
        rows = np.arange(start, start + len(items), dtype=np.int64)
        keys = rows[:, np.newaxis] * self._n_items + items
        nearest = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return (self._keys[nearest] == keys) & (items >= 0)


@dataclass(frozen=True)
class HeldOut:
    """The users and items of a test set. A row is one user with test rows.

    Attributes:
        test: the test set.
        test_user: int64 [n_rows], the users as indices into the test set's vocabulary, ascending.
        user: int32 [n_rows], the same users as indices into the model's vocabulary; -1 for unknown ones.
        n_relevant: int64 [n_rows], distinct test items of each user, with those that the model doesn't know.
        relevant: the test items that the model knows.
        item_of: int32 [test.n_items], the model's index of each item of the test vocabulary; -1 for unknown ones.
    """

    test: Interactions
    test_user: Indices
    user: NDArray[np.int32]
    n_relevant: Indices
    relevant: ItemsOfRows
    item_of: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.test_user)


def hold_out(test: Interactions, model: Any) -> HeldOut:
    """Sort a test set by user, and translate its users and items, by raw id, to the model's indices.

    Raises:
        ValueError: if the model knows none of the test items.
    """
    item_of = _translation(test.item_ids, model.item_ids)
    pairs = _sorted_distinct(test.user.astype(np.int64) * test.n_items + test.item)  # a repeated row counts once
    test_user, rows, n_relevant = np.unique(pairs // test.n_items, return_inverse=True, return_counts=True)
    items = item_of[pairs % test.n_items].astype(np.int64)
    known = items >= 0
    if not known.any():
        raise ValueError(
            f"none of the items of the test set {test.name!r} is known to the model {model.name!r} (test ids like "
            f"{str(test.item_ids[test.item[0]])!r}, model ids like {str(model.item_ids[0])!r}): evaluate the model "
            "on interactions with the items it was fitted on"
        )
    return HeldOut(
        test=test,
        test_user=test_user,
        user=_translation(test.user_ids, model.user_ids)[test_user],
        n_relevant=n_relevant,
        relevant=ItemsOfRows(rows[known], items[known], model.n_items),
        item_of=item_of,
    )


def items_to_rank(candidates: Candidates, held_out: HeldOut, n_items: int) -> ItemsOfRows:
    """The candidates and the test items of each user, those that the model (with its n_items) knows.

    Raises:
        ValueError: if candidates have indices outside the test set's vocabulary, or a test user has none.
    """
    test = held_out.test
    _check_range("users", candidates.user, test.n_users)
    _check_range("items", candidates.item, test.n_items)
    row_of = np.full(test.n_users, -1, np.int64)
    row_of[held_out.test_user] = np.arange(len(held_out))
    rows = np.broadcast_to(row_of[candidates.user][:, np.newaxis], candidates.item.shape)
    items = np.where(candidates.item >= 0, held_out.item_of[candidates.item], -1).astype(np.int64)
    known = (rows >= 0) & (items >= 0)
    missing = np.flatnonzero(np.bincount(rows[known], minlength=len(held_out)) == 0)
    if len(missing):
        name = str(test.user_ids[held_out.test_user[missing[0]]])
        raise ValueError(
            f"{len(missing)} of {len(held_out)} test users, user {name!r} for one, have no candidates that the model "
            "knows: give candidates for every user of the test set, or leave these users out of it"
        )
    relevant = held_out.relevant.pairs(0, len(held_out)).astype(np.int64)
    return ItemsOfRows(
        np.concatenate([rows[known], relevant[:, 0]]), np.concatenate([items[known], relevant[:, 1]]), n_items
    )


def _check_range(what: str, indices: NDArray[np.int32], size: int) -> None:
    if indices.size and indices.max() >= size:
        raise ValueError(
            f"{what} of the candidates must be indices of the test set's vocabulary, less than {size}; "
            f"got {indices.max()}"
        )


def _translation(ids: NDArray[Any], model_ids: NDArray[Any]) -> NDArray[np.int32]:
    """The index in `model_ids` of each of `ids`, -1 where it is absent: int32 [len(ids)]."""
    if ids is model_ids or np.array_equal(ids, model_ids):
        return np.arange(len(ids), dtype=np.int32)
    return pd.Index(model_ids).get_indexer(pd.Index(ids)).astype(np.int32)


def _sorted_distinct(keys: Indices) -> Indices:
    """As `np.unique`, which hashes integers and takes 30 times as long."""
    keys = np.sort(keys)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
