"""How made-up users rate, and the best that a prediction of their ratings can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import indices
from tfrec.data.errors import DataError
from tfrec.data.synthetic.choice import EARLY, LATE, Choice, times_of_the_year

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
        """Biases at random, and the tastes of the choice model.

        Sums are written out: the last bits of a product of matrices differ between machines and numbers of threads.
        """
        popularity, mixtures = choice.tables[EARLY, 0], choice.mixtures[EARLY].astype(np.float64)
        centred = choice.membership - np.einsum("i,ic->c", popularity, choice.membership)
        deviations = mixtures - mixtures.mean(axis=0)
        spread = np.einsum("uc,ud->cd", deviations, deviations) / len(mixtures)
        weighted = np.einsum("i,ic,id->cd", popularity, centred, centred)
        variance = (weighted * spread).sum()
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

        The sum over tastes is written out, for the reason that `draw` gives.
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
        """The expected ratings of pairs at these Unix seconds: three arrays [n] → float64 [n].

        Raises:
            DataError: If an index is not that of a user or an item, the lengths differ, or a time is not in the world's
                year.
        """
        opinions = self._opinions
        users = indices("users", users, len(opinions.user_bias))
        items = indices("items", items, len(opinions.item_bias), len(users))
        return self._moments(users, items, times_of_the_year(timestamps, len(users)))[0]

    def rmse(self, data: "Interactions") -> float:
        """The expected RMSE of `predict` on these rows of the world: no other prediction's is lower.

        Indices are looked at, not ids or ratings: another world of the same size is taken for this one.

        Raises:
            ValueError: If there are no rows, or they have no times.
            DataError: If the data have other numbers of users or items, or a time that is not in the world's year.
        """
        if not len(data) or data.timestamp is None:
            raise ValueError(f"rmse: expected rows with times, got {data!r}")
        size = len(self._opinions.user_bias), len(self._opinions.item_bias)
        if (data.n_users, data.n_items) != size:
            raise DataError(
                f"rmse: expected rows of this world, of {size[0]:,} users and {size[1]:,} items; got {data!r}"
            )
        times_of_the_year(data.timestamp, len(data))
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
