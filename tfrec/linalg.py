"""TensorFlow linear algebra that TensorFlow lacks, or does slowly.

- `gram`: the Gram matrix of a batch of histories, dense by symmetric blocks, or sparse where that is cheaper.
- `spd_inverse`: the inverse of a symmetric positive definite matrix, by a blocked Cholesky factorisation.
- `sparse_dense_product`: sparse rows times a dense matrix.

The dense algorithms are made of large matrix products, the one operation that TensorFlow runs at the machine's full
rate. Loops over blocks are unrolled while tracing; the functions are traced once a shape, and then serve every model.
"""

import numpy as np

from tfrec._tf import Tensor, tf

_BLOCKS = 8
# Below this size a matrix is factorised by TensorFlow's own kernels, which use one thread and no blocking.
_LEAF = 256
# One pair of a sparse Gram costs as much as this many multiplications of the dense one: 500 to 600, measured on ML-1M
# on two kinds of CPU. (Gowalla's pairs are 500,000 times fewer than its dense products, ML-1M's 210 times.)
_PAIR_COST = 500


def _offsets(size: int, blocks: int) -> list[int]:
    return [size * block // blocks for block in range(blocks + 1)]


def _symmetric_from_panels(panels: list, offsets: list[int]) -> Tensor:
    """The full symmetric matrix whose upper triangle is given by column panels.

    Panel c holds the rows from 0 to `offsets[c + 1]` of the columns from `offsets[c]` to `offsets[c + 1]`.
    """
    rows = []
    for c, panel in enumerate(panels):
        start, end = offsets[c], offsets[c + 1]
        left = [tf.transpose(panel[:start])] if c else []
        rows.append(tf.concat([*left, panel[start:], *(right[start:end] for right in panels[c + 1 :])], axis=1))
    return tf.concat(rows, axis=0)


def prefer_sparse_gram(history_lengths: np.ndarray, n_items: int) -> bool:
    """Whether the Gram matrix of these histories is cheaper by sparse than by dense products."""
    pairs = float(np.square(history_lengths, dtype=np.float64).sum())
    return _PAIR_COST * pairs < len(history_lengths) * float(n_items) ** 2


@tf.function(autograph=False)
def _dense_gram(items: Tensor, splits: Tensor, n_items: int) -> Tensor:
    rows = tf.RaggedTensor.from_row_splits(items, splits, validate=False)
    dense = tf.math.bincount(rows, minlength=n_items, maxlength=n_items, dtype=tf.float32, axis=-1, binary_output=True)
    blocks = min(_BLOCKS, n_items)
    offsets = _offsets(n_items, blocks)
    columns = tf.split(dense, np.diff(offsets), axis=1)
    panels = [
        tf.concat([tf.matmul(columns[r], columns[c], transpose_a=True) for r in range(c + 1)], axis=0)
        for c in range(blocks)
    ]
    return _symmetric_from_panels(panels, offsets)


@tf.function(autograph=False)
def _sparse_gram(items: Tensor, splits: Tensor, n_items: int) -> Tensor:
    row_of = tf.RaggedTensor.from_row_splits(items, splits, validate=False).value_rowids()
    matrix = _csr_matrix(row_of, items, [tf.size(splits) - 1, n_items])
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


def _csr_matrix(rows: Tensor, columns: Tensor, shape: list) -> Tensor:
    indices = tf.stack([tf.cast(rows, tf.int64), tf.cast(columns, tf.int64)], axis=1)
    sizes = tf.stack([tf.cast(size, tf.int64) for size in shape])
    ones = tf.ones_like(rows, tf.float32)
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=indices, values=ones, dense_shape=sizes)


def sparse_dense_product(rows: Tensor, columns: Tensor, n_rows: Tensor, matrix: Tensor) -> Tensor:
    """The product of a binary sparse matrix and a dense one.

    The compressed-row kernel is 10 times faster than `tf.sparse.sparse_dense_matmul` (ML-1M, 1,024 users: 95 against
    1,320 ms; a dense product takes 200 ms), and sums each row by itself, so that a row of the result doesn't depend on
    the other rows.

    Args:
        rows: int [n_entries], ascending: the row of each non-zero entry of the left matrix.
        columns: int [n_entries]: its column.
        n_rows: the number of rows of the left matrix.
        matrix: float32 [n_columns, n].

    Returns:
        float32 [n_rows, n].
    """
    # TensorFlow's kernel divides by the number of rows, which ends the process (a server's, too) if there are none.
    left = _csr_matrix(rows, columns, [tf.maximum(n_rows, 1), tf.shape(matrix)[0]])
    product = tf.raw_ops.SparseMatrixMatMul(a=left, b=matrix)[:n_rows]
    return tf.ensure_shape(product, [None, matrix.shape[1]])


