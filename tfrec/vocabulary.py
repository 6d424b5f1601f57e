"""Raw ids, which are always strings, and the indices that models compute with."""

import difflib
from collections.abc import Iterable
from functools import cached_property

import numpy as np
import pandas as pd


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

    def encode(self, ids: Iterable[str]) -> np.ndarray:
        """The indices of raw ids: int32 [n], -1 for an unknown one.

        Raises:
            TypeError: an id is not a string, or a single string came where a list belongs.
        """
        if isinstance(ids, (str, bytes)):
            raise TypeError(f"expected a list of {self.kind} ids, got the single id {ids!r}: write [{ids!r}]")
        listed = list(ids)
        for value in listed:
            if not isinstance(value, str):
                self._refuse(value)
        return self._index.get_indexer(pd.Index(listed, dtype=object)).astype(np.int32)

    def decode(self, indices: np.ndarray) -> np.ndarray:
        """Raw ids of indices, of any shape: an object array, "" where an index is negative."""
        return np.where(indices >= 0, self.ids[np.maximum(indices, 0)], "")

    def closest(self, raw_id: str) -> list[str]:
        """A few known ids that look like `raw_id`, for messages."""
        return difflib.get_close_matches(raw_id, self.ids[:100_000].tolist(), n=3)

    def _refuse(self, value: object) -> None:
        number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        hint = f": did you mean {str(value)!r}?" if number else ""
        raise TypeError(f"{self.kind} ids are strings; got {value!r}, a {type(value).__name__}{hint}")
