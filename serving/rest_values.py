"""Single JSON values to and from the element types of TensorFlow, as strictly as TensorFlow Serving does it.

No value is bent to fit: 1.5 or true is no integer, 3 is no string, and an integer that a float cannot hold exactly is
refused.
"""

import base64
import json
import math
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from tfrec.serving.errors import InvalidArgumentError, StatusError

LONGEST_TEXT = 200  # of a value repeated in an error


def json_text(value: Any) -> str:
    """A JSON value as a caller should see it in an error: cut short if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:  # writing takes a little more stack than reading did
        return "…"
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"


def converter(dtype: str) -> tuple[Any, Callable[[Any], Any]]:
    """The numpy type that holds a TensorFlow type, and the function that takes one JSON value to it.

    Raises:
        StatusError: UNIMPLEMENTED for a type that JSON requests cannot carry.
    """
    if dtype == "string":
        return object, _string
    if dtype == "bool":
        return np.bool_, _bool
    if dtype in ("float32", "float64"):
        return np.dtype(dtype), lambda value: _float(value, dtype)
    if dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        return np.dtype(dtype), lambda value: _int(value, dtype)
    raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Conversion of JSON values to type: {dtype}; use gRPC")


def values_to_json(name: str, array: np.ndarray) -> Any:
    """An output array as nested lists, or one value if it is a scalar.

    Floats are written with the fewest digits that read back as the same float; strings of an output whose name ends in
    ``_bytes`` as ``{"b64": …}``.

    Raises:
        StatusError: INVALID_ARGUMENT for a type that JSON cannot carry, or a string that isn't UTF-8.
    """
    flat = array.reshape(-1)
    values: list[Any]
    if array.dtype == object:
        values = [_base64(item) for item in flat] if name.endswith("_bytes") else [_text(name, item) for item in flat]
    elif array.dtype.kind in "biu" or array.dtype == np.float64:
        values = flat.tolist()
    elif array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        values = [float(digits) for digits in flat.astype(np.float32).astype(str)]
    else:
        raise InvalidArgumentError(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    nested = np.empty(len(values), dtype=object)
    nested[:] = values
    return nested.reshape(array.shape).tolist()


def _type_error(value: Any, dtype: str) -> InvalidArgumentError:
    kinds = {type(None): "Null", bool: str(value), dict: "Object", list: "Array", str: "String"}
    kind = kinds.get(type(value), "Number")
    return InvalidArgumentError(f"JSON Value: {json_text(value)} Type: {kind} is not of expected type: {dtype}")


def _string(value: Any) -> bytes:
    if isinstance(value, bytes):  # was {"b64": …}
        return value
    if not isinstance(value, str):
        raise _type_error(value, "string")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError("JSON Parse error: a string holds half of a surrogate pair") from None


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _type_error(value, "bool")
    return value


def _int(value: Any, dtype: str) -> int:
    limits = np.iinfo(dtype)
    if type(value) is not int or not limits.min <= value <= limits.max:
        raise _type_error(value, dtype)
    return value


def _float(value: Any, dtype: str) -> float:
    if type(value) not in (int, float):
        raise _type_error(value, dtype)
    limits = np.finfo(dtype)
    if isinstance(value, int):
        exact = abs(value) < 2 ** (limits.nmant + 1)
    else:
        exact = not math.isfinite(value) or abs(value) <= float(limits.max)
    if not exact:
        raise InvalidArgumentError(
            f"Cannot convert JSON value: {json_text(value)} to {dtype} without loss of precision."
        )
    return float(value)


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgumentError(
            f"Failed to write JSON value: output {name} holds bytes that are not UTF-8 (an output whose name ends in "
            "_bytes travels as base64)"
        ) from None
