"""Raw ids, which are always strings, and the indices that models compute with."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

Ids = Sequence[str] | np.ndarray


def check_ids(kind: str, ids: Ids) -> list[str]:
    """Raw ids as a list of strings.

    Args:
        kind: what they are ids of, for messages: "user" or "item".
        ids: a list, tuple, array, Series, set or iterator of strings.

    Raises:
        TypeError: an id is not a string, or what came is no list of ids.
    """
    if isinstance(ids, (str, bytes)):
        raise TypeError(f"expected a list of {kind} ids, got the single id {ids!r}: write [{ids!r}]")
    if not isinstance(ids, Iterable) or isinstance(ids, (Mapping, pd.DataFrame)):
        raise TypeError(f"expected a list of {kind} ids, got {ids!r}, a {type(ids).__name__}")
    listed = list(ids)
    for value in listed:
        if not isinstance(value, str):
            number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            hint = f": did you mean {str(value)!r}?" if number else ""
            raise TypeError(f"{kind} ids are strings; got {value!r}, a {type(value).__name__}{hint}")
    return listed


def check_id_lists(name: str, lists: Sequence[Ids]) -> list[list[str]]:
    """Lists of raw item ids, one for each row.

    Args:
        name: the argument's name, for messages.
        lists: a list, tuple or array of what `check_ids` takes.

    Raises:
        TypeError: they are something else.
    """
    wanted = f"{name} takes a list of item ids for each row, such as [['50', '181']]"
    if isinstance(lists, (str, bytes, Mapping, pd.DataFrame)) or not isinstance(lists, Iterable):
        raise TypeError(f"{wanted}; got {lists!r}")
    rows = list(lists)
    for row in rows:
        if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
            raise TypeError(f"{wanted}; got {row!r} for a row")
    return [check_ids("item", row) for row in rows]


class Vocabulary:
    """An ordered set of raw ids.

    Args:
        ids: object [n], distinct strings; position i is the id of index i.
        kind: what the ids are of, for messages: "user" or "item".
    """

    def __init__(self, ids: np.ndarray, kind: str):
        self.ids = ids
        self.kind = kind

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.ids, dtype=object)

    def encode(self, ids: Ids) -> np.ndarray:
        """The indices of raw ids: int32 [n], -1 for an unknown one.

        Raises:
            TypeError: as `check_ids`.
        """
        listed = check_ids(self.kind, ids)
        return self._index.get_indexer(pd.Index(listed, dtype=object)).astype(np.int32)

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Raw ids of indices, of any shape: an object array, "" where an index is negative."""
        return np.where(indices >= 0, self.ids[np.maximum(indices, 0)], "")
