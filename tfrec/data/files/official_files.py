"""The text files of published data sets: read at pandas' speed, strictly, with errors that name the line."""

import csv
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.line_blocks import LineBlock, line_blocks
from tfrec.data.files.number_blocks import NumberRows
from tfrec.data.files.number_files import UNPACKING_ERRORS, Column, Numbers, read_sound_numbers
from tfrec.data.files.sources import Location
from tfrec.data.malformed import MalformedRows, OnError

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 4 << 20  # bytes: they stay in the processor's cache from one step to the next


class TextFile(NamedTuple):
    """The layout of a file.

    Attributes:
        name: Its name.
        separator: What stands between fields.
        n_fields: How many fields a line has.
        n_rows: Its official size, or None if it changes.
        header: Its first line, if that names the columns.
        encoding: Its encoding.
        quoted: Whether a field with a separator in it stands between quotes, and a quote in it is doubled.
    """

    name: str
    separator: str
    n_fields: int
    n_rows: int | None
    header: str | None = None
    encoding: str = "ascii"
    quoted: bool = False


class Line(NamedTuple):
    """A line's number, counted from 1, and its fields."""

    number: int
    fields: list[str]


class Table(NamedTuple):
    """The numbers of some lines, counted from 1, and their fields by column."""

    numbers: list[int]
    columns: list[list[str]]


def read_bytes(file: Location) -> bytes:
    """The content of a file, on disk or in a zip.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If it is empty, or damaged, encrypted or packed by an unknown method within its zip.
    """
    if not file.is_file():
        raise DataNotFoundError(f"{file}: there is no such file")
    try:
        content = file.read_bytes()
    except UNPACKING_ERRORS as error:
        raise _not_unpacked(file, error) from None
    if not content.strip():
        raise DataError(f"{file}: the file is empty")
    return content


def _not_unpacked(file: Location, error: Exception) -> DataError:
    if isinstance(error, RuntimeError):  # the zip may be sound
        return DataError(f"{file}: cannot be unpacked ({error}): unpack the zip, and pass the folder")
    return DataError(f"{file}: the zip is damaged ({error}): fetch it again")


def read_numbers(
    file: Location, layout: TextFile, columns: Sequence[Column], *, complete: bool, on_error: OnError = "raise"
) -> "pd.DataFrame":
    """A file of numbers, read at pandas' speed in little memory.

    Args:
        file: The file.
        layout: Its layout.
        columns: All its columns.
        complete: Insist on the official number of rows.
        on_error: What to do with a line that has other fields, or a number out of bounds: ``"raise"``, or ``"skip"``
            it, count it and warn.

    Raises:
        DataError: For the first malformed line (``path:line:``); or if the file is not complete.
        DataNotFoundError: If there is no such file.
    """
    import pandas as pd

    malformed = MalformedRows(file, on_error)
    if not file.is_file():
        raise DataNotFoundError(f"{file}: there is no such file")
    numbers = read_sound_numbers(file, layout.separator, columns, layout.header)
    if numbers is None:
        numbers = _read_with_care(file, layout, columns, malformed)
    n_rows = len(numbers.columns[columns[0].name])
    if complete:
        _check_complete(file, n_rows + malformed.count, layout.n_rows, whole=numbers.whole)
    return pd.DataFrame(numbers.columns, copy=False)


def _read_with_care(file: Location, layout: TextFile, columns: Sequence[Column], malformed: MalformedRows) -> Numbers:
    """The sound lines of a file, if malformed ones are skipped."""
    rows = NumberRows(layout.separator, columns, malformed)
    whole = True
    for block in _blocks(file, layout):
        rows.add(block)
        whole = block.content.endswith(b"\n")
    malformed.report()
    taken = rows.take()
    if not len(taken[columns[0].name]):
        raise DataError(f"{file}: expected lines of {', '.join(taken)}, found none that is sound")
    return Numbers(taken, whole)


def _blocks(file: Location, layout: TextFile) -> Iterator[LineBlock]:
    """The lines below the header.

    Raises:
        DataError: If the header is another, or there is nothing below it.
    """
    blocks = _unpacked(file)
    first = next(blocks, LineBlock(1, b""))
    if layout.header is not None:
        line, _, content = first.content.partition(b"\n")
        if line.rstrip() != layout.header.encode():
            found = line[:80].decode(layout.encoding, errors="replace")
            raise DataError(f"{file}:1: expected the line {layout.header!r}, found {found!r}")
        first = LineBlock(2, content)
    more = next(blocks, None)
    if more is None and not first.content.strip():
        raise DataError(f"{file}: the file is empty")
    yield first
    if more is not None:
        yield more
        yield from blocks


