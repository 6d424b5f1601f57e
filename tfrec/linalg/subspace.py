"""The leading singular vectors of a sparse matrix by subspace iteration: the pieces of a step.

With the Gram matrix G = XᵀX and an orthonormal basis Q of a subspace, a step forms GQ, one pass over the rows of X. The
small matrix QᵀGQ then has the best approximations of the eigenvalues and eigenvectors of G that the subspace holds
(Rayleigh and Ritz), and an orthonormal basis of GQ spans a better subspace: Halko, Martinsson & Tropp 2011, "Finding
Structure with Randomness", algorithm 4.4. The sums of the leading approximate eigenvalues never fall from step to step.
"""

from tfrec._tf import Tensor, tf
from tfrec.linalg.products import csr_matrix


@tf.function(autograph=False)
def orthonormal_basis(matrix: Tensor) -> Tensor:
    """An orthonormal basis of the columns' span: float32 [n, m] → float32 [n, m], with m ≤ n."""
    return tf.linalg.qr(matrix).q


def gram_product(rows: Tensor, columns: Tensor, n_rows: Tensor, matrix: Tensor, values: Tensor = None) -> Tensor:
    """XᵀX times a dense matrix, for sparse rows X, without forming XᵀX.

    Args:
        rows: int [n_entries], ascending: the row of each non-zero entry of X.
        columns: int [n_entries]: its column.
        n_rows: the number of rows of X, above 0.
        matrix: float32 [n_columns, m].
        values: float32 [n_entries]; None for a binary X.

    Returns:
        float32 [n_columns, m].
    """
    left = csr_matrix(rows, columns, [n_rows, tf.shape(matrix)[0]], values)
    projected = tf.raw_ops.SparseMatrixMatMul(a=left, b=matrix)
    # The product's own `transpose_a` adds up in another order each time it is called, and its last bits differ.
    transposed = tf.raw_ops.SparseMatrixTranspose(input=left, type=tf.float32)
    return tf.ensure_shape(tf.raw_ops.SparseMatrixMatMul(a=transposed, b=projected), matrix.shape)


@tf.function(autograph=False)
def ritz_pairs(basis: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """The approximate eigenpairs of a symmetric G in a subspace.

    The sign of a vector, which is arbitrary, is the one that makes its largest component positive.

    Args:
        basis: Q, float32 [n, m], orthonormal.
        image: GQ, float32 [n, m].

    Returns:
        The values, float32 [m], descending, and the orthonormal vectors, float32 [n, m].
    """
    small = tf.matmul(basis, image, transpose_a=True)
    values, rotation = tf.linalg.eigh((small + tf.transpose(small)) / 2)
    vectors = tf.matmul(basis, rotation[:, ::-1])
    largest = tf.gather(tf.transpose(vectors), tf.argmax(tf.abs(vectors), axis=0), batch_dims=1)
    return values[::-1], vectors * tf.sign(largest)
