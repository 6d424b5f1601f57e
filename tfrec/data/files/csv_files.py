"""Delimited text files of interactions: at pandas' speed where all is well, else with errors that name the line."""

import gzip
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec.data.errors import DataError, DataNotFoundError, RowError
from tfrec.data.files.csv_records import CsvFile
from tfrec.data.files.csv_stream import read_sound_csv
from tfrec.data.malformed import MalformedRows, OnError
from tfrec.data.tables import present_columns, read_columns


def read_csv(
    path: str | os.PathLike[str],
    names: Mapping[str, str | None],
    *,
    sep: str,
    header: Sequence[str] | None,
    encoding: str,
    on_error: OnError,
) -> dict[str, Any]:
    """The arguments of `Interactions` from a file; see `Interactions.from_csv`."""
    if len(sep) != 1:
        raise ValueError(f"from_csv: expected sep to be one character, got {sep!r}")
    malformed = MalformedRows(os.fspath(path), on_error)
    if not os.path.isfile(path):
        raise DataNotFoundError(f"{os.fspath(path)}: there is no such file")
    file = CsvFile(os.fspath(path), sep, None if header is None else list(header), encoding)
    try:
        columns = file.column_names()
        present = _present(file, names, columns)
        return read_sound_csv(file, columns, present) or _read_with_care(file, columns, present, malformed)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file.path}: the compressed file is damaged or cut off ({error})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file.path}: not {encoding} text ({error}): pass the file's encoding") from None


def _present(file: CsvFile, names: Mapping[str, str | None], columns: Sequence[str]) -> dict[str, str]:
    try:
        return present_columns(names, columns)
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None


def _read_with_care(
    file: CsvFile, columns: Sequence[str], present: Mapping[str, str], malformed: MalformedRows
) -> dict[str, Any]:
    frame, lines = file.read(columns, list(present.values()), malformed)
    if not lines:
        raise DataError(f"{file.path}: expected interactions, found no {'sound ' if malformed.count else ''}rows")
    skip = (lambda row, problem: malformed.add(lines[row], problem)) if malformed.skip else None
    try:
        fields = read_columns(frame, dict(present), skip)
    except RowError as error:
        raise DataError(f"{file.path}:{lines[error.row]}: {error.problem}") from None
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from None
    malformed.report()
    return fields
