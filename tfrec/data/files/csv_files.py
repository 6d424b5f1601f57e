"""Delimited text files of interactions: at pandas' speed where all is well, else with errors that name the line."""

import gzip
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfrec.data.errors import DataError, RowError
from tfrec.data.files.csv_records import CsvFile
from tfrec.data.files.csv_stream import read_sound_csv
from tfrec.data.files.local_file import local_file
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
    _check_layout(sep, header, encoding)
    source = local_file(path, "from_csv")
    malformed = MalformedRows(source, on_error)
    file = CsvFile(source, sep, None if header is None else list(header), encoding)
    try:
        columns = file.column_names()
        present = _present(file, names, columns)
        return read_sound_csv(file, columns, present) or _read_with_care(file, columns, present, malformed)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file.path}: the compressed file is damaged or cut off ({error})") from None
    except UnicodeError as error:
        raise DataError(f"{file.path}: not {encoding} text ({error}): pass the file's encoding") from None


def _check_layout(sep: str, header: Sequence[str] | None, encoding: str) -> None:
    if not isinstance(sep, str) or len(sep) != 1:
        raise ValueError(f"from_csv: expected sep to be one character, got {sep!r}")
    if sep in '"\r\n\0':
        raise ValueError(f"from_csv: expected sep to be another character than a quote or a line break, got {sep!r}")
    if header is not None and (
        isinstance(header, str | bytes)
        or not isinstance(header, Iterable)
        or not all(isinstance(name, str) for name in header)
    ):
        raise TypeError(
            'from_csv: expected header to be the names of all columns, such as ["user", "item"], or None if they are '
            f"in the file's first line; got {header!r}"
        )
    if not isinstance(encoding, str):
        raise TypeError(f'from_csv: expected encoding to be a name, such as "utf-8", got {encoding!r}')
    try:
        "".encode(encoding)  # a look-up alone would find codecs that aren't for text
    except (LookupError, ValueError):
        raise ValueError(
            f'from_csv: expected a text encoding, such as "utf-8" or "latin-1", got {encoding!r}'
        ) from None


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
