"""Every user's items in the order of time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import frozen


@dataclass(frozen=True, eq=False)
class Sequences:
    """Every user's items, oldest first: ragged rows in the layout of a CSR matrix.

    Attributes:
        splits: int64 [n_users + 1]: user u has ``items[splits[u]:splits[u + 1]]``, possibly nothing.
        items: Item indices, int32 [n].
    """

    splits: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", frozen(self.splits))
        object.__setattr__(self, "items", frozen(self.items))

    def __len__(self) -> int:
        """The number of users."""
        return len(self.splits) - 1

    def __getitem__(self, user: int) -> npt.NDArray[np.int32]:
        """The items of one user index, oldest first."""
        if not 0 <= user < len(self):
            raise IndexError(f"user index {user} is not in 0 … {len(self) - 1}")
        return self.items[self.splits[user] : self.splits[user + 1]]
