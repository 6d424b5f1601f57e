"""What all negative samplers have in common."""

from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer


class NegativeSampler:
    """Draws items that users are not known to like.

    A sampler is a plain object that holds its tables as tensors: its methods are graph operations, to be called in a
    `train_step`, in a function that `tf.data` maps, or eagerly. What it draws is a function of its arguments alone: the
    same `users`, `n`, `seed`, `epoch` and `step` give the same items in any process, on any device and with any number
    of parallel calls; any other epoch or step gives independent ones. Nothing is kept between calls. (The generator is
    Philox, on every device.) Where replicas of a strategy draw for themselves, give each its own steps, such as
    ``step * n_replicas + replica``.
    """

    def sample(
        self,
        users: Tensor,
        n: int = 1,
        *,
        seed: int | Tensor,
        epoch: int | Tensor,
        step: int | Tensor,
        items: Tensor = None,
    ) -> Tensor:
        """Draw negatives.

        Args:
            users: int [batch], each in 0 … n_users - 1; one that occurs twice gets other items each time.
            n: how many a row.
            seed: int64 scalar, or a Python integer.
            epoch: int64 scalar, or a Python integer.
            step: int64 scalar, or a Python integer.
            items: int [batch], the positives of the rows, which in-batch sampling draws from; others ignore them.

        Returns:
            int32 [batch, n], drawn with replacement; -1 where a row has no negative to draw, which only in-batch
            sampling and ``on_full_history="mask"`` let happen.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement sample")

    def log_probability(self, users: Tensor, items: Tensor) -> Tensor:
        """The logarithm of the probability that one draw for a user is a given item, as a sampled softmax needs it.

        It refers to what `sample` returns: the distribution over the items that are no positives of that user.

        Args:
            users: int [batch].
            items: int [batch, n].

        Returns:
            float32 [batch, n]; minus infinity for what is never drawn, and for -1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no probabilities in closed form")


def batch_indices(name: str, indices: Tensor) -> Tensor:
    """`indices` as int32 [batch].

    Raises:
        ValueError: they have another number of dimensions, or are no integers.
    """
    indices = tf.convert_to_tensor(indices)
    if not indices.dtype.is_integer or indices.shape.rank not in (1, None):
        raise ValueError(f"{name} must be integers [batch]; got {indices.dtype.name} of shape {indices.shape}")
    return tf.cast(indices, tf.int32)


def check_n(n: Any) -> int:
    """How many negatives a row: an integer of at least 1."""
    return check_integer("n", n, minimum=1)
