"""Exact draws from weighted items among those that a user has not had."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tfrec._tf import Tensor, tf
from tfrec.data.samplers.positives import KnownPositives
from tfrec.data.samplers.probability import weight_left
from tfrec.data.samplers.randomness import random_below


class Complement:
    """Integer weights of items, restricted to the items that are no positives of a user.

    Lay the items out on a line, each as long as its weight, and cut out those that the user has had: a uniform point on
    what is left is one draw. To find its place on the whole line, search for the last positive before it: with G(j) the
    length left of the j-th positive that isn't cut out, and C(i) the end of item i on the whole line, a point t behind
    the j-th positive lies at t - G(j) + C(j). One more search gives the item. No draw is ever refused, and the
    arithmetic is of whole numbers.

    The lines of all users stand behind each other, so that both searches are one operation each. This takes 8 bytes for
    each training pair.

    Args:
        positives: of the users.
        weights: int64 [n_items], not negative.

    Attributes:
        total: the sum of all weights.
        left: int64 [n_users], the sum of the weights of the items that are no positives.
        ends: int64 [n_items], numpy, C above.
    """

    def __init__(self, positives: KnownPositives, weights: npt.NDArray[np.int64]) -> None:
        self._positives = positives
        self.ends = np.cumsum(weights)
        self.total = int(self.ends[-1])
        lengths = np.diff(positives.splits)
        cut = weights[positives.items]
        # A running sum over all users may overflow; its differences are right all the same, modulo 2⁶⁴.
        cut_before = np.append(0, np.cumsum(cut))
        cut_before_user = np.repeat(cut_before[positives.splits[:-1]], lengths)
        free_before = (self.ends - weights)[positives.items] - (cut_before[:-1] - cut_before_user)
        self._stride = self.total + 1
        users = np.repeat(np.arange(positives.n_users), lengths)
        self.left = weight_left(positives, weights)
        with tf.init_scope():
            self._keys = tf.constant(free_before + users * self._stride)
            self._ends = tf.constant(self.ends)
            self._left = tf.constant(self.left)

    @staticmethod
    def total_bits(n_users: int) -> int:
        """To which power of two the weights may add up, so that all lines together stay within int64."""
        return min(40, 62 - n_users.bit_length())

    def item_at(self, points: Tensor) -> Tensor:
        """The items at points of the whole line: int64 [m] in 0 … total - 1 → int32 [m]."""
        return _count_up_to(self._ends, points)

    def draw(self, users: Tensor, key: Tensor) -> Tensor:
        """One item for each user: int32 [m] → int32 [m]; -1 for a user with nothing left."""
        left = tf.gather(self._left, users)
        points = random_below(left, key)
        line = tf.cast(users, tf.int64) * self._stride
        first = tf.gather(self._positives.splits_table, users)
        passed = _count_up_to(self._keys, line + points, first.dtype) - 1
        last = tf.maximum(passed, 0)
        ends = tf.gather(self._ends, tf.gather(self._positives.items_table, last))
        shift = tf.where(passed >= first, line - tf.gather(self._keys, last) + ends, 0)
        return tf.where(left > 0, self.item_at(points + shift), -1)


def _count_up_to(table: Tensor, values: Tensor, out_type: Any = tf.int32) -> Tensor:
    """How many elements of a sorted table are not above each value: [m] → `out_type` [m]."""
    found = tf.raw_ops.UpperBound(
        sorted_inputs=tf.expand_dims(table, 0), values=tf.expand_dims(values, 0), out_type=out_type
    )
    return tf.squeeze(found, 0)
