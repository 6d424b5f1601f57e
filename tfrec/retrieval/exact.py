"""Exact retrieval: every candidate is scored."""

from typing import Any, get_args

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf
from tfrec.checks import check_choice
from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.precision import Precision, QuantizedRows

# Numbers in a block of scores, a quarter of a gigabyte: as many queries are answered at once as fit.
_SCORES = 2**26


class Exact(Retrieval):
    """The best candidates by inner product, none overlooked.

    A model whose scores are not inner products, such as EASE, is exported with `Exact` by ranking all its own scores.

    Queries are answered in blocks, so that no matrix of all scores is ever needed.

    Args:
        precision: how candidates are kept: "float32", "bfloat16" (half the size) or "int8" (a quarter: whole numbers
            from -127 to 127, and a scale for each candidate). Products are of float32, whatever is kept.
        name: Keras's name of the layer.
    """

    def __init__(self, *, precision: Precision = "float32", name: str = "exact") -> None:
        super().__init__(name=name)
        self.precision = check_choice("precision", precision, get_args(Precision))
        self._rows: Any = None

    def build_index(self, candidates: np.ndarray) -> None:
        """Keep the candidates, in their precision."""
        self._rows = QuantizedRows(candidates, self.precision)

    def settings(self) -> dict:
        """The precision."""
        return {"precision": self.precision}

    @property
    def is_exact(self) -> bool:
        """Whether candidates are kept as they were given."""
        return self.precision == "float32"

    def rows(self, positions: Tensor) -> Tensor:
        """The candidates, as they are kept: int32 [...] → float32 [..., dimension]."""
        return self._rows.take(positions)

    def call(self, queries: Tensor, k: Tensor, exclude: Tensor = None) -> ranking.Ranked:
        """The best candidates of each query; see `Retrieval.call`. Equal scores are in the order of the candidates."""
        queries, k = self.check_queries(queries, k)
        width = tf.reduce_max(tf.concat([k, [0]], axis=0))
        items, scores = self._by_blocks(queries, exclude, width)
        listed = tf.logical_and(items >= 0, tf.range(width)[tf.newaxis, :] < k[:, tf.newaxis])
        finite = tf.reduce_all(tf.math.is_finite(queries))
        return ranking.Ranked(tf.where(listed, items, -1), tf.where(listed, scores, 0.0), finite)

    def _by_blocks(self, queries: Tensor, exclude: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        """The best of all queries, a block of them at a time where a batch needs several."""
        n_rows, at_once = tf.shape(queries)[0], max(1, _SCORES // self.n_candidates)

        def block(start: Tensor, items: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            end = tf.minimum(start + at_once, n_rows)
            more = self._best(queries[start:end], None if exclude is None else exclude[start:end], width)
            return end, tf.concat([items, more[0]], axis=0), tf.concat([scores, more[1]], axis=0)

        def several() -> tuple[Tensor, Tensor]:
            nothing = (0, tf.zeros([0, width], tf.int32), tf.zeros([0, width], tf.float32))
            any_rows = (tf.TensorShape([]), tf.TensorShape([None, None]), tf.TensorShape([None, None]))
            found = tf.while_loop(
                lambda start, *_: start < n_rows, block, nothing, shape_invariants=any_rows, parallel_iterations=1
            )
            return found[1], found[2]

        return tf.cond(n_rows <= at_once, lambda: self._best(queries, exclude, width), several)

    def _best(self, queries: Tensor, exclude: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        scores = self._rows.products(queries)
        if exclude is not None:
            hidden = ranking.multi_hot(exclude, self.n_candidates)
            scores = tf.where(hidden, float("-inf"), scores)
        return ranking.best_columns(scores, width)
