"""The best items of every row of a table of scores, in numpy: several times as fast as sorting or a heap.

Three steps. A threshold for each row, which at least as many scores reach as there are places: the maxima of groups of
columns are few, and the K-th largest of them is such a threshold. Then the few scores that reach it, a tenth more than
there are places when they are spread evenly. These are put in order as whole numbers that hold row, score and column.
"""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]

_LOWEST = np.finfo(np.float32).min  # what is masked, -inf, is below
_MOST_GROUPED = 64  # columns to a maximum
_SCORE_BITS = 32
_ONES = np.int64(2**31 - 1)


def rows_at_a_time(n_columns: int) -> int:
    """How many rows `best` takes: so many that the work stays in a processor's cache, and fits into 63 bits."""
    in_cache = 2**19 // n_columns
    in_bits = 2 ** (63 - _SCORE_BITS - _column_bits(n_columns))
    return int(np.clip(in_cache, 1, min(in_bits, 256)))


def best(scores: Scores, users: Keys, items: Keys, k: int) -> NDArray[np.int32]:
    """The k best columns of each row, best first.

    Equal scores come in a random order, a fixed one for each user, that depends on the keys of the user and the items
    alone. By column it would be an order of popularity in many data sets, whose vocabularies are in the order of first
    appearance; and one order for all users would be the luck of whichever items it happens to put first. With this one,
    a constant model scores at chance.

    Args:
        scores: float32 [rows, columns], contiguous, at most `rows_at_a_time` rows, none NaN; -inf is never listed.
        users: uint64 [rows], keys of the users.
        items: uint64 [columns], keys of the items.
        k: the number of places.

    Returns:
        int32 [rows, k]; -1 where a row has no further column.
    """
    found = np.flatnonzero(scores >= _thresholds(scores, k + 1)[:, np.newaxis])
    return in_order(found, scores, users, items, k)


def _thresholds(scores: Scores, n_places: int) -> Scores:
    """For each row a number that at least n_places of its scores reach (all that aren't masked, if they are fewer)."""
    n_rows, n_columns = scores.shape
    n_grouped = min(n_columns // (4 * n_places), _MOST_GROUPED)
    if n_grouped > 1:
        n_groups = n_columns // n_grouped
        grouped = scores[:, : n_groups * n_grouped].reshape(n_rows, n_grouped, n_groups)
        scores = grouped.max(axis=1)
    if scores.shape[1] <= n_places:
        return np.full(n_rows, _LOWEST, np.float32)
    position = scores.shape[1] - n_places
    return np.maximum(np.partition(scores, position, axis=1)[:, position], _LOWEST)


def in_order(found: Indices, scores: Scores, users: Keys, items: Keys, k: int) -> NDArray[np.int32]:
    """`best` among some entries only.

    Args:
        found: int64 [n], the entries' positions in the flattened scores, ascending, none of them of -inf.
        scores: as for `best`.
        users: as for `best`.
        items: as for `best`.
        k: as for `best`.
    """
    n_rows, n_columns = scores.shape
    bits = _column_bits(n_columns)
    rows, columns = np.divmod(found, n_columns)
    keys = _descending(scores.ravel()[found]) | (rows << _SCORE_BITS)
    keys = (keys << bits) | columns
    keys.sort()
    ends = np.searchsorted(rows, np.arange(1, n_rows + 1))
    places = np.append(0, ends[:-1])[:, np.newaxis] + np.arange(k)
    _shuffle_ties(keys, bits, users, items, places)
    filled = places < ends[:, np.newaxis]
    columns = keys[np.minimum(places, len(keys) - 1)] & (2**bits - 1) if len(keys) else np.zeros((n_rows, k), np.int64)
    return np.where(filled, columns, -1).astype(np.int32)


def _column_bits(n_columns: int) -> int:
    return (n_columns - 1).bit_length()


def _descending(scores: Scores) -> Indices:
    """Whole numbers in 0 … 2³² - 1, in the opposite order of the scores."""
    # Adding 0 turns -0.0 into 0.0, which equals it and has other bits.
    bits = (scores + np.float32(0)).view(np.int32).astype(np.int64)
    # Read as whole numbers, the bits of positive floats are in order, and those of negative ones in reverse.
    return _ONES - np.where(bits < 0, bits ^ _ONES, bits)


def _shuffle_ties(keys: Indices, bits: int, users: Keys, items: Keys, places: Indices) -> None:
    """Put equal scores in random order, in rows where that changes the first places; in place."""
    scores = keys >> bits
    is_tied = np.append(scores[1:] == scores[:-1], False)  # with the next
    if not is_tied.any():
        return
    rows = scores >> _SCORE_BITS
    is_tied &= np.arange(len(keys)) < places[rows, 0] + places.shape[1]
    starts = np.searchsorted(rows, np.arange(len(places) + 1))
    for row in np.unique(rows[is_tied]):
        mine = slice(starts[row], starts[row + 1])
        columns = keys[mine] & (2**bits - 1)
        keys[mine] = keys[mine][_random_order(scores[mine], columns, _random(users[row], items[columns]))]


def _random_order(scores: Indices, columns: Indices, random: Keys) -> NDArray[np.intp]:
    """The order by score and then at random; where even the random numbers are equal, by column."""
    random = random >> np.uint64(64 - _SCORE_BITS)
    both = (scores.astype(np.uint64) << np.uint64(_SCORE_BITS)) | random  # the row, the same for all, is shifted out
    order = np.argsort(both)
    ordered = both[order]
    if (ordered[1:] == ordered[:-1]).any():  # one in a million, and the quick sort is not stable
        order = np.lexsort((columns, both))
    return order


def _random(user: np.uint64, items: Keys) -> Keys:
    """A random number for each of a user's items, always the same: SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = (items ^ user) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
