"""Negatives of several samplers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.data.samplers.base import NegativeSampler, batch_indices, check_n
from tfrec.data.samplers.randomness import child_seed, random_fractions, random_keys


class Mixed(NegativeSampler):
    """Each negative is of one of several samplers, chosen at random in given shares.

    ``Mixed([Popularity(known), Uniform(known)], [0.7, 0.3])``: popular items are informative negatives, and rare ones
    would else never be one (Yang et al., "Mixed Negative Sampling for Learning Two-tower Neural Networks in
    Recommendations", WWW 2020 companion; for its softmax over a batch and uniform items see `InBatch.extra`). The
    choices are independent, so that the distribution is the mixture Σ share × p, for a single negative too. All
    samplers draw for every place, and one draw is kept.

    Where the chosen sampler has no negative (-1: in-batch sampling in a batch without one), the next in the list that
    has one takes its place, from the start again behind the last.

    Args:
        samplers: at least one.
        shares: of the negatives, one for each sampler, above 0; they are divided by their sum. None: equal shares.
    """

    def __init__(self, samplers: Sequence[NegativeSampler], shares: Sequence[float] | None = None) -> None:
        self.samplers = tuple(samplers)
        if not self.samplers or not all(isinstance(sampler, NegativeSampler) for sampler in self.samplers):
            raise TypeError(f"samplers must be a sequence of at least one NegativeSampler; got {samplers!r}")
        given = np.ones(len(self.samplers)) if shares is None else np.asarray(shares, np.float64)
        if given.shape != (len(self.samplers),) or not np.isfinite(given).all() or not (given > 0).all():
            raise ValueError(
                f"shares must be {len(self.samplers)} numbers above 0, one for each sampler; got {shares!r}"
            )
        self.shares = tuple((given / given.sum()).tolist())

    def sample(self, users: Tensor, n: int = 1, *, seed: Any, epoch: Any, step: Any, items: Tensor = None) -> Tensor:
        """See `NegativeSampler.sample`."""
        users, n = batch_indices("users", users), check_n(n)
        choice_key, *keys = random_keys(seed, epoch, step, 1 + len(self.samplers))
        draws = [
            sampler.sample(users, n, seed=child_seed(key), epoch=epoch, step=step, items=items)
            for sampler, key in zip(self.samplers, keys, strict=True)
        ]
        drawn = tf.stack(draws, axis=2)
        uniform = random_fractions(tf.shape(draws[0]), choice_key)
        before = tf.constant(np.cumsum(self.shares)[:-1])
        choice = tf.reduce_sum(tf.cast(uniform[:, :, tf.newaxis] >= before, tf.int32), axis=2)
        # In turn from the chosen one: the first that has an item.
        turn = (tf.range(len(draws)) - choice[:, :, tf.newaxis]) % len(draws)
        place = tf.argmin(tf.where(drawn >= 0, turn, turn + len(draws)), axis=2, output_type=tf.int32)
        return tf.gather(drawn, place, batch_dims=2)

    def log_probability(self, users: Tensor, items: Tensor) -> Tensor:
        """See `NegativeSampler.log_probability`: log Σ share × p, where every sampler has a negative."""
        parts = [
            np.log(share) + sampler.log_probability(users, items)
            for sampler, share in zip(self.samplers, self.shares, strict=True)
        ]
        return tf.reduce_logsumexp(tf.stack(parts), axis=0)
