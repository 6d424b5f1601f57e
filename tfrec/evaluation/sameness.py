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


def warn_if_same(model: Any, scores: NDArray[np.float32]) -> None:
    """Warn if the best items of a sample of users, before any are left out, are nearly always the same.

    A model that isn't meant to be personal says so by an attribute ``personalised = False``, and gets no warning.

    Args:
        model: the model.
        scores: float32 [batch, n_items] of some test users.
    """
    scores = scores[:_MOST_USERS]
    n_users, n_items = scores.shape
    if n_users < _FEWEST_USERS or n_items < _FEWEST_ITEMS or not getattr(model, "personalised", True):
        return
    lists = np.argpartition(scores, n_items - _LENGTH, axis=1)[:, n_items - _LENGTH :]
    counts = np.bincount(lists.ravel(), minlength=n_items)
    # Every item is shared by counts · (counts - 1) ordered pairs of users.
    shared = float((counts * (counts - 1)).sum()) / (n_users * (n_users - 1) * _LENGTH)
    if shared >= _ALIKE:
        warnings.warn(
            f"model {model.name!r} gives everybody the same list: before seen items are left out, the first {_LENGTH} "
            f"items of {n_users} users cover {np.count_nonzero(counts) / n_items:.2%} of the catalogue, and two users "
            f"share {shared:.0%} of them. Has the training collapsed, or do the users have no training rows?",
            SameListWarning,
            stacklevel=4,
        )
