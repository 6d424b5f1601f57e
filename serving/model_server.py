"""The stand-in model server: TensorFlow Serving's gRPC and REST APIs over SavedModel folders, in this process.

For laptops, notebooks and tests; it serves what `tensorflow_model_server` serves and answers as it answers, so a client
cannot tell. It is neither as fast (no batching of requests) nor as hardened: in production run the real one.

    python -m tfrec.serving.model_server EXPORT_DIR --port 8500 --rest-api-port 8501
"""

import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from tfrec.serving.errors import LoadError
from tfrec.serving.folders import Versions, check_export_dir
from tfrec.serving.options import by_model, parser
from tfrec.serving.ports import GRPC_OPTION, REST_OPTION, bind, check_free
from tfrec.serving.repository import Repository

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger("tfrec.serving")

MOST_REQUEST_BYTES = 64 * 2**20
GRPC_WORKERS = 16


class ModelServer:
    """Serves every model of an export folder, and picks up new models and versions while it runs.

    `start` returns when all that was found is loaded and both ports answer. New version folders are noticed within
    `poll_seconds`; no request fails while one version replaces another. Move a finished version folder into place by
    a rename, as `model.export` does.

    Args:
        export_dir: holds ``<model>/<version>/saved_model.pb``.
        grpc_port: 0 takes any free port.
        rest_port: 0 takes any free port.
        host: the address to listen on; by default this machine only.
        versions: model → which versions to serve: ``"latest"`` (the default), ``"all"`` or a list of numbers.
        labels: model → label → version number.
        poll_seconds: how often the folders are looked at.
        most_request_bytes: larger requests are refused.

    Attributes:
        kind: ``"stand-in"``.
        grpc_port, rest_port: the ports listened on, once started.

    Raises:
        ValueError: if `versions`, `labels` or `poll_seconds` make no sense, or both ports are the same.

    Example:
        >>> with ModelServer("exports", grpc_port=0, rest_port=0) as server:  # doctest: +SKIP
        ...     Client(grpc=server.grpc_address).recommend("ease", ["196"], k=10)
    """

    kind = "stand-in"

    def __init__(
        self,
        export_dir: str | Path,
        *,
        grpc_port: int = 8500,
        rest_port: int = 8501,
        host: str = "127.0.0.1",
        versions: Mapping[str, Versions] | None = None,
        labels: Mapping[str, Mapping[str, int]] | None = None,
        poll_seconds: float = 1.0,
        most_request_bytes: int = MOST_REQUEST_BYTES,
    ) -> None:
        if grpc_port == rest_port != 0:
            raise ValueError(f"gRPC and REST cannot share port {grpc_port}: give grpc_port= and rest_port= two numbers")
        self.grpc_port = grpc_port
        self.rest_port = rest_port
        self._export_dir = Path(export_dir)
        self._host = host
        self._repository = Repository(
            self._export_dir, _load, versions=versions, labels=labels, poll_seconds=poll_seconds
        )
        self._most_request_bytes = most_request_bytes
        self._stop_lock = threading.Lock()
        self._started = False
        self._stopped = threading.Event()
        self._grpc_server: Any = None
        self._rest_server: uvicorn.Server | None = None
        self._rest_thread: threading.Thread | None = None

    @property
    def grpc_address(self) -> str:
        """``host:port`` of the gRPC API."""
        return f"{self._bracketed_host}:{self.grpc_port}"

    @property
    def rest_url(self) -> str:
        """``http://host:port`` of the REST API."""
        return f"http://{self._bracketed_host}:{self.rest_port}"

    @property
    def _bracketed_host(self) -> str:
        return f"[{self._host}]" if ":" in self._host else self._host

    def start(self) -> Self:
        """Load the models, then open the ports.

        Raises:
            FileNotFoundError: if the export folder is missing or holds no model.
            PortInUseError: if a port is taken.
            LoadError: if no model could be loaded.
            RuntimeError: if it was started before.
        """
        if self._started:
            raise RuntimeError("this server was started before; make a new ModelServer")
        check_export_dir(self._export_dir)
        check_free(self._host, self.grpc_port, GRPC_OPTION)
        check_free(self._host, self.rest_port, REST_OPTION)
        self._started = True
        try:
            self._repository.start()
            self._open_ports()
        except BaseException:
            self.stop(grace=0)
            raise
        log.info("serving gRPC at %s and REST at %s", self.grpc_address, self.rest_url)
        return self

    def _open_ports(self) -> None:
        import uvicorn

        from tfrec.serving.grpc_service import build_server
        from tfrec.serving.rest_service import RestApi

        self._grpc_server, self.grpc_port = build_server(
            self._repository,
            self._host,
            self.grpc_port,
            workers=GRPC_WORKERS,
            most_request_bytes=self._most_request_bytes,
        )
        socket = bind(self._host, self.rest_port, REST_OPTION)
        self.rest_port = socket.getsockname()[1]
        config = uvicorn.Config(
            RestApi(self._repository, most_request_bytes=self._most_request_bytes),
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        self._rest_server = uvicorn.Server(config)
        self._rest_thread = threading.Thread(
            target=self._rest_server.run, kwargs={"sockets": [socket]}, name="tfrec-rest", daemon=True
        )
        self._rest_thread.start()
        self._grpc_server.start()
        while not self._rest_server.started:
            if not self._rest_thread.is_alive():
                raise RuntimeError("the REST server ended while starting: see the log")
            time.sleep(0.01)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once requests are answered: at once, because `start` doesn't return sooner.

        Raises:
            RuntimeError: if the server isn't running.
        """
        if not self._started or self._stopped.is_set():
            raise RuntimeError("the model server isn't running")

    def stop(self, grace: float = 10.0) -> None:
        """Stop taking requests, let those under way finish for up to `grace` seconds, and unload the models."""
        with self._stop_lock:
            if not self._started or self._stopped.is_set():
                return
            # Both are told before either is waited for.
            if self._rest_server is not None:
                self._rest_server.config.timeout_graceful_shutdown = math.ceil(grace)
                self._rest_server.should_exit = True
            if self._grpc_server is not None:
                self._grpc_server.stop(grace).wait()
            if self._rest_thread is not None:
                self._rest_thread.join()
            self._repository.stop()
            self._stopped.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the server is stopped, or for `timeout` seconds; whether it is stopped."""
        return self._stopped.wait(timeout)

    def __enter__(self) -> Self:
        return self if self._started else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _load(name: str, version: int, path: Path) -> Any:
    # Only here, so that a wrong folder or a taken port is reported before TensorFlow's seconds-long import.
    from tfrec.serving.servable import load

    return load(name, version, path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve an export folder until SIGINT or SIGTERM; the exit status."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        server = ModelServer(
            options.export_dir,
            grpc_port=options.port,
            rest_port=options.rest_api_port,
            host=options.host,
            versions=dict(options.versions),
            labels=by_model(options.label),
            poll_seconds=options.poll_seconds,
        )
        with _signals() as stop, server:
            stop.wait()
    except (OSError, ValueError, LoadError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one interrupts whatever is going on."""
    event = threading.Event()

    def handle(number: int, _: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        log.info("stopping: letting the requests under way finish; once more, to stop at once")
        event.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
