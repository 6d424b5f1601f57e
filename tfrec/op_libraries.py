"""Ops that are not TensorFlow's own: a SavedModel that holds them loads where the package behind them is imported."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class _Library:
    """The module whose import registers the ops, and how to get it."""

    module: str
    how_to_get: str


_LIBRARIES = {
    "scann": _Library(
        "scann.scann_ops.py.scann_ops",
        "pip install 'scann>=1.4.1,<1.4.3' (Linux on x86-64 only). A stock tensorflow_model_server cannot load ScaNN's "
        "ops: for that one export with exact or faiss retrieval instead",
    ),
}


def load(names: Iterable[str]) -> None:
    """Import the packages that register ops.

    Args:
        names: the packages, as the `required_ops` of an export's `tfrec.json` lists them; () for TensorFlow's own ops.

    Raises:
        ImportError: one is missing, doesn't fit the installed TensorFlow, or is unknown; the message says what to do.
    """
    for name in names:
        if name not in _LIBRARIES:
            raise ImportError(
                f"this needs the TensorFlow ops of {name!r}, which this tfrec doesn't know (only those of "
                f"{', '.join(_LIBRARIES)}): import the package that registers them first, or use the tfrec that "
                "wrote the export"
            )
        _import(name, _LIBRARIES[name])


def _import(name: str, library: _Library) -> None:
    try:
        importlib.import_module(library.module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise  # it is there, and something that it imports is not
        raise ImportError(
            f"this needs the TensorFlow ops of {name}, which is not installed: {library.how_to_get}"
        ) from error
    except Exception as error:  # a library built for another TensorFlow is refused with TensorFlow's own errors
        raise ImportError(
            f"this needs the TensorFlow ops of {name}, which cannot be loaded ({_first_line(error)}); it is made "
            f"for one version of TensorFlow: {library.how_to_get}"
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