def _inverse_cholesky_factor(matrix: Tensor, size: int) -> Tensor:
    """L⁻¹, where `matrix` = L Lᵀ; only the lower triangle of `matrix` is read.

    Right-looking, by column blocks; the diagonal blocks are solved by the same function. In block k:

        L[k:, k] = A[k:, k] L[k, k]⁻ᵀ,    A[c:, c] -= L[c:, k] L[c, k]ᵀ  for c > k,
        M[k, :k] = -L[k, k]⁻¹ W[k, :k],   W[k:, :] += L[k:, k] M[k, :]   where M = L⁻¹.

    Unlike a recursive inversion by 2×2 Schur complements, which squares the condition number again at every level, this
    is backward stable: on ML-1M at λ = 10 the error of EASE's solution is 1e-5 instead of 0.3.
    """
    if size <= _LEAF:
        factor = tf.linalg.cholesky(matrix)
        return tf.linalg.triangular_solve(factor, tf.eye(size))
    blocks = min(_BLOCKS, -(-size // _LEAF))
    offsets = _offsets(size, blocks)
    panels = [matrix[offsets[c] :, offsets[c] : offsets[c + 1]] for c in range(blocks)]
    inverse_rows = []
    pending: Tensor = None  # W above: what the rows still to come owe to the inverse rows that are done
    for k in range(blocks):
        width = offsets[k + 1] - offsets[k]
        diagonal = _inverse_cholesky_factor(panels[k][:width], width)
        left: Tensor = None if pending is None else -tf.matmul(diagonal, pending[:width])
        inverse_rows.append(diagonal if left is None else tf.concat([left, diagonal], axis=1))
        if k == blocks - 1:
            break
        below = tf.matmul(panels[k][width:], diagonal, transpose_b=True)
        for c in range(k + 1, blocks):
            start, end = offsets[c] - offsets[k + 1], offsets[c + 1] - offsets[k + 1]
            panels[c] -= tf.matmul(below[start:], below[start:end], transpose_b=True)
        owed = tf.matmul(below, diagonal)
        if left is not None:
            owed = tf.concat([pending[width:] + tf.matmul(below, left), owed], axis=1)
        pending = owed
    return _stack_lower(inverse_rows, size)


def _stack_lower(rows: list, size: int) -> Tensor:
    """A lower block triangular matrix from its row panels, each of which ends at the diagonal."""
    return tf.concat([tf.pad(row, [[0, 0], [0, size - row.shape[1]]]) for row in rows], axis=0)


@tf.function(autograph=False)
def _spd_inverse(matrix: Tensor) -> Tensor:
    size = matrix.shape[0]
    factor = _inverse_cholesky_factor(matrix, size)
    blocks = min(_BLOCKS, size)
    offsets = _offsets(size, blocks)
    panels = []
    for c in range(blocks):
        # Rows above the block are zero in its columns, and columns to its right are another panel's work.
        rows = factor[offsets[c] :, : offsets[c + 1]]
        panels.append(tf.matmul(rows, rows[:, offsets[c] :], transpose_a=True))
    return _symmetric_from_panels(panels, offsets)


def spd_inverse(matrix: Tensor) -> Tensor:
    """The inverse of a symmetric positive definite matrix.

    A = L Lᵀ by a blocked Cholesky factorisation that inverts L on its way, then A⁻¹ = L⁻ᵀ L⁻¹: about 1.2 n³
    floating-point operations, nearly all of them in large matrix products, with LAPACK's accuracy (spotrf, spotri).

    Args:
        matrix: float32 [n, n], of which the lower triangle is read.

    Returns:
        float32 [n, n], symmetric up to rounding within its diagonal blocks.

    Raises:
        ValueError: the matrix is not square, or not positive definite in single precision.
    """
    matrix = tf.cast(matrix, tf.float32)
    if matrix.shape.rank != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise ValueError(f"spd_inverse takes one square matrix, float32 [n, n] with n > 0; got shape {matrix.shape}")
    try:
        inverse = _spd_inverse(matrix)
    except tf.errors.InvalidArgumentError as error:
        raise _not_positive_definite() from error
    # Some devices report failure as NaN instead of an error; a NaN anywhere in L⁻¹ reaches the diagonal.
    if not tf.reduce_all(tf.math.is_finite(tf.linalg.diag_part(inverse))):
        raise _not_positive_definite()
    return inverse


def _not_positive_definite() -> ValueError:
    return ValueError(
        "the matrix is not positive definite in single precision: a Gram matrix needs a positive regularisation on its "
        "diagonal (for EASE: a larger l2)"
    )
