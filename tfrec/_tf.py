"""The one place from which tfrec imports TensorFlow: ``from tfrec._tf import tf, tfrs``.

Checks, before and after the import, that the installed versions belong together and that ``tf.keras`` is Keras 2,
without which TensorFlow Recommenders doesn't work.
"""

import os
from typing import Any, TypeAlias

from tfrec import _versions

_versions.check()
# TensorFlow's start-up notes are left out; its warnings and errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import tensorflow as _tensorflow  # noqa: E402

tf: Any = _tensorflow  # TensorFlow and TFRS carry no type information
# For signatures: a tensor, a variable or what TensorFlow makes one of; shapes and types are in the docstrings.
Tensor: TypeAlias = Any


def _check_keras() -> None:
    """Raise an `ImportError` that says why tf.keras is Keras 3, if it is."""
    if tf.keras.Model.__module__.startswith("tf_keras."):
        return
    setting = os.environ.get("TF_USE_LEGACY_KERAS", "")
    if setting in ("1", "true", "True"):  # what TensorFlow takes for yes
        cause = (
            "tf.keras was used in this process before tfrec was imported. Import tfrec before the first use of "
            "tf.keras, or set TF_USE_LEGACY_KERAS=1 in the environment"
        )
    else:
        cause = f"the environment variable TF_USE_LEGACY_KERAS is {setting!r}. Set it to 1, or unset it"
    raise ImportError(
        f"tfrec needs tf.keras to be Keras 2, and it is Keras 3: {cause}, and start Python again "
        "(in a notebook, restart the runtime)"
    )


_check_keras()

import tensorflow_recommenders as _tensorflow_recommenders  # noqa: E402

tfrs: Any = _tensorflow_recommenders

__all__ = ["Tensor", "tf", "tfrs"]
