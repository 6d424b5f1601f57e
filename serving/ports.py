"""Binding TCP ports, with errors that say which port and what to do."""

import errno
import os
import socket

from tfrec.serving.errors import PortInUseError

GRPC_OPTION = "--port (grpc_port=)"
REST_OPTION = "--rest-api-port (rest_port=)"


def bind(host: str, port: int, option: str) -> socket.socket:
    """A socket bound to `host` and `port` (0: any free one), not listening yet.

    Args:
        host: a name or an address.
        port: 0 to 65535.
        option: how another port is chosen, for the error.

    Raises:
        PortInUseError: if the port is taken.
        OSError: if it cannot be bound for another reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named in full: asyncio switches off the sending delay (40 ms an answer) only of sockets that say they are TCP.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free again at once
    try:
        bound.bind((host, port))
        # Two sockets may share an address until one of them listens: only this tells for sure.
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise _explain(error, host, port, option) from error
    except OverflowError as error:
        bound.close()
        raise ValueError(
            f"a port is a number from 0 to 65535, and {port} came; choose another with {option}"
        ) from error
    return bound


def check_free(host: str, port: int, option: str) -> None:
    """Raise what `bind` would raise; so that a taken port is reported before a model is loaded for nothing."""
    bind(host, port, option).close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago, for a program that cannot be told to choose one itself."""
    with bind(host, 0, "port") as probe:
        return int(probe.getsockname()[1])


def bind_error(host: str, port: int, option: str) -> OSError:
    """Why a bind failed in a library that doesn't say."""
    try:
        check_free(host, port, option)
    except OSError as error:
        return error
    return OSError(f"cannot listen on {host}:{port}; choose another port with {option}")


def _explain(error: OSError, host: str, port: int, option: str) -> OSError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(port, option)
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return OSError(f"cannot listen on {host}:{port}: {reason}; choose another with {option}")
