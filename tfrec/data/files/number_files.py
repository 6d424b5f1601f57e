"""Files of numbers, read as one stream by pandas' C engine, and checked for what pandas lets pass."""

import csv
import lzma
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.files.sources import Location
from tfrec.data.files.watched import WatchedStream

_ROWS = 1 << 19  # rows at a time: more would not be faster, only larger

UNPACKING_ERRORS = (EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)
"""What `zipfile` raises for damaged content; and RuntimeError if that is encrypted, or packed by an unknown method."""


class Column(NamedTuple):
    """A column of the multiples of ``step`` in lowest … highest, and the type to keep them as."""

    name: str
    lowest: float
    highest: float
    dtype: str = "int64"
    step: float = 1


class Numbers(NamedTuple):
    """The columns of a file, by name and read-only, and whether its last line has its line break."""

    columns: dict[str, npt.NDArray[Any]]
    whole: bool


def read_sound_numbers(
    file: Location, separator: str, columns: Sequence[Column], header: str | None = None
) -> Numbers | None:
    """The columns of a file, or None unless each of its lines is as it should be.

    It doesn't say what is wrong: pandas' own errors don't name the line.

    Args:
        file: The file, on disk or in a zip.
        separator: What stands between fields: one character, or the same one twice.
        columns: All columns.
        header: The first line, if that isn't a row.
    """
    try:
        with file.open("rb") as stream:
            if header is not None and stream.readline().rstrip() != header.encode():
                return None
            return parse_sound_numbers(stream, separator, columns)
    except (OSError, *UNPACKING_ERRORS):
        return None


def parse_sound_numbers(stream: IO[bytes], separator: str, columns: Sequence[Column]) -> Numbers | None:
    """As `read_sound_numbers`, from a binary stream."""
    watched = WatchedStream(stream, separator)
    try:
        with np.errstate(invalid="ignore"):  # infinity is no whole number: pandas tries, and sees it
            taken = _parse(watched, separator, columns)
    except (ValueError, OverflowError):
        return None
    n_separators = len(taken[columns[0].name]) * (len(columns) - 1)
    if watched.lenient or not watched.has_only(n_separators):  # the fields that were read aren't empty
        return None
    return Numbers(taken, watched.last == b"\n")


def _parse(stream: WatchedStream, separator: str, columns: Sequence[Column]) -> dict[str, npt.NDArray[Any]]:
    """The columns.

    Raises:
        ValueError, OverflowError: If pandas can't read them, or a number is out of bounds.
    """
    import pandas as pd

    # With every second of the columns between single characters pandas can read "::" by its fast engine.
    positions = range(0, len(separator) * len(columns), len(separator))
    parts: list[list[npt.NDArray[Any]]] = [[] for _ in columns]
    with pd.read_csv(
        stream,
        sep=separator[0],
        header=None,
        usecols=list(positions),
        index_col=False,
        dtype={at: "int64" if column.step == 1 else "float64" for at, column in zip(positions, columns, strict=True)},
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        chunksize=_ROWS,
    ) as frames:
        for frame in frames:
            for column, position, part in zip(columns, positions, parts, strict=True):
                values = frame.pop(position).to_numpy()  # type: ignore[arg-type]
                if not _is_sound(values, column):
                    raise ValueError(f"a {column.name} is out of bounds")
                part.append(values.astype(column.dtype, copy=False))
    return {column.name: joined(column, part) for column, part in zip(columns, parts, strict=True)}


def _is_sound(values: npt.NDArray[Any], column: Column) -> bool:
    """Whether all values are what the column allows."""
    if not len(values):
        return True
    if not (values.min() >= column.lowest and values.max() <= column.highest):  # NaN is neither
        return False
    return column.step == 1 or bool((values / column.step % 1 == 0).all())


def joined(column: Column, parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """A column whole and read-only; its parts are given away."""
    values = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, column.dtype), *parts])
    parts.clear()
    values.setflags(write=False)
    return values
