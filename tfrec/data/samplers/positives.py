"""What users are known to like, as a table that TensorFlow looks up: no sampler returns an item of it."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions

_WORD = 32


class KnownPositives:
    """The training items of all users. Build it once where several samplers are made of the same data.

    The table itself is a copy of the histories. Where one bit for each pair of user and item fits into
    `bitmap_bytes` (MovieLens-1M: 2.8 MB) there is a bitmap too, which answers `contains` with one look-up instead of a
    binary search of the user's history.

    The tensors are plain eager tensors, neither variables nor modules: functions and data sets capture them by
    reference, Keras doesn't track them, and no checkpoint stores them.

    Args:
        splits: whole numbers [n_users + 1]; user u has ``items[splits[u]:splits[u + 1]]``.
        items: whole numbers [n_pairs], ascending for each user, each item at most once.
        n_items: the size of the item vocabulary.
        bitmap_bytes: the largest bitmap that is made.

    Attributes:
        n_users: how many users.
        n_items: how many items.
        splits: int64 [n_users + 1], numpy.
        items: int32 [n_pairs], numpy.
        counts: int64 [n_items], numpy: the users of each item.

    Raises:
        DataError: the arrays are no such histories, or hold no pair at all.
    """

    def __init__(self, splits: Any, items: Any, n_items: int, *, bitmap_bytes: int = 64 << 20) -> None:
        self.n_items = check_integer("n_items", n_items, minimum=1)
        self.splits, self.items = _checked(np.asarray(splits), np.asarray(items), self.n_items)
        self.n_users = len(self.splits) - 1
        self.counts = np.bincount(self.items, minlength=self.n_items)
        longest = int(np.diff(self.splits).max())
        self._steps = [1 << bit for bit in reversed(range(longest.bit_length()))]
        self._words = math.ceil(self.n_items / _WORD)
        position = np.int32 if len(self.items) < np.iinfo(np.int32).max else np.int64
        n_words = self.n_users * self._words
        # A position in the bitmap is an int32.
        has_bitmap = n_words * _WORD // 8 <= bitmap_bytes and n_words <= np.iinfo(np.int32).max
        with tf.init_scope():
            self.splits_table: Tensor = tf.constant(self.splits.astype(position))
            self.items_table: Tensor = tf.constant(self.items)
            self._bitmap: Tensor | None = tf.constant(self._make_bitmap()) if has_bitmap else None

    @classmethod
    def of(cls, train: "Interactions | KnownPositives") -> "KnownPositives":
        """The known positives of training data; of known positives, they themselves.

        Raises:
            TypeError: `train` is something else.
            DataError: it is empty.
        """
        if isinstance(train, KnownPositives):
            return train
        if not isinstance(train, Interactions):
            raise TypeError(
                "a sampler takes tfrec.data.Interactions or tfrec.data.samplers.KnownPositives, "
                f"got {type(train).__name__}"
            )
        matrix = train.to_csr("binary")
        return cls(matrix.indptr, matrix.indices, train.n_items)

    def contains(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether items are known positives of users.

        Args:
            users: int32, known users, of any shape.
            items: int32, of a shape that broadcasts with it.

        Returns:
            bool, of the common shape.
        """
        if self._bitmap is None:
            return self._search(users, items)
        word = tf.gather(self._bitmap, users * self._words + tf.bitwise.right_shift(items, 5))
        bit = tf.bitwise.bitwise_and(tf.bitwise.right_shift(word, tf.bitwise.bitwise_and(items, _WORD - 1)), 1)
        return tf.cast(bit, tf.bool)

    def contains_all_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """`contains` of every user with every item, several times faster: int32 [n] and int32 [m] → bool [n, m].

        The histories are spread over the distinct items, and its columns are then copied whole.
        """
        distinct, column = tf.unique(items)
        width = tf.size(distinct)
        place = tf.tensor_scatter_nd_update(
            tf.fill([self.n_items], width), tf.expand_dims(distinct, 1), tf.range(width)
        )
        rows = tf.ragged.range(tf.gather(self.splits_table, users), tf.gather(self.splits_table, users + 1))
        places = rows.with_values(tf.gather(place, tf.gather(self.items_table, rows.values)))
        size = width + 1  # the last place is for all items that are not asked about
        counts = tf.math.bincount(places, minlength=size, maxlength=size, dtype=tf.float32, axis=-1, binary_output=True)
        return tf.transpose(tf.gather(tf.transpose(counts > 0), column))

    def _search(self, users: Tensor, items: Tensor) -> Tensor:
        """`contains` by a binary search for the last item of the history that is not behind the one sought."""
        shape = tf.broadcast_dynamic_shape(tf.shape(users), tf.shape(items))
        users, items = tf.broadcast_to(users, shape), tf.broadcast_to(items, shape)
        before = tf.gather(self.splits_table, users) - 1
        last = tf.gather(self.splits_table, users + 1) - 1
        position, found = before, tf.zeros_like(items, tf.bool)
        for step in self._steps:
            probe = tf.minimum(position + step, last)
            item = tf.gather(self.items_table, tf.maximum(probe, 0))
            found = tf.logical_or(found, tf.logical_and(item == items, probe > before))
            position = tf.where(item <= items, probe, position)
        return found

    def _make_bitmap(self) -> npt.NDArray[np.int32]:
        """Bit i % 32 of word u * words + i // 32 says whether user u has item i: int32 [n_users * words]."""
        bitmap = np.zeros(self.n_users * self._words, np.uint32)
        users = np.repeat(np.arange(self.n_users), np.diff(self.splits))
        words = users * self._words + self.items // _WORD  # ascending, as the pairs are
        bits = np.left_shift(np.uint32(1), (self.items % _WORD).astype(np.uint32))
        starts = np.flatnonzero(np.diff(words, prepend=-1))
        bitmap[words[starts]] = np.bitwise_or.reduceat(bits, starts)
        return bitmap.view(np.int32)


def _checked(splits: Any, items: Any, n_items: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    for name, values in (("splits", splits), ("items", items)):
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise DataError(f"histories: expected {name} as whole numbers [n], got {values.dtype} {values.shape}")
    if len(items) == 0:
        raise DataError("histories: there is no training row, so no item to draw from")
    lengths = np.diff(splits.astype(np.int64))
    if len(splits) < 2 or splits[0] != 0 or splits[-1] != len(items) or (lengths < 0).any():
        raise DataError(f"histories: expected splits that ascend from 0 to the number of items, {len(items)}")
    if items.min() < 0 or items.max() >= n_items:
        raise DataError(
            f"histories: expected items in 0 … {n_items - 1}, found {items.min()} as lowest, {items.max()} as highest"
        )
    users = np.repeat(np.arange(len(lengths)), lengths)
    wrong = np.flatnonzero((np.diff(items.astype(np.int64)) <= 0) & (users[1:] == users[:-1]))
    if len(wrong):
        raise DataError(
            f"histories: expected each user's items in ascending order, each once; user {users[wrong[0]]} has "
            f"{items[wrong[0] + 1]} behind {items[wrong[0]]}"
        )
    return splits.astype(np.int64), items.astype(np.int32)
