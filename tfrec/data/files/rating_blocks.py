"""Ratings in large text files, one a line: read block by block, so that the memory goes to the columns alone.

A block in which every line is as it should be takes a fast path: pandas' C engine, or a search for just the fields that
are needed. Any other block is read again line by line, by the Python code that can say what is wrong, and where.
"""

import csv
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import id_problem
from tfrec.data.errors import DataError
from tfrec.data.files.id_words import LONGEST, IdColumn, Words, words_in, words_of
from tfrec.data.files.line_blocks import LineBlock, line_blocks
from tfrec.data.files.sources import Location
from tfrec.data.malformed import MalformedRows, OnError

if TYPE_CHECKING:
    import pandas as pd

_FURTHEST = 2**62  # of a time: far from where int64 ends


class RatingFields(NamedTuple):
    """The names of the four fields, in JSON or in a CSV header, and which ratings there are."""

    user: str
    item: str
    rating: str
    timestamp: str
    lowest: float = 1.0
    highest: float = 5.0


class _Row(NamedTuple):
    user: str
    item: str
    rating: float
    timestamp: int


class _Ratings(NamedTuple):
    """The rows of a block."""

    user: Words
    item: Words
    rating: npt.NDArray[np.float32]
    timestamp: npt.NDArray[np.int64]


def read_json_ratings(file: Location, fields: RatingFields, *, on_error: OnError) -> dict[str, Any]:
    """The columns of `Interactions` from JSON lines, plain or gzipped; other fields are passed over.

    Args:
        file: The file.
        fields: The names of the fields.
        on_error: What to do with a malformed row.

    Raises:
        DataError: If a line is malformed (``path:line:``) and rows aren't to be skipped; or if no row is left.
        DataNotFoundError: If there is no such file.
    """
    malformed = MalformedRows(file, on_error)
    patterns = _patterns(fields)
    blocks = (
        _search_json(block.content, patterns, fields) or _collect(_json_rows(block, fields, malformed))
        for block in line_blocks(file)
    )
    return _joined(file, blocks, malformed)


def read_csv_ratings(
    file: Location, columns: Sequence[str], fields: RatingFields, *, header: bool, on_error: OnError
) -> dict[str, Any]:
    """The columns of `Interactions` from comma-separated lines without quotes, plain or gzipped.

    Args:
        file: The file.
        columns: The names of all columns, in their order.
        fields: Which of them are wanted.
        header: Whether the first line names the columns; it has been checked.
        on_error: What to do with a malformed row.

    Raises:
        DataError: If a line is malformed (``path:line:``) and rows aren't to be skipped; or if no row is left.
        DataNotFoundError: If there is no such file.
    """
    malformed = MalformedRows(file, on_error)
    blocks = (
        _parse_csv(block.content, columns, fields) or _collect(_csv_rows(block, columns, fields, malformed))
        for block in line_blocks(file, skip=int(header))
    )
    return _joined(file, blocks, malformed)


def _joined(file: Location, blocks: Iterable[_Ratings], malformed: MalformedRows) -> dict[str, Any]:
    users, items = IdColumn(), IdColumn()
    ratings, timestamps = [], []
    for block in blocks:
        users.add(block.user)
        items.add(block.item)
        ratings.append(block.rating)
        timestamps.append(block.timestamp)
    malformed.report()
    if not sum(map(len, ratings)):
        raise DataError(f"{file}: expected ratings, found no {'sound ' if malformed.count else ''}row")
    user, user_ids = users.finish()
    item, item_ids = items.finish()
    return {
        "user": user,
        "item": item,
        "rating": np.concatenate(ratings),
        "timestamp": np.concatenate(timestamps),
        "user_ids": user_ids,
        "item_ids": item_ids,
    }


def _collect(rows: Iterable[_Row]) -> _Ratings:
    columns: tuple[Sequence[Any], ...] = tuple(zip(*rows, strict=True)) or ((), (), (), ())
    user, item, rating, timestamp = columns
    return _Ratings(
        words_of([text.encode() for text in user]),
        words_of([text.encode() for text in item]),
        np.array(rating, np.float32),
        np.array(timestamp, np.int64),
    )


# JSON lines


def _patterns(fields: RatingFields) -> list[re.Pattern[bytes]]:
    """What a field looks like in a line. Within a text a quote has a backslash before it, so no text looks like one."""
    text, rating, whole = rb'"([ !#-\[\]-~]{1,64})"', rb"([0-9](?:\.[0-9]{1,9})?)", rb"(-?[0-9]{1,15})"
    values = (text, text, rating, whole)
    return [
        re.compile(b'"' + re.escape(name.encode()) + rb'": ?' + value + rb"\s*[,}]")
        for name, value in zip(fields[:4], values, strict=True)
    ]


def _search_json(content: bytes, patterns: list[re.Pattern[bytes]], fields: RatingFields) -> _Ratings | None:
    """The rows, or None unless every line has the four fields: parsing the review texts would take most of the time."""
    find_user, find_item, find_rating, find_time = (pattern.search for pattern in patterns)
    users, items, ratings, times = [], [], [], []
    for line in content.split(b"\n"):
        if not line:
            continue
        user, item, rating, time = find_user(line), find_item(line), find_rating(line), find_time(line)
        if not (user and item and rating and time and line[:1] == b"{" and line[-1:] == b"}"):
            return None
        users.append(user[1])
        items.append(item[1])
        ratings.append(rating[1])
        times.append(time[1])
    if not users:
        return None
    numbers = np.array(ratings).astype(np.float32)
    if not ((numbers >= fields.lowest) & (numbers <= fields.highest)).all():
        return None
    return _Ratings(words_of(users), words_of(items), numbers, np.array(times).astype(np.int64))


