"""The client's gRPC side."""

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from tfrec._tf import tf
from tfrec.serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tfrec.serving.client_types import (
    ModelMetadata,
    ModelSpec,
    SignatureInfo,
    TensorInfo,
    VersionState,
    as_input,
    as_text,
)
from tfrec.serving.errors import ServingError


class GrpcTransport:
    """Talks to `PredictionService` and `ModelService` at ``host:port``."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.enable_http_proxy", 0),  # a model server is a neighbour
            ],
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, spec: ModelSpec, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run a signature."""
        request = predict_pb2.PredictRequest(model_spec=_model_spec(spec))
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(as_input(name, value)))
        response = self._call(self._predictions.Predict, request)
        return {name: as_text(name, tf.make_ndarray(proto)) for name, proto in response.outputs.items()}

    def metadata(self, spec: ModelSpec) -> ModelMetadata:
        """The signatures of a model."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_model_spec(spec), metadata_field=["signature_def"]
        )
        response = self._call(self._predictions.GetModelMetadata, request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return ModelMetadata(
            response.model_spec.name,
            response.model_spec.version.value,
            {
                name: SignatureInfo(_infos(definition.inputs), _infos(definition.outputs))
                for name, definition in sorted(signatures.signature_def.items())
                if not name.startswith("__")
            },
        )

    def status(self, spec: ModelSpec) -> list[VersionState]:
        """The state of every version."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_model_spec(spec))
        response = self._call(self._models.GetModelStatus, request)
        name_of = get_model_status_pb2.ModelVersionStatus.State.Name
        return [
            VersionState(status.version, name_of(status.state), status.status.error_message)
            for status in response.model_version_status
        ]

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout)
        except ValueError as error:  # the channel was closed
            raise ServingError("CANCELLED", f"the client is closed: {error}") from error
        except grpc.RpcError as error:
            raise self._explain(error) from None

    def _explain(self, error: Any) -> ServingError:
        code = error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            message = f"no model server answers at {self._address} ({error.details()}): is it running?"
        elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"the model server at {self._address} gave no answer within {self._timeout:g} s"
        else:
            message = error.details()
        return ServingError(code.name, message)


def _model_spec(spec: ModelSpec) -> Any:
    message = model_pb2.ModelSpec(name=spec.name)
    if spec.version is not None:
        message.version.value = spec.version
    if spec.label is not None:
        message.version_label = spec.label
    return message


def _infos(infos: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {name: _info(info) for name, info in sorted(infos.items())}


def _info(info: Any) -> TensorInfo:
    shape = tf.TensorShape(info.tensor_shape)
    return TensorInfo(tf.dtypes.as_dtype(info.dtype).name, tuple(shape.as_list()) if shape.rank is not None else None)
