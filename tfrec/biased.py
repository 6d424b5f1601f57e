"""Models of ratings that are a sum of biases and an inner product of factors."""

from typing import Any

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.explicit import ExplicitRecommender
from tfrec.factors import FactorRecommender


class BiasedFactorRecommender(FactorRecommender, ExplicitRecommender):
    """Predicts r̂(u, i) = μ + b(u) + b(i) + q(i) · v(u), with the mean rating μ (Koren, Bell & Volinsky 2009, eq. 4).

    A subclass makes the factors (in `create_variables`, after `super().create_variables()`), and says how a user's
    vector v(u) comes about, in `user_vectors` and `history_vectors`.

    Attributes:
        user_biases: float32 [n_users].
        item_biases: float32 [n_items].
        item_factors: q, float32 [n_items, n_factors].
    """

    item_table = "item_factors"
    user_biases: Any
    item_biases: Any
    item_factors: Any

    def create_variables(self) -> None:
        """The biases, all zero, and the scale of the ratings."""
        super().create_variables()
        self.set_variable("user_biases", np.zeros(self.n_users, np.float32), trainable=True)
        self.set_variable("item_biases", np.zeros(self.n_items, np.float32), trainable=True)

    def user_vectors(self, users: Tensor) -> Tensor:
        """The vectors v of known users: int32 [batch] → float32 [batch, n_factors]."""
        raise NotImplementedError(f"{type(self).__name__} must implement user_vectors")

    def history_vectors(self, histories: Tensor, ratings: Tensor = None) -> tuple[Tensor, Tensor]:
        """What stands for unknown people: their vectors and their biases.

        Args:
            histories: ragged int32 [batch, None], known items.
            ratings: ragged float32 [batch, None] of the same row lengths, or None.

        Returns:
            float32 [batch, n_factors] and float32 [batch].
        """
        raise NotImplementedError(f"{type(self).__name__} must implement history_vectors")

    def query(self, users: Tensor) -> Tensor:
        """(v, 1, μ + b) of known users: int32 [batch] → float32 [batch, n_factors + 2]."""
        users = self.check_indices(users)
        return self._with_constant(self.user_vectors(users), tf.gather(self.user_biases, users))

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """(v, 1, μ + b) of unknown people, from what they have rated: float32 [batch, n_factors + 2]."""
        return self._with_constant(*self.history_vectors(self.check_histories(histories), ratings))

    def candidates(self) -> Tensor:
        """(q, b, 1) of all items: float32 [n_items, n_factors + 2]."""
        return _with_biases(linalg.whole(self.item_factors), linalg.whole(self.item_biases))

    def gather_candidates(self, items: Tensor) -> Tensor:
        """Rows of `candidates()`: int32 [...] → float32 [..., n_factors + 2]."""
        return _with_biases(self.item_rows(items), linalg.rows_of(self.item_biases, items))

    def unknown_pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """The mean rating and what biases are known; -1 is unknown: float32 [batch]."""
        user = tf.where(users >= 0, tf.gather(self.user_biases, tf.maximum(users, 0)), 0.0)
        item = tf.where(items >= 0, tf.gather(self.item_biases, tf.maximum(items, 0)), 0.0)
        return self.rating_mean + user + item

    def _with_constant(self, vectors: Tensor, biases: Tensor) -> Tensor:
        constant = (self.rating_mean + biases)[:, tf.newaxis]
        return tf.concat([vectors, tf.ones_like(constant), constant], axis=1)


def _with_biases(factors: Tensor, biases: Tensor) -> Tensor:
    biases = biases[..., tf.newaxis]
    return tf.concat([factors, biases, tf.ones_like(biases)], axis=-1)
