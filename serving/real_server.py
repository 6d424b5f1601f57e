"""A `tensorflow_model_server` process, started and stopped like the stand-in."""

import atexit
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from tfrec.serving.errors import ServerStartError
from tfrec.serving.folders import Versions, check_export_dir, check_labels, check_policies, find_models
from tfrec.serving.ports import GRPC_OPTION, REST_OPTION, check_free, free_port

BINARY = "tensorflow_model_server"
_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  (where the real server listens: it has no option for it)
_LOG_LINES = 12


class TensorFlowModelServer:
    """One `tensorflow_model_server` over all the models of an export folder.

    Its configuration and log live in a temporary folder for as long as it runs. It has a process group of its own, so
    that Ctrl-C in a terminal reaches only its owner, who stops it in order; it is also stopped when Python exits.

    Args:
        binary: path of the program.
        export_dir: holds ``<model>/<version>/saved_model.pb``.
        grpc_port: 0 takes any free port.
        rest_port: 0 takes any free port.
        versions: model → which versions to serve: ``"latest"`` (the default), ``"all"`` or a list of numbers.
        labels: model → label → version number.

    Attributes:
        kind: ``"tensorflow_model_server"``.
        grpc_port, rest_port: the ports it listens on, once started.
    """

    kind = BINARY

    def __init__(
        self,
        binary: str,
        export_dir: str | Path,
        *,
        grpc_port: int = 8500,
        rest_port: int = 8501,
        versions: Mapping[str, Versions] | None = None,
        labels: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        check_policies(versions or {})
        check_labels(labels or {})
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self._binary = binary
        self._export_dir = Path(export_dir).resolve()
        self._versions = versions or {}
        self._labels = labels or {}
        self._models: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_lock = threading.Lock()

    @property
    def grpc_address(self) -> str:
        """``host:port`` of the gRPC API."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        """``http://host:port`` of the REST API."""
        return f"http://127.0.0.1:{self.rest_port}"

    def start(self) -> Self:
        """Start the process; `wait_ready` tells when it answers.

        Raises:
            FileNotFoundError: if the export folder is missing or holds no model.
            PortInUseError: if a port is taken.
            RuntimeError: if it was started before.
        """
        if self._process is not None:
            raise RuntimeError("this server was started before; make a new TensorFlowModelServer")
        check_export_dir(self._export_dir)
        self.grpc_port = _checked_port(self.grpc_port, GRPC_OPTION)
        self.rest_port = _checked_port(self.rest_port, REST_OPTION)
        self._models = sorted(find_models(self._export_dir))
        self._folder = tempfile.TemporaryDirectory(prefix="tfrec-serving-")
        config = Path(self._folder.name, "models.config")
        config.write_text(model_config(self._export_dir, self._models, self._versions, self._labels), encoding="utf-8")
        command = [
            self._binary,
            f"--port={self.grpc_port}",
            f"--rest_api_port={self.rest_port}",
            f"--model_config_file={config}",
            "--file_system_poll_wait_seconds=1",
            # Without it no label can be set at the start, when nothing is available yet.
            "--allow_version_labels_for_unavailable_models=true",
        ]
        with open(self._log_path, "wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(self.stop)
        return self

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once every model has a version that answers.

        Raises:
            ServerStartError: if the process ends, or a model is not available within `timeout` seconds; with the last
                lines of its log.
        """
        deadline = time.monotonic() + timeout
        waiting = list(self._models)
        while waiting:
            if self._process is None or self._process.poll() is not None:
                raise ServerStartError(f"{BINARY} is not running{self._last_words()}")
            waiting = [model for model in waiting if not self._available(model)]
            if waiting and time.monotonic() > deadline:
                raise ServerStartError(f"{', '.join(waiting)} not available after {timeout:g} s{self._last_words()}")
            if waiting:
                time.sleep(0.1)

    def stop(self, grace: float = 10.0) -> None:
        """Ask the process to end, end it after `grace` seconds, and remove its files."""
        with self._stop_lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(grace)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None
            atexit.unregister(self.stop)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the process has ended, or for `timeout` seconds; whether it has."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log_path(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, "server.log")

    def _last_words(self) -> str:
        if self._folder is None:
            return ""
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return ("; the end of its log:\n" + "\n".join(lines)) if lines else "; it wrote no log"

    def _available(self, model: str) -> bool:
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no business between this machine and itself
            try:
                response = session.get(f"{self.rest_url}/v1/models/{quote(model, safe='')}", timeout=2)
                states: Any = response.json().get("model_version_status", [])
            except (requests.RequestException, json.JSONDecodeError):
                return False
        return any(state["state"] == "AVAILABLE" for state in states)


def model_config(
    export_dir: Path, models: list[str], versions: Mapping[str, Versions], labels: Mapping[str, Mapping[str, int]]
) -> str:
    """The `ModelServerConfig` of an export folder, in protocol-buffer text format."""
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    for model in models:
        entry = config.model_config_list.config.add(
            name=model, base_path=str(export_dir / model), model_platform="tensorflow"
        )
        policy = versions.get(model, "latest")
        if policy == "all":
            entry.model_version_policy.all.SetInParent()
        elif not isinstance(policy, str):
            entry.model_version_policy.specific.versions.extend(sorted(policy))
        entry.version_labels.update(labels.get(model, {}))
    return str(text_format.MessageToString(config))


def _checked_port(port: int, option: str) -> int:
    if port == 0:
        return free_port()
    check_free(_ALL_ADDRESSES, port, option)
    return port
