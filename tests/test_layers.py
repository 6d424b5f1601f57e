"""The parts of a transformer."""

import numpy as np
import pytest

from tfrec import layers
from tfrec._tf import tf
from tfrec.data.samplers.randomness import random_keys


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout(rate):
    keys = random_keys(0, 1, 2, 2)
    ones = tf.ones([301, 67])
    dropped, same, other = (layers.dropout(ones, rate, key).numpy() for key in (keys[0], keys[0], keys[1]))
    np.testing.assert_array_equal(dropped, same)
    assert np.mean(dropped == 0) == pytest.approx(rate, abs=0.02)
    assert np.mean((dropped == 0) & (other == 0)) == pytest.approx(rate**2, abs=0.02)
    assert len(np.unique(dropped)) == 2
    assert dropped.mean() == pytest.approx(1, abs=0.06)
    assert layers.dropout(ones, rate, None) is ones
    assert layers.dropout(ones, 0.0, keys[0]) is ones


def test_bfloat16_products_round_their_factors():
    left, right = tf.constant([[1.001, 3.0]]), tf.constant([[1.0], [1.0]])
    assert float(layers.product(left, right, "bfloat16")[0, 0]) == 4.0
    assert float(layers.product(left, right)[0, 0]) == pytest.approx(4.001)
