"""The probability of an item among those that a user has not had."""

import numpy as np
import numpy.typing as npt

from tfrec._tf import Tensor, tf
from tfrec.data.samplers.base import batch_indices
from tfrec.data.samplers.positives import KnownPositives


def weight_left(positives: KnownPositives, weights: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The sum of the weights of the items that are no positives of each user: int64 [n_users]."""
    # The running sum over all users may overflow; the differences are right all the same, modulo 2⁶⁴.
    sums = np.append(0, np.cumsum(weights[positives.items]))
    return weights.sum() - np.diff(sums[positives.splits])


class LogProbability:
    """The logarithm of w(i) / Σ w(j) over the items j that are no positives of the user.

    Args:
        positives: of the users.
        weights: w, int64 [n_items], not negative.
    """

    def __init__(self, positives: KnownPositives, weights: npt.NDArray[np.int64]) -> None:
        self._positives = positives
        with tf.init_scope(), np.errstate(divide="ignore"):
            self._log_weights = tf.constant(np.log(weights).astype(np.float32))
            left = np.maximum(weight_left(positives, weights), 1)  # 0 where there is no item to ask about
            self._log_left = tf.constant(np.log(left).astype(np.float32))

    def __call__(self, users: Tensor, items: Tensor) -> Tensor:
        """See `NegativeSampler.log_probability`."""
        users, items = batch_indices("users", users)[:, tf.newaxis], tf.cast(items, tf.int32)
        known = tf.maximum(items, 0)
        log_probability = tf.gather(self._log_weights, known) - tf.gather(self._log_left, users)
        never = tf.logical_or(items < 0, self._positives.contains(users, known))
        return tf.where(never, tf.constant(float("-inf")), log_probability)
