"""A warning for models that recommend the same to everybody, which good figures can hide."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST_USERS = 20
_MOST_USERS = 256
_FEWEST_ITEMS = 50  # of few items, everybody is recommended most
_LENGTH = 10
_ALIKE = 0.95


class SameListWarning(UserWarning):
    """A model gives (nearly) everybody the same list."""


class Sameness:
    """Gathers the best items of a sample of users, before any are left out.

    Args:
        model: the model. One that isn't meant to be personal says so by an attribute ``personalised = False``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._counts = np.zeros(model.n_items, np.int64)
        self._wanted = _MOST_USERS if getattr(model, "personalised", True) and model.n_items >= _FEWEST_ITEMS else 0
        self._n_users = 0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Take in the scores of some test users, float32 [batch, n_items], until there are enough."""
        scores = scores[: self._wanted - self._n_users]
        if len(scores):
            lists = np.argpartition(scores, -_LENGTH, axis=1)[:, -_LENGTH:]
            self._counts += np.bincount(lists.ravel(), minlength=len(self._counts))
            self._n_users += len(scores)

    def warn(self) -> None:
        """Warn if the lists are nearly always the same."""
        if self._n_users < _FEWEST_USERS:
            return
        # Every item is shared by counts · (counts - 1) ordered pairs of users.
        shared = (self._counts * (self._counts - 1)).sum() / (self._n_users * (self._n_users - 1) * _LENGTH)
        if shared >= _ALIKE:
            warnings.warn(
                f"model {self._model.name!r} gives everybody the same list: before seen items are left out, the first "
                f"{_LENGTH} items of {self._n_users} users cover {(self._counts > 0).mean():.2%} of the catalogue, and "
                f"two users share {shared:.0%} of them. Has the training collapsed, or do the users have no training "
                "rows?",
                SameListWarning,
                stacklevel=4,
            )
