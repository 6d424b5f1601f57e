"""Scores by index: what a model file says of its model, and what the ranking makes of it."""

from typing import Any

from tfrec import ranking
from tfrec._tf import Tensor, tf
from tfrec.inputs import check_range


class Scores:
    """The part of a `Recommender` that scores users, histories and pairs; the sizes and histories are the model's."""

    n_users: int
    n_items: int
    history_splits: Any
    history_items: Any
    item_counts: Any

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
        """What ranks the items: `score`, and the popularity of the items for a user without training rows.

        Args:
            users: int32 [batch]; -1 is an unknown user.

        Returns:
            float32 [batch, n_items], nothing masked.
        """
        known = self.has_history(users)[:, tf.newaxis]
        return tf.where(known, self.score(tf.maximum(users, 0)), self.item_counts[tf.newaxis, :])

    def ranking_scores_from_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """What ranks the items: `score_histories`, and the popularity of the items where a history is empty."""
        known = (histories.row_lengths() > 0)[:, tf.newaxis]
        return tf.where(known, self.score_histories(histories, ratings), self.item_counts[tf.newaxis, :])
