"""Exact retrieval: every candidate is scored."""

from typing import Any

from tfrec import ranking
from tfrec._tf import Tensor, tf


class Exact(tf.keras.layers.Layer):
    """The best candidates by inner product, none overlooked.

    A model whose scores are not inner products, such as EASE, is exported with `Exact` by ranking all its own scores.

    Args:
        name: Keras's name of the layer.
    """

    # Against exact search; approximate layers measure theirs.
    recall = 1.0

    def __init__(self, *, name: str = "exact") -> None:
        super().__init__(name=name, trainable=False)
        self.candidates: Any = None

    def index(self, candidates: Tensor) -> "Exact":
        """Take the candidate vectors, float [n_candidates, dimension]; returns the layer.

        Raises:
            ValueError: they are not a matrix.
        """
        candidates = tf.convert_to_tensor(candidates, tf.float32)
        if candidates.shape.rank != 2:
            raise ValueError(f"index takes candidates of shape [n_candidates, dimension]; got shape {candidates.shape}")
        self.candidates = tf.Variable(candidates, trainable=False, name="candidates")
        return self

    def call(self, queries: Tensor, k: Tensor, exclude: Tensor = None) -> ranking.Ranked:
        """The best candidates of each query.

        Args:
            queries: float32 [batch, dimension].
            k: an int for all queries, or int32 [batch].
            exclude: ragged int32 [batch, None], candidates left out; negative entries are ignored.

        Returns:
            `ranking.Ranked`: positions of candidates, int32 [batch, K], and scores, float32 [batch, K].

        Raises:
            ValueError: there is no index yet.
        """
        if self.candidates is None:
            raise ValueError("the Exact layer has no candidates yet: call index(candidates) first")
        scores = tf.matmul(queries, self.candidates, transpose_b=True)
        n_queries, n_candidates = tf.shape(scores)[0], tf.shape(scores)[1]
        hidden = tf.zeros([1, n_candidates], tf.bool) if exclude is None else ranking.multi_hot(exclude, n_candidates)
        return ranking.top_k(scores, hidden, tf.broadcast_to(k, [n_queries]))
