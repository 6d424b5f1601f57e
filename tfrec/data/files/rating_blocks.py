"""Ratings in large text files, one a line: read block by block, so that the memory goes to the columns alone.

A block of a CSV in which every line is plain takes a fast path, a column at a time. Any other block is read line by
line, by the Python code that can say what is wrong, and where; both come to the same verdict on any line.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import id_problem
from tfrec.data.errors import DataError
from tfrec.data.files.id_words import LONGEST, IdColumn, Words, distinct_rows, texts_of, words_in, words_of
from tfrec.data.files.line_blocks import LineBlock, line_blocks
from tfrec.data.files.sources import Location
from tfrec.data.malformed import MalformedRows, OnError

_FURTHEST = 2**62  # of a time: far from where int64 ends
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?\s*", re.ASCII)
_LONGEST_NUMBER = 64  # characters of a time


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

    Every line is parsed as JSON, whose standard module is as fast here as a search for the four fields would be. Of a
    key that is there twice the last counts, as JSON parsers have it.

    Args:
        file: The file.
        fields: The names of the fields.
        on_error: What to do with a malformed row.

    Raises:
        DataError: If a line is malformed (``path:line:``) and rows aren't to be skipped; or if no row is left.
        DataNotFoundError: If there is no such file.
    """
    malformed = MalformedRows(file, on_error)
    blocks = (_collect(_json_rows(block, fields, malformed)) for block in line_blocks(file))
    return _joined(file, blocks, malformed)


