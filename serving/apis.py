"""The protocol buffers and gRPC stubs of TensorFlow Serving, imported in the one order that works.

They rest on TensorFlow's own protocol buffers, so importing them imports TensorFlow; going through `tfrec._tf` first
keeps its version checks, and the Keras switch, ahead of that.
"""

import tfrec._tf  # noqa: F401  isort: skip

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

__all__ = [
    "get_model_metadata_pb2",
    "get_model_status_pb2",
    "model_pb2",
    "model_service_pb2_grpc",
    "predict_pb2",
    "prediction_log_pb2",
    "prediction_service_pb2_grpc",
    "saved_model_pb2",
]
