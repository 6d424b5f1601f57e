"""Recommendations by raw id, on top of a model's scores."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf
from tfrec.checks import check_flag, check_integer
from tfrec.recommendations import Recommendations
from tfrec.vocabulary import Ids, Vocabulary, check_id_lists, check_ids

# Rows ranked at once, large enough to be fast; fewer where their scores would be more than a quarter of a gigabyte.
_BATCH = 1024
_SCORES = 2**26
# The largest k that is answered whatever the catalogue's size; `export` has it as its default max_k.
MAX_K = 1000
# What share of the best items the retrieval layer of an export must find, unless `export` is told otherwise.
MIN_RECALL = 0.95

ItemLists = Ids | Sequence[Ids]


class _Functions:
    """The ranking functions of a model, compiled for the variables of its last `adapt`."""

    def __init__(self, model: Any) -> None:
        indices = tf.TensorSpec([None], tf.int32)
        self.users = tf.function(
            lambda users, k, exclude, exclude_seen: ranking.rank_users(
                model, users, k, exclude, exclude_seen=exclude_seen
            ),
            reduce_retracing=True,
            autograph=False,
        )
        self.histories = tf.function(
            lambda histories, ratings, k, exclude, exclude_seen: ranking.rank_histories(
                model, histories, ratings, k, exclude, exclude_seen=exclude_seen
            ),
            reduce_retracing=True,
            autograph=False,
        )
        self.similar = tf.function(
            lambda items, k: ranking.rank_similar(model, items, k),
            input_signature=[indices, indices],
            autograph=False,
        )


class RawIdAnswers:
    """The part of a `Recommender` that takes and gives raw ids; the model keeps what it needs in `_state`."""

    _state: Any

    def _vocabulary(self, kind: str) -> Vocabulary:
        if self._state.users is None:
            raise ValueError(
                f"{type(self).__name__} knows no data yet: call fit(train) first, or tfrec.load a saved model"
            )
        return self._state.users if kind == "user" else self._state.items

    @property
    def user_ids(self) -> np.ndarray:
        """Raw user ids: object [n_users]."""
        return self._vocabulary("user").ids

    @property
    def item_ids(self) -> np.ndarray:
        """Raw item ids: object [n_items]."""
        return self._vocabulary("item").ids

    @property
    def item_titles(self) -> np.ndarray | None:
        """Titles of the items, object [n_items], or None."""
        self._vocabulary("item")
        return self._state.titles

    @property
    def n_users(self) -> int:
        """The size of the user vocabulary."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """The size of the item vocabulary."""
        return len(self.item_ids)

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: ItemLists | None = None,
    ) -> Recommendations:
        """The best items for users; an unknown one, or one without training rows, gets the most popular items.

        Args:
            users: raw user ids.
            k: how many items for each.
            exclude_seen: leave out the items of the user's training history.
            exclude: raw ids of items to leave out: one list for everybody, or a list for each user. Unknown ids are
                ignored.

        Returns:
            `Recommendations`, one row a user.

        Raises:
            TypeError: an id is not a string.
            ValueError: k is not positive, or `exclude` has another number of lists than there are users.
        """
        k, exclude_seen = self._check_k(k), check_flag("exclude_seen", exclude_seen)
        users = check_ids("user", users)
        indices = self._vocabulary("user").encode(users)
        excluded = self._encode_exclusions(exclude, len(indices))
        function = self._functions().users
        answers = [
            function(tf.constant(indices[rows]), _repeat(k, rows), _part(excluded, rows), exclude_seen)
            for rows in self._batches(len(indices))
        ]
        return self._answer(answers, k, users)

    def recommend_from_history(
        self,
        histories: Sequence[Ids],
        k: int = 10,
        *,
        ratings: Sequence[Sequence[float]] | None = None,
        exclude_seen: bool = True,
        exclude: ItemLists | None = None,
    ) -> Recommendations:
        """The best items for people the model has never seen, from the items that they have liked.

        Args:
            histories: raw item ids, oldest first, a list for each person. Unknown items are ignored; with nothing left,
                the answer is the most popular items.
            k: how many items for each.
            ratings: a rating for each item of the histories; used by the models of ratings.
            exclude_seen: leave out the items of the history.
            exclude: as in `recommend`.

        Returns:
            `Recommendations`, one row a history.

        Raises:
            TypeError, ValueError: as `recommend`; and for ratings that don't fit the histories, or are not finite.
        """
        k, exclude_seen = self._check_k(k), check_flag("exclude_seen", exclude_seen)
        items = self._encode_lists("histories", histories)
        n_rows = int(items.nrows())
        excluded = self._encode_exclusions(exclude, n_rows)
        stars = None if ratings is None else _ragged_ratings(ratings, items)
        function = self._functions().histories
        answers = [
            function(
                items[rows],
                _part(stars, rows),
                _repeat(k, rows),
                _part(excluded, rows),
                exclude_seen,
            )
            for rows in self._batches(n_rows)
        ]
        return self._answer(answers, k, None)

    def similar_items(self, items: Ids, k: int = 10) -> Recommendations:
        """What the model recommends to somebody who likes one item: one row an item, empty for an unknown one."""
        k = self._check_k(k)
        items = check_ids("item", items)
        indices = self._vocabulary("item").encode(items)
        function = self._functions().similar
        answers = [function(tf.constant(indices[rows]), _repeat(k, rows)) for rows in self._batches(len(indices))]
        return self._answer(answers, k, items)

    def _check_k(self, k: int) -> int:
        k = check_integer("k", k, minimum=1)
        largest = max(self.n_items, MAX_K)
        if k > largest:
            raise ValueError(f"k is at most {largest} here (there are {self.n_items} items); got {k}")
        return k

    def _encode_lists(self, name: str, lists: Sequence[Ids], n_rows: int | None = None) -> Tensor:
        """Ragged int32 [n_rows, None] of lists of raw item ids; -1 for unknown ones."""
        rows = check_id_lists(name, lists)
        if n_rows is not None and len(rows) != n_rows:
            raise ValueError(f"{name} has {len(rows)} lists for {n_rows} rows: give one list for each row")
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        indices = self._vocabulary("item").encode([item for row in rows for item in row])
        return tf.RaggedTensor.from_row_lengths(indices, lengths)

    def _encode_exclusions(self, exclude: ItemLists | None, n_rows: int) -> Tensor:
        """`exclude`, one list for everybody or a list for each row, as `_encode_lists` has it; or None."""
        if exclude is None:
            return None
        if isinstance(exclude, Iterable) and not isinstance(exclude, (str, bytes, Mapping)):
            listed: list = list(exclude)
            flat = all(isinstance(item, (str, bytes)) or not isinstance(item, Iterable) for item in listed)
            exclude = [check_ids("item", listed)] * n_rows if flat else listed
        elif isinstance(exclude, (str, bytes)):
            check_ids("item", exclude)
        return self._encode_lists("exclude", exclude, n_rows)

    def check_answers(self) -> None:
        """Raise a `ValueError` if the model cannot answer yet."""
        self._vocabulary("user")

    def _batches(self, n_rows: int) -> list[slice]:
        size = max(1, min(_BATCH, _SCORES // self.n_items))
        return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]

    def _functions(self) -> _Functions:
        self.check_answers()
        if self._state.functions is None:
            self._state.functions = _Functions(self)
        return self._state.functions

    def _answer(self, answers: list, k: int, query: list | None) -> Recommendations:
        if not all(bool(answer.finite) for answer in answers):
            raise ValueError(
                f"{type(self).__name__} gives scores that are not finite, so nothing can be ranked: its fit diverged "
                "(a smaller learning rate?), or its weights are damaged"
            )
        empty = np.zeros((0, k))
        items = np.concatenate([empty.astype(np.int32), *(answer.item.numpy() for answer in answers)])
        scores = np.concatenate([empty.astype(np.float32), *(answer.score.numpy() for answer in answers)])
        titles = None if self.item_titles is None else Vocabulary(self.item_titles, "item").decode(items)
        return Recommendations(self._vocabulary("item").decode(items), scores, query, titles)


def _repeat(k: int, rows: slice) -> Tensor:
    return tf.fill([rows.stop - rows.start], k)


def _part(lists: Tensor, rows: slice) -> Tensor:
    return None if lists is None else lists[rows]


def _ragged_ratings(ratings: Sequence[Sequence[float]], items: Tensor) -> Tensor:
    """Ragged float32 ratings, one for each item of the histories."""
    try:
        rows = [np.asarray(row, dtype=np.float32) for row in ratings]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"ratings takes a list of numbers for each history, such as [[4.0, 5.0]]; got {ratings!r}"
        ) from error
    if [row.shape for row in rows] != [(length,) for length in items.row_lengths().numpy()]:
        raise ValueError("ratings must hold one number for each item of each history: the lengths differ")
    values = np.concatenate([np.zeros(0, np.float32), *rows])
    if not np.isfinite(values).all():
        raise ValueError("ratings must be finite numbers; got NaN or an infinity")
    return tf.RaggedTensor.from_row_splits(values, items.row_splits)