def read_csv_ratings(
    file: Location, columns: Sequence[str], fields: RatingFields, *, header: bool, on_error: OnError
) -> dict[str, Any]:
    """The columns of `Interactions` from comma-separated lines, plain or gzipped; no field goes over a line's end.

    What a line says doesn't depend on the others: the fast path takes only what `_csv_row` would take alike.

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


def _json_rows(block: LineBlock, fields: RatingFields, malformed: MalformedRows) -> Iterator[_Row]:
    for number, line in block.lines():
        try:
            yield _json_row(line, fields)
        except ValueError as error:
            malformed.add(number, str(error))


def _json_row(line: bytes, fields: RatingFields) -> _Row:
    try:
        record = json.loads(_decoded(line))
    except (json.JSONDecodeError, RecursionError) as error:
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
    _check_id(fields.user, user)
    _check_id(fields.item, item)
    return _Row(user, item, _checked_rating(rating, fields), _checked_time(timestamp, fields))


# Comma-separated lines


def _parse_csv(content: bytes, columns: Sequence[str], fields: RatingFields) -> _Ratings | None:
    """The rows, or None unless every line is plain: without quotes, and its time nothing but digits."""
    if b'"' in content or b"\0" in content or not content.endswith(b"\n") or not _is_utf8(content):
        return None
    content = content.rstrip(b"\r\n") + b"\n"
    bounds = _field_bounds(content, len(columns))
    if bounds is None:
        return None
    starts, ends = bounds
    positions = [columns.index(name) for name in fields[:4]]
    cells = [words_in(content, starts[:, position], ends[:, position]) for position in positions]
    user, item, rating, time = cells
    if user is None or item is None or rating is None or time is None:
        return None
    ratings, times = _ratings_of(rating, fields), _times_of(time)
    return None if ratings is None or times is None else _Ratings(user, item, ratings, times)


def _field_bounds(content: bytes, n_fields: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """Where fields start and end, int64 [n_lines, n_fields] each; None unless all lines have ``n_fields``."""
    characters = np.frombuffer(content, np.uint8)
    places = np.flatnonzero((characters == ord(",")) | (characters == ord("\n")))
    if len(places) % n_fields:
        return None
    ends = places.reshape(-1, n_fields)
    if (characters[ends[:, :-1]] != ord(",")).any() or (characters[ends[:, -1]] != ord("\n")).any():
        return None
    starts = np.append(0, places[:-1] + 1).reshape(ends.shape)
    ends[:, -1] -= characters[ends[:, -1] - 1] == ord("\r")
    return starts, ends


def _ratings_of(words: Words, fields: RatingFields) -> npt.NDArray[np.float32] | None:
    """The ratings of cells, of which few are different; None if one is malformed."""
    rows, codes = distinct_rows(words)
    try:
        values = [_rating_in(text, fields) for text in texts_of(words[rows])]
    except ValueError:
        return None
    return np.array(values, np.float32)[codes]


def _times_of(words: Words) -> npt.NDArray[np.int64] | None:
    """The numbers of cells of up to 16 digits; None if there is anything else in one."""
    characters = words.astype("<u8", copy=False).view(np.uint8)
    if characters.shape[1] > 16:
        return None
    times = np.zeros(len(words), np.int64)
    for column in characters.T:
        digits = column - np.uint8(ord("0"))
        inside = column > 0
        if (digits[inside] > 9).any():
            return None
        times = np.where(inside, 10 * times + digits, times)
    return times


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
    end = block.number + block.content.count(b"\n")  # the number of a line that isn't ended
    for number, line in block.lines():
        try:
            if number == end:
                raise ValueError(
                    f"the file is cut off: its last line has no line break: {_shown(line)}; fetch it again, or end the "
                    "line if it is whole"
                )
            yield _csv_row(line, columns, positions, fields)
        except ValueError as error:
            malformed.add(number, str(error))


def _csv_row(line: bytes, columns: Sequence[str], positions: list[int], fields: RatingFields) -> _Row:
    cells = _cells(line)
    if len(cells) != len(columns):
        raise ValueError(f"expected {len(columns)} fields ({', '.join(columns)}), found {len(cells)}: {_shown(line)}")
    user, item, rating, timestamp = (cells[position] for position in positions)
    _check_id(fields.user, user)
    _check_id(fields.item, item)
    return _Row(user, item, _rating_in(rating, fields), _time_in(timestamp, fields))


def _cells(line: bytes) -> list[str]:
    """The fields of a line; a quoted one without its quotes."""
    text = _decoded(line)
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(f"quotes that don't stand around a field ({error}): {_shown(line)}") from None


def _rating_in(cell: str, fields: RatingFields) -> float:
    if not _NUMBER.fullmatch(cell):
        raise ValueError(f"expected {fields.rating} to be a number, found {cell[:80]!r}")
    return _checked_rating(float(cell), fields)


def _time_in(cell: str, fields: RatingFields) -> int:
    """A whole number, also one that is written as 1.0 or 1e9: some programs do so when they write a file again."""
    if len(cell) > _LONGEST_NUMBER or not _NUMBER.fullmatch(cell):
        raise ValueError(f"expected {fields.timestamp} to be a whole number, found {cell[:80]!r}")
    exact = Decimal(cell.strip())
    if exact.copy_abs() <= _FURTHEST and exact != int(exact):
        raise ValueError(f"expected {fields.timestamp} to be a whole number, found {cell!r}")
    return _checked_time(exact, fields)


# Both


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"not UTF-8 text: {_shown(line)}") from None


def _check_id(name: str, value: object) -> None:
    if isinstance(value, str) and value.isascii() and 0 < len(value) <= LONGEST and "\0" not in value:
        return  # as nearly all are
    if not isinstance(value, str):
        raise ValueError(f"expected {name} to be text, found {value!r}")
    problem = id_problem(value)
    if problem is not None:
        raise ValueError(f"{problem} as {name}")
    if "\0" in value or len(value.encode()) > LONGEST:
        raise ValueError(f"expected {name} to have at most {LONGEST} bytes and no NUL, found {value[:80]!r}")


def _checked_rating(rating: float, fields: RatingFields) -> float:
    if not fields.lowest <= rating <= fields.highest:
        bounds = f"{fields.lowest:g} … {fields.highest:g}"
        raise ValueError(f"expected {fields.rating} to be in {bounds}, found {str(rating)[:80]}")
    return float(rating)


def _checked_time(time: int | Decimal, fields: RatingFields) -> int:
    if not -_FURTHEST <= time <= _FURTHEST:
        raise ValueError(f"expected {fields.timestamp} to be a time, found {str(time)[:80]}")
    return int(time)


def _shown(line: bytes) -> str:
    return repr(line[:80].decode("utf-8", errors="replace"))
