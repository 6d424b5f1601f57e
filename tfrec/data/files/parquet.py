"""Parquet files of interactions."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfrec.data.errors import DataError
from tfrec.data.files.local_file import local_file
from tfrec.data.malformed import OnError
from tfrec.data.tables import present_columns, read_frame

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(path: str | os.PathLike[str], names: Mapping[str, str | None], on_error: OnError) -> dict[str, Any]:
    """The arguments of `Interactions` from a file; see `Interactions.from_parquet`."""
    file = local_file(path, "from_parquet")
    frame = _read(file, names)
    if not len(frame):
        raise DataError(f"{file}: expected interactions, found no rows")
    try:
        return read_frame(frame, names, on_error, source=file)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None


def _read(file: str, names: Mapping[str, str | None]) -> "pd.DataFrame":
    """The columns that are needed; text as Python strings, whole numbers with missing ones as such."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ImportError("reading Parquet needs pyarrow: pip install tfrec[parquet]") from None
    try:
        with parquet.ParquetFile(file) as content:
            present = present_columns(names, content.schema_arrow.names)
            table = content.read(columns=list(dict.fromkeys(present.values())))
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file}: not a Parquet file, or damaged ({reason})") from None
    return table.to_pandas(integer_object_nulls=True, date_as_object=False)
