"""TensorFlow Serving's REST API over the models of a repository.

    GET  /v1/models/NAME[/versions/V|/labels/L]              the states of its versions
    GET  /v1/models/NAME[/versions/V|/labels/L]/metadata     its signatures
    POST /v1/models/NAME[/versions/V|/labels/L]:predict      answers, in row or column format

Paths, methods and errors are the real server's: under ``/v1/`` whatever is no request of the API is 400 "Malformed
request", everything else 404. ``:classify`` and ``:regress`` are left out and answer 501.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

import json
import logging
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tfrec._tf import tf
from tfrec.serving import grpc_service, predict, rest_json
from tfrec.serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2
from tfrec.serving.errors import InvalidArgumentError, NotFoundError, StatusError
from tfrec.serving.folders import LARGEST_VERSION
from tfrec.serving.repository import Repository

log = logging.getLogger("tfrec.serving")

# How TensorFlow Serving pairs the two kinds of status; whatever is not here is 500.
HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}

_MODEL = r"/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_GET_PATH = re.compile(_MODEL + r"(/metadata)?", re.IGNORECASE)
_POST_PATH = re.compile(_MODEL + r":(predict|classify|regress)", re.IGNORECASE)


class _TooLargeError(Exception):
    pass


class RestApi:
    """The REST API as an ASGI application; a request body larger than `most_request_bytes` is answered by 413."""

    def __init__(self, repository: Repository, *, most_request_bytes: int) -> None:
        self._repository = repository
        self._most_request_bytes = most_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive)
        # The path as it was sent: a name with an encoded slash must not turn into two segments.
        path = scope["raw_path"].decode("latin-1")
        try:
            body = await _body(request, self._most_request_bytes)
        except ClientDisconnect:  # nobody is left to answer
            return
        except _TooLargeError:
            text = f"the request body is larger than {self._most_request_bytes} bytes"
            response = _json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": text})
        else:
            status, document = await run_in_threadpool(answer, self._repository, request.method, path, body)
            response = _json(status, document)
        await response(scope, receive, send)


async def _body(request: Request, most_bytes: int) -> bytes:
    """The request's body; read to its end even when too large, or the caller would see a reset and not the answer."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > most_bytes:
        raise _TooLargeError
    return b"".join(chunks)


def _json(status: HTTPStatus, document: dict[str, Any]) -> Response:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8"), status_code=status, media_type="application/json")


def answer(repository: Repository, method: str, path: str, body: bytes) -> tuple[HTTPStatus, dict[str, Any]]:
    """Answer one request: its HTTP status and the JSON object of the response."""
    if not path.lower().startswith("/v1/"):
        return HTTPStatus.NOT_FOUND, {"error": f"no such page: {path}; the API is under /v1/models/"}
    try:
        return HTTPStatus.OK, _route(repository, method, path, body)
    except StatusError as error:
        status = HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        return status, {"error": error.message}
    except Exception:
        log.exception("%s %s failed", method, path)
        return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "internal error: see the server's log"}


def _route(repository: Repository, method: str, path: str, body: bytes) -> dict[str, Any]:
    patterns = {"GET": _GET_PATH, "POST": _POST_PATH}
    match = patterns[method].fullmatch(path) if method in patterns else None
    if match is None:
        raise InvalidArgumentError(f"Malformed request: {method} {path}")
    name, version, label, what = match.groups()
    if not name:
        raise InvalidArgumentError("Missing model name in request.")
    spec = _model_spec(name, version, label)
    if method == "POST":
        return _post(repository, spec, what.lower(), body)
    return _metadata(repository, spec) if what else _status(repository, spec)


def _model_spec(name: str, version: str | None, label: str | None) -> Any:
    spec = model_pb2.ModelSpec(name=_unquoted(name))
    if label:
        spec.version_label = _unquoted(label)
    if version:
        if len(version) > len(str(LARGEST_VERSION)) or int(version) > LARGEST_VERSION:
            raise InvalidArgumentError(f"Failed to convert version: {version[:40]} to numeric.")
        spec.version.value = int(version)
    return spec


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise NotFoundError(f"Servable not found for request: Latest({text})") from None


def _post(repository: Repository, spec: Any, verb: str, body: bytes) -> dict[str, Any]:
    if verb != "predict":
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f":{verb} is not supported by this stand-in (tensorflow_model_server has it); use :predict",
        )
    document = rest_json.parse(body)
    name = rest_json.signature_name(document)
    version = spec.version.value if spec.HasField("version") else None
    with repository.borrow(spec.name, version, spec.version_label or None) as servable:
        specs = predict.find_signature(servable, name).inputs
        arrays = rest_json.read_inputs(document, {key: of_input.dtype.name for key, of_input in specs.items()})
        tensors = {key: tf.constant(array, dtype=specs[key].dtype) for key, array in arrays.items()}
        outputs = predict.run(servable, name, tensors)
    # numpy() gives plain bytes, and not an array, for a single string
    values = {key: np.asarray(outputs[key].numpy(), outputs[key].dtype.as_numpy_dtype) for key in sorted(outputs)}
    return rest_json.render(values, rows=rest_json.is_row_format(document))


def _status(repository: Repository, spec: Any) -> dict[str, Any]:
    response = grpc_service.status(repository, get_model_status_pb2.GetModelStatusRequest(model_spec=spec))
    return _as_dict(response)


def _metadata(repository: Repository, spec: Any) -> dict[str, Any]:
    request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    response = grpc_service.metadata(repository, request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return {"model_spec": _as_dict(response.model_spec), "metadata": {"signature_def": _as_dict(signatures)}}


def _as_dict(message: Any) -> dict[str, Any]:
    return dict(MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
