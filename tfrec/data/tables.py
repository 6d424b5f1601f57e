"""From pandas frames to the columns of `Interactions`."""

import calendar
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import id_problem
from tfrec.data.encoding import encode_whole_numbers, without_unused
from tfrec.data.errors import DataError, RowError
from tfrec.data.malformed import MalformedRows, MalformedRowsWarning, OnError, shown

if TYPE_CHECKING:
    import pandas as pd

_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799  # seconds: the years 1 to 9999, as of datetimes
_SHORTER_THAN_SECONDS = ((10**14, "milliseconds", "1000"), (10**17, "microseconds", "10**6"))
_ALL_SOUND = np.ones((), dtype=bool)
_SHOWN = 5
_OPTIONAL = ("rating", "timestamp", "weight")


def read_frame(
    frame: "pd.DataFrame", names: Mapping[str, str | None], on_error: OnError, source: str = "from_frame"
) -> dict[str, Any]:
    """As `read_columns`, with a warning about the rows that were skipped; ``source`` is where they were."""
    malformed = MalformedRows(source, on_error)
    problems: list[str] = []

    def skip(row: int, problem: str) -> None:
        problems.append(f"{source}: row {row} (counted from 0): {problem}")

    fields = read_columns(frame, names, skip if malformed.skip else None)
    if problems:
        warnings.warn(MalformedRowsWarning(source, len(problems), tuple(problems[:_SHOWN])), stacklevel=3)
    return fields


def read_columns(
    frame: "pd.DataFrame", names: Mapping[str, str | None], skip: Callable[[int, str], None] | None = None
) -> dict[str, Any]:
    """The arguments of `Interactions` from a table.

    Args:
        frame: The table.
        names: Maps user, item, rating, … to the table's columns.
        skip: Called with each malformed row, counted from 0, and what is wrong with it; these rows are left out. By
            default the first one is an error.

    Raises:
        RowError: If a cell is missing or malformed, and there is no ``skip``.
        DataError: If a column is absent or as a whole of the wrong kind, or all rows are malformed.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"from_frame: expected a pandas DataFrame, got {type(frame).__name__}")
    return convert_columns(frame, present_columns(names, list(frame.columns)), skip)


def convert_columns(
    frame: "pd.DataFrame", present: Mapping[str, str], skip: Callable[[int, str], None] | None = None
) -> dict[str, Any]:
    """As `read_columns`, for the roles that are known to have a column."""
    columns = {role: _CHECKS[role](frame[name], name) for role, name in present.items()}
    sound = _sound_rows(list(columns.values()), skip)
    fields: dict[str, Any] = {}
    for role, column in columns.items():
        fields[role] = column.values if sound is None else column.values[sound]
        if column.ids is not None:
            fields[f"{role}_ids"] = column.ids
            if sound is not None:
                fields[role], fields[f"{role}_ids"] = without_unused(fields[role], column.ids)
    return fields


class _Column(NamedTuple):
    """A column converted, which of its cells are sound (one for all), what is wrong with another, and its ids."""

    values: npt.NDArray[Any]
    sound: npt.NDArray[np.bool_]
    problem: Callable[[int], str]
    ids: list[str] | None = None


def _sound_rows(columns: Sequence[_Column], skip: Callable[[int, str], None] | None) -> npt.NDArray[np.bool_] | None:
    """Which rows are sound, or None if all are."""
    flawed = [column for column in columns if not column.sound.all()]
    if not flawed:
        return None
    if skip is None:
        row = int(np.argmin(flawed[0].sound))
        raise RowError(row, flawed[0].problem(row))
    sound = np.logical_and.reduce([column.sound for column in flawed])
    for row in np.flatnonzero(~sound).tolist():
        skip(row, next(column.problem(row) for column in flawed if not column.sound[row]))
    if not sound.any():
        raise DataError("expected interactions, found no row that is sound")
    return sound


def present_columns(names: Mapping[str, str | None], found: Sequence[Any]) -> dict[str, str]:
    """The roles that have a column; an optional one under its default name may be absent."""
    present = {}
    for role, name in names.items():
        if name is None and role in _OPTIONAL:
            continue
        count = list(found).count(name)
        if count == 1 and name is not None:
            present[role] = name
        elif count or role not in _OPTIONAL or name != role:
            complaint = "stands more than once" if count else "is not"
            raise DataError(f"the {role} column {name!r} {complaint} among the columns {list(found)}")
    return present


def _ids(series: "pd.Series[Any]", name: str) -> _Column:
    """Codes, int32 [n], and the ids they stand for, in the order of first appearance."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu":
        codes, ids = encode_whole_numbers(series.to_numpy())
        return _Column(codes, _ALL_SOUND, str, ids)
    missing = series.isna().to_numpy(dtype=bool)
    # A dict, and not pandas: some versions of it take two texts for equal if they agree up to a NUL character.
    values = series.to_numpy(dtype=object)
    if missing.any():
        values = values.copy()
        values[missing] = None
    listed = values.tolist()
    listed = _told_apart(values.tolist())
    try:
        position = {value: code for code, value in enumerate(dict.fromkeys(listed))}
    except TypeError:
        raise DataError(f"the ids in column {name!r} are neither text nor whole numbers") from None
    problems = {value: problem for value in position if (problem := _id_problem(value, name)) is not None}
    texts = {value: str(value if isinstance(value, str) else int(value)) for value in position if value not in problems}
    _refuse_collisions(list(texts.values()), list(texts), name)
    codes = np.fromiter(map(position.__getitem__, listed), np.int32, len(listed))
    ids = [texts.get(value, "") for value in position]
    if not problems:
        return _Column(codes, _ALL_SOUND, str, ids)
    unsound = np.array([value in problems for value in position])
    return _Column(codes, ~unsound[codes], lambda row: problems[listed[row]], ids)


