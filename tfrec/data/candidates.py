"""Given lists of items to rank, one for each user."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import frozen
from tfrec.data.errors import DataError


@dataclass(frozen=True, eq=False)
class Candidates:
    """The items to rank for each of some users, for protocols that don't rank all items.

    Attributes:
        user: User indices, int32 [U].
        item: Item indices, int32 [U, C]: all items to rank for a user, the positive ones among them, each once; -1
            fills up the end of a shorter row.
    """

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        user, item = np.asarray(self.user), np.asarray(self.item)
        if user.ndim != 1 or item.ndim != 2 or len(user) != len(item):
            raise DataError(f"candidates: expected user [U] and item [U, C], got {user.shape} and {item.shape}")
        if user.dtype.kind not in "iu" or item.dtype.kind not in "iu":
            raise DataError(f"candidates: expected whole numbers, got dtypes {user.dtype} and {item.dtype}")
        if (user < 0).any() or (item < -1).any():
            raise DataError("candidates: expected indices, and -1 for padding, got other negative numbers")
        if ((item[:, :-1] == -1) & (item[:, 1:] != -1)).any():
            raise DataError("candidates: expected the padding, -1, at the end of a row, found an item after it")
        object.__setattr__(self, "user", frozen(user.astype(np.int32, copy=False)))
        object.__setattr__(self, "item", frozen(item.astype(np.int32, copy=False)))

    def fingerprint(self) -> str:
        """SHA-256 of the arrays, as a hexadecimal string; the same on every machine and in every process."""
        digest = hashlib.sha256(b"tfrec candidates 1")
        digest.update(f"{self.item.shape};".encode())
        for array in (self.user, self.item):
            digest.update(np.ascontiguousarray(array, dtype="<i4").data)
        return digest.hexdigest()

    def __len__(self) -> int:
        """The number of users."""
        return len(self.user)
