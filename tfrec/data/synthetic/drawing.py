"""Drawing the items of made-up users, one after the other, without a repeat."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.synthetic.alias import AliasTables
from tfrec.data.synthetic.choice import EARLY, LATE, Choice, successor_weights

_BITMAP_BYTES = 1 << 26  # of what a block of users has had; the blocks are part of what a seed means
_TRIES = (8, 32)  # rounds of drawing anew, before the items that are left are looked at one by one
_DENSE_CELLS = 1 << 22


class _State(NamedTuple):
    """What decides the next item of some users.

    Attributes:
        users: int64 [batch].
        late: The share of the late state at the time, float64 [batch].
        previous: The item before, int64 [batch]; -1 where there is none.
    """

    users: npt.NDArray[np.int64]
    late: npt.NDArray[np.float64]
    previous: npt.NDArray[np.int64]

    def take(self, rows: npt.NDArray[np.intp]) -> "_State":
        return _State(self.users[rows], self.late[rows], self.previous[rows])


def draw_items(
    rng: np.random.Generator, choice: Choice, splits: npt.NDArray[np.int64], timestamps: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """The items of all rows: int32 [n].

    Args:
        rng: Where the randomness comes from.
        choice: Who takes what.
        splits: int64 [n_users + 1]: user u has the rows from ``splits[u]`` to ``splits[u + 1]``.
        timestamps: Of the rows, ascending within a user, int64 [n].
    """
    items = np.empty(splits[-1], np.int32)
    lengths = np.diff(splits)
    longest_first = np.argsort(-lengths, kind="stable")
    block = max(1, _BITMAP_BYTES // (choice.n_items // 8 + 1))
    proposals = _Proposals(choice)
    for start in range(0, len(lengths), block):
        users = longest_first[start : start + block]
        first_rows, seen = splits[users], _Seen(len(users), choice.n_items)
        previous = np.full(len(users), -1)
        still_active = np.searchsorted(-lengths[users], -np.arange(lengths[users[0]]))
        for step, n_active in enumerate(still_active):
            rows = first_rows[:n_active] + step
            state = _State(users[:n_active], choice.late_share(timestamps.take(rows)), previous[:n_active])
            previous = _draw_unseen(rng, proposals, state, seen)
            seen.add(previous)
            items[rows] = previous
    return items


def _draw_unseen(
    rng: np.random.Generator, proposals: "_Proposals", state: _State, seen: "_Seen"
) -> npt.NDArray[np.int64]:
    """The next item of each user: drawn anew until it is none that the user has had."""
    items = proposals.draw(rng, state)
    pending = np.flatnonzero(seen.contains(np.arange(len(items)), items))
    for tries in _TRIES:
        if not len(pending):
            return items
        drawn = proposals.draw(rng, state.take(np.repeat(pending, tries))).reshape(-1, tries)
        fresh = ~seen.contains(pending[:, np.newaxis], drawn)
        first = fresh.argmax(axis=1)
        each = np.arange(len(pending))
        items[pending] = drawn[each, first]
        pending = pending[~fresh[each, first]]
    at_a_time = max(1, _DENSE_CELLS // proposals.choice.n_items)
    for start in range(0, len(pending), at_a_time):
        rows = pending[start : start + at_a_time]
        items[rows] = _draw_from_rest(rng, proposals.choice, state.take(rows), seen.unpack(rows))
    return items


def _draw_from_rest(
    rng: np.random.Generator, choice: Choice, state: _State, seen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The next items, from the probabilities of all that the users haven't had: what drawing anew for ever gives."""
    chances = choice.probabilities(*state)
    chances[seen] = 0
    sums = np.cumsum(chances, axis=1)
    points = rng.random(len(sums)) * sums[:, -1]
    drawn = (sums <= points[:, np.newaxis]).sum(axis=1)
    last = choice.n_items - 1 - np.argmax(~seen[:, ::-1], axis=1)  # a point may be rounded up to the whole sum
    return np.minimum(drawn, last)


class _Proposals:
    """Draws from the choice model, whether or not the user has had the item."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self._items = AliasTables.of(choice.tables.reshape(-1, choice.n_items))
        n_states, n_users, n_tastes = choice.mixtures.shape
        self._width = 1 << (n_tastes - 1).bit_length()
        # Filled up to a power of two with ones, which no point in [0, 1) reaches.
        sums = np.ones((n_states, n_users, self._width), np.float32)
        np.cumsum(choice.mixtures[:, :, :-1], axis=2, out=sums[:, :, : n_tastes - 1])
        self._sums = np.minimum(sums, 1, out=sums).ravel()
        self._successor_sums = np.cumsum(successor_weights(choice.successors.shape[1]))[:-1]

    def draw(self, rng: np.random.Generator, state: _State) -> npt.NDArray[np.int64]:
        """One item for each user: int64 [batch]."""
        choice = self.choice
        kind = rng.random(len(state.users))
        states = np.where(rng.random(len(kind)) < state.late, LATE, EARLY)
        tables = np.where(kind < choice.noise, 0, 1 + self._tastes(rng, states, state.users))
        items = self._items.draw(rng, states * (1 + choice.n_tastes) + tables)
        following = (kind >= choice.noise) & (kind < choice.noise + (1 - choice.noise) * choice.markov)
        rows = np.flatnonzero(following & (state.previous >= 0))
        slots = np.searchsorted(self._successor_sums, rng.random(len(rows)), side="right")
        items[rows] = choice.successors[state.previous[rows], slots]
        return items

    def _tastes(
        self, rng: np.random.Generator, states: npt.NDArray[np.int64], users: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """A taste of each user: a binary search in the sums of the user's mixture."""
        points = rng.random(len(users), dtype=np.float32)
        first = (states * self.choice.mixtures.shape[1] + users) * self._width
        place = first.copy()
        step = self._width // 2
        while step:
            place += step * (self._sums.take(place + (step - 1)) <= points)
            step //= 2
        return place - first


class _Seen:
    """Which items the users of a block have had: a bit each."""

    def __init__(self, n_users: int, n_items: int) -> None:
        self._n_items = n_items
        self._bits = np.zeros((n_users, n_items // 8 + 1), np.uint8)

    def contains(self, rows: npt.NDArray[np.intp], items: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether the users in these rows have had these items; the shapes are broadcast."""
        return (self._bits[rows, items >> 3] >> (items & 7).astype(np.uint8) & 1).astype(np.bool_)

    def add(self, items: npt.NDArray[np.int64]) -> None:
        """One more item for each of the first users."""
        self._bits[np.arange(len(items)), items >> 3] |= np.left_shift(1, items & 7).astype(np.uint8)

    def unpack(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """All that the users in these rows have had: bool [rows, n_items]."""
        return np.unpackbits(self._bits[rows], axis=1, count=self._n_items, bitorder="little").astype(np.bool_)