class _NoId(NamedTuple):
    """A cell that is neither text nor a whole number: its type keeps True and 1.0 apart from 1."""

    type: type
    value: Any


def _told_apart(values: list[Any]) -> list[Any]:
    unfit = {kind for kind in set(map(type, values)) if not _can_be_id(kind) and kind is not type(None)}
    return [_NoId(type(value), value) if type(value) in unfit else value for value in values] if unfit else values


def _can_be_id(kind: type) -> bool:
    return issubclass(kind, str | int | np.integer) and not issubclass(kind, bool)


def _id_problem(value: Any, name: str) -> str | None:
    """Why a cell can't be an id, or None."""
    if value is None:
        return f"the id in column {name!r} is missing"
    if isinstance(value, str):
        problem = id_problem(value)
        return None if problem is None else f"{problem} in column {name!r}"
    if not isinstance(value, _NoId):
        return None
    problem = f"ids are text or whole numbers, got {shown(value.value)} ({value.type.__name__}) in column {name!r}"
    if issubclass(value.type, float | np.floating):
        hint = "missing values turn whole numbers into floats: drop their rows, then use .astype('int64')"
    else:
        hint = "convert the column with .astype(str)"
    return f"{problem}; {hint}"


def _refuse_collisions(ids: list[str], values: list[Any], name: str) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, Any] = {}
    for text, value in zip(ids, values, strict=True):
        if text in seen:
            raise DataError(
                f"column {name!r} has both {shown(seen[text])} and {shown(value)}: if they are one id, use .astype(str)"
            )
        seen[text] = value


def _numbers(
    series: "pd.Series[Any]", name: str, expected: str = "a finite number", lowest: float = -np.inf
) -> _Column:
    """Finite numbers of any numeric dtype, or of texts."""
    import pandas as pd

    texts = series.dtype == object or isinstance(series.dtype, pd.StringDtype)
    if not (texts or pd.api.types.is_integer_dtype(series) or pd.api.types.is_float_dtype(series)):
        raise DataError(f"column {name!r}: expected {expected}, got dtype {series.dtype}")
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu":
        values = series.to_numpy()
        sound = _ALL_SOUND if lowest == -np.inf else values >= lowest
    else:
        values = pd.to_numeric(series, errors="coerce").to_numpy(na_value=np.nan)
        with np.errstate(over="ignore"):
            sound = np.isfinite(values.astype(np.float32, copy=False)) & (values >= lowest)

    def problem(row: int) -> str:
        return f"expected {expected} in column {name!r}, got {_shown_cell(series, row)}"

    return _Column(values, sound, problem)


