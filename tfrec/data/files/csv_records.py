"""The records of a delimited text file, one by one: slow, but it knows where each of them begins."""

import codecs
import csv
import gzip
import io
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TextIO

from tfrec.data.errors import DataError
from tfrec.data.malformed import MalformedRows

if TYPE_CHECKING:
    import pandas as pd

LONGEST_FIELD = 1 << 24
"""Characters in a field: so that a quote that is never closed doesn't fill the memory with the rest of a file."""

_GZIP = b"\x1f\x8b"


class CsvFile:
    """A delimited file, and how its fields are told apart.

    Args:
        path: The file, gzipped or not: its first bytes tell.
        sep: The one character between fields.
        header: The names of the columns, or None if the first line has them.
        encoding: The file's encoding. One byte order mark of UTF-8 is passed over.
    """

    def __init__(self, path: str, sep: str, header: list[str] | None, encoding: str) -> None:
        self.path = path
        self.sep = sep
        self.header = header
        self.encoding = codecs.lookup(encoding).name.removesuffix("-sig")

    def open(self) -> IO[bytes]:
        """The content, unpacked and without a byte order mark of UTF-8."""
        with open(self.path, "rb") as raw:
            packed = raw.read(len(_GZIP)) == _GZIP
        # The ending isn't asked: browsers unpack some files and keep the name.
        opener: Any = gzip.open if packed else open
        stream: IO[bytes] = opener(self.path, "rb")
        try:
            if self.encoding != "utf-8" or stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                stream.seek(0)
        except BaseException:
            stream.close()
            raise
        return stream

    def column_names(self) -> list[str]:
        """The names of all columns.

        Raises:
            DataError: If the file is empty.
        """
        if self.header is not None:
            return self.header
        with _long_fields(), self._open_text() as file:
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
        with _long_fields(), self._open_text() as file:
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
            return f'not {self.encoding} text: pass the file\'s encoding, such as encoding="latin-1"'
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
                malformed.add(lines.begins, _quote_problem(error))
                lines.reject()
                reader = csv.reader(lines, delimiter=self.sep, strict=True)
                continue
            begins = lines.begins
            lines.accept()
            if len(fields) > 1 or "".join(fields).strip():
                yield begins, fields

    def _open_text(self) -> TextIO:
        """The content as text, with surrogates for what isn't text in its encoding."""
        return io.TextIOWrapper(self.open(), encoding=self.encoding, errors="surrogateescape", newline="")


def _quote_problem(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a field of more than {csv.field_size_limit():,} characters"
    return f"{error} (a quote that is never closed?)"


class _Limit:
    """How many readers need long fields, in all threads, and what the limit was before the first of them."""

    lock = threading.Lock()
    readers = 0
    before = 0


@contextmanager
def _long_fields() -> Iterator[None]:
    """The limit of the csv module belongs to the whole process: it is raised, and put back by the last reader."""
    with _Limit.lock:
        if not _Limit.readers:
            _Limit.before = csv.field_size_limit()
            csv.field_size_limit(max(_Limit.before, LONGEST_FIELD))
        _Limit.readers += 1
    try:
        yield
    finally:
        with _Limit.lock:
            _Limit.readers -= 1
            if not _Limit.readers:
                csv.field_size_limit(_Limit.before)


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
