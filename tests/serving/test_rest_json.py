"""JSON to arrays and back, as properties."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tfrec.serving import rest_json
from tfrec.serving.errors import StatusError
from tfrec.serving.rest_values import values_to_json

SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4)
NUMBERS = st.sampled_from(
    ["int8", "uint8", "int16", "int32", "int64", "uint32", "uint64", "bool", "float32", "float64"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).map(str.encode)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "b64"]), inner, max_size=3),
    max_leaves=12,
)
DTYPES = st.dictionaries(
    st.sampled_from(["a", "b"]), st.sampled_from(["int32", "string", "float32", "bool"]), min_size=1
)


def through_json(name, array):
    return json.loads(json.dumps(values_to_json(name, array)))


@given(NUMBERS.flatmap(lambda dtype: arrays_of.arrays(dtype, SHAPES)))
def test_numbers_come_back_exactly(array):
    if array.dtype.kind == "f" and (np.abs(array[np.isfinite(array)]) > 2**24).any():
        return  # a whole number as large as that is refused on input, as it may not be exact
    back = rest_json.to_array(through_json("x", array), array.dtype.name)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@given(arrays_of.arrays(object, SHAPES, elements=TEXTS), st.sampled_from(["text", "raw_bytes"]))
def test_text_comes_back_exactly(array, name):
    back = rest_json.to_array(through_json(name, array), "string")
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()


@given(arrays_of.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False)))
def test_floats_are_written_as_short_as_possible(array):
    flat = np.ravel(through_json("x", array))
    assert all(np.float32(value) == item for value, item in zip(flat, array.flat, strict=True))
    assert all(
        len(repr(value)) <= len(repr(float(item))) for value, item in zip(flat.tolist(), array.flat, strict=True)
    )


@given(st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "x"]), JSON), DTYPES)
def test_any_json_is_read_or_refused(document, dtypes):
    """Whatever comes in: arrays of the types asked for, all of one batch in row format, or one clear refusal."""
    try:
        rest_json.signature_name(document)
        arrays = rest_json.read_inputs(document, dtypes)
    except StatusError:
        return
    assert arrays.keys() == dtypes.keys()
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    if "instances" in document:
        assert {len(array) for array in arrays.values()} == {len(document["instances"])}


@given(st.binary(max_size=30))
def test_any_bytes_are_parsed_or_refused(body):
    with contextlib.suppress(StatusError):
        assert isinstance(rest_json.parse(body), dict)


def test_rows_and_columns_say_the_same():
    dtypes = {"user_id": "string", "k": "int32", "exclude": "string"}
    rows = [{"user_id": f"u{n}", "k": n, "exclude": ["", str(n)]} for n in range(4)]
    columns = {name: [row[name] for row in rows] for name in dtypes}
    from_rows = rest_json.read_inputs({"instances": rows}, dtypes)
    from_columns = rest_json.read_inputs({"inputs": columns}, dtypes)
    for name in dtypes:
        np.testing.assert_array_equal(from_rows[name], from_columns[name])


def test_outputs_of_different_lengths_have_no_rows():
    outputs = {"a": np.zeros(2), "b": np.zeros(3)}
    with pytest.raises(StatusError, match="inconsistent batch size: 3 expecting: 2"):
        rest_json.render(outputs, rows=True)
    assert rest_json.render(outputs, rows=False) == {"outputs": {"a": [0.0] * 2, "b": [0.0] * 3}}


def test_a_type_json_cannot_carry():
    with pytest.raises(StatusError, match="complex64"):
        values_to_json("x", np.zeros(1, np.complex64))
    with pytest.raises(StatusError, match="float16"):
        rest_json.to_array([1.0], "float16")