def _json_rows(block: LineBlock, fields: RatingFields, malformed: MalformedRows) -> Iterator[_Row]:
    for number, line in block.lines():
        try:
            yield _json_row(line, fields)
        except ValueError as error:
            malformed.add(number, str(error))


def _json_row(line: bytes, fields: RatingFields) -> _Row:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a line of JSON ({error}): {_shown(line)}") from None
    missing = [name for name in fields[:4] if not isinstance(record, dict) or name not in record]
    if missing:
        found = ", ".join(record) if isinstance(record, dict) else _shown(line)
        raise ValueError(f"expected {', '.join(missing)} among the fields, found {found}")
    user, item, rating, timestamp = (record[name] for name in fields[:4])
    if isinstance(rating, bool) or not isinstance(rating, int | float):
        raise ValueError(f"expected {fields.rating} to be a number, found {rating!r}")
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise ValueError(f"expected {fields.timestamp} to be a whole number, found {timestamp!r}")
    return _checked(_Row(user, item, rating, timestamp), fields)


# Comma-separated lines


def _parse_csv(content: bytes, columns: Sequence[str], fields: RatingFields) -> _Ratings | None:
    """The rows, or None unless every line is well-formed."""
    bounds = _field_bounds(content.rstrip(b"\r\n") + b"\n", len(columns))
    numbers = None if bounds is None or b"\0" in content else _parse_numbers(content, columns, fields)
    if bounds is None or numbers is None or len(numbers) != len(bounds):
        return None
    user, item = (
        words_in(content, bounds[:, position] + 1, bounds[:, position + 1])
        for position in (columns.index(fields.user), columns.index(fields.item))
    )
    rating, timestamp = numbers[fields.rating].to_numpy(), numbers[fields.timestamp].to_numpy()
    sound = (rating >= fields.lowest) & (rating <= fields.highest) & (np.abs(timestamp) <= _FURTHEST)
    if user is None or item is None or not sound.all() or not _is_utf8(content):
        return None
    return _Ratings(user, item, rating, timestamp)


def _field_bounds(content: bytes, n_fields: int) -> npt.NDArray[np.int64] | None:
    """Where separators around fields are, int64 [n_lines, n_fields + 1]; None unless all lines have ``n_fields``."""
    characters = np.frombuffer(content, np.uint8)
    places = np.flatnonzero((characters == ord(",")) | (characters == ord("\n")))
    if len(places) % n_fields:
        return None
    ends = places.reshape(-1, n_fields)
    if (characters[ends[:, :-1]] != ord(",")).any() or (characters[ends[:, -1]] != ord("\n")).any():
        return None
    return np.column_stack([np.append(-1, ends[:-1, -1]), ends])


def _parse_numbers(content: bytes, columns: Sequence[str], fields: RatingFields) -> "pd.DataFrame | None":
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                BytesIO(content),
                header=None,
                names=list(columns),
                index_col=False,
                usecols=[fields.rating, fields.timestamp],
                dtype={fields.rating: "float32", fields.timestamp: "int64"},
                na_filter=False,
                quoting=csv.QUOTE_NONE,
            )
    except (ValueError, OverflowError, pd.errors.ParserWarning):
        return None


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _csv_rows(
    block: LineBlock, columns: Sequence[str], fields: RatingFields, malformed: MalformedRows
) -> Iterator[_Row]:
    positions = [columns.index(name) for name in fields[:4]]
    for number, line in block.lines():
        try:
            yield _csv_row(line, columns, positions, fields)
        except ValueError as error:
            malformed.add(number, str(error))


def _csv_row(line: bytes, columns: Sequence[str], positions: list[int], fields: RatingFields) -> _Row:
    try:
        cells = line.decode("utf-8").split(",")
    except UnicodeDecodeError:
        raise ValueError(f"not UTF-8 text: {_shown(line)}") from None
    if len(cells) != len(columns):
        raise ValueError(f"expected {len(columns)} fields ({', '.join(columns)}), found {len(cells)}: {_shown(line)}")
    user, item, rating, timestamp = (cells[position] for position in positions)
    try:
        number = float(rating)
    except ValueError:
        raise ValueError(f"expected {fields.rating} to be a number, found {rating!r}") from None
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", timestamp):
        raise ValueError(f"expected {fields.timestamp} to be a whole number, found {timestamp!r}")
    return _checked(_Row(user, item, number, int(timestamp)), fields)


def _checked(row: _Row, fields: RatingFields) -> _Row:
    for name, value in ((fields.user, row.user), (fields.item, row.item)):
        if not isinstance(value, str):
            raise ValueError(f"expected {name} to be text, found {value!r}")
        problem = id_problem(value)
        if problem is not None:
            raise ValueError(f"{problem} as {name}")
        if "\0" in value or len(value.encode()) > LONGEST:
            raise ValueError(f"expected {name} to have at most {LONGEST} bytes and no NUL, found {value[:80]!r}")
    if not fields.lowest <= row.rating <= fields.highest:
        bounds = f"{fields.lowest:g} … {fields.highest:g}"
        raise ValueError(f"expected {fields.rating} to be in {bounds}, found {row.rating:g}")
    if abs(row.timestamp) > _FURTHEST:
        raise ValueError(f"expected {fields.timestamp} to be a time, found {row.timestamp}")
    return row


def _shown(line: bytes) -> str:
    return repr(line[:80].decode("utf-8", errors="replace"))
