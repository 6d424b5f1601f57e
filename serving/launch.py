"""Start a model server: the real `tensorflow_model_server` where it is installed, else the stand-in.

with launch.start("exports", grpc_port=0, rest_port=0) as server:
    server.wait_ready()
    Client(grpc=server.grpc_address).recommend("ease", ["196"])
"""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from tfrec.serving.folders import Versions
from tfrec.serving.model_server import ModelServer
from tfrec.serving.real_server import BINARY, TensorFlowModelServer

log = logging.getLogger("tfrec.serving")


@runtime_checkable
class Server(Protocol):
    """A model server that was started here, of either kind.

    Attributes:
        kind: ``"tensorflow_model_server"`` or ``"stand-in"``.
        grpc_port, rest_port: the ports it listens on.
    """

    kind: str
    grpc_port: int
    rest_port: int

    @property
    def grpc_address(self) -> str:
        """``host:port`` of the gRPC API."""

    @property
    def rest_url(self) -> str:
        """``http://host:port`` of the REST API."""

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once every model answers; raise if that is not so within `timeout` seconds."""

    def stop(self, grace: float = 10.0) -> None:
        """Let requests under way finish for up to `grace` seconds, then stop; nothing is left behind."""

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has stopped, or for `timeout` seconds; whether it has."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def start(
    export_dir: str | Path,
    *,
    grpc_port: int = 8500,
    rest_port: int = 8501,
    host: str = "127.0.0.1",
    versions: Mapping[str, Versions] | None = None,
    labels: Mapping[str, Mapping[str, int]] | None = None,
    kind: Literal["auto", "tensorflow_model_server", "stand-in"] = "auto",
) -> Server:
    """Start serving every model of an export folder.

    Both kinds pick up new versions while they run. New models are picked up by the stand-in only: the real server is
    given the list of models at its start.

    Args:
        export_dir: holds ``<model>/<version>/saved_model.pb``.
        grpc_port: 0 takes any free port.
        rest_port: 0 takes any free port.
        host: the address the stand-in listens on. The real server has no such option: it listens on all addresses.
        versions: model → which versions to serve: ``"latest"`` (the default), ``"all"`` or a list of numbers.
        labels: model → label → version number.
        kind: ``"auto"`` takes `tensorflow_model_server` if it is on the PATH, else the stand-in.

    Returns:
        The running server; `wait_ready` tells when it answers. Stop it, or use it in a ``with`` block.

    Raises:
        FileNotFoundError: if the export folder is missing or holds no model, or the real server was asked for and isn't
            on the PATH.
        PortInUseError: if a port is taken.
        LoadError: if the stand-in could load no model.
        ValueError: if an argument is none of the above.
    """
    if kind not in ("auto", "tensorflow_model_server", "stand-in"):
        raise ValueError(f"kind must be 'auto', 'tensorflow_model_server' or 'stand-in', and {kind!r} came")
    binary = shutil.which(BINARY) if kind != "stand-in" else None
    if binary is None and kind == "tensorflow_model_server":
        raise FileNotFoundError(f"{BINARY} is not on the PATH: install TensorFlow Serving, or use the stand-in")
    if binary is None:
        server = ModelServer(
            export_dir, grpc_port=grpc_port, rest_port=rest_port, host=host, versions=versions, labels=labels
        )
        return server.start()
    return TensorFlowModelServer(
        binary, export_dir, grpc_port=grpc_port, rest_port=rest_port, versions=versions, labels=labels
    ).start()
