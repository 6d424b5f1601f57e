"""How much made-up users do, and when."""

import numpy as np
import numpy.typing as npt

from tfrec.data.synthetic.choice import START, YEAR


def draw_lengths(
    rng: np.random.Generator, n_users: int, n_items: int, n_interactions: int, exponent: float
) -> npt.NDArray[np.int64]:
    """How many interactions each user has: int64 [n_users], from 1 to n_items, n_interactions in all."""
    weights = (rng.permutation(n_users) + 1.0) ** -exponent
    extra, most = n_interactions - n_users, n_items - 1

    def shares(scale: float) -> npt.NDArray[np.float64]:
        return most * -np.expm1(-scale * weights)

    low, high = 0.0, 1.0
    while shares(high).sum() < extra:
        low, high = high, 2 * high
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle).sum() <= extra else (low, middle)
    wanted = shares(high if shares(high).sum() <= extra else low)
    lengths = np.floor(wanted).astype(np.int64)
    by_remainder = np.argsort(lengths - wanted, kind="stable")
    lengths[by_remainder[: extra - lengths.sum()]] += 1
    return 1 + lengths


def draw_timestamps(rng: np.random.Generator, splits: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """When the interactions take place: Unix seconds, ascending within a user, int64 [splits[-1]].

    Gaps between sorted uniform points are exponential variables over their sum.
    """
    lengths = np.diff(splits)
    ends = np.sort(rng.random((len(lengths), 2)), axis=1)
    elapsed = np.cumsum(rng.exponential(size=splits[-1]))
    before = np.append(0.0, elapsed)[splits[:-1]]
    whole = elapsed[splits[1:] - 1] + rng.exponential(size=len(lengths)) - before
    elapsed -= np.repeat(before, lengths)
    elapsed *= np.repeat((ends[:, 1] - ends[:, 0]) / whole, lengths)
    elapsed += np.repeat(ends[:, 0], lengths)
    return START + (YEAR * elapsed).astype(np.int64)
