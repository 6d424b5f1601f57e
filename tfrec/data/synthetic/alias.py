"""Drawing from many discrete distributions in constant time a draw: the alias method.

A. J. Walker (1977), An efficient method for generating discrete random variables with general distributions; built by
sweeping over the light and the heavy outcomes, as in L. Hübschle-Schneider and P. Sanders (2022), Parallel weighted
random sampling, with the sweep done by two binary searches.
"""

from typing import Self

import numpy as np
import numpy.typing as npt


class AliasTables:
    """Several distributions over the same outcomes.

    Outcome k of n is kept with probability ``threshold[k]`` once it is picked, as each is with probability 1 / n, and
    else replaced by ``alias[k]``.

    Attributes:
        threshold: float32 [n_tables, n].
        alias: int32 [n_tables, n].
    """

    def __init__(self, threshold: npt.NDArray[np.float32], alias: npt.NDArray[np.int32]) -> None:
        self.threshold = threshold
        self.alias = alias

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float64]) -> Self:
        """Tables of the distributions in the rows of a matrix, float64 [n_tables, n], each of which sums to one."""
        threshold = np.ones(probabilities.shape, np.float32)
        alias = np.empty(probabilities.shape, np.int32)
        for table, row in enumerate(probabilities):
            _fill(row * len(row), threshold[table], alias[table])
        return cls(threshold, alias)

    def draw(self, rng: np.random.Generator, tables: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One outcome from each of these tables: int64 [m] in 0 … n - 1."""
        n = self.alias.shape[1]
        place = rng.random(len(tables)) * n
        picked = place.astype(np.int64)
        place -= picked
        cell = tables * n + picked
        return np.where(place < self.threshold.take(cell), picked, self.alias.take(cell))


def _fill(mass: npt.NDArray[np.float64], threshold: npt.NDArray[np.float32], alias: npt.NDArray[np.int32]) -> None:
    """One table, in place, from probabilities times n: what light outcomes lack of 1, heavy ones give in their order.

    A heavy outcome serves light ones until it is itself light, and is then served by the next heavy one.
    """
    alias[:] = np.arange(len(mass))
    light, heavy = np.flatnonzero(mass < 1), np.flatnonzero(mass >= 1)
    if not len(light) or not len(heavy):  # all are alike, but for rounding
        return
    wanted, given = np.cumsum(1 - mass[light]), np.cumsum(mass[heavy] - 1)
    server = np.searchsorted(given, np.append(0.0, wanted[:-1]))
    threshold[light] = mass[light]
    alias[light] = heavy[np.minimum(server, len(heavy) - 1)]
    emptied_by = np.searchsorted(wanted, given[:-1], side="right")
    served = emptied_by < len(wanted)
    lacking = wanted[emptied_by[served]] - given[:-1][served]
    threshold[heavy[:-1][served]] = 1 - lacking
    alias[heavy[:-1][served]] = heavy[1:][served]
