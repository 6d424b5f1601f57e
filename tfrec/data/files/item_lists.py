"""Text files with a user and all of the user's items on each line: ``user item item …``, all of them numbers."""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.errors import DataError
from tfrec.data.files.official_files import read_bytes
from tfrec.data.files.sources import Location
from tfrec.data.malformed import MalformedRows, OnError

_LARGEST = 2**31 - 2  # so that the number of ids fits too
_LINE = re.compile(rb"\s*[0-9]{1,10}(?:[ \t]+[0-9]{1,10})*\s*")
_BLANK = np.isin(np.arange(256), list(b" \t\r\n"))
_DIGIT = np.isin(np.arange(256), list(b"0123456789"))


class ItemLists(NamedTuple):
    """The lines of a file.

    Attributes:
        listed: The user of each line, each user once, int64 [n_lines].
        user: The user of each interaction, int64 [n].
        item: Its item, int64 [n].
        skipped: How many lines were malformed.
        whole: Whether the last line ends in a line break, as that of every published file does.
    """

    listed: npt.NDArray[np.int64]
    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    skipped: int
    whole: bool


def read_item_lists(file: Location, *, on_error: OnError) -> ItemLists:
    """The lists, in the order of the file; a user may have no items.

    Args:
        file: The file.
        on_error: What to do with a line that has something else than numbers, or a user that has had a line already.

    Raises:
        DataError: If a line is malformed (``path:line:``) and lines aren't to be skipped; or if there are no items.
        DataNotFoundError: If there is no such file.
    """
    content = read_bytes(file)
    malformed = MalformedRows(file, on_error)
    numbers, sizes = _parse(content) or _parse_lines(content, malformed)
    firsts = np.cumsum(sizes) - sizes
    if len(np.unique(numbers[firsts])) < len(sizes):
        malformed = MalformedRows(file, on_error)
        numbers, sizes = _parse_lines(content, malformed)
        firsts = np.cumsum(sizes) - sizes
    malformed.report()
    listed = numbers[firsts]
    is_item = np.ones(len(numbers), np.bool_)
    is_item[firsts] = False
    if not is_item.any():
        raise DataError(f"{file}: expected lines of a user and items, found no items")
    return ItemLists(listed, np.repeat(listed, sizes - 1), numbers[is_item], malformed.count, content.endswith(b"\n"))


def find_line(file: Location, number: int, place: slice) -> int:
    """The first line, counted from 1, that has a number among these fields; 0 if none has."""
    for line_number, line in enumerate(read_bytes(file).split(b"\n"), start=1):
        if any(text.isdigit() and int(text) == number for text in line.split()[place]):
            return line_number
    return 0


def _parse(content: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """All numbers, and how many are on each line that isn't blank; None unless there is nothing but small numbers."""
    characters = np.frombuffer(content, np.uint8)
    blank = _BLANK[characters]
    if not (blank | _DIGIT[characters]).all():
        return None
    edges = np.diff(np.concatenate([[True], blank, [True]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
    if (ends - starts).max() > len(str(_LARGEST)):
        return None
    numbers = np.fromstring(content, np.int64, sep=" ")  # any white space will do for the space
    breaks = np.flatnonzero(characters == ord("\n"))
    sizes = np.diff(np.concatenate([[0], np.searchsorted(starts, breaks), [len(starts)]]))
    return None if numbers.max() > _LARGEST else (numbers, sizes[sizes > 0])


def _parse_lines(content: bytes, malformed: MalformedRows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The same line by line, without the malformed ones."""
    numbers: list[int] = []
    sizes: list[int] = []
    lines: dict[int, int] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        if _LINE.fullmatch(line) is None:
            shown = line[:80].decode("utf-8", errors="replace").rstrip("\r")
            malformed.add(number, f"expected a user and items, numbers with spaces between them, found {shown!r}")
            continue
        values = [int(text) for text in line.split()]
        first = lines.setdefault(values[0], number)
        if max(values) > _LARGEST:
            malformed.add(number, f"expected numbers up to {_LARGEST}, found {max(values)}")
        elif first != number:
            malformed.add(number, f"user {values[0]} was on line {first} already")
        else:
            numbers += values
            sizes.append(len(values))
    return np.array(numbers, np.int64), np.array(sizes, np.int64)
