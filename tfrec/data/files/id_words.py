"""Ids as rows of machine words: millions of them told apart without a Python object for each row.

An id of up to 64 bytes of UTF-8 is padded with zeros to a whole number of 8-byte words. Distinct ids are found by a
hash of the words; then the words themselves are compared, so that no two ids are ever taken for one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
"""One row an id: uint64 [n, n_words], the bytes in little-endian order."""

LONGEST = 64  # bytes of an id

_MASKS = np.array([(1 << (8 * n_bytes)) - 1 for n_bytes in range(9)], np.uint64)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: 2⁶⁴ / golden ratio
_HALF = np.uint64(32)


def words_in(content: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Words | None:
    """The ids at some places of a text, or None if one is empty or longer than 64 bytes.

    Args:
        content: The text; no id in it has a NUL.
        starts: Where each id begins, int64 [n].
        ends: Where it ends, int64 [n].
    """
    lengths = ends - starts
    if len(lengths) and not (lengths.min() > 0 and lengths.max() <= LONGEST):
        return None
    padded = content + bytes(LONGEST)
    at = np.ndarray((len(content) + LONGEST - 7,), "<u8", padded, strides=(1,))  # the 8 bytes from each byte on
    words = np.empty((len(starts), _n_words(int(lengths.max(initial=1)))), np.uint64)
    for position in range(words.shape[1]):
        left = np.clip(lengths - 8 * position, 0, 8)
        words[:, position] = at[starts + 8 * position] & _MASKS[left]
    return words


def words_of(ids: Sequence[bytes]) -> Words:
    """The words of ids, none of which has a NUL or more than 64 bytes."""
    n_words = _n_words(max(map(len, ids), default=1))
    return np.array(ids, f"S{8 * n_words}").view("<u8").reshape(len(ids), n_words).astype(np.uint64, copy=False)


def texts_of(words: Words) -> list[str]:
    """The ids that rows of words stand for."""
    bytewise = words.astype("<u8", copy=False).view(f"S{8 * words.shape[1]}")
    return [text.decode("utf-8") for text in bytewise.ravel().tolist()]


def _n_words(n_bytes: int) -> int:
    return -(-n_bytes // 8)


class IdColumn:
    """A column of ids that comes in blocks; it keeps a code for each row, and the words of the distinct ids."""

    def __init__(self) -> None:
        self._codes: list[npt.NDArray[np.int32]] = []
        self._distinct: list[Words] = []

    def add(self, words: Words) -> None:
        """Append a block of rows."""
        rows, codes = distinct_rows(words)
        self._codes.append(codes)
        self._distinct.append(words[rows])

    def finish(self) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Codes of all rows, int32 [n], and the ids that they stand for, in the order of first appearance."""
        widest = max((words.shape[1] for words in self._distinct), default=1)
        sizes = [len(words) for words in self._distinct]
        joined = np.zeros((sum(sizes), widest), np.uint64)
        ends = np.cumsum(sizes, dtype=np.int64)
        for words, end in zip(self._distinct, ends, strict=True):
            joined[end - len(words) : end, : words.shape[1]] = words
        rows, codes = distinct_rows(joined)
        blocks = zip(self._codes, sizes, ends, strict=True)
        rowwise = [codes[end - size : end][block] for block, size, end in blocks]
        return np.concatenate(rowwise) if rowwise else codes, texts_of(joined[rows])


def distinct_rows(words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """The first row of each distinct id, and for every row its id's place among those."""
    import pandas as pd

    if not len(words):
        return np.empty(0, np.int64), np.empty(0, np.int32)
    codes, _ = pd.factorize(_hashed(words))
    rows = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1))
    if not all(np.array_equal(column[rows][codes], column) for column in words.T):
        return _first_rows_by_value(words)
    return rows, codes.astype(np.int32)


def _hashed(words: Words) -> npt.NDArray[np.uint64]:
    hashes = np.zeros(len(words), np.uint64)
    for column in words.T:
        hashes = (hashes ^ column) * _FACTOR
        hashes ^= hashes >> _HALF
    return hashes


def _first_rows_by_value(words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """As `distinct_rows`, for words of which two have the same hash."""
    position: dict[Any, int] = {}
    values = [row.tobytes() for row in words]
    codes = np.fromiter((position.setdefault(value, len(position)) for value in values), np.int32, len(values))
    rows = np.flatnonzero(np.diff(np.maximum.accumulate(codes), prepend=-1))
    return rows, codes
