"""The records of a delimited text file, one by one: slow, but it knows where each of them begins."""

import csv
import gzip
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, TextIO

from tfrec.data.errors import DataError
from tfrec.data.malformed import MalformedRows

if TYPE_CHECKING:
    import pandas as pd


class CsvFile:
    """A delimited file, and how its fields are told apart.

    Args:
        path: The file; gzipped if its name ends in ``.gz``.
        sep: The one character between fields.
        header: The names of the columns, or None if the first line has them.
        encoding: The file's encoding.
    """

    def __init__(self, path: str, sep: str, header: list[str] | None, encoding: str) -> None:
        self.path = path
        self.sep = sep
        self.header = header
        self.encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding

    def open(self) -> IO[bytes]:
        """The content, unpacked."""
        if self.path.endswith(".gz"):
            return gzip.open(self.path, "rb")  # type: ignore[return-value]  # a file as good as any
        return open(self.path, "rb")

    def column_names(self) -> list[str]:
        """The names of all columns.

        Raises:
            DataError: If the file is empty.
        """
        if self.header is not None:
            return self.header
        with self._open_text() as file:
            for line, fields in self._records(_Lines(file), MalformedRows(self.path)):
                self._refuse_undecodable(line, fields)
                return fields
        raise DataError(f"{self.path}: expected a line of column names, found an empty file")

    def read(
        self, columns: Sequence[str], wanted: Sequence[str], malformed: MalformedRows
    ) -> tuple["pd.DataFrame", list[int]]:
        """Some columns as text, None where a field is empty or missing; and the line on which each row begins.

        Raises:
            DataError: For the first record that is malformed, unless these are skipped.
        """
        import pandas as pd

        positions = [columns.index(name) for name in wanted]
        cells: list[list[str | None]] = [[] for _ in wanted]
        lines: list[int] = []
        with self._open_text() as file:
            records = self._records(_Lines(file), malformed)
            if self.header is None:
                next(records, None)
            for line, fields in records:
                problem = self._problem(fields, len(columns))
                if problem is not None:
                    malformed.add(line, problem)
                    continue
                lines.append(line)
                for column, position in zip(cells, positions, strict=True):
                    column.append(fields[position] or None if position < len(fields) else None)
        frame = {name: pd.Series(column, dtype=object) for name, column in zip(wanted, cells, strict=True)}
        return pd.DataFrame(frame), lines

    def _problem(self, fields: Sequence[str], n_columns: int) -> str | None:
        """What is wrong with a record as a whole, or None. What is missing at its end may not be wanted."""
        if len(fields) > n_columns:
            return f"expected {n_columns} fields, found {len(fields)}"
        if any("\udc80" <= character <= "\udcff" for field in fields for character in field if not field.isascii()):
            return (
                f'not {self.encoding.removesuffix("-sig")} text: pass the file\'s encoding, such as encoding="latin-1"'
            )
        return None

    def _refuse_undecodable(self, line: int, fields: Sequence[str]) -> None:
        problem = self._problem(fields, len(fields))
        if problem is not None:
            raise DataError(f"{self.path}:{line}: {problem}")

    def _records(self, lines: "_Lines", malformed: MalformedRows) -> Iterator[tuple[int, list[str]]]:
        """Each record that isn't blank, with the number of the line it begins on."""
        reader = csv.reader(lines, delimiter=self.sep, strict=True)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                malformed.add(lines.begins, f"{error} (a quote that is never closed?)")
                lines.reject()
                reader = csv.reader(lines, delimiter=self.sep, strict=True)
                continue
            begins = lines.begins
            lines.accept()
            if len(fields) > 1 or "".join(fields).strip():
                yield begins, fields

    def _open_text(self) -> TextIO:
        """The content as text, with surrogates for what isn't text in its encoding."""
        if self.path.endswith(".gz"):
            return gzip.open(self.path, "rt", encoding=self.encoding, errors="surrogateescape", newline="")
        return open(self.path, encoding=self.encoding, errors="surrogateescape", newline="")


class _Lines:
    """The lines of a file. Those of a record that turned out malformed are read again, but for the first.

    Attributes:
        begins: The number of the line on which the record begins that is being read.
    """

    def __init__(self, file: TextIO) -> None:
        self.begins = 1
        self._file = file
        self._again: deque[str] = deque()
        self._given: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self._given.append(line)
        return line

    def accept(self) -> None:
        """The record is read."""
        self.begins += len(self._given)
        self._given.clear()

    def reject(self) -> None:
        """The record is malformed: what follows its first line may not belong to it."""
        self.begins += 1
        self._again.extendleft(reversed(self._given[1:]))
        self._given.clear()
