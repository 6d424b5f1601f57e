"""Delimited text files of interactions, read as one stream by pandas' C engine, if nothing is wrong with them."""

import codecs
import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrec.data.encoding import IdEncoder
from tfrec.data.files.csv_records import CsvFile
from tfrec.data.files.watched import WatchedStream
from tfrec.data.tables import convert_columns

_ROWS = 1 << 19  # rows at a time: more would not be faster, only larger
_ASCII_BASED = {codecs.lookup(name).name for name in ("ascii", "utf-8", "latin-1", "cp1252", "iso8859-15")}
_FIRST = 1000  # rows that show at little cost what the ids are like


def read_sound_csv(file: CsvFile, columns: Sequence[str], present: Mapping[str, str]) -> dict[str, Any] | None:
    """The arguments of `Interactions` from a file, or None unless each of its records is as it should be.

    It doesn't say what is wrong. Ids are text; but where all are whole numbers in their shortest form they are read as
    numbers, several times faster, and come to the same text.

    Args:
        file: The file.
        columns: The names of all its columns.
        present: The columns by role.
    """
    if file.encoding not in _ASCII_BASED or not file.sep.isascii():
        return None
    return _try(file, columns, present, as_numbers=True) or _try(file, columns, present, as_numbers=False)


def _try(
    file: CsvFile, columns: Sequence[str], present: Mapping[str, str], *, as_numbers: bool
) -> dict[str, Any] | None:
    import pandas as pd

    try:
        with file.open() as raw, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else overlong lines would lose their ends
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            stream = WatchedStream(raw, file.sep, quotes=True, numbers=as_numbers)
            with pd.read_csv(stream, **_options(file, columns, present, as_numbers)) as reader:
                fields = _read(reader, present, stream, as_numbers)
    except (ValueError, TypeError, OverflowError, StopIteration, Warning):  # DataError is a ValueError
        return None
    n_lines = len(fields["user"]) + (file.header is None)
    if stream.lenient or not stream.has_only(n_lines * (len(columns) - 1)):
        return None
    return fields


def _options(file: CsvFile, columns: Sequence[str], present: Mapping[str, str], as_numbers: bool) -> dict[str, Any]:
    ids = {present["user"], present["item"]}
    others = set(columns).difference(present.values())
    return {
        "sep": file.sep,
        "header": 0 if file.header is None else None,
        "names": file.header,
        "index_col": False,
        "dtype": dict.fromkeys(others if as_numbers else others | ids, object),
        "keep_default_na": False,
        "na_values": [""],
        "encoding": file.encoding,
        "chunksize": _ROWS,
    }


def _read(reader: Any, present: Mapping[str, str], stream: WatchedStream, as_numbers: bool) -> dict[str, Any]:
    """The arguments of `Interactions`.

    Raises:
        ValueError, TypeError, StopIteration: If something isn't as it should be.
    """
    import pandas as pd

    encoders = {"user": IdEncoder(), "item": IdEncoder()}
    parts: dict[str, list[npt.NDArray[Any]]] = {role: [] for role in present}
    for frame in chain([reader.get_chunk(_FIRST)], reader):
        if as_numbers and (stream.padded or stream.quoted):
            raise ValueError("a whole number is not in its shortest form")
        for role, name in present.items():
            values = frame[name].to_numpy()
            if values.dtype.kind not in ("O" if role in encoders and not as_numbers else "iuf"):
                raise ValueError(f"expected another type of column {name!r}")
            parts[role].append(encoders[role].encode(values) if role in encoders else values)
    if as_numbers and (stream.padded or stream.quoted):
        raise ValueError("a whole number is not in its shortest form")
    if not sum(map(len, parts["user"])):
        raise ValueError("no rows")
    fields: dict[str, Any] = {role: np.concatenate(parts.pop(role)) for role in list(parts)}
    for values in fields.values():
        values.setflags(write=False)  # and so are the views that pandas makes of it
    numbers = pd.DataFrame({role: values for role, values in fields.items() if role not in encoders}, copy=False)
    fields.update(convert_columns(numbers, {role: role for role in numbers.columns}))
    for role, encoder in encoders.items():
        fields[f"{role}_ids"] = encoder.ids
    for role in present:
        fields[role].setflags(write=False)
    return fields
