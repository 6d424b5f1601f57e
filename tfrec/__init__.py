"""tfrec: recommender models for people who live in TensorFlow.

Every model is a Keras ``tfrs.Model``: it trains with ``model.fit``, and leaves as a SavedModel that an unmodified
TensorFlow Serving serves. ``import tfrec`` is light: what is in it is imported on first use, and TensorFlow with it.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

# TensorFlow Recommenders needs Keras 2, and TensorFlow decides between 2 and 3 when tf.keras is first touched: the
# switch is set here because this file runs first whichever module of tfrec is imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from tfrec._version import __version__

if TYPE_CHECKING:
    from tfrec import callbacks, data, evaluation, metrics, models, optimizers, retrieval, serving
    from tfrec.evaluation import compare, cross_validate, evaluate
    from tfrec.saving import load

__all__ = [
    "__version__",
    "callbacks",
    "compare",
    "cross_validate",
    "data",
    "evaluate",
    "evaluation",
    "load",
    "metrics",
    "models",
    "optimizers",
    "retrieval",
    "serving",
]

_MODULES = frozenset({"callbacks", "data", "evaluation", "metrics", "models", "optimizers", "retrieval", "serving"})
_FUNCTIONS = {
    "compare": "tfrec.evaluation",
    "cross_validate": "tfrec.evaluation",
    "evaluate": "tfrec.evaluation",
    "load": "tfrec.saving",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"tfrec.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'tfrec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
