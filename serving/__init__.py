"""Serving exported models: the stand-in model server, a launcher, and a client.

Names are imported on first use, so that ``import tfrec.serving`` is light: TensorFlow comes with what needs it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec.serving import launch
    from tfrec.serving.client import Client, Recommendation
    from tfrec.serving.errors import LoadError, PortInUseError, ServerStartError, ServingError
    from tfrec.serving.model_server import ModelServer

__all__ = [
    "Client",
    "LoadError",
    "ModelServer",
    "PortInUseError",
    "Recommendation",
    "ServerStartError",
    "ServingError",
    "launch",
]

_MODULES = ("launch",)
_CLASSES = {
    "Client": "client",
    "LoadError": "errors",
    "ModelServer": "model_server",
    "PortInUseError": "errors",
    "Recommendation": "client",
    "ServerStartError": "errors",
    "ServingError": "errors",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"tfrec.serving.{name}")
    if name in _CLASSES:
        return getattr(importlib.import_module(f"tfrec.serving.{_CLASSES[name]}"), name)
    raise AttributeError(f"module 'tfrec.serving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
