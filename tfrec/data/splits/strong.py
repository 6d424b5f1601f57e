"""Strong generalisation: test on people whom the model has not been fitted to.

Marlin (2004): Collaborative filtering: a machine learning perspective. Liang, Krishnan, Hoffman and Jebara (2018):
Variational autoencoders for collaborative filtering. WWW.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.checks import check_integer
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.splits.orders import newest_first, shuffled
from tfrec.data.splits.parts import check_choice, check_rows, check_share


class StrongSplit(NamedTuple):
    """Training rows of some users, and two parts of the rows of the others; all three share the vocabularies."""

    train: Interactions
    given: Interactions
    hidden: Interactions


def strong_split(
    data: Interactions,
    test_users: float | int = 0.1,
    given: float = 0.8,
    order: Literal["random", "last"] = "random",
    seed: int = 42,
) -> StrongSplit:
    """Hold out users altogether: given a part of their rows, a model is to find the hidden part.

        split = strong_split(data)
        model.fit(split.train)
        tfrec.evaluate(model, split.hidden, given=split.given)

    Users are drawn among those with at least two rows, since one can't be both given and hidden. For validation users,
    split ``train`` again.

    An item that only test users had stays in the vocabulary; it can't be recommended, and counts against the model.
    Liang et al. leave such items out of the test instead; so does
    ``hidden.select(np.isin(hidden.item, train.item))``, and the same for ``given``. They also leave out movies rated
    below 4 and users with fewer than five such ratings, before they split.

    Args:
        data: The interactions.
        test_users: How many users to hold out: a number of them, or (a float) a share of the users with rows, rounded.
        given: The share of a test user's n rows that are given: ``round(given · n)`` rows, but at least one, and
            leaving at least one hidden.
        order: Which rows are hidden. ``"random"``: any, as in the paper. ``"last"``: the newest, in the order of
            `Interactions.sequences`.
        seed: The same seed divides the same data alike.

    Raises:
        TypeError: If ``data`` is not `Interactions`, or ``seed`` is not a whole number.
        ValueError: If ``test_users`` is neither a number of at least 1 nor a share between 0 and 1, ``given`` is not
            between 0 and 1, ``order`` is something else, or ``seed`` is negative.
        DataError: If too few users have two rows, the share rounds to nobody, or no user is left for training.
    """
    check_rows("strong_split", data)
    check_share("strong_split", "given", given)
    check_choice("strong_split", "order", order, ("random", "last"))
    generator = np.random.default_rng(check_integer("strong_split: seed", seed, minimum=0))
    sizes = np.bincount(data.user, minlength=data.n_users)
    is_test = np.zeros(data.n_users, np.bool_)
    is_test[generator.choice(np.flatnonzero(sizes > 1), _count(data, sizes, test_users), replace=False)] = True
    of_test_user = is_test[data.user]
    rows = shuffled(data, "user", generator) if order == "random" else newest_first(data)
    n_given = np.clip(np.rint(given * sizes).astype(np.int64), 1, np.maximum(sizes - 1, 1))
    hidden = rows.first(np.where(is_test, sizes - n_given, 0))
    return StrongSplit(data.select(~of_test_user), data.select(of_test_user & ~hidden), data.select(hidden))


def _count(data: Interactions, sizes: npt.NDArray[np.int64], test_users: Any) -> int:
    """How many users to hold out."""
    n_users, n_eligible = np.count_nonzero(sizes), np.count_nonzero(sizes > 1)
    if isinstance(test_users, int | np.integer) and not isinstance(test_users, bool) and test_users >= 1:
        count = int(test_users)
    elif isinstance(test_users, float | np.floating) and 0 < test_users < 1:
        count = round(float(test_users) * n_users)
    else:
        raise ValueError(
            "strong_split: expected test_users to be a number of users, at least 1, or a share between 0 and 1, got "
            f"{test_users!r}"
        )
    if count == 0:
        raise DataError(f"strong_split: test_users={test_users} of {n_users:,} users rounds to nobody")
    if count > n_eligible:
        raise DataError(
            f"strong_split: {count:,} test users can't be drawn: only {n_eligible:,} users of {data!r} have the two "
            "rows that it takes to give one and hide another"
        )
    if count == n_users:
        raise DataError(f"strong_split: {count:,} test users of {n_users:,} users with rows leave nobody to train on")
    return count
