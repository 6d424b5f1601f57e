"""Text files with quoted fields: escaped quotes and line breaks inside them, and NULL without quotes."""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tfrec.data.errors import DataError
from tfrec.data.files.official_files import read_bytes
from tfrec.data.files.sources import Location
from tfrec.data.malformed import MalformedRows

_LINE_END = r"(?:\r\n|\n|\Z)"
_SHOWN = 80


class Dialect(NamedTuple):
    """How a file is written.

    Attributes:
        separator: The one character between fields.
        encoding: Its encoding.
        backslash: Whether a backslash in a quoted field escapes a quote or another backslash; doubled quotes stand for
            one in any case.
    """

    separator: str
    encoding: str
    backslash: bool


class Record(NamedTuple):
    """One row of a file.

    Attributes:
        line: The number of the line on which it begins, counted from 1.
        fields: Its fields; None for a NULL without quotes.
    """

    line: int
    fields: Sequence[str | None]


def read_records(file: Location, dialect: Dialect, header: Sequence[str], malformed: MalformedRows) -> Iterator[Record]:
    """The rows of a file below its header.

    After a malformed row the next one is looked for on the next line.

    Args:
        file: The file.
        dialect: How it is written.
        header: The names of the columns, which the first line must have.
        malformed: What becomes of malformed rows; the caller reports it.

    Raises:
        DataError: If the header is another, or a row is malformed (``path:line:``) and rows aren't to be skipped.
        DataNotFoundError: If there is no such file.
    """
    text = _decoded(file, dialect.encoding)
    find = _pattern(dialect, len(header)).match
    find_plain = _plain_pattern(dialect, len(header)).match
    first = find(text)
    if first is None or _fields(first, dialect) != list(header):
        found = text.partition("\n")[0].rstrip("\r")
        expected = dialect.separator.join(f'"{name}"' for name in header)
        raise DataError(f"{file}:1: expected the header {expected}, found {found[:_SHOWN]!r}")
    line, place = 1, first.end()
    counted = 0
    while place < len(text):
        line += text.count("\n", counted, place)
        counted = place
        plain = find_plain(text, place)
        if plain is not None:  # most are, and need no second look at their fields
            yield Record(line, plain.groups())
            place = plain.end()
            continue
        record = find(text, place)
        if record is not None:
            yield Record(line, _fields(record, dialect))
            place = record.end()
            continue
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        if text[place:end].strip():
            malformed.add(line, _problem(text[place:end], dialect, len(header)))
        place = end + 1


def _decoded(file: Location, encoding: str) -> str:
    content = read_bytes(file)
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}:{line}: not {encoding} text") from None


def _pattern(dialect: Dialect, n_fields: int) -> re.Pattern[str]:
    """A whole record, with a group for each field; no way of matching it is tried twice, so it takes linear time."""
    inside = r'(?:[^"\\]++|\\.|"")*+' if dialect.backslash else r'(?:[^"]++|"")*+'
    field = rf'("{inside}"|[^"\r\n{re.escape(dialect.separator)}]*+)'
    return re.compile(re.escape(dialect.separator).join([field] * n_fields) + _LINE_END, re.DOTALL)


def _plain_pattern(dialect: Dialect, n_fields: int) -> re.Pattern[str]:
    """A record of quoted fields without quotes or backslashes inside; the groups are what stands between the quotes."""
    return re.compile(re.escape(dialect.separator).join([r'"([^"\\]*+)"'] * n_fields) + _LINE_END)


def _fields(record: re.Match[str], dialect: Dialect) -> list[str | None]:
    return [_field(text, dialect) for text in record.groups()]


def _field(text: str, dialect: Dialect) -> str | None:
    if not text.startswith('"'):
        return None if text == "NULL" else text
    inner = text[1:-1]
    if dialect.backslash and "\\" in inner:
        return re.sub(r'\\(["\\])|""', lambda found: found[1] or '"', inner)
    return inner.replace('""', '"')


def _problem(line: str, dialect: Dialect, n_fields: int) -> str:
    """What is wrong with a line on which no record begins."""
    separator = re.escape(dialect.separator)
    inside = r'(?:[^"\\]|\\.|"")*' if dialect.backslash else r'(?:[^"]|"")*'
    whole = re.fullmatch(rf'(?:(?:"{inside}"|[^"{separator}]*)(?:{separator}|\r?\Z))*', line)
    shown = repr(line[:_SHOWN])
    if whole is None:
        return f"a quote that is not closed, or stands within a field: {shown}"
    n_found = len(re.findall(rf'"{inside}"|[^"{separator}]+|(?<={separator})(?={separator}|\Z)', line.rstrip("\r")))
    return f"expected {n_fields} fields, found {n_found}: {shown}"
