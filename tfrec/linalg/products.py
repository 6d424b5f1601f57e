"""Sparse rows times a dense matrix."""

from tfrec._tf import Tensor, tf


def csr_matrix(rows: Tensor, columns: Tensor, shape: list, values: Tensor = None) -> Tensor:
    """A compressed-row matrix (a variant tensor for the SparseMatrix operations), all ones without `values`.

    Args:
        rows: int [n_entries], ascending: the row of each entry.
        columns: int [n_entries]: its column.
        shape: two sizes, of which the first must not be 0.
        values: float32 [n_entries], or None.
    """
    indices = tf.stack([tf.cast(rows, tf.int64), tf.cast(columns, tf.int64)], axis=1)
    sizes = tf.stack([tf.cast(size, tf.int64) for size in shape])
    values = tf.ones_like(rows, tf.float32) if values is None else values
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=values, dense_shape=sizes)


def sparse_dense_product(
    rows: Tensor, columns: Tensor, n_rows: Tensor, matrix: Tensor, values: Tensor = None
) -> Tensor:
    """The product of a sparse matrix and a dense one.

    The compressed-row kernel is 10 times faster than `tf.sparse.sparse_dense_matmul` (ML-1M, 1,024 users: 95 against
    1,320 ms; a dense product takes 200 ms), and sums each row by itself, so that a row of the result doesn't depend on
    the other rows.

    The kernel's own gradient is a transposed product, whose threads add up in no fixed order: what is learned through
    it is not the same from fit to fit.

    Args:
        rows: int [n_entries], ascending: the row of each non-zero entry of the left matrix.
        columns: int [n_entries]: its column.
        n_rows: the number of rows of the left matrix.
        matrix: float32 [n_columns, n].
        values: float32 [n_entries]; None for a binary matrix.

    Returns:
        float32 [n_rows, n].
    """
    # TensorFlow's kernel divides by the number of rows, which ends the process (a server's, too) if there are none.
    left = csr_matrix(rows, columns, [tf.maximum(n_rows, 1), tf.shape(matrix)[0]], values)
    product = tf.raw_ops.SparseMatrixMatMul(a=left, b=matrix)[:n_rows]
    return tf.ensure_shape(product, [None, matrix.shape[1]])
