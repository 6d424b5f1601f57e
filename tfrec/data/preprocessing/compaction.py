"""Vocabularies without the users and items that have no rows."""

import dataclasses

import numpy as np
import numpy.typing as npt

from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.report import Preprocessed, finish


def compact(data: Interactions) -> Preprocessed:
    """Remove the users and items that have no rows from the vocabularies, with their titles and features.

    The others keep their order, but get new indices: split after this, not before, and fit models afresh.

    Returns:
        The data and the report, with ``user_ids`` and ``item_ids``: the sizes of the vocabularies that are left.

    Raises:
        DataError: If there are no rows at all.
    """
    users, user = _renumber(data.user, data.n_users)
    items, item = _renumber(data.item, data.n_items)
    if not len(data):
        return finish("compact", {}, data, data)
    small = dataclasses.replace(
        data,
        user=user,
        item=item,
        user_ids=data.user_ids[users],
        item_ids=data.item_ids[items],
        item_titles=None if data.item_titles is None else data.item_titles[items],
        user_features=None if data.user_features is None else data.user_features.iloc[users],
        item_features=None if data.item_features is None else data.item_features.iloc[items],
    )
    details = {"user_ids": small.n_users, "item_ids": small.n_items}
    return finish("compact", {}, data, small, details=details)


def _renumber(keys: npt.NDArray[np.int32], n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
    """The indices that occur, ascending, and each row's place among them."""
    there = np.bincount(keys, minlength=n) > 0
    return np.flatnonzero(there), (np.cumsum(there, dtype=np.int32) - 1)[keys]
