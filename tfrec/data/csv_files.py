"""Delimited text files of interactions, read at pandas' speed, with errors that name the line."""

import csv
import gzip
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

from tfrec.data.errors import DataError, DataNotFoundError, RowError
from tfrec.data.tables import present_columns, read_columns

if TYPE_CHECKING:
    import pandas as pd

_Path = str | os.PathLike[str]


def read_csv(
    path: _Path, names: Mapping[str, str | None], *, sep: str, header: Sequence[str] | None, encoding: str
) -> dict[str, Any]:
    """The arguments of `Interactions` from a file; see `Interactions.from_csv`."""
    if len(sep) != 1:
        raise ValueError(f"from_csv: expected sep to be one character, got {sep!r}")
    if not os.path.isfile(path):
        raise DataNotFoundError(f"{os.fspath(path)}: there is no such file")
    file = _CsvFile(path, sep, header, encoding)
    frame = file.read(names)
    try:
        return read_columns(frame, names)
    except RowError as error:
        raise DataError(f"{file.path}:{file.line_of(error.row)}: {error.problem}") from None
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None


class _CsvFile:
    """A delimited file, and how its fields are told apart."""

    def __init__(self, path: _Path, sep: str, header: Sequence[str] | None, encoding: str) -> None:
        self.path = os.fspath(path)
        self.sep = sep
        self.header = None if header is None else list(header)
        self.encoding = encoding

    def read(self, names: Mapping[str, str | None]) -> "pd.DataFrame":
        """All columns; ids as text, and nothing taken for missing but the empty field."""
        try:
            frame = self._parse(names)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self.path}: the compressed file is damaged or cut off ({error})") from None
        except UnicodeDecodeError:
            raise DataError(
                f"{self.path}:{self._undecodable_line()}: not {self.encoding} text: pass the file's encoding, "
                'such as encoding="latin-1"'
            ) from None
        if not len(frame):
            raise DataError(f"{self.path}: expected interactions, found no rows")
        return frame

    def _parse(self, names: Mapping[str, str | None]) -> "pd.DataFrame":
        import pandas as pd

        found = self._column_names()
        try:
            present = present_columns(names, found)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # else overlong lines would lose their ends
                return pd.read_csv(
                    self.path,
                    sep=self.sep,
                    header=None if self.header else 0,
                    names=self.header,
                    index_col=False,
                    dtype={present["user"]: str, present["item"]: str},
                    keep_default_na=False,
                    na_values=[""],
                    encoding=self.encoding,
                    low_memory=False,
                    compression="gzip" if self._gzipped else None,
                )
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            self._refuse_ragged_lines(len(found))
            raise DataError(f"{self.path}: {error}") from None

    def line_of(self, row: int) -> int:
        """The line on which a row of the frame begins, counted from 1."""
        record = row if self.header else row + 1
        return next(islice(self._records(), record, None))[0]

    def _column_names(self) -> list[str]:
        names = self.header or next((fields for _, fields in self._records()), None)
        if names is None:
            raise DataError(f"{self.path}: expected a line of column names, found an empty file")
        return names

    def _refuse_ragged_lines(self, n_fields: int) -> None:
        """Raise for the first line that pandas can't fit into the columns."""
        for line, fields in self._records(strict=True):
            if len(fields) > n_fields:
                raise DataError(f"{self.path}:{line}: expected {n_fields} fields, found {len(fields)}")

    def _records(self, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """Each record that isn't blank, with the number of the line it begins on."""
        with self._open() as file:
            reader = csv.reader(file, delimiter=self.sep, strict=strict)
            begins = 1
            try:
                for fields in reader:
                    if len(fields) > 1 or "".join(fields).strip():
                        yield begins, fields
                    begins = reader.line_num + 1
            except csv.Error as error:
                raise DataError(f"{self.path}:{begins}: {error} (a quote that is never closed?)") from None

    def _undecodable_line(self) -> int:
        """The first line that isn't text in the file's encoding."""
        with self._open(errors="surrogateescape") as file:
            undecodable = (any("\udc80" <= character <= "\udcff" for character in line) for line in file)
            return next((number for number, found in enumerate(undecodable, start=1) if found), 1)

    @property
    def _gzipped(self) -> bool:
        return self.path.endswith(".gz")

    def _open(self, errors: str = "strict") -> TextIO:
        encoding = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
        if self._gzipped:
            return gzip.open(self.path, "rt", encoding=encoding, errors=errors, newline="")
        return open(self.path, encoding=encoding, errors=errors, newline="")
