"""The test set, and what goes with it, as the evaluator needs them: by user, in the model's indices."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec.data import Candidates, Interactions
from tfrec.data.grouping import group_rows_by_time

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Row and item of some entries, by row.

    Attributes:
        row: int64 [n], ascending.
        item: int64 [n].
    """

    row: Indices
    item: Indices

    @classmethod
    def distinct(cls, rows: Indices, items: Indices, n_items: int) -> Self:
        """Each of the given pairs once, the items of a row in ascending order."""
        return cls(*np.divmod(_sorted_distinct(rows * n_items + items), n_items))

    def of(self, start: int, stop: int) -> "Pairs":
        """The pairs of the rows from start to stop, which are counted from start."""
        first, last = np.searchsorted(self.row, [start, stop])
        return Pairs(self.row[first:last] - start, self.item[first:last])

    def __len__(self) -> int:
        return len(self.row)


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
    relevant: Pairs
    item_of: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.test_user)

    @cached_property
    def user_ids(self) -> NDArray[Any]:
        """The raw id of each row's user."""
        return self.test.user_ids[self.test_user]

    @cached_property
    def user_keys(self) -> NDArray[np.uint64]:
        """A number for each row, by the user's raw id."""
        return keys_of(self.user_ids)


@dataclass(frozen=True)
class Histories:
    """What is given of each test user: items, oldest first.

    Attributes:
        splits: int64 [n_rows + 1]: row r has the entries from ``splits[r]`` to ``splits[r + 1]``.
        item: int32 [n], in the model's indices, all of them known to it.
        rating: float32 [n], or None where the interactions have none.
    """

    splits: Indices
    item: NDArray[np.int32]
    rating: NDArray[np.float32] | None

    def pairs(self) -> Pairs:
        """The given items as pairs of row and item."""
        rows = np.repeat(np.arange(len(self.splits) - 1), np.diff(self.splits))
        return Pairs(rows, self.item.astype(np.int64))


def hold_out(test: Interactions, model: Any) -> HeldOut:
    """Sort a test set by user, and translate its users and items, by raw id, to the model's indices.

    Raises:
        ValueError: if the model knows none of the test items.
    """
    item_of = translation(test.item_ids, model.item_ids)
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
        user=translation(test.user_ids, model.user_ids)[test_user],
        n_relevant=n_relevant,
        relevant=Pairs.distinct(rows[known], items[known], model.n_items),
        item_of=item_of,
    )


def items_to_rank(candidates: Candidates, held_out: HeldOut, n_items: int) -> Pairs:
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
        name = str(held_out.user_ids[missing[0]])
        raise ValueError(
            f"{len(missing)} of {len(held_out)} test users, user {name!r} for one, have no candidates that the model "
            "knows: give candidates for every user of the test set, or leave these users out of it"
        )
    relevant = held_out.relevant
    return Pairs.distinct(
        np.concatenate([rows[known], relevant.row]), np.concatenate([items[known], relevant.item]), n_items
    )


def items_of_users(data: Interactions, held_out: HeldOut, model: Any) -> Pairs:
    """The items that the test users have in other interactions, those that the model knows.

    Raises:
        ValueError: if the model knows none of the items.
    """
    rows = _rows_of(data, held_out)[data.user]
    items = translation(data.item_ids, model.item_ids)[data.item].astype(np.int64)
    if not (items >= 0).any():
        raise ValueError(
            f"none of the items of seen={data.name!r} is known to the model {model.name!r}: it takes interactions with "
            "the ids of the training data, such as the validation part of the same split"
        )
    known = (rows >= 0) & (items >= 0)
    return Pairs.distinct(rows[known], items[known], model.n_items)


def histories(given: Interactions, held_out: HeldOut, model: Any) -> Histories:
    """What the test users have in ``given``, oldest first, without items that the model has no training rows of.

    Raises:
        ValueError: if no test user has anything in ``given``.
    """
    rows = _rows_of(given, held_out)[given.user]
    if not (rows >= 0).any():
        raise ValueError(
            f"none of the users of the test set {held_out.test.name!r} is in given={given.name!r}: it holds what is "
            "known of the test users, such as the given part of tfrec.data.strong_split"
        )
    items = translation(given.item_ids, model.item_ids)[given.item]
    usable = (rows >= 0) & (items >= 0) & np.asarray(model.recommendable)[items]
    rows, items = rows[usable], items[usable]
    times = None if given.timestamp is None else given.timestamp[usable]
    splits, order = group_rows_by_time(rows.astype(np.int32), times, len(held_out))
    return Histories(splits, items[order], given.rating[usable][order] if given.has_ratings else None)


def keys_of(ids: NDArray[Any]) -> NDArray[np.uint64]:
    """Numbers that look random, by raw ids, the same for an id wherever it stands: uint64 [n]."""
    return pd.util.hash_array(ids, categorize=False)


def translation(ids: NDArray[Any], model_ids: NDArray[Any]) -> NDArray[np.int32]:
    """The index in `model_ids` of each of `ids`, -1 where it is absent: int32 [len(ids)]."""
    if ids is model_ids or np.array_equal(ids, model_ids):
        return np.arange(len(ids), dtype=np.int32)
    return pd.Index(model_ids).get_indexer(pd.Index(ids)).astype(np.int32)


def _rows_of(data: Interactions, held_out: HeldOut) -> Indices:
    """The row of each user of another vocabulary, -1 for one that isn't tested: int64 [data.n_users]."""
    test = held_out.test
    row_of = np.full(test.n_users + 1, -1, np.int64)  # the last is for users that the test set doesn't know
    row_of[held_out.test_user] = np.arange(len(held_out))
    return row_of[translation(data.user_ids, test.user_ids)]


def _check_range(what: str, indices: NDArray[np.int32], size: int) -> None:
    if indices.size and indices.max() >= size:
        raise ValueError(
            f"{what} of the candidates must be indices of the test set's vocabulary, less than {size}; "
            f"got {indices.max()}"
        )


def _sorted_distinct(keys: Indices) -> Indices:
    """As `np.unique`, which hashes integers and takes 30 times as long."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
