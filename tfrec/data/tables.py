"""From pandas frames to the columns of `Interactions`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import id_problem
from tfrec.data.errors import DataError, RowError

if TYPE_CHECKING:
    import pandas as pd

_OPTIONAL = ("rating", "timestamp", "weight")


def read_columns(frame: "pd.DataFrame", names: Mapping[str, str | None]) -> dict[str, Any]:
    """The arguments of `Interactions` from a table; ``names`` maps user, item, rating, … to the table's columns."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"from_frame: expected a pandas DataFrame, got {type(frame).__name__}")
    present = present_columns(names, list(frame.columns))
    fields: dict[str, Any] = {}
    for role in ("user", "item"):
        fields[role], fields[f"{role}_ids"] = _encode_ids(frame[present[role]], present[role])
    if "rating" in present:
        fields["rating"] = _numbers(frame[present["rating"]], present["rating"], "a finite number")
    if "weight" in present:
        fields["weight"] = _numbers(frame[present["weight"]], present["weight"], "a number of at least zero", lowest=0)
    if "timestamp" in present:
        fields["timestamp"] = _seconds(frame[present["timestamp"]], present["timestamp"])
    return fields


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


def _encode_ids(series: "pd.Series[Any]", name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Codes, int32 [n], and the ids they stand for, in the order of first appearance."""
    import pandas as pd

    missing = series.isna().to_numpy(dtype=bool)
    if missing.any():
        raise RowError(int(np.argmax(missing)), f"the id in column {name!r} is missing")
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu":
        codes, uniques = pd.factorize(series.to_numpy())
        return codes.astype(np.int32), [str(value) for value in uniques.tolist()]
    # A dict, and not pandas: some versions of it take two texts for equal if they agree up to a NUL character.
    values = series.to_numpy(dtype=object).tolist()
    try:
        position = {value: code for code, value in enumerate(dict.fromkeys(values))}
    except TypeError:
        raise DataError(f"the ids in column {name!r} are neither text nor whole numbers") from None
    ids = [_id_text(value, values, name) for value in position]
    _refuse_collisions(ids, list(position), name)
    return np.fromiter(map(position.__getitem__, values), np.int32, len(values)), ids


def _id_text(value: Any, values: list[Any], name: str) -> str:
    if isinstance(value, str):
        problem = id_problem(value)
        if problem is None:
            return str(value)
        raise RowError(values.index(value), f"{problem} in column {name!r}")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(int(value))
    problem = f"ids are text or whole numbers, got {value!r} ({type(value).__name__}) in column {name!r}"
    if isinstance(value, float | np.floating):
        hint = "missing values turn whole numbers into floats: drop their rows, then use .astype('int64')"
    else:
        hint = "convert the column with .astype(str)"
    raise RowError(values.index(value), f"{problem}; {hint}")


def _refuse_collisions(ids: list[str], values: list[Any], name: str) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: dict[str, Any] = {}
    for text, value in zip(ids, values, strict=True):
        if text in seen:
            raise DataError(
                f"column {name!r} has both {seen[text]!r} and {value!r}: if they are one id, use .astype(str)"
            )
        seen[text] = value


def _numbers(series: "pd.Series[Any]", name: str, expected: str, lowest: float = -np.inf) -> npt.NDArray[Any]:
    """Finite numbers, of any numeric dtype, or the row of the first cell that isn't one."""
    import pandas as pd

    texts = series.dtype == object or isinstance(series.dtype, pd.StringDtype)
    if not (texts or pd.api.types.is_integer_dtype(series) or pd.api.types.is_float_dtype(series)):
        raise DataError(f"column {name!r}: expected {expected}, got dtype {series.dtype}")
    values = pd.to_numeric(series, errors="coerce").to_numpy(na_value=np.nan)
    with np.errstate(over="ignore"):
        good = np.isfinite(values.astype(np.float32, copy=False)) & (values >= lowest)
    if not good.all():
        row = int(np.argmin(good))
        cell = series.to_numpy(dtype=object)[row]
        got = "nothing" if pd.isna(cell) or cell == "" else repr(cell)
        raise RowError(row, f"expected {expected} in column {name!r}, got {got}")
    return values


def _seconds(series: "pd.Series[Any]", name: str) -> npt.NDArray[np.int64]:
    """Unix seconds from numbers or datetimes, fractions rounded down."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series):
        missing = series.isna().to_numpy(dtype=bool)
        if missing.any():
            raise RowError(int(np.argmax(missing)), f"the time in column {name!r} is missing")
        if isinstance(series.dtype, pd.DatetimeTZDtype):
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return series.to_numpy().astype("datetime64[s]").astype(np.int64)
    values = _numbers(series, name, "Unix seconds")
    if values.dtype.kind == "f":
        values = np.floor(values)
    good = (values >= -(2.0**62)) & (values <= 2.0**62)
    if not good.all():
        row = int(np.argmin(good))
        raise RowError(row, f"expected Unix seconds in column {name!r}, got {values[row]}")
    return values.astype(np.int64)
