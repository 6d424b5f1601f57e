"""Rows of numbers in less than float32."""

import itertools
from typing import Any, Literal

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf

Precision = Literal["float32", "bfloat16", "int8"]

# A product with rows in a lower precision widens them a strip at a time: what is widened stays small.
_STRIPS = 16


class QuantizedRows(tf.Module):
    """A matrix of which rows are taken and products formed; kept in a precision of choice.

    In "int8" a row x is kept as whole numbers c from -127 to 127 with x ≈ s c, where s = max|x| / 127.

    Args:
        matrix: float32 [n, dimension], finite.
        precision: "float32", "bfloat16" or "int8".
    """

    def __init__(self, matrix: np.ndarray, precision: Precision) -> None:
        super().__init__()
        self.scales: Any = None
        if precision == "int8":
            scales = np.abs(matrix).max(axis=1) / 127
            kept = np.rint(matrix / np.where(scales > 0, scales, 1.0)[:, np.newaxis]).astype(np.int8)
            self.scales = tf.Variable(scales.astype(np.float32), trainable=False, name="scales")
        else:
            kept = tf.cast(matrix, precision)
        self.kept = tf.Variable(kept, trainable=False, name="rows")

    def take(self, indices: Tensor) -> Tensor:
        """Rows by index: int32 [...] → float32 [..., dimension]."""
        rows = tf.cast(linalg.rows_of(self.kept, indices), tf.float32)
        return rows if self.scales is None else rows * tf.gather(self.scales, indices)[..., tf.newaxis]

    def products(self, queries: Tensor) -> Tensor:
        """Inner products of queries with every row: float32 [batch, dimension] → float32 [batch, n]."""
        kept = linalg.whole(self.kept)
        if kept.dtype == tf.float32:
            return tf.matmul(queries, kept, transpose_b=True)
        n_rows = kept.shape[0]
        ends = np.linspace(0, n_rows, min(_STRIPS, n_rows) + 1).astype(int)
        products = tf.concat(
            [
                tf.matmul(queries, tf.cast(kept[start:end], tf.float32), transpose_b=True)
                for start, end in itertools.pairwise(ends)
            ],
            axis=1,
        )
        return products if self.scales is None else products * self.scales[tf.newaxis, :]
