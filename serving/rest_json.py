"""The JSON of TensorFlow Serving's predict API, to and from numpy arrays.

Row format: ``{"instances": [{"user_id": "u1", "k": 5}, …]}`` answered by ``{"predictions": […]}``; column format:
``{"inputs": {"user_id": ["u1", …], …}}`` answered by ``{"outputs": …}``. A signature with one input takes bare values,
one with one output returns them. Bytes travel as ``{"b64": "…"}``.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfrec.serving.errors import InvalidArgumentError
from tfrec.serving.rest_values import converter, json_text, values_to_json

Arrays = dict[str, np.ndarray]

MOST_DIMENSIONS = 32


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body.

    Raises:
        StatusError: INVALID_ARGUMENT if it is no JSON object.
    """
    if not body:
        raise InvalidArgumentError("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: not UTF-8 at offset: {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidArgumentError(f"JSON Parse error: Invalid value: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise InvalidArgumentError("JSON Parse error: nested too deeply") from None
    except ValueError:  # a number of thousands of digits
        raise InvalidArgumentError("JSON Parse error: Invalid value: a number is too long") from None
    if not isinstance(document, dict):
        raise InvalidArgumentError(f"JSON Value: {json_text(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """The signature asked for; "" if none is named."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgumentError(
            f"JSON Value: {json_text(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def is_row_format(document: Mapping[str, Any]) -> bool:
    """Whether the request is in row format, and not in column format.

    Raises:
        StatusError: INVALID_ARGUMENT if it is in both or in neither.
    """
    keys = document.keys() & {"instances", "inputs"}
    if len(keys) == 2:
        raise InvalidArgumentError(
            f"JSON Value: {json_text(document)} Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist"
        )
    if not keys:
        raise InvalidArgumentError("Missing 'inputs' or 'instances' key")
    return "instances" in keys


def read_inputs(document: Mapping[str, Any], dtypes: Mapping[str, str]) -> Arrays:
    """The input arrays of a request.

    Args:
        document: what `parse` returned.
        dtypes: the signature's inputs: name → name of the TensorFlow type.

    Returns:
        Input name → array; strings as `bytes` in arrays of objects.

    Raises:
        StatusError: INVALID_ARGUMENT if a key is missing or a value has another type or is ragged.
    """
    if is_row_format(document):
        return _from_rows(document["instances"], dtypes)
    return _from_columns(document["inputs"], dtypes)


def render(outputs: Mapping[str, np.ndarray], *, rows: bool) -> dict[str, Any]:
    """The response to a request in the same format.

    Raises:
        StatusError: INVALID_ARGUMENT if the outputs cannot be written that way.
    """
    if not rows:
        columns = {name: values_to_json(name, array) for name, array in outputs.items()}
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    batch: int | None = None
    for name, array in outputs.items():
        if not array.ndim:
            raise InvalidArgumentError(f"Tensor name: {name} has no shape information")
        if batch is not None and len(array) != batch:
            raise InvalidArgumentError(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}"
            )
        batch = len(array)
    lists = {name: values_to_json(name, array) for name, array in outputs.items()}
    if len(lists) == 1:
        return {"predictions": next(iter(lists.values()))}
    return {"predictions": [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]}


def _from_columns(inputs: Any, dtypes: Mapping[str, str]) -> Arrays:
    if not isinstance(inputs, dict) or _is_base64(inputs):
        if len(dtypes) > 1:
            raise InvalidArgumentError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        return {name: to_array(inputs, dtype) for name, dtype in dtypes.items()}
    for name in dtypes:
        if name not in inputs:
            raise InvalidArgumentError(f"Missing named input: {name} in 'inputs' object.")
    return {name: to_array(inputs[name], dtype) for name, dtype in dtypes.items()}


def _from_rows(instances: Any, dtypes: Mapping[str, str]) -> Arrays:
    if not isinstance(instances, list):
        raise InvalidArgumentError(f"JSON Value: {json_text(instances)} Excepting 'instances' to be an list/array")
    if not instances:
        raise InvalidArgumentError("No values in 'instances' array")
    named = _is_named(instances[0])
    if len(dtypes) > 1 and not named:
        raise InvalidArgumentError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    rows: dict[str, list[np.ndarray]] = {name: [] for name in dtypes}
    for position, instance in enumerate(instances):
        for name, value in _named_values(instance, position, named, dtypes).items():
            rows[name].append(_row(value, name, position, dtypes[name], rows[name]))
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def _named_values(instance: Any, position: int, named: bool, dtypes: Mapping[str, str]) -> dict[str, Any]:
    if _is_named(instance) != named:
        kinds = ("object", "value/list") if named else ("value/list", "object")
        raise InvalidArgumentError(f"Expecting {kinds[0]} but got {kinds[1]} at item {position} of input list")
    if not named:
        return {next(iter(dtypes)): instance}
    if instance.keys() != dtypes.keys():
        raise InvalidArgumentError(
            f"Failed to process element: {position} of 'instances' list. JSON object: {json_text(instance)} "
            f"keys must be equal to: {','.join(sorted(dtypes))}"
        )
    return dict(instance)


def _row(value: Any, name: str, position: int, dtype: str, before: list[np.ndarray]) -> np.ndarray:
    try:
        array = to_array(value, dtype)
        if before and array.shape != before[0].shape:
            raise InvalidArgumentError(f"Expecting shape {list(before[0].shape)} but got: {list(array.shape)}")
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"Failed to process element: {position} key: {name} of 'instances' list. Error: {error.message}"
        ) from None
    return array


def to_array(value: Any, dtype: str) -> np.ndarray:
    """A JSON value, nested lists or a single one, as an array of a TensorFlow type.

    Raises:
        StatusError: INVALID_ARGUMENT for a ragged list or a value of another type.
    """
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > MOST_DIMENSIONS:
        raise InvalidArgumentError(f"JSON Value: lists nested deeper than {MOST_DIMENSIONS} make no tensor")
    flat: list[Any] = []
    _flatten(value, shape, 0, flat)
    numpy_dtype, convert = converter(dtype)
    return np.array([convert(_decoded(item, dtype)) for item in flat], dtype=numpy_dtype).reshape(shape)


def _flatten(value: Any, shape: list[int], level: int, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise InvalidArgumentError(
                f"JSON Value: {json_text(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        flat.append(value)
        return
    if level >= len(shape):
        raise InvalidArgumentError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise InvalidArgumentError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for item in value:
        _flatten(item, shape, level + 1, flat)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _decoded(value: Any, dtype: str) -> Any:
    if dtype != "string" or not isinstance(value, dict):
        return value
    if not _is_base64(value):
        raise InvalidArgumentError(f"JSON Value: {json_text(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgumentError("Unable to base64 decode") from None
