"""Gram matrices of histories: dense by symmetric blocks, sparse where that is cheaper, or a few rows at a time."""

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.linalg._blocks import BLOCKS, block_offsets, symmetric_from_panels
from tfrec.linalg.products import csr_matrix

# One pair of a sparse Gram costs as much as this many multiplications of the dense one: 500 to 600, measured on ML-1M
# on two kinds of CPU. (Gowalla's pairs are 500,000 times fewer than its dense products, ML-1M's 210 times.)
_PAIR_COST = 500


def prefer_sparse_gram(history_lengths: np.ndarray, n_items: int) -> bool:
    """Whether the Gram matrix of these histories is cheaper by sparse than by dense products."""
    pairs = float(np.square(history_lengths, dtype=np.float64).sum())
    return _PAIR_COST * pairs < len(history_lengths) * float(n_items) ** 2


@tf.function(autograph=False)
def _dense_gram(items: Tensor, splits: Tensor, n_items: int) -> Tensor:
    rows = tf.RaggedTensor.from_row_splits(items, splits, validate=False)
    dense = tf.math.bincount(rows, minlength=n_items, maxlength=n_items, dtype=tf.float32, axis=-1, binary_output=True)
    blocks = min(BLOCKS, n_items)
    offsets = block_offsets(n_items, blocks)
    columns = tf.split(dense, np.diff(offsets), axis=1)
    panels = [
        tf.concat([tf.matmul(columns[r], columns[c], transpose_a=True) for r in range(c + 1)], axis=0)
        for c in range(blocks)
    ]
    return symmetric_from_panels(panels, offsets)


@tf.function(autograph=False)
def _sparse_gram(items: Tensor, splits: Tensor, n_items: int) -> Tensor:
    row_of = tf.RaggedTensor.from_row_splits(items, splits, validate=False).value_rowids()
    matrix = csr_matrix(row_of, items, [tf.size(splits) - 1, n_items])
    product = tf.raw_ops.SparseMatrixSparseMatMul(a=matrix, b=matrix, type=tf.float32, transpose_a=True)
    return tf.ensure_shape(tf.raw_ops.CSRSparseMatrixToDense(sparse_input=product, type=tf.float32), [n_items] * 2)


def gram(histories: Tensor, n_items: int, *, sparse: bool = False) -> Tensor:
    """The Gram matrix XᵀX of binary histories: how many users have both of two items.

    Args:
        histories: ragged int32 [n_users, None]; the items of each user, sorted, each at most once.
        n_items: the number of items, which is the size of the result.
        sparse: multiply sparse matrices instead of dense blocks; see `prefer_sparse_gram`.

    Returns:
        float32 [n_items, n_items], exact as long as no count passes 2²⁴.
    """
    function = _sparse_gram if sparse else _dense_gram
    return function(histories.values, histories.row_splits, n_items)


class GramRows:
    """Rows of the Gram matrix XᵀX of binary histories, for catalogues whose whole Gram matrix is too large to keep.

    They come out of a sparse product of those columns of X with all of X, and are made dense at the very end.

    Args:
        histories: ragged int32 [n_users, None]; the items of each user, sorted, each at most once.
        n_items: the number of items.
    """

    def __init__(self, histories: Tensor, n_items: int) -> None:
        self.n_items = n_items
        users, items = histories.value_rowids(), histories.values
        self._matrix = csr_matrix(users, items, [tf.maximum(histories.nrows(), 1), n_items])
        by_item = tf.argsort(items, stable=True)
        self._users = tf.gather(users, by_item)
        self._items = tf.gather(items, by_item)
        self._n_users = tf.maximum(histories.nrows(), 1)

    def __call__(self, start: int, end: int) -> Tensor:
        """Rows from `start` to `end`: float32 [end - start, n_items], exact as long as no count passes 2²⁴."""
        first, last = tf.searchsorted(self._items, [start, end])
        left = csr_matrix(self._items[first:last] - start, self._users[first:last], [end - start, self._n_users])
        product = tf.raw_ops.SparseMatrixSparseMatMul(a=left, b=self._matrix, type=tf.float32)
        return tf.raw_ops.CSRSparseMatrixToDense(sparse_input=product, type=tf.float32)