def _unpacked(file: Location) -> Iterator[LineBlock]:
    try:
        yield from line_blocks(file, block=_BLOCK)
    except UNPACKING_ERRORS as error:
        raise _not_unpacked(file, error) from None


def read_lines(
    file: Location,
    layout: TextFile,
    *,
    complete: bool,
    encoding: str | None = None,
    malformed: MalformedRows | None = None,
) -> list[Line]:
    """The lines of a small file, but for blank ones.

    Args:
        file: The file.
        layout: Its layout.
        complete: Insist on the official number of rows.
        encoding: The file's encoding, if it isn't the layout's.
        malformed: What becomes of lines that have another number of fields, or aren't text in the encoding; the first
            is an error by default. Those who give it report it.

    Raises:
        DataError: For the first malformed line (``path:line:``); or if the file is not complete.
        DataNotFoundError: If there is no such file.
    """
    table = read_table(file, layout, complete=complete, encoding=encoding, malformed=malformed)
    return [Line(number, list(fields)) for number, *fields in zip(table.numbers, *table.columns, strict=True)]


def read_table(
    file: Location,
    layout: TextFile,
    *,
    complete: bool,
    encoding: str | None = None,
    malformed: MalformedRows | None = None,
) -> Table:
    """As `read_lines`, but by column, which is several times faster."""
    malformed = MalformedRows(file) if malformed is None else malformed
    layout = layout if encoding is None else layout._replace(encoding=encoding)
    table = Table([], [[] for _ in range(layout.n_fields)])
    whole = True
    for block in _blocks(file, layout):
        numbers, columns = _simple_table(block, layout) or _careful_table(block, layout, malformed)
        table.numbers.extend(numbers)
        for column, part in zip(table.columns, columns, strict=True):
            column.extend(part)
        whole = block.content.endswith(b"\n")
    if complete:
        _check_complete(file, len(table.numbers) + malformed.count, layout.n_rows, whole=whole)
    return table


def _simple_table(block: LineBlock, layout: TextFile) -> Table | None:
    """The lines of a block, or None if one of them needs a closer look."""
    try:
        text = block.content.decode(layout.encoding)
    except UnicodeDecodeError:
        return None
    if "\r" in text or (layout.quoted and '"' in text):
        return None
    lines = text.removesuffix("\n").split("\n")
    if {line.count(layout.separator) for line in lines} != {layout.n_fields - 1}:
        return None
    cells = layout.separator.join(lines).split(layout.separator)
    columns = [cells[field :: layout.n_fields] for field in range(layout.n_fields)]
    return Table(list(range(block.number, block.number + len(lines))), columns)


def _careful_table(block: LineBlock, layout: TextFile, malformed: MalformedRows) -> Table:
    numbers, rows = [], []
    for number, content in block.lines():
        try:
            rows.append(_fields(content, layout))
            numbers.append(number)
        except ValueError as error:
            malformed.add(number, str(error))
    return Table(numbers, [[row[field] for row in rows] for field in range(layout.n_fields)])


def _fields(content: bytes, layout: TextFile) -> list[str]:
    """The fields of a line.

    Raises:
        ValueError: If it is malformed.
    """
    try:
        text = content.decode(layout.encoding)
    except UnicodeDecodeError:
        shown = content[:80].decode(layout.encoding, errors="replace")
        raise ValueError(f"not {layout.encoding} text: {shown!r}") from None
    if layout.quoted and '"' in text:
        try:
            fields = next(csv.reader([text], delimiter=layout.separator, strict=True))
        except csv.Error as error:
            raise ValueError(f"{error} (a quote that is never closed?): {text[:80]!r}") from None
    else:
        fields = text.split(layout.separator)
    if len(fields) != layout.n_fields:
        raise ValueError(f"expected {layout.n_fields} fields, found {len(fields)}: {text[:80]!r}")
    return fields


def _check_complete(file: Location, found: int, expected: int | None, *, whole: bool) -> None:
    """Every official file ends in a line break, so one that is cut within its last line shows."""
    remedy = "fetch the file again, or pass complete=False to read it as it is"
    if expected is not None and found != expected:
        raise DataError(f"{file}: not the complete file: expected {expected:,} rows, found {found:,}; {remedy}")
    if not whole:
        raise DataError(f"{file}: the last line is cut off: no line break at its end; {remedy}")
