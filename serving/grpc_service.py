"""TensorFlow Serving's gRPC services: Predict, GetModelMetadata and GetModelStatus.

Classify, Regress, MultiInference and HandleReloadConfigRequest answer UNIMPLEMENTED: recommenders have no signatures
for the first three, and the stand-in's configuration is its folders.
"""

import logging
from collections.abc import Callable
from concurrent import futures
from functools import wraps
from typing import Any

import grpc

from tfrec.serving import predict
from tfrec.serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tfrec.serving.errors import InvalidArgumentError, StatusError
from tfrec.serving.ports import GRPC_OPTION, bind_error
from tfrec.serving.repository import Repository
from tfrec.serving.tensors import fill_proto, tensors_from_protos

log = logging.getLogger("tfrec.serving")


def build_server(
    repository: Repository, host: str, port: int, *, workers: int, most_request_bytes: int
) -> tuple[Any, int]:
    """A `grpc.Server` with both services, bound but not started, and the port it is bound to.

    Raises:
        PortInUseError: if the port is taken.
        OSError: if it cannot be bound for another reason.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(workers, thread_name_prefix="tfrec-grpc"),
        options=[
            ("grpc.so_reuseport", 0),  # with it, two servers share a port and each gets some of the requests
            ("grpc.max_receive_message_length", most_request_bytes),
            ("grpc.max_send_message_length", -1),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(repository), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(repository), server)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise bind_error(host, port, GRPC_OPTION) from error


def metadata(repository: Repository, request: Any) -> Any:
    """Answer a `GetModelMetadataRequest`; the REST service asks here too.

    Raises:
        StatusError: if the model isn't served, or anything but ``signature_def`` is asked for.
    """
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
    if not request.metadata_field:
        raise InvalidArgumentError("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise InvalidArgumentError(f"Metadata field {field} is not supported")
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with repository.borrow(*_asked(request.model_spec)) as servable:
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=servable.signature_defs)
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
    response.metadata["signature_def"].Pack(signatures)
    return response


def status(repository: Repository, request: Any) -> Any:
    """Answer a `GetModelStatusRequest`; the REST service asks here too.

    Raises:
        StatusError: if the model, version or label is not known.
    """
    if not request.HasField("model_spec"):
        raise InvalidArgumentError("Missing ModelSpec")
    response = get_model_status_pb2.GetModelStatusResponse()
    for version in repository.status(*_asked(request.model_spec)):
        entry = response.model_version_status.add(version=version.version, state=int(version.state))
        entry.status.error_code = version.code.value[0]
        entry.status.error_message = version.message
    return response


def _asked(spec: Any) -> tuple[str, int | None, str | None]:
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    return spec.name, version, spec.version_label if choice == "version_label" else None


def _answering(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Turn errors into gRPC statuses; whatever wasn't foreseen is logged here and not shown to the caller."""

    @wraps(method)
    def answer(service: Any, request: Any, context: Any) -> Any:
        try:
            return method(service, request)
        except StatusError as error:
            code, message = error.code, error.message
        except Exception:
            log.exception("%s failed", method.__name__)
            code, message = grpc.StatusCode.INTERNAL, "internal error: see the server's log"
        context.abort(code, message)

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and GetModelMetadata over the models of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @_answering
    def Predict(self, request: Any) -> Any:  # noqa: N802
        """Run one signature."""
        if not request.HasField("model_spec"):
            raise InvalidArgumentError("Missing ModelSpec")
        spec = request.model_spec
        response = predict_pb2.PredictResponse()
        with self._repository.borrow(*_asked(spec)) as servable:
            inputs = tensors_from_protos(request.inputs)
            outputs = predict.run(servable, spec.signature_name, inputs, list(request.output_filter))
            response.model_spec.name = spec.name
            response.model_spec.version.value = servable.version
            response.model_spec.signature_name = spec.signature_name or predict.DEFAULT_SIGNATURE
        for name, tensor in outputs.items():
            fill_proto(response.outputs[name], tensor)
        return response

    @_answering
    def GetModelMetadata(self, request: Any) -> Any:  # noqa: N802
        """The signatures of a model."""
        return metadata(self._repository, request)

    @_answering
    def Classify(self, request: Any) -> Any:  # noqa: N802
        """Not supported."""
        raise _unsupported("Classify")

    @_answering
    def Regress(self, request: Any) -> Any:  # noqa: N802
        """Not supported."""
        raise _unsupported("Regress")

    @_answering
    def MultiInference(self, request: Any) -> Any:  # noqa: N802
        """Not supported."""
        raise _unsupported("MultiInference")


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus over the models of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    @_answering
    def GetModelStatus(self, request: Any) -> Any:  # noqa: N802
        """The states of a model's versions."""
        return status(self._repository, request)

    @_answering
    def HandleReloadConfigRequest(self, request: Any) -> Any:  # noqa: N802
        """Not supported."""
        raise _unsupported("HandleReloadConfigRequest")


def _unsupported(method: str) -> StatusError:
    return StatusError(
        grpc.StatusCode.UNIMPLEMENTED, f"{method} is not supported by this stand-in; tensorflow_model_server has it"
    )
