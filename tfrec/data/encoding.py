"""Raw ids as codes, in the order of first appearance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_SMALL = 1 << 20  # a table of so many entries is cheap, however few the values


def encode_whole_numbers(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Codes for whole numbers, and the decimal strings of what they stand for.

    Args:
        values: Whole numbers [n].

    Returns:
        Codes, int32 [n], and the distinct numbers as strings; the number that appears first has code 0, and so on.
    """
    codes, distinct = _first_appearance(values)
    return codes, list(map(str, distinct.tolist()))


def without_unused(codes: npt.NDArray[np.int32], ids: Sequence[str]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Codes and ids without the ids that no code stands for."""
    recoded, distinct = _first_appearance(codes)
    return recoded, [ids[code] for code in distinct.tolist()]


def _first_appearance(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[Any]]:
    import pandas as pd

    n = len(values)
    if n and (values[1:] >= values[:-1]).all():  # as the users of many files
        begins = np.concatenate([[True], values[1:] != values[:-1]])
        return np.cumsum(begins, dtype=np.int32) - np.int32(1), values[begins]
    lowest, highest = (int(values.min()), int(values.max())) if n else (0, 0)
    if lowest < 0 or highest >= max(_SMALL, 2 * n):
        codes, distinct = pd.factorize(values)
        return codes.astype(np.int32, copy=False), distinct
    # A table by number is several times faster than a hash table. Assigned backwards, the first row is the one to stay.
    first = np.full(highest + 1, n, np.int32)
    first[values[::-1]] = np.arange(n - 1, -1, -1, dtype=np.int32)
    present = np.flatnonzero(first < n)
    distinct = present[np.argsort(first[present])]
    first[distinct] = np.arange(len(distinct), dtype=np.int32)
    return first[values], distinct


class IdEncoder:
    """A column of ids that comes in parts: codes for each, that mean the same id in all of them."""

    def __init__(self) -> None:
        self._code: dict[str, int] = {}

    @property
    def ids(self) -> list[str]:
        """What the codes stand for."""
        return list(self._code)

    def encode(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Codes for whole numbers or texts.

        Raises:
            TypeError: If there is something else.
        """
        if values.dtype.kind == "f":
            raise TypeError("expected whole numbers or texts")
        if values.dtype.kind in "iu":
            codes, ids = encode_whole_numbers(values)
        else:
            # A dict, and not pandas: some versions take two texts for equal if they agree up to a NUL character.
            texts = values.tolist()
            local = {text: code for code, text in enumerate(dict.fromkeys(texts))}
            if not set(map(type, local)) <= {str}:
                raise TypeError("expected texts")
            codes, ids = np.fromiter(map(local.__getitem__, texts), np.int32, len(texts)), list(local)
        known = [self._code.setdefault(text, len(self._code)) for text in ids]
        return np.array(known, np.int32)[codes]
