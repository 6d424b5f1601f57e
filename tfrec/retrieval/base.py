"""What every retrieval layer keeps: queries in, the k best candidates out, none that is excluded, none too few."""

from typing import ClassVar, Self

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf


class Retrieval(tf.keras.layers.Layer):
    """A Keras layer from query vectors to the best candidates by inner product.

    A subclass implements `build_index` and `search`, and `rows` if it can give vectors back.

    Args:
        name: Keras's name of the layer.

    Attributes:
        n_candidates: how many candidates are indexed; 0 before `index`.
        dimension: how many numbers a vector has.
        requires_ops: the packages whose TensorFlow ops a graph with this layer needs; none for stock TensorFlow.
        op_namespaces: the first part of these ops' names, which TensorFlow asks for when it saves them.
    """

    requires_ops: ClassVar[tuple[str, ...]] = ()
    op_namespaces: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name, trainable=False)
        self.n_candidates = 0
        self.dimension = 0

    # What a subclass implements.

    def build_index(self, candidates: np.ndarray) -> None:
        """Make the index of checked candidates, float32 [n_candidates, dimension], and forget any earlier one."""
        raise NotImplementedError(f"{type(self).__name__} must implement build_index")

    def search(self, queries: Tensor, k: Tensor, *, thorough: bool) -> tuple[Tensor, Tensor]:
        """The best candidates that the index finds.

        Args:
            queries: float32 [batch, dimension].
            k: int32 [], from 0 to `n_candidates`.
            thorough: leave out no candidate, whatever it takes: every row then has k answers, though their scores and
                order may still be the index's approximations.

        Returns:
            Positions of candidates, int32 [batch, k], each at most once a row, and their scores, float32 [batch, k],
            descending; where a row has no further answer, -1 and -inf.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement search")

    def rows(self, positions: Tensor) -> Tensor:
        """The vectors of candidates as the index keeps them: int32 [...] → float32 [..., dimension].

        A model's export then needs no second copy of the vectors; see `keeps_rows`.
        """
        raise NotImplementedError(f"{type(self).__name__} doesn't keep the vectors of candidates")

    def widen(self) -> bool:
        """Have searches look at twice as many candidates from now on, if how many was left to the layer.

        Returns:
            Whether they do.
        """
        return False

    def settings(self) -> dict:
        """What this index was made with, the choices that were left to it included: of JSON's types."""
        return {}

    @property
    def keeps_rows(self) -> bool:
        """Whether `rows` may stand in for the vectors that were indexed."""
        return type(self).rows is not Retrieval.rows

    @property
    def is_exact(self) -> bool:
        """Whether no answer can differ from that of scoring every candidate."""
        return False

    # What every layer has.

    def index(self, candidates: Tensor) -> Self:
        """Index candidates, float [n_candidates, dimension]; returns the layer.

        Raises:
            ValueError: they are no matrix of finite numbers, or there are none.
        """
        candidates = check_candidates(candidates)
        self.build_index(candidates)
        self.n_candidates, self.dimension = candidates.shape
        return self

    def call(self, queries: Tensor, k: Tensor, exclude: Tensor = None) -> ranking.Ranked:
        """The best candidates of each query.

        An excluded candidate is never answered; and while candidates are left, a query has k answers: where those that
        the index has found are too few, all candidates are searched.

        Args:
            queries: float32 [batch, dimension].
            k: an int for all queries, or int32 [batch].
            exclude: ragged int32 [batch, None], candidates left out; negative entries are ignored.

        Returns:
            `ranking.Ranked`: positions of candidates, int32 [batch, K], and scores, float32 [batch, K].

        Raises:
            ValueError: there is no index yet, or the queries have another dimension.
        """
        queries, k = self.check_queries(queries, k)
        width = tf.reduce_max(tf.concat([k, [0]], axis=0))
        excluded, n_excluded = ranking.distinct_exclusions(exclude, tf.shape(queries)[0], self.n_candidates)
        enough = tf.minimum(k, self.n_candidates - n_excluded)

        def answers(chosen: Tensor, thorough: bool) -> tuple[Tensor, Tensor]:
            left_out = tf.gather(excluded, chosen)
            most_left_out = tf.reduce_max(tf.concat([tf.gather(n_excluded, chosen), [0]], axis=0))
            fetch = tf.minimum(width + most_left_out, self.n_candidates)
            items, scores = self.search(tf.gather(queries, chosen), fetch, thorough=thorough)
            return ranking.best_without(items, scores, left_out, width)

        items, scores = answers(tf.range(tf.shape(queries)[0]), thorough=False)
        found = tf.math.count_nonzero(items >= 0, axis=1, dtype=tf.int32)
        short = tf.where(found < enough)[:, 0]

        def more() -> tuple[Tensor, Tensor]:
            rows = short[:, tf.newaxis]
            more_items, more_scores = answers(tf.cast(short, tf.int32), thorough=True)
            return (
                tf.tensor_scatter_nd_update(items, rows, more_items),
                tf.tensor_scatter_nd_update(scores, rows, more_scores),
            )

        items, scores = tf.cond(tf.size(short) > 0, more, lambda: (items, scores))
        listed = tf.logical_and(items >= 0, tf.range(width)[tf.newaxis, :] < k[:, tf.newaxis])
        finite = tf.reduce_all(tf.math.is_finite(queries))
        return ranking.Ranked(tf.where(listed, items, -1), tf.where(listed, scores, 0.0), finite)

    def check_queries(self, queries: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Queries as float32 [batch, dimension] and k as int32 [batch]; a clear error where they are something else."""
        if not self.n_candidates:
            raise ValueError(f"the {type(self).__name__} layer has no candidates yet: call index(candidates) first")
        queries = tf.convert_to_tensor(queries, tf.float32)
        if queries.shape.rank not in (None, 2) or not queries.shape[-1:].is_compatible_with([self.dimension]):
            raise ValueError(
                f"queries must be [batch, {self.dimension}], as the candidates are; got shape {queries.shape}"
            )
        k = tf.maximum(tf.broadcast_to(tf.cast(k, tf.int32), [tf.shape(queries)[0]]), 0)
        return queries, k


def check_candidates(candidates: Tensor) -> np.ndarray:
    """Candidates as a float32 matrix.

    Raises:
        ValueError: they are no matrix of finite numbers, or there are none.
    """
    matrix = np.asarray(candidates, np.float32)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"index takes candidates of shape [n_candidates, dimension]; got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("index takes candidates that are finite numbers; got NaN or an infinity among them")
    return matrix
