"""TensorFlow tensors to and from the `TensorProto` of a gRPC message."""

import math
from collections.abc import Mapping
from typing import Any

from tfrec._tf import tf
from tfrec.serving.errors import InvalidArgumentError

# A few bytes of TensorProto may stand for any number of elements (one value, repeated to fill the shape): without a
# bound, a small message could claim all memory.
MOST_ELEMENTS = 2**27

_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "string": "string_val",
}


def tensors_from_protos(protos: Mapping[str, Any]) -> dict[str, Any]:
    """Input name → `TensorProto` to input name → `tf.Tensor`.

    Raises:
        StatusError: INVALID_ARGUMENT if a message does not describe a tensor.
    """
    return {name: _from_proto(name, proto) for name, proto in protos.items()}


def _from_proto(name: str, proto: Any) -> Any:
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in sizes):
        raise InvalidArgumentError(f"tensor parsing error: {name}: the shape must be fully given")
    if math.prod(sizes) > MOST_ELEMENTS:
        raise InvalidArgumentError(f"tensor parsing error: {name}: more than {MOST_ELEMENTS} elements")
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        return tf.io.parse_tensor(proto.SerializeToString(), dtype)
    except (TypeError, tf.errors.OpError):
        raise InvalidArgumentError(
            f"tensor parsing error: {name}: its dtype, shape and values do not fit together"
        ) from None


def fill_proto(proto: Any, tensor: Any) -> None:
    """Write a tensor into a `TensorProto` the way TensorFlow Serving does: in the typed fields, nothing left out.

    Clients in the wild read ``outputs["score"].float_val``, so the more compact `tensor_content` would break them.
    """
    values = tensor.numpy()
    field = _FIELDS.get(tensor.dtype.name)
    if field is None:  # half precision and the like, which clients can only read through tf.make_ndarray anyway
        proto.CopyFrom(tf.make_tensor_proto(values, dtype=tensor.dtype))
        return
    proto.dtype = tensor.dtype.as_datatype_enum
    for size in tensor.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(values.reshape(-1).tolist() if tensor.shape.rank else [values])
