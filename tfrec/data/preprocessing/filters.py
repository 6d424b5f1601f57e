"""Filters of interactions: each gives new Interactions, with the same vocabularies, and a report of what it removed.

Rows stay in their order. A step that would leave nothing is an error that names it.
"""

import dataclasses
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrec.checks import check_integer
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.report import Preprocessed, call, finish


def k_core(data: Interactions, user: int = 5, item: int = 5) -> Preprocessed:
    """Keep users with at least ``user`` rows and items with at least ``item`` rows, counted among what is kept.

    Removing a user takes rows from items, and the other way round, so it is repeated until nothing changes. What is
    left is the largest part of the data in which everybody has enough, whatever the order of removal. Rows count, also
    those of one pair of user and item: use `drop_duplicates` first to count pairs.

    Args:
        data: The interactions.
        user: The fewest rows of a user, at least 1.
        item: The fewest rows of an item, likewise.

    Returns:
        The data and the report, with ``rounds``: how often something was removed.

    Raises:
        DataError: If nothing is left.
        TypeError: If a number is none.
        ValueError: If it is below 1.
    """
    parameters = {name: check_integer(name, value, minimum=1) for name, value in (("user", user), ("item", item))}
    rows = np.arange(len(data))
    users, items = data.user, data.item
    rounds = 0
    while len(rows):
        enough_of_user = np.bincount(users, minlength=data.n_users) >= user
        enough_of_item = np.bincount(items, minlength=data.n_items) >= item
        kept = enough_of_user[users] & enough_of_item[items]
        if kept.all():
            break
        rows, users, items = rows[kept], users[kept], items[kept]
        rounds += 1
    return finish("k_core", parameters, data, data.select(rows), details={"rounds": rounds})


def minimum_rating(data: Interactions, rating: float) -> Preprocessed:
    """Keep the rows with a rating of at least ``rating``, and their ratings.

    Raises:
        DataError: If the data have no ratings, or nothing is left.
        TypeError: If ``rating`` is no number.
        ValueError: If it isn't finite.
    """
    parameters, kept = _rated_at_least("minimum_rating", "rating", rating, data)
    return finish("minimum_rating", parameters, data, kept)


def binarise(data: Interactions, threshold: float) -> Preprocessed:
    """From ratings to implicit feedback: keep the rows rated at least ``threshold``, without their ratings.

    The others are removed, not kept as dislikes: an implicit model takes every row for a sign of interest. The result
    has ratings of one, and ``has_ratings`` False.

    Raises:
        DataError: If the data have no ratings, or nothing is left.
        TypeError: If ``threshold`` is no number.
        ValueError: If it isn't finite.
    """
    parameters, kept = _rated_at_least("binarise", "threshold", threshold, data)
    implicit = dataclasses.replace(kept, rating=None)  # type: ignore[arg-type]  # None: there are none
    return finish("binarise", parameters, data, implicit)


def subsample(
    data: Interactions,
    *,
    interactions: int | float | None = None,
    users: int | float | None = None,
    items: int | float | None = None,
    seed: int = 0,
) -> Preprocessed:
    """Keep some rows at random, or all rows of some users or of some items.

    Exactly one of ``interactions``, ``users`` and ``items`` says how many: a whole number, or a share between 0 and 1
    of those there are (rounded, at least one). Each is as likely as any other; only users and items with rows count.

    Args:
        data: The interactions.
        interactions: How many rows to keep.
        users: How many users to keep.
        items: How many items to keep.
        seed: The same seed chooses alike from the same data.

    Raises:
        DataError: If there are fewer, or nothing is left.
        TypeError: If a number is none.
        ValueError: If not exactly one is given, or it is below 1 and no share.
    """
    given = {"interactions": interactions, "users": users, "items": items}
    wanted = [(name, value) for name, value in given.items() if value is not None]
    if len(wanted) != 1:
        got = ", ".join(f"{name}={value!r}" for name, value in wanted) or "none of them"
        raise ValueError(f"subsample: expected one of interactions, users and items, got {got}")
    name, value = wanted[0]
    amount = _check_amount(name, value)
    check_integer("seed", seed, minimum=0)
    parameters = {name: amount, "seed": seed}
    if not len(data):
        return finish("subsample", parameters, data, data)
    columns: dict[str, npt.NDArray[Any]] = {
        "interactions": np.arange(len(data)),
        "users": data.user,
        "items": data.item,
    }
    keys = columns[name]
    there = np.flatnonzero(np.bincount(keys))
    count = amount if isinstance(amount, int) else max(1, round(amount * len(there)))
    if count > len(there):
        raise DataError(f"{call('subsample', parameters)}: {data.name!r} has no more than {len(there):,} {name}")
    chosen = np.zeros(there[-1] + 1, np.bool_)
    chosen[np.random.default_rng(seed).choice(there, count, replace=False)] = True
    return finish("subsample", parameters, data, data.select(chosen[keys]))


def _check_amount(name: str, value: object) -> int | float:
    """A whole number of at least 1, or a share between 0 and 1."""
    if isinstance(value, float | np.floating):
        if not 0 < float(value) < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, or a share between 0 and 1; got {value!r}")
        return float(value)
    return check_integer(name, value, minimum=1)


def _check_number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number; got {value!r}, a {type(value).__name__}")
    number: Any = value
    if not abs(number) <= float(np.finfo(np.float32).max):  # nor is NaN
        raise ValueError(f"{name} must be a finite number in single precision; got {value!r}")
    return float(number)


def _rated_at_least(step: str, name: str, lowest: Any, data: Interactions) -> tuple[dict[str, float], Interactions]:
    """The step's arguments, and the rows with at least this rating.

    Compared in single precision, which ratings have: 3.3 keeps ratings of 3.3, whatever kind of number it is.
    """
    parameters = {name: _check_number(name, lowest)}
    if not data.has_ratings:
        raise DataError(f"{call(step, parameters)}: {data.name!r} has no ratings, and this step needs them")
    return parameters, data.select(data.rating >= np.float32(parameters[name]))
