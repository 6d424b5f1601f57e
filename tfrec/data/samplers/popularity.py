"""Negatives in proportion to a power of their popularity, uniform ones among them."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfrec._tf import Tensor, tf
from tfrec.checks import check_between
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.samplers.base import NegativeSampler, batch_indices, check_n
from tfrec.data.samplers.complement import Complement
from tfrec.data.samplers.positives import KnownPositives
from tfrec.data.samplers.probability import LogProbability
from tfrec.data.samplers.randomness import random_bits, random_integers
from tfrec.data.samplers.rejection import draw_free

OnFullHistory = Literal["raise", "mask"]


class _Weighted(NegativeSampler):
    """Draws items in proportion to given weights, among those that are no positives of the user."""

    def __init__(
        self, positives: KnownPositives, weights: npt.NDArray[np.int64], on_full_history: OnFullHistory
    ) -> None:
        if on_full_history not in ("raise", "mask"):
            raise ValueError(f"on_full_history must be 'raise' or 'mask'; got {on_full_history!r}")
        self.positives = positives
        self._complement = Complement(positives, weights)
        full = np.flatnonzero(self._complement.left == 0)
        if len(full) and on_full_history == "raise":
            some = ", ".join(str(user) for user in full[:5])
            raise DataError(
                f"{len(full)} of {positives.n_users} users have every item that has training rows, so there is no "
                f"negative for them (users by index: {some}{', …' if len(full) > 5 else ''}). Leave their rows out of "
                "the training data, or pass on_full_history='mask' and mask the -1 that they get"
            )
        self._log_probability = LogProbability(positives, weights)

    def sample(self, users: Tensor, n: int = 1, *, seed: Any, epoch: Any, step: Any, items: Tensor = None) -> Tensor:
        """See `NegativeSampler.sample`."""
        users, n = batch_indices("users", users), check_n(n)
        drawn = draw_free(
            tf.size(users),
            n,
            seed=seed,
            epoch=epoch,
            step=step,
            propose=self.propose,
            is_taken=lambda rows, proposed: self.positives.contains(tf.gather(users, rows), proposed),
            draw_exactly=lambda rows, key: self._complement.draw(tf.gather(users, rows), key),
            tries=4,
        )
        return tf.ensure_shape(drawn, [users.shape[0], n])

    def log_probability(self, users: Tensor, items: Tensor) -> Tensor:
        """See `NegativeSampler.log_probability`: log w(i) - log Σ w(j) over the items j that the user has not had."""
        return self._log_probability(users, items)

    def propose(self, shape: Any, key: Tensor) -> Tensor:
        """Items whoever the user is: int32 of a shape of one dimension."""
        raise NotImplementedError


class Uniform(_Weighted):
    """Every item with training rows that is no positive of the user, with equal probability.

    The negatives of BPR (Rendle, Freudenthaler, Gantner & Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from
    Implicit Feedback", UAI 2009) and of NCF. Items without training rows are never recommended, and never drawn.

    Args:
        train: `Interactions`, or `KnownPositives` where several samplers share them.
        on_full_history: what to do about users who have every item: ``"raise"``, or ``"mask"``: they get -1.

    Raises:
        DataError: there are such users (the message says how many), or `train` is empty.
    """

    def __init__(self, train: Interactions | KnownPositives, *, on_full_history: OnFullHistory = "raise") -> None:
        positives = KnownPositives.of(train)
        super().__init__(positives, (positives.counts > 0).astype(np.int64), on_full_history)
        candidates = np.flatnonzero(positives.counts).astype(np.int32)
        self._n_candidates = len(candidates)
        with tf.init_scope():
            self._candidates = None if len(candidates) == positives.n_items else tf.constant(candidates)

    def propose(self, shape: Any, key: Tensor) -> Tensor:
        """Any item with training rows."""
        drawn = random_integers(shape, self._n_candidates, key)
        return drawn if self._candidates is None else tf.gather(self._candidates, drawn)


class Popularity(_Weighted):
    """Items in proportion to (number of users) ** alpha, among those that are no positives of the user.

    The smoothed unigram distribution of word2vec (Mikolov, Sutskever, Chen, Corrado & Dean, "Distributed
    Representations of Words and Phrases and their Compositionality", NIPS 2013): alpha = 0.75 there; 1 is the
    popularity itself, 0 is `Uniform`; a negative one prefers rare items.

    Args:
        train: `Interactions`, or `KnownPositives` where several samplers share them.
        alpha: the exponent, from -2 to 2.
        on_full_history: what to do about users who have every item: ``"raise"``, or ``"mask"``: they get -1.

    Raises:
        DataError: there are such users (the message says how many), or `train` is empty.
        ValueError: `alpha` is out of range.
    """

    def __init__(
        self,
        train: Interactions | KnownPositives,
        *,
        alpha: float = 0.75,
        on_full_history: OnFullHistory = "raise",
    ) -> None:
        self.alpha = check_between("alpha", alpha, -2, 2)
        positives = KnownPositives.of(train)
        bits = Complement.total_bits(positives.n_users)
        super().__init__(positives, integer_weights(positives.counts, self.alpha, bits), on_full_history)
        self._mask = 2**bits - 1

    def propose(self, shape: Any, key: Tensor) -> Tensor:
        """Any item, in proportion to its weight."""
        points = tf.bitwise.bitwise_and(random_bits(shape, key), tf.constant(self._mask, tf.int64))
        return self._complement.item_at(points)


def integer_weights(counts: npt.NDArray[np.int64], alpha: float, bits: int) -> npt.NDArray[np.int64]:
    """Powers of counts, scaled and rounded to whole numbers that add up to 2 ** bits; 0 for a count of 0.

    Whole numbers make every later sum exact; a power of two makes a random number out of random bits. The running sums
    are rounded, so that each weight is off by at most one; no item that occurs is left with 0.
    """
    present = counts > 0
    powers = np.zeros(len(counts))
    powers[present] = counts[present].astype(np.float64) ** alpha
    sums, occurring = np.cumsum(powers), np.cumsum(present)
    ends = np.round(sums / sums[-1] * (2.0**bits - occurring[-1])).astype(np.int64) + occurring
    return np.diff(ends, prepend=0)