def _shown_cell(series: "pd.Series[Any]", row: int) -> str:
    import pandas as pd

    cell = series.iloc[row : row + 1].to_numpy(dtype=object)[0]
    nothing = cell == "" if isinstance(cell, str) else pd.api.types.is_scalar(cell) and pd.isna(cell)
    return "nothing" if nothing else shown(cell)


def _weights(series: "pd.Series[Any]", name: str) -> _Column:
    return _numbers(series, name, "a number of at least zero", lowest=0)


def _seconds(series: "pd.Series[Any]", name: str) -> _Column:
    """Unix seconds from numbers or datetimes, fractions rounded down."""
    import pandas as pd

    if isinstance(series.dtype, pd.ArrowDtype) and series.dtype.kind not in "iuf":
        series = series.astype(object)
    if pd.api.types.is_datetime64_any_dtype(series):
        return _from_datetimes(series, name)
    if series.dtype == object and any(issubclass(kind, date | np.datetime64) for kind in set(map(type, series))):
        return _from_dates(series, name)
    numbers = _numbers(series, name, "Unix seconds")
    values = numbers.values if numbers.values.dtype.kind in "iu" else np.floor(numbers.values)
    if len(values) and numbers.sound.all() and values.min() >= _EARLIEST and values.max() <= _LATEST:
        return _Column(values.astype(np.int64, copy=False), _ALL_SOUND, numbers.problem)
    possible = (values >= _EARLIEST) & (values <= _LATEST)

    def problem(row: int) -> str:
        finite = bool(np.broadcast_to(numbers.sound, values.shape)[row])
        return numbers.problem(row) + (_unit_hint(float(values[row])) if finite else "")

    return _Column(np.where(possible, values, 0).astype(np.int64), numbers.sound & possible, problem)


def _unit_hint(value: float) -> str:
    """What a time beyond the year 9999, or before the year 1, may be."""
    for limit, unit, ratio in _SHORTER_THAN_SECONDS:
        if abs(value) < limit:
            return f", which is not in the years 1 to 9999: {unit}? Divide them by {ratio}"
    return ", which is not in the years 1 to 9999: nanoseconds? Divide them by 10**9"


def _from_datetimes(series: "pd.Series[Any]", name: str) -> _Column:
    import pandas as pd

    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    seconds = series.to_numpy().astype("datetime64[s]").astype(np.int64)
    return _Column(seconds, series.notna().to_numpy(dtype=bool), lambda _: f"the time in column {name!r} is missing")


def _from_dates(series: "pd.Series[Any]", name: str) -> _Column:
    """As `_seconds`, from a column of objects that has datetimes or dates in it, and should have nothing else."""
    missing = series.isna().to_numpy(dtype=bool)
    seconds = np.zeros(len(series), np.int64)
    sound = np.zeros(len(series), dtype=bool)
    for row, cell in enumerate(series):
        if not missing[row] and isinstance(cell, date | np.datetime64):
            seconds[row], sound[row] = _seconds_of(cell), True
    return _Column(
        seconds, sound, lambda row: f"expected a datetime in column {name!r}, got {_shown_cell(series, row)}"
    )


def _seconds_of(time: date | np.datetime64) -> int:
    if isinstance(time, np.datetime64):
        return int(time.astype("datetime64[s]").astype(np.int64))
    return calendar.timegm(time.utctimetuple() if isinstance(time, datetime) else time.timetuple())


_CHECKS = {"user": _ids, "item": _ids, "rating": _numbers, "weight": _weights, "timestamp": _seconds}
