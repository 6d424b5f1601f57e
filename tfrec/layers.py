"""The parts of a transformer, as functions of tensors and of their weights.

Tokens stand one below the other, [batch · length, d], so that every product with a weight is one of two matrices;
attention alone looks at them by sequence.
"""

import math
from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.data.samplers.randomness import random_bits

_EPSILON = 1e-6  # of the variance in layer normalisation
_NEVER = -1e9  # finite: minus infinity less minus infinity is NaN; its exponential is 0 all the same


def product(left: Tensor, right: Tensor, dtype: Any = "float32", *, transpose_b: bool = False) -> Tensor:
    """A product of matrices, or of two stacks of them, whose factors are rounded to `dtype` first.

    Args:
        left: float32 [..., n, k].
        right: float32 [..., k, m]; with `transpose_b` [..., m, k].
        dtype: "bfloat16" pays where the processor has instructions for it, which add up in single precision.
        transpose_b: whether `right` is transposed.

    Returns:
        float32 [..., n, m].
    """
    return tf.cast(tf.matmul(tf.cast(left, dtype), tf.cast(right, dtype), transpose_b=transpose_b), tf.float32)


def layer_norm(tokens: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """Layer normalisation over the last axis (Ba, Kiros & Hinton 2016): [..., d], [d], [d] → [..., d]."""
    centred = tokens - tf.reduce_mean(tokens, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + _EPSILON) * scale + offset


def dropout(tokens: Tensor, rate: float, key: Tensor) -> Tensor:
    """Dropout (Srivastava et al. 2014) by a mask that is a function of the key.

    A random byte decides about each element: a quarter of the random numbers that `tf.nn.dropout` takes, and the rate
    is rounded to a multiple of 1/256.

    Args:
        tokens: float32 of any shape.
        rate: the share of elements that become 0, from 0 to below 1.
        key: uint64 [1], of `tfrec.data.samplers.randomness.random_keys`; None leaves everything as it is.
    """
    dropped = min(round(256 * rate), 255)
    if key is None or dropped == 0:
        return tokens
    shape = tf.shape(tokens)
    size = tf.reduce_prod(shape)
    random = tf.reshape(tf.bitcast(random_bits([(size + 7) // 8], key), tf.uint8), [-1])[:size]
    kept = tf.cast(tf.reshape(random, shape) >= dropped, tokens.dtype)
    return tokens * (kept * (256 / (256 - dropped)))


def causal_attention(
    queries: Tensor, keys: Tensor, values: Tensor, *, n_heads: int = 1, dtype: Any = "float32"
) -> Tensor:
    """Scaled dot-product attention of each token to itself and to those before it (Vaswani et al. 2017, eq. 1).

    What comes later has no weight at all; so padding needs no mask, if it stands behind the tokens.

    Args:
        queries: float32 [batch, length, d].
        keys: likewise.
        values: likewise.
        n_heads: a divisor of d; the heads stand side by side in the last axis.
        dtype: of the factors of the products; see `product`.

    Returns:
        float32 [batch, length, d].
    """
    batch, length, width = tf.shape(queries)[0], tf.shape(queries)[1], queries.shape[2]

    def by_head(tokens: Tensor) -> Tensor:
        return tf.transpose(tf.reshape(tokens, [batch, length, n_heads, width // n_heads]), [0, 2, 1, 3])

    place = tf.range(length)
    is_later = place[tf.newaxis, :] > place[:, tf.newaxis]
    scores = product(by_head(queries / math.sqrt(width / n_heads)), by_head(keys), dtype, transpose_b=True)
    attended = product(tf.nn.softmax(scores + tf.where(is_later, _NEVER, 0.0)), by_head(values), dtype)
    return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, length, width])
