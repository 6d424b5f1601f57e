"""Delimited lines of numbers, some of them malformed: the others as columns, and for each of these what is wrong."""

import re
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy.typing as npt

from tfrec.data.files.line_blocks import LineBlock
from tfrec.data.files.number_files import Column, joined, parse_sound_numbers
from tfrec.data.malformed import MalformedRows, shown

_FEW_LINES = 64
_WHOLE = re.compile(r"\s*\+?[0-9]{1,4000}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*\+?([0-9]{1,4000}(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,3})?\s*", re.ASCII | re.IGNORECASE)


class NumberRows:
    """The rows of a file, added block by block.

    A block that isn't sound is halved until few lines are left, and these are looked at one by one.

    Args:
        separator: What stands between fields: one character, or the same one twice.
        columns: All columns.
        malformed: What becomes of malformed rows.
    """

    def __init__(self, separator: str, columns: Sequence[Column], malformed: MalformedRows) -> None:
        self._separator = separator
        self._columns = columns
        self._malformed = malformed
        self._parts: list[list[npt.NDArray[Any]]] = [[] for _ in columns]

    def add(self, block: LineBlock) -> None:
        """Add whole lines.

        Raises:
            DataError: For the first malformed line, unless malformed rows are skipped.
        """
        content = block.content
        if self._keep(content):
            return
        middle = content.rfind(b"\n", 0, len(content) // 2) + 1 or content.find(b"\n") + 1
        lines_before = content.count(b"\n", 0, middle)
        if lines_before < _FEW_LINES and content.count(b"\n", middle) < _FEW_LINES:
            self._add_lines(block)
        else:
            self.add(LineBlock(block.number, content[:middle]))
            self.add(LineBlock(block.number + lines_before, content[middle:]))

    def _add_lines(self, block: LineBlock) -> None:
        sound = []
        for number, content in block.lines():
            problem = _problem(content.decode("latin-1"), self._separator, self._columns)
            if problem is None:
                sound.append((number, content))
            else:
                self._malformed.add(number, problem)
        if not sound or self._keep(b"\n".join(content for _, content in sound)):
            return
        for number, content in sound:  # a line that only pandas doesn't understand
            if not self._keep(content):
                self._malformed.add(number, f"not a line of numbers: {content[:80].decode('latin-1')!r}")

    def _keep(self, content: bytes) -> bool:
        """Keep lines if they are sound."""
        numbers = parse_sound_numbers(BytesIO(content), self._separator, self._columns)
        if numbers is None:
            return False
        for column, part in zip(self._columns, self._parts, strict=True):
            part.append(numbers.columns[column.name])
        return True

    def take(self) -> dict[str, npt.NDArray[Any]]:
        """The columns, read-only; the rows are given away."""
        return {column.name: joined(column, part) for column, part in zip(self._columns, self._parts, strict=True)}


def _problem(line: str, separator: str, columns: Sequence[Column]) -> str | None:
    """What is wrong with a line, or None. A number may be written in any way that pandas takes for it."""
    fields = line.split(separator)
    if len(fields) != len(columns):
        names = ", ".join(column.name for column in columns)
        return f"expected {len(columns)} fields ({names}), got {len(fields)}: {line[:80]!r}"
    for column, field in zip(columns, fields, strict=True):
        if not _fits(field, column):
            steps = "" if column.step == 1 else f" in steps of {column.step}"
            return f"expected {column.name} to be in {column.lowest} … {column.highest}{steps}, found {shown(field)}"
    return None


def _fits(field: str, column: Column) -> bool:
    if _WHOLE.fullmatch(field):
        return column.lowest <= int(field) <= column.highest
    if not _NUMBER.fullmatch(field):
        return False
    value = float(field)
    return column.lowest <= value <= column.highest and value / column.step % 1 == 0
