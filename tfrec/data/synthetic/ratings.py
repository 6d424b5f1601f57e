"""How made-up users rate, and the best that a prediction of their ratings can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from tfrec.data.synthetic.choice import EARLY, LATE, Choice

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

LOWEST, HIGHEST = 1, 5
MEAN, USER_SPREAD, ITEM_SPREAD, TASTE_SPREAD = 3.1, 0.4, 0.4, 0.5
_ROWS = 1 << 15  # at a time: they stay in the cache


@dataclass(frozen=True, eq=False)
class Opinions:
    """The rating model of a synthetic world; `tfrec.data.synthetic_world` states it.

    Attributes:
        user_bias: float64 [n_users].
        item_bias: float64 [n_items].
        appeal: Of each item to each taste, float64 [n_tastes, n_items].
        choice: The choice model, for the users' tastes.
        noise: Standard deviation of an opinion about its mean.
    """

    user_bias: npt.NDArray[np.float64]
    item_bias: npt.NDArray[np.float64]
    appeal: npt.NDArray[np.float64]
    choice: Choice
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator, choice: Choice, noise: float) -> Self:
        """Biases at random, and the tastes of the choice model."""
        popularity, mixtures = choice.tables[EARLY, 0], choice.mixtures[EARLY].astype(np.float64)
        centred = choice.membership - popularity @ choice.membership
        spread = np.cov(mixtures, rowvar=False, bias=True).reshape(choice.n_tastes, choice.n_tastes)
        variance = popularity @ ((centred @ spread) * centred).sum(axis=1)
        scale = TASTE_SPREAD / np.sqrt(variance) if variance > 1e-12 else 0.0  # one taste, or one user: all alike
        return cls(
            USER_SPREAD * rng.standard_normal(len(mixtures)),
            ITEM_SPREAD * rng.standard_normal(choice.n_items),
            np.ascontiguousarray(scale * centred.T),
            choice,
            noise,
        )

    def rate(
        self,
        rng: np.random.Generator,
        users: npt.NDArray[np.int32],
        items: npt.NDArray[np.int32],
        timestamps: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float32]:
        """Ratings, whole numbers from 1 to 5: float32 [n]."""
        ratings = np.empty(len(users), np.float32)
        for rows in _slices(len(users)):
            means = self.means(users[rows], items[rows], timestamps[rows])
            means += self.noise * rng.standard_normal(len(means))
            ratings[rows] = np.clip(np.rint(means), LOWEST, HIGHEST)
        return ratings

    def means(
        self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], timestamps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Mean opinions: float64 [n].

        The sum over tastes is written out, and no product of matrices, whose last bits differ between machines.
        """
        late = self.choice.late_share(timestamps)
        means = MEAN + self.user_bias[users] + self.item_bias[items]
        for taste, appeal in enumerate(self.appeal):
            start, end = self.choice.mixtures[EARLY, users, taste], self.choice.mixtures[LATE, users, taste]
            means += (start + late * (end - start)) * appeal.take(items)
        return means


class BestRatings:
    """The best predictions of the ratings of a synthetic world: what knowing its latent state would give.

    No prediction has a lower expected squared error than the mean rating, given the user's and the item's biases and
    tastes and the time; what is left is the noise, as it comes through the rounding to 1, 2, … 5.
    """

    def __init__(self, opinions: Opinions) -> None:
        self._opinions = opinions

    def predict(
        self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], timestamps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """The expected ratings of pairs at these Unix seconds: three arrays [n] → float64 [n]."""
        return self._moments(users, items, timestamps)[0]

    def rmse(self, data: "Interactions") -> float:
        """The expected RMSE of `predict` on these rows of the world: no other prediction's is lower.

        Raises:
            ValueError: If there are no rows, or they have no times.
        """
        if not len(data) or data.timestamp is None:
            raise ValueError(f"rmse: expected rows with times, got {data!r}")
        total = 0.0
        for rows in _slices(len(data)):
            total += float(self._moments(data.user[rows], data.item[rows], data.timestamp[rows])[1].sum())
        return float(np.sqrt(total / len(data)))

    def _moments(
        self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], timestamps: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean and variance of the ratings, by P(rating > r) for r = 1 … 4."""
        from scipy.special import ndtr

        opinions = self._opinions
        means = opinions.means(users, items, timestamps)
        if not opinions.noise:
            return np.clip(np.rint(means), LOWEST, HIGHEST), np.zeros(len(means))
        mean, square = np.full(len(means), float(LOWEST)), np.full(len(means), float(LOWEST**2))
        for rating in range(LOWEST, HIGHEST):
            above = ndtr((means - (rating + 0.5)) / opinions.noise)
            mean += above
            square += (2 * rating + 1) * above
        return mean, square - mean**2


def _slices(n: int) -> Iterator[slice]:
    for start in range(0, n, _ROWS):
        yield slice(start, min(start + _ROWS, n))
