"""What is learned from an item that a user had beside some that they are not known to like: losses by row.

In all of them s⁺ is the score of the positive, s⁻ that of a negative.
"""

from typing import Any

from tfrec._tf import Tensor, tf

_LOGITS = 2**20  # of a part of a full softmax: 4 MiB, which a core has in its cache


def bayesian_personalised_ranking(positive: Tensor, negatives: Tensor, is_drawn: Tensor) -> Tensor:
    """-log σ(s⁺ - s⁻), the mean over a row's negatives (Rendle et al. 2009, BPR, eq. 4, without the penalty).

    Args:
        positive: float32 [...].
        negatives: float32 [..., n].
        is_drawn: bool [..., n], which of the negatives are there; the loss of a row without any is 0.

    Returns:
        float32 [...].
    """
    counts = tf.cast(is_drawn, positive.dtype)
    losses = counts * tf.nn.softplus(negatives - positive[..., tf.newaxis])
    return tf.math.divide_no_nan(tf.reduce_sum(losses, axis=-1), tf.reduce_sum(counts, axis=-1))


def binary_cross_entropy(
    positive: Tensor, negatives: Tensor, is_drawn: Tensor, positive_power: float | Tensor = 1.0
) -> Tensor:
    """-β log σ(s⁺) - Σ log(1 - σ(s⁻)) over a row's negatives (He et al. 2017, NCF, eq. 7).

    Args:
        positive: float32 [...], logits.
        negatives: float32 [..., n], logits.
        is_drawn: bool [..., n], which of the negatives are there.
        positive_power: β, 1 but for gBCE; see `calibration_power`.

    Returns:
        float32 [...].
    """
    of_negatives = tf.reduce_sum(tf.cast(is_drawn, positive.dtype) * tf.nn.softplus(negatives), axis=-1)
    return positive_power * tf.nn.softplus(-positive) + of_negatives


def calibration_power(sampling_rate: float, calibration: float) -> float:
    """β of gBCE, which calibrates scores learned from few negatives (Petrov & Macdonald 2023, gSASRec, eq. 13).

    Args:
        sampling_rate: α, the number of negatives of a positive divided by the number of items that could be one.
        calibration: t, from 0 (β = 1: plain binary cross-entropy) to 1 (β = α: probabilities as of all negatives).

    Returns:
        β = α (t (1 - 1/α) + 1/α).
    """
    return sampling_rate * (calibration * (1.0 - 1.0 / sampling_rate) + 1.0 / sampling_rate)


def sampled_softmax(positive: Tensor, negatives: Tensor, is_drawn: Tensor) -> Tensor:
    """-log of the positive's share in a softmax over itself and the row's negatives.

    For negatives drawn from another distribution than the uniform one take the logarithm of their probability from
    their scores first (Bengio & Senécal 2008), and that of the positive from its own.

    Args:
        positive: float32 [...], logits.
        negatives: float32 [..., n], logits.
        is_drawn: bool [..., n], which of the negatives are there; the loss of a row without any is 0.

    Returns:
        float32 [...].
    """
    masked = tf.where(is_drawn, negatives, tf.constant(float("-inf"), negatives.dtype))
    logits = tf.concat([positive[..., tf.newaxis], masked], axis=-1)
    return tf.reduce_logsumexp(logits, axis=-1) - positive


def cross_entropy_over_products(
    queries: Tensor, candidates: Tensor, targets: Tensor, weights: Tensor, dtype: Any = "float32"
) -> Tensor:
    """Σ w · -log softmax(q · cᵀ)[target]: the full cross-entropy of inner products with all candidates.

    The logits are computed by parts, and with them their gradient, while they are in the processor's cache: this takes
    half the time of a product and a softmax over all of it, and the memory of one part.

    Args:
        queries: float32 [n, d].
        candidates: float32 [n_candidates, d].
        targets: int32 [n], rows of `candidates`.
        weights: float32 [n]; constant, without a gradient.
        dtype: to which the factors of products are rounded: "float32" or "bfloat16".

    Returns:
        float32 [], the weighted sum.
    """
    of_targets = tf.reduce_sum(queries * tf.gather(candidates, targets), axis=1)
    return _sum_of_logsumexp(queries, candidates, weights, dtype) - tf.reduce_sum(weights * of_targets)


def _sum_of_logsumexp(queries: Tensor, candidates: Tensor, weights: Tensor, dtype: Any) -> Tensor:
    """Σ w · log Σ exp(q · cᵀ), whose gradient is there already when the sum is."""
    rows = max(_LOGITS // candidates.shape[0], 16)
    factors = tf.cast(candidates, dtype)
    # A replica may get none of a batch; it has one part, of no rows, because no parts can't be put together.
    end = tf.maximum(tf.shape(queries)[0], 1)

    def part(start: Tensor, total: Tensor, of_queries: Tensor, of_candidates: Tensor) -> tuple:
        chosen, weight = tf.cast(queries[start : start + rows], dtype), weights[start : start + rows, tf.newaxis]
        logits = tf.cast(tf.matmul(chosen, factors, transpose_b=True), tf.float32)
        highest = tf.reduce_max(logits, axis=1, keepdims=True)
        exponentials = tf.exp(logits - highest)
        sums = tf.reduce_sum(exponentials, axis=1, keepdims=True)
        total += tf.reduce_sum(weight * (highest + tf.math.log(sums)))
        exponentials, scale = tf.cast(exponentials, dtype), weight / sums
        of_queries = of_queries.write(start // rows, scale * tf.cast(tf.matmul(exponentials, factors), tf.float32))
        scaled = tf.cast(scale, dtype) * chosen
        of_candidates += tf.cast(tf.matmul(exponentials, scaled, transpose_a=True), tf.float32)
        return start + rows, total, of_queries, of_candidates

    @tf.custom_gradient
    def summed(queries: Tensor, candidates: Tensor) -> tuple[Tensor, Any]:
        parts = tf.TensorArray(
            tf.float32, size=-(-end // rows), infer_shape=False, element_shape=[None, queries.shape[1]]
        )
        start = (tf.constant(0), tf.constant(0.0), parts, tf.zeros_like(candidates))
        _, total, of_queries, of_candidates = tf.while_loop(lambda at, *_: at < end, part, start, parallel_iterations=1)
        of_queries = of_queries.concat()
        return total, lambda upstream: (upstream * of_queries, upstream * of_candidates)

    return summed(queries, candidates)
