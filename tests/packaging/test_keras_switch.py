"""TensorFlow Recommenders needs Keras 2: whatever was imported before tfrec, it works or says in one error why not.

TensorFlow chooses its Keras once in a process, so every case runs in a process of its own.
"""

import pytest

TRAIN = """
import numpy, pandas
from tfrec.data import Interactions
frame = pandas.DataFrame({"user": ["a", "a", "b", "b", "c"], "item": ["x", "y", "y", "z", "x"]})
train = Interactions.from_frame(frame)
"""

FIT_AND_CHECK = f"""
{TRAIN}
from tfrec._tf import tf
model = EASE()
model.fit(train, verbose=0)
assert isinstance(model, tf.keras.Model), type(model).__mro__
assert tf.keras.Model.__module__.startswith("tf_keras."), tf.keras.Model.__module__
"""


def only_error(stderr: str) -> str:
    """The one exception a process ended with: no second one while handling it, no second traceback."""
    assert stderr.count("Traceback (most recent call last)") == 1, stderr
    return stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="first line"),
        pytest.param("import tensorflow as tf", id="after tensorflow"),
    ],
)
def test_tfrec_gets_keras_2(run, before):
    result = run(f"{before}\nfrom tfrec.models import EASE\n{FIT_AND_CHECK}")
    assert result.returncode == 0, result.stderr


def test_tf_keras_touched_before_is_one_clear_error(run):
    result = run("import tensorflow as tf\ntf.keras.layers\nfrom tfrec.models import EASE")
    assert result.returncode == 1
    error = only_error(result.stderr)
    assert error.startswith("ImportError: tfrec needs tf.keras to be Keras 2")
    assert "Import tfrec before the first use of tf.keras" in error
    assert "restart the runtime" in error


@pytest.mark.parametrize("setting", ["yes"])  # TensorFlow takes 1, true and True
def test_switch_set_against_keras_2_is_one_clear_error(run, setting):
    result = run("from tfrec.models import EASE", TF_USE_LEGACY_KERAS=setting)
    assert result.returncode == 1
    error = only_error(result.stderr)
    assert error.startswith("ImportError: tfrec needs tf.keras to be Keras 2")
    assert f"TF_USE_LEGACY_KERAS is '{setting}'" in error


def test_beside_keras_3_it_works_and_a_callback_from_there_is_one_clear_error(run):
    result = run(
        f"""
import keras
from tfrec.models import EASE
{FIT_AND_CHECK}
print("fitted")
EASE().fit(train, callbacks=[keras.callbacks.Callback()], verbose=0)
"""
    )
    assert "fitted" in result.stdout, result.stderr
    assert result.returncode == 1
    error = only_error(result.stderr)
    assert error.startswith("TypeError: ")
    assert "Keras 3" in error
    assert "tf.keras.callbacks" in error
