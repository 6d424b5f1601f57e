"""The client's REST side: needs neither TensorFlow nor gRPC."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
import requests

from tfrec.serving.client_types import ModelMetadata, ModelSpec, SignatureInfo, TensorInfo, VersionState, as_input
from tfrec.serving.errors import ServingError

_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_DTYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}


class RestTransport:
    """Talks to the REST API at ``http://host:port``."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a model server is a neighbour: no proxies, no .netrc
        self._known: dict[tuple[ModelSpec, str], dict[str, TensorInfo]] = {}

    def predict(self, spec: ModelSpec, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run a signature."""
        columns = {name: _to_json(as_input(name, value)) for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": columns}
        outputs = self._request("POST", f"{_path(spec)}:predict", body)["outputs"]
        known = self._outputs(spec, signature)
        if not _fits(outputs, known):  # another version answers by now
            known = self._outputs(spec, signature, again=True)
        if not _fits(outputs, known):
            raise ServingError("ABORTED", f"model {spec.name} changed during the request: try again")
        if len(known) == 1:
            outputs = {next(iter(known)): outputs}
        return {name: _to_array(value, known[name].dtype) for name, value in outputs.items()}

    def metadata(self, spec: ModelSpec) -> ModelMetadata:
        """The signatures of a model."""
        document = self._request("GET", f"{_path(spec)}/metadata")
        signatures = document["metadata"]["signature_def"]["signature_def"]
        return ModelMetadata(
            document["model_spec"]["name"],
            int(document["model_spec"]["version"]),
            {
                name: SignatureInfo(_infos(definition["inputs"]), _infos(definition["outputs"]))
                for name, definition in sorted(signatures.items())
                if not name.startswith("__")
            },
        )

    def status(self, spec: ModelSpec) -> list[VersionState]:
        """The state of every version."""
        return [
            VersionState(int(entry["version"]), entry["state"], entry["status"]["error_message"])
            for entry in self._request("GET", _path(spec))["model_version_status"]
        ]

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _outputs(self, spec: ModelSpec, signature: str, again: bool = False) -> dict[str, TensorInfo]:
        """A signature's outputs: JSON says neither their types nor, of a single one, its name."""
        key = (spec, signature)
        if again or key not in self._known:
            known = self.metadata(spec).signatures.get(signature)
            self._known[key] = known.outputs if known is not None else {}
        return self._known[key]

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode("utf-8")
        try:
            response = self._session.request(method, self._url + path, data=data, timeout=self._timeout)
            document = response.json()
        except requests.Timeout:
            raise ServingError(
                "DEADLINE_EXCEEDED", f"the model server at {self._url} gave no answer within {self._timeout:g} s"
            ) from None
        except requests.JSONDecodeError:
            raise ServingError("UNKNOWN", f"{self._url} answered, but not as a model server does: no JSON") from None
        except requests.RequestException as error:
            reason = type(error).__name__
            raise ServingError(
                "UNAVAILABLE", f"no model server answers at {self._url} ({reason}): is it running?"
            ) from None
        if not response.ok:
            message = document.get("error", "no reason given") if isinstance(document, dict) else str(document)
            raise ServingError(_CODES.get(response.status_code, "INTERNAL"), str(message))
        return document


def _path(spec: ModelSpec) -> str:
    path = f"/v1/models/{quote(spec.name, safe='')}"
    if spec.version is not None:
        return f"{path}/versions/{spec.version}"
    return path if spec.label is None else f"{path}/labels/{quote(spec.label, safe='')}"


def _to_json(array: np.ndarray) -> Any:
    if array.dtype.kind not in "SO":
        return array.tolist()
    nested = np.empty(array.shape, dtype=object)
    nested.reshape(-1)[:] = [
        {"b64": base64.b64encode(item).decode("ascii")} if isinstance(item, bytes) else item for item in array.flat
    ]
    return nested.tolist()


def _fits(outputs: Any, known: Mapping[str, TensorInfo]) -> bool:
    """Whether an answer has the form that a signature's outputs take: an object of them, or the only one itself."""
    if len(known) == 1:
        return not isinstance(outputs, dict) or outputs.keys() == {"b64"}
    return isinstance(outputs, dict) and outputs.keys() == known.keys()


def _to_array(value: Any, dtype: str) -> np.ndarray:
    if dtype != "string":
        return np.asarray(value, dtype=dtype)
    array = np.array(value, dtype=object)
    for index, item in np.ndenumerate(array):
        if isinstance(item, dict):
            array[index] = base64.b64decode(item["b64"])
    return array


def _infos(infos: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {name: _info(info) for name, info in sorted(infos.items())}


def _info(info: Any) -> TensorInfo:
    dtype = _DTYPES.get(info["dtype"], info["dtype"].removeprefix("DT_").lower())
    shape = info["tensor_shape"]
    if shape.get("unknown_rank"):
        return TensorInfo(dtype, None)
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    return TensorInfo(dtype, tuple(None if size < 0 else size for size in sizes))
