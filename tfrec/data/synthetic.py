"""Interactions made up at random, with the structure that recommenders live on."""

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.grouping import ranks_in_groups
from tfrec.data.interactions import Interactions

_TASTES = 8  # dimensions of taste
_START = 1_577_836_800  # 2020-01-01, in Unix seconds
_YEAR = 365 * 86_400
_PAUSE = 3_600.0  # mean time between two ratings of a user, in seconds
_MOST_PAIRS = 500_000_000


def synthetic(n_users: int = 943, n_items: int = 1_682, n_interactions: int = 100_000, seed: int = 0) -> Interactions:
    """Made-up ratings, by default in the size of MovieLens-100K.

    Users and items have places in a space of taste; items have a popularity that falls as a power law, users an
    activity that is log-normal. Interactions are drawn without replacement, with probabilities proportional to the
    user's activity, the item's popularity and the exponential of the taste, so that no pair occurs twice; each user
    has at least one interaction, an item may have none. A rating, 1 to 5, grows with the same taste and with a user's
    and an item's bias. A user's interactions begin at a random time within a year, and the likeliest tend to come
    first; rows are in the order of time. Ids are "1", "2", …; titles "Item 1", ….

    Memory grows with the number of pairs of user and item (about 25 bytes each).

    Args:
        n_users: The number of users.
        n_items: The number of items.
        n_interactions: The number of rows, from n_users to n_users * n_items.
        seed: The same seed makes the same data.

    Raises:
        ValueError: If the sizes don't fit together.
    """
    pairs = n_users * n_items
    if n_users < 1 or n_items < 1 or pairs > _MOST_PAIRS:
        raise ValueError(
            f"synthetic: expected 1 to {_MOST_PAIRS:,} pairs of user and item, got {n_users:,} x {n_items:,}"
        )
    if not n_users <= n_interactions <= pairs:
        raise ValueError(f"synthetic: expected n_interactions in {n_users:,} … {pairs:,}, got {n_interactions:,}")
    rng = np.random.default_rng(seed)
    taste = _taste(rng, n_users, n_items)
    user, item = _draw(rng, taste, n_interactions)
    rating = _rate(rng, taste, user, item)
    timestamp = _times(rng, user, n_users)
    order = np.argsort(timestamp, kind="stable")
    return Interactions(
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        rating[order],
        timestamp[order],
        user_ids=object_array(str(number) for number in range(1, n_users + 1)),
        item_ids=object_array(str(number) for number in range(1, n_items + 1)),
        item_titles=object_array(f"Item {number}" for number in range(1, n_items + 1)),
        name="synthetic",
    )


def _taste(rng: np.random.Generator, n_users: int, n_items: int) -> npt.NDArray[np.float32]:
    """How much each user likes each item: float32 [n_users, n_items], of unit variance."""
    users = rng.standard_normal((n_users, _TASTES), np.float32)
    items = rng.standard_normal((n_items, _TASTES), np.float32)
    return users @ items.T / np.float32(np.sqrt(_TASTES))


def _draw(
    rng: np.random.Generator, taste: npt.NDArray[np.float32], n_interactions: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pairs of user and item: each user's together, in the order in which they were drawn.

    The largest of log-weights plus Gumbel noise are a draw without replacement, in its order (the Gumbel-top-k trick).
    """
    n_users, n_items = taste.shape
    popularity = -0.8 * np.log(rng.permutation(n_items) + 1.0)
    activity = rng.standard_normal((n_users, 1))
    keys = 1.5 * taste
    keys += popularity
    keys += activity
    keys += rng.gumbel(size=taste.shape)
    keys[np.arange(n_users), keys.argmax(axis=1)] = np.inf  # everyone's first draw is in
    keys = keys.ravel()
    chosen = np.argpartition(keys, -n_interactions)[-n_interactions:]
    user, item = np.divmod(chosen, n_items)
    order = np.lexsort((-keys[chosen], user))
    return user[order], item[order]


def _rate(
    rng: np.random.Generator, taste: npt.NDArray[np.float32], user: npt.NDArray[np.intp], item: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    n_users, n_items = taste.shape
    user_bias, item_bias = 0.4 * rng.standard_normal((n_users,)), 0.4 * rng.standard_normal((n_items,))
    noise = 0.6 * rng.standard_normal(len(user))
    opinion = 3.0 + user_bias[user] + item_bias[item] + 0.7 * taste[user, item] + noise
    return np.clip(np.rint(opinion), 1, 5).astype(np.float32)


def _times(rng: np.random.Generator, user: npt.NDArray[np.intp], n_users: int) -> npt.NDArray[np.int64]:
    """Times of each user's interactions, ascending: the first anywhere in a year, pauses exponential."""
    splits = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=n_users))))
    pauses = rng.exponential(_PAUSE, len(user))
    pauses[ranks_in_groups(splits) == 0] = 0.0
    elapsed = np.cumsum(pauses)
    elapsed -= elapsed[splits[user]]
    return (_START + _YEAR * rng.random(n_users)[user] + elapsed).astype(np.int64)
