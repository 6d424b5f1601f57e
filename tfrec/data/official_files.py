"""The text files of published data sets: read at pandas' speed, strictly, with errors that name the line."""

import csv
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.sources import Location

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR = "\x1f"  # ASCII's own unit separator: pandas reads a one-character separator by its fast engine only


class TextFile(NamedTuple):
    """The layout of a file without a header: its name, what stands between fields, and its official size."""

    name: str
    separator: str
    n_fields: int
    n_rows: int


class Line(NamedTuple):
    """A line's number, counted from 1, and its fields."""

    number: int
    fields: list[str]


class Column(NamedTuple):
    """A column of whole numbers in lowest … highest."""

    name: str
    lowest: int
    highest: int


def read_bytes(file: Location) -> bytes:
    """The content of a file, on disk or in a zip.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If it is empty, or damaged within its zip.
    """
    if not file.is_file():
        raise DataNotFoundError(f"{file}: there is no such file")
    try:
        content = file.read_bytes()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{file}: the zip is damaged ({error}): fetch it again") from None
    if not content.strip():
        raise DataError(f"{file}: the file is empty")
    return content


def read_numbers(file: Location, layout: TextFile, columns: Sequence[Column], *, complete: bool) -> "pd.DataFrame":
    """A file of whole numbers as a frame of int64.

    Args:
        file: The file.
        layout: Its layout.
        columns: All its columns.
        complete: Insist on the official number of rows.

    Raises:
        DataError: For the first line that has other fields, or a number out of bounds (``path:line:``); or if the file
            is not complete.
        DataNotFoundError: If there is no such file.
    """
    content = read_bytes(file)
    frame = _parse(content.replace(layout.separator.encode(), _SEPARATOR.encode()), columns)
    if frame is None:
        raise _explanation(file, content, layout.separator, columns)
    if complete:
        _check_complete(file, content, len(frame), layout.n_rows)
    return frame


def _parse(content: bytes, columns: Sequence[Column]) -> "pd.DataFrame | None":
    """The frame, or None unless every line is well-formed: pandas' own errors don't name the line."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                BytesIO(content),
                sep=_SEPARATOR,
                header=None,
                names=[column.name for column in columns],
                index_col=False,
                dtype="int64",
                quoting=csv.QUOTE_NONE,
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning):
        return None
    sound = all(frame[column.name].between(column.lowest, column.highest).all() for column in columns)
    return frame if sound else None


def _explanation(file: Location, content: bytes, separator: str, columns: Sequence[Column]) -> DataError:
    names = ", ".join(column.name for column in columns)
    for number, line in _numbered(content, "latin-1"):
        fields = line.split(separator)
        if len(fields) != len(columns):
            return DataError(f"{file}:{number}: expected {len(columns)} fields ({names}), got {len(fields)}: {line!r}")
        for column, field in zip(columns, fields, strict=True):
            digits = field.strip()
            if not (digits.isascii() and digits.isdigit()) or not column.lowest <= int(digits) <= column.highest:
                bounds = f"{column.lowest} … {column.highest}"
                return DataError(f"{file}:{number}: expected {column.name} to be in {bounds}, found {field!r}")
    return DataError(f"{file}: expected lines of {names}, whole numbers with {separator!r} between them")


def read_lines(file: Location, layout: TextFile, *, complete: bool, encoding: str = "ascii") -> list[Line]:
    """The lines of a small file, but for blank ones.

    Args:
        file: The file.
        layout: Its layout.
        complete: Insist on the official number of rows.
        encoding: The file's encoding.

    Raises:
        DataError: For the first line with another number of fields (``path:line:``); or if the file is not complete.
        DataNotFoundError: If there is no such file.
    """
    content = read_bytes(file)
    lines = []
    for number, text in _numbered(content, encoding):
        fields = text.split(layout.separator)
        if len(fields) != layout.n_fields:
            raise DataError(f"{file}:{number}: expected {layout.n_fields} fields, found {len(fields)}: {text[:80]!r}")
        lines.append(Line(number, fields))
    if complete:
        _check_complete(file, content, len(lines), layout.n_rows)
    return lines


def _numbered(content: bytes, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that aren't blank, with their numbers."""
    for number, text in enumerate(content.decode(encoding, errors="replace").split("\n"), start=1):
        if text.strip():
            yield number, text.removesuffix("\r")


def _check_complete(file: Location, content: bytes, found: int, expected: int) -> None:
    """Every official file ends in a line break, so one that is cut within its last line shows."""
    remedy = "fetch the file again, or pass complete=False to read it as it is"
    if found != expected:
        raise DataError(f"{file}: not the complete file: expected {expected:,} rows, found {found:,}; {remedy}")
    if not content.endswith(b"\n"):
        last = content.count(b"\n") + 1
        raise DataError(f"{file}:{last}: the last line is cut off: no line break at its end; {remedy}")
