"""What is learned from an item that a user had beside some that they are not known to like: losses by row.

In all of them s⁺ is the score of the positive, s⁻ that of a negative.
"""

from tfrec._tf import Tensor, tf


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
