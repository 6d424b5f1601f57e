"""Which item a made-up user takes next: the latent state of a synthetic world, and its exact probabilities."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import timestamps as check_times
from tfrec.data.errors import DataError
from tfrec.data.synthetic.alias import AliasTables

START = 1_577_836_800  # 2020-01-01, in Unix seconds
YEAR = 365 * 86_400
EARLY, LATE = 0, 1
_SHARPNESS = 5.0  # of the items' tastes
_FOCUS = 0.8  # the sum of the Dirichlet parameters: the lower, the fewer tastes a user has
_N_SUCCESSORS = 8


@dataclass(frozen=True, eq=False)
class Choice:
    """The choice model of a synthetic world; `tfrec.data.synthetic_world` states it.

    Attributes:
        membership: How much of an item belongs to each taste, float64 [n_items, n_tastes], rows sum to one.
        mixtures: The tastes of each user at the start and at the end of the year, float32 [2, n_users, n_tastes], rows
            sum to one.
        tables: Probabilities of the items at the start and at the end of the year, float64 [2, 1 + n_tastes, n_items]:
            first the popularity, then one row a taste.
        successors: The items that tend to follow each item, int32 [n_items, n_successors]; one may stand there twice.
        drift: The share of the late state at the end of the year.
        markov: The probability that an item that isn't noise is a successor of the one before.
        noise: The probability that an item is drawn from the popularity alone.
    """

    membership: npt.NDArray[np.float64]
    mixtures: npt.NDArray[np.float32]
    tables: npt.NDArray[np.float64]
    successors: npt.NDArray[np.int32]
    drift: float
    markov: float
    noise: float

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        n_users: int,
        n_items: int,
        *,
        n_tastes: int,
        item_exponent: float,
        drift: float,
        markov: float,
        noise: float,
    ) -> Self:
        """A world at random."""
        ranks = np.stack([rng.permutation(n_items) for _ in (EARLY, LATE)]) + 1.0
        popularity = ranks**-item_exponent
        popularity /= popularity.sum(axis=1, keepdims=True)
        membership = np.exp(_SHARPNESS * rng.standard_normal((n_items, n_tastes)))
        membership /= membership.sum(axis=1, keepdims=True)
        shares = np.einsum("si,ic->sc", popularity, membership)  # no product of matrices: see `Opinions.draw`
        tables = np.concatenate((popularity[:, np.newaxis], popularity[:, np.newaxis] * membership.T), axis=1)
        tables /= tables.sum(axis=2, keepdims=True)
        mixtures = np.stack([rng.dirichlet(_FOCUS * share, n_users).astype(np.float32) for share in shares])
        successors = _draw_successors(rng, membership, tables[EARLY])
        return cls(membership, mixtures, tables, successors, drift, markov, noise)

    @property
    def n_items(self) -> int:
        """The number of items."""
        return len(self.membership)

    @property
    def n_tastes(self) -> int:
        """The number of tastes."""
        return self.membership.shape[1]

    def late_share(self, timestamps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """How far the world has moved from the early to the late state at these times, float64 of their shape."""
        return self.drift * ((timestamps - START) / YEAR)

    def probabilities(
        self,
        users: npt.NDArray[np.int64],
        late: npt.NDArray[np.float64],
        previous: npt.NDArray[np.int64],
        dtype: type[np.floating[Any]] = np.float64,
    ) -> npt.NDArray[Any]:
        """Probability of each item to come next, repeats not yet refused: [batch, n_items].

        Args:
            users: int64 [batch].
            late: What `late_share` gives, float64 [batch].
            previous: The item before, int64 [batch]; -1 where there is none.
            dtype: Of the result.
        """
        follows = np.where(previous >= 0, (1 - self.noise) * self.markov, 0.0)
        weights = np.empty((len(users), 2, 1 + self.n_tastes))
        for state, share in ((EARLY, 1 - late), (LATE, late)):
            weights[:, state, 0] = share * self.noise
            weights[:, state, 1:] = (share * (1 - self.noise - follows))[:, np.newaxis] * self.mixtures[state, users]
        tables = self.tables.reshape(-1, self.n_items)
        chances = weights.reshape(len(users), -1).astype(dtype) @ tables.astype(dtype, copy=False)
        rows = np.flatnonzero(previous >= 0)
        shares = follows[rows, np.newaxis] * successor_weights(self.successors.shape[1])
        np.add.at(chances, (rows[:, np.newaxis], self.successors[previous[rows]]), shares.astype(dtype))
        return chances


def times_of_the_year(timestamps: Any, n: int) -> npt.NDArray[np.int64]:
    """Times that somebody gives: int64 [n].

    Raises:
        DataError: If there are not n of them, or one is not in the world's year.
    """
    times = check_times(timestamps, n)
    outside = (times < START) | (times > START + YEAR)
    if outside.any():
        got = times[outside][0]
        raise DataError(f"timestamps: expected Unix seconds of the world's year, {START} … {START + YEAR}, got {got}")
    return times


def successor_weights(n_successors: int) -> npt.NDArray[np.float64]:
    """Probability of each successor of an item, proportional to 1, 1/2, 1/3 and so on, the same for all items."""
    weights = 1 / np.arange(1.0, n_successors + 1)
    return weights / weights.sum()


def _draw_successors(
    rng: np.random.Generator, membership: npt.NDArray[np.float64], tables: npt.NDArray[np.float64]
) -> npt.NDArray[np.int32]:
    """Each item's successors: of a taste that the item belongs to, each as likely as it is there."""
    n_items = len(membership)
    points = rng.random((n_items, _N_SUCCESSORS, 1))
    tastes = (np.cumsum(membership, axis=1)[:, np.newaxis, :-1] <= points).sum(axis=2)
    return AliasTables.of(tables).draw(rng, 1 + tastes.ravel()).astype(np.int32).reshape(n_items, _N_SUCCESSORS)
