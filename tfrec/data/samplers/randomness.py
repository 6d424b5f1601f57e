"""Random numbers as functions of their keys: TensorFlow's Philox generator, named explicitly, on every device.

The operations are those of `tf.random.stateless_uniform`, called with key and counter. (With ``alg="philox"`` that
function scrambles each of its seeds by thirty operations; here the generator makes the keys itself.)
"""

from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf

_PHILOX = tf.random.Algorithm.PHILOX.value


def random_keys(seed: Any, epoch: Any, step: Any, count: int) -> list[Tensor]:
    """`count` independent keys for the functions below, each uint64 [1], from Python integers or int64 scalars."""
    of_epoch = _words(1, tf.expand_dims(_uint64(seed), 0), epoch)
    return tf.split(_words(count, of_epoch, step), count)


def _words(count: int, key: Tensor, number: Any) -> Tensor:
    """Random uint64 [count]; numbers up to 2⁶⁴ give independent ones."""
    counter = tf.stack([tf.zeros([], tf.uint64), _uint64(number)])  # drawing counts in the first word
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[count], key=key, counter=counter, alg=_PHILOX, dtype=tf.uint64
    )


def _uint64(value: Any) -> Tensor:
    if isinstance(value, (int, np.integer)):
        return tf.constant(int(value) % 2**64, tf.uint64)
    return tf.bitcast(tf.cast(value, tf.int64), tf.uint64)


def _start() -> Tensor:
    return tf.zeros([2], tf.uint64)


def child_seed(key: Tensor) -> Tensor:
    """A key as the seed of another sampler: int64 []."""
    return tf.squeeze(tf.bitcast(key, tf.int64), 0)


def random_bits(shape: Any, key: Tensor) -> Tensor:
    """All 64 bits random: int64."""
    return tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=shape, key=key, counter=_start(), alg=_PHILOX, dtype=tf.int64
    )


def random_fractions(shape: Any, key: Tensor) -> Tensor:
    """Uniform multiples of 2⁻⁵² in 0 … 1 - 2⁻⁵², float64."""
    return tf.raw_ops.StatelessRandomUniformV2(shape=shape, key=key, counter=_start(), alg=_PHILOX, dtype=tf.float64)


def random_integers(shape: Any, limit: Any, key: Tensor) -> Tensor:
    """Uniform in 0 … limit - 1, int32; a number is off by at most limit / 2³² of its probability."""
    return tf.raw_ops.StatelessRandomUniformIntV2(
        shape=shape, key=key, counter=_start(), alg=_PHILOX, minval=0, maxval=limit
    )


def random_below(limits: Tensor, key: Tensor) -> Tensor:
    """Uniform in 0 … limit - 1 for each of some limits below 2⁵², int64; zero for a limit of zero."""
    # A fraction is at most 1 - 2⁻⁵², so that the product doesn't round up to the limit.
    return tf.cast(random_fractions(tf.shape(limits), key) * tf.cast(limits, tf.float64), tf.int64)
