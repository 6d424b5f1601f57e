"""The one place from which tfrec imports TensorFlow: ``from tfrec._tf import tf, tfrs``.

Checks, before and after the import, that the installed versions belong together and that ``tf.keras`` is Keras 2,
without which TensorFlow Recommenders doesn't work.
"""

import os
from typing import Any

from tfrec import _versions

_versions.check()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes; its warnings and errors still show

import tensorflow as _tensorflow  # noqa: E402

tf: Any = _tensorflow


def _check_keras() -> None:
    if tf.keras.Model.__module__.startswith("tf_keras."):
        return
    setting = os.environ.get("TF_USE_LEGACY_KERAS", "")
    if setting.lower() not in ("1", "true"):
        cause = f"the environment variable TF_USE_LEGACY_KERAS is {setting!r}: set it to 1, or unset it, and start again"
    else:
        cause = (
            "tf.keras was used in this process before tfrec was imported: import tfrec before the first use of tf.keras, "
            "or set TF_USE_LEGACY_KERAS=1 in the environment, and start again (in a notebook: restart the runtime)"
        )
    raise ImportError(f"tfrec needs tf.keras to be Keras 2, and it is Keras 3: {cause}")


_check_keras()

import tensorflow_recommenders as _tensorflow_recommenders  # noqa: E402

tfrs: Any = _tensorflow_recommenders

__all__ = ["tf", "tfrs"]
