"""What can go wrong between a caller and a served model, and the code each case is answered with."""

import errno

import grpc


class StatusError(Exception):
    """An error that a request is answered with: a gRPC status code and a sentence for the caller.

    Attributes:
        code: `grpc.StatusCode`; the REST service answers with the HTTP status that TensorFlow Serving pairs it with.
        message: what went wrong; never a traceback or a path.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidArgumentError(StatusError):
    """The request itself is at fault."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, message)


class NotFoundError(StatusError):
    """No such model, or no such version of it, is being served."""

    def __init__(self, message: str) -> None:
        super().__init__(grpc.StatusCode.NOT_FOUND, message)


class LoadError(RuntimeError):
    """A version folder could not be loaded, or a server started without a single model that can be served."""


class PortInUseError(OSError):
    """The port a server was asked to listen on is taken; `option` is how another one is chosen."""

    def __init__(self, port: int, option: str) -> None:
        super().__init__(f"port {port} is in use: choose another with {option}")
        self.errno = errno.EADDRINUSE


class ServerStartError(RuntimeError):
    """A `tensorflow_model_server` process ended, or did not become ready in time."""


class ServingError(RuntimeError):
    """A request to a model server failed.

    Attributes:
        code: the name of the gRPC status: ``"NOT_FOUND"``, ``"INVALID_ARGUMENT"``, ``"UNAVAILABLE"``,
            ``"DEADLINE_EXCEEDED"``, ... (of a REST answer, the one its HTTP status stands for).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
