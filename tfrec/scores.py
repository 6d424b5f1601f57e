"""Scores by index: what a model file says of its model, and what the ranking makes of it."""

from typing import Any

from tfrec import linalg, ranking
from tfrec._tf import Tensor, tf
from tfrec.inputs import check_range


class Scores:
    """The part of a `Recommender` that scores users, histories and pairs; the sizes and histories are the model's.

    Attributes:
        scores_are_products: whether scores are inner products of the vectors of `search_model(0)`.
        search_ranks: what `search_model` may be asked for, ascending; none if there is nothing to search by.
    """

    n_users: int
    n_items: int
    history_splits: Any
    history_items: Any
    item_counts: Any

    scores_are_products = False
    search_ranks: tuple[int, ...] = ()

    def score(self, users: Tensor) -> Tensor:
        """Scores of all items: int32 [batch] of known users → float32 [batch, n_items]."""
        raise NotImplementedError(f"{type(self).__name__} must implement score")

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """Scores of all items for unknown people: ragged int32 [batch, None] → float32 [batch, n_items]."""
        raise NotImplementedError(f"{type(self).__name__} must implement score_histories")

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs: int32 [batch], int32 [batch] → float32 [batch]."""
        users, items = self.check_indices(users, items)
        return tf.gather(self.score(users), items, batch_dims=1)

    def rescore(self, users: Tensor, items: Tensor) -> Tensor:
        """The model's own scores of some items for each user: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        scores = self.score(users)
        return tf.gather(scores, self.check_lists(items, scores.shape[0]), batch_dims=1)

    def rescore_histories(self, histories: Tensor, ratings: Tensor, items: Tensor) -> Tensor:
        """The model's own scores of some items for unknown people.

        Args:
            histories: ragged int32 [batch, None].
            ratings: ragged float32 [batch, None] of the same row lengths, or None.
            items: int32 [batch, n].

        Returns:
            float32 [batch, n].
        """
        scores = self.score_histories(histories, ratings)
        return tf.gather(scores, self.check_lists(items, scores.shape[0]), batch_dims=1)

    def search_model(self, rank: int) -> Any:
        """Vectors whose inner products are the model's scores, or near enough to find candidates for `rescore`.

        Args:
            rank: one of `search_ranks`: a higher one comes nearer and takes longer.

        Returns:
            The model itself, or a `tf.Module`, with the methods `query(users)`, `query_histories(histories, ratings)`
            and `candidates()`; see `FactorRecommender`.

        Raises:
            TypeError: there are none.
        """
        raise TypeError(f"{type(self).__name__} has no vectors that an index could search: export it with Exact()")

    def call(self, inputs: Tensor) -> Tensor:
        """`score_pairs` of `inputs`, a pair (users, items) or a dict with these two keys."""
        users, items = (inputs["users"], inputs["items"]) if isinstance(inputs, dict) else inputs
        return self.score_pairs(users, items)

    def unknown_pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """The score of pairs of which at least one side is unknown (-1): float32 [batch]."""
        return tf.zeros(tf.shape(items), tf.float32)

    def answer_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """What a pair is answered with, whatever is known of it: int32 [batch], int32 [batch] → float32 [batch].

        Args:
            users: -1 is an unknown user.
            items: -1 is an unknown item.
        """
        return ranking.score_known_pairs(self, users, items)

    def check_indices(self, users: Tensor, items: Tensor = None) -> Tensor:
        """Users (and items) as int32 tensors; out of range is a clear error wherever the values are known."""
        users = check_range("user", users, self.n_users)
        if items is None:
            return users
        items = check_range("item", items, self.n_items)
        if not users.shape.is_compatible_with(items.shape):
            raise ValueError(
                f"pairs take as many users as items; got {users.shape[0]} users and {items.shape[0]} items"
            )
        return users, items

    def check_lists(self, items: Tensor, n_rows: int | None) -> Tensor:
        """Lists of items, one for each of `n_rows` (None: not known), as int32 [n_rows, n]; checked like indices."""
        items = tf.convert_to_tensor(items)
        if items.shape.rank != 2 or not items.shape[:1].is_compatible_with([n_rows]):
            raise ValueError(f"items are int [batch, n], a row for each user or history; got shape {items.shape}")
        return tf.reshape(check_range("item", tf.reshape(items, [-1]), self.n_items), tf.shape(items))

    def check_histories(self, histories: Tensor) -> Tensor:
        """Histories as a ragged int32 tensor; out of range is a clear error wherever the values are known."""
        if not isinstance(histories, tf.RaggedTensor):
            raise TypeError(
                "histories by index are a tf.RaggedTensor, such as tf.ragged.constant([[1, 2], [3]], dtype=tf.int32); "
                f"got {type(histories).__name__}. For raw ids use recommend_from_history"
            )
        return histories.with_values(check_range("item", histories.values, self.n_items))

    @property
    def recommendable(self) -> Tensor:
        """Which items have training rows: bool [n_items]. The others are never recommended."""
        return self.item_counts > 0

    def are_recommendable(self, items: Tensor) -> Tensor:
        """Which of these items have training rows: int32 [...], -1 for an unknown item → bool [...]."""
        counts = linalg.rows_of(self.item_counts, tf.maximum(items, 0))
        return tf.logical_and(items >= 0, counts > 0)

    def fallback_scores(self) -> Tensor:
        """What ranks the items for people of whom nothing is known, how popular they are: float32 [n_items]."""
        return tf.convert_to_tensor(self.item_counts)

    def seen_items(self, users: Tensor) -> Tensor:
        """The training items of users, ragged int32 [batch, None]; an unknown user (-1) has none."""
        known = tf.maximum(users, 0)
        starts = tf.gather(self.history_splits, known)
        ends = tf.where(users >= 0, tf.gather(self.history_splits, known + 1), starts)
        return tf.gather(self.history_items, tf.ragged.range(starts, ends, row_splits_dtype=tf.int64))

    def has_history(self, users: Tensor) -> Tensor:
        """Which users have training rows: bool [batch]; -1 has none."""
        known = tf.maximum(users, 0)
        rows = tf.gather(self.history_splits, known + 1) > tf.gather(self.history_splits, known)
        return tf.logical_and(users >= 0, rows)

    def ranking_scores(self, users: Tensor) -> Tensor:
        """What ranks the items: `score`, and `fallback_scores` for a user without training rows.

        Args:
            users: int32 [batch]; -1 is an unknown user.

        Returns:
            float32 [batch, n_items], nothing masked.
        """
        known = self.has_history(users)[:, tf.newaxis]
        return tf.where(known, self.score(tf.maximum(users, 0)), self.fallback_scores()[tf.newaxis, :])

    def usable_ratings(self, ratings: Tensor) -> Tensor:
        """The ratings of histories as the model takes them, from what anybody may send: ragged float32, or None."""
        return ratings

    def ranking_scores_from_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """What ranks the items: `score_histories`, and `fallback_scores` where a history is empty."""
        known = (histories.row_lengths() > 0)[:, tf.newaxis]
        return tf.where(
            known, self.score_histories(histories, self.usable_ratings(ratings)), self.fallback_scores()[tf.newaxis, :]
        )
