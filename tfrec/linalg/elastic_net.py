"""Elastic-net regressions of every column of a matrix on its other columns, all at once.

    min_w  ½‖y - Xw‖² + ½ l2‖w‖² + l1‖w‖₁,   optionally w ≥ 0,

needs of X and y only the Gram matrix XᵀX and the products Xᵀy, here called `gram` and `linear`. The solver is ADMM
(Boyd et al. 2011, section 6.4; for item-item weights Steck, Dimakopoulou, Riabov & Jebara, "ADMM SLIM", WSDM 2020): it
alternates a ridge regression, whose inverse is computed once, with a soft threshold, which makes the sparse iterate.

It departs from the paper in two points:

- The penalty of ADMM is a diagonal matrix, rho (diag(XᵀX) + l2), instead of one number: what fits an item with
  thousands of users doesn't fit one with three, and rho has no unit. (The threshold of a row is then l1 over its own
  penalty.) On MovieLens-1M 15 iterations are then as good as 35 with one number.
- It is over-relaxed (Boyd et al., section 3.4.3).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.linalg.inverse import check_positive_definite, spd_inverse
from tfrec.linalg.products import csr_matrix

_OVER_RELAXATION = 1.6
# A chunk of neighbourhoods takes about this many floats for its Gram matrices (64 MB), of which there are a few copies,
_CHUNK = 2**24
# and unites at most so many items (256 MB for their common Gram matrix), unless a single neighbourhood is larger.
_UNION = 8192
# Rows of the Gram matrix that are looked at together for the nearest items take this many floats.
_STRIP = 2**26


class Iterate(NamedTuple):
    """Where ADMM stands. All floats are of shape [..., n, m]: n weights for each of m columns.

    Attributes:
        weights: the sparse iterate, which keeps every constraint exactly.
        dual: the scaled dual variable.
        distance: [], the squared distance of the ridge solution from `weights` (the primal residual), in the norm of
            ADMM's penalty.
        size: [], the square of `weights` in the same norm.
    """

    weights: Tensor
    dual: Tensor
    distance: Tensor
    size: Tensor


def admm_penalty(gram: Tensor, l2: Tensor, rho: Tensor) -> Tensor:
    """ADMM's penalty of each weight, rho (diag(gram) + l2): float32 [..., n, n] → float32 [..., n]."""
    return rho * (tf.linalg.diag_part(gram) + l2)


def regularised_inverse(gram: Tensor, l2: Tensor, penalty: Tensor) -> Tensor:
    """(gram + l2 I + diag(penalty))⁻¹, of one matrix or of a batch: float32 [..., n, n].

    Raises:
        ValueError: it is not positive definite in single precision.
    """
    diagonal = tf.linalg.diag_part(gram) + l2 + penalty
    if gram.shape.rank == 2:
        return spd_inverse(tf.linalg.set_diag(gram, diagonal))
    with check_positive_definite():
        inverse = _batched_inverse(gram, diagonal)
        # Of a batch TensorFlow doesn't say that a factorisation failed; it gives NaN.
        tf.debugging.assert_all_finite(tf.linalg.diag_part(inverse), "an inverse is not finite")
    return inverse


@tf.function(autograph=False, reduce_retracing=True)
def _batched_inverse(gram: Tensor, diagonal: Tensor) -> Tensor:
    factor = tf.linalg.cholesky(tf.linalg.set_diag(gram, diagonal))
    identity = tf.eye(tf.shape(gram)[-1], batch_shape=tf.shape(gram)[:-2])
    inverse_factor = tf.linalg.triangular_solve(factor, identity)
    return tf.matmul(inverse_factor, inverse_factor, transpose_a=True)


@tf.function(autograph=False, reduce_retracing=True)
def admm(
    inverse: Tensor,
    linear: Tensor,
    penalty: Tensor,
    weights: Tensor,
    dual: Tensor,
    *,
    l1: Tensor,
    iterations: int,
    non_negative: bool,
    zero_diagonal: bool,
) -> Iterate:
    """Go on from `weights` and `dual` (zeros at first) by some iterations.

    Args:
        inverse: P = (gram + l2 I + diag(penalty))⁻¹, float32 [..., n, n].
        linear: Xᵀy of each column y, float32 [..., n, m].
        penalty: float32 [..., n].
        weights: float32 [..., n, m].
        dual: float32 [..., n, m].
        l1: float32 [].
        iterations: at least 1.
        non_negative: whether the weights may not be below 0.
        zero_diagonal: whether `weights[i, i]` is 0, for m = n: no column explains itself.
    """
    penalty = penalty[..., tf.newaxis]
    threshold = l1 / penalty
    for _ in range(iterations):
        ridge = tf.matmul(inverse, linear + penalty * (weights - dual))
        if zero_diagonal:
            # The Lagrange multipliers of diag = 0, as in EASE: a multiple of column j of P brings entry (j, j) to 0.
            multipliers = tf.linalg.diag_part(ridge) / tf.linalg.diag_part(inverse)
            ridge = tf.linalg.set_diag(ridge - inverse * multipliers, tf.zeros_like(multipliers))
        target = _OVER_RELAXATION * ridge + (1 - _OVER_RELAXATION) * weights + dual
        weights = tf.nn.relu(target - threshold)
        if not non_negative:
            weights -= tf.nn.relu(-target - threshold)
        dual = target - weights
    distance = tf.reduce_sum(penalty * tf.square(ridge - weights))
    return Iterate(weights, dual, distance, tf.reduce_sum(penalty * tf.square(weights)))


@tf.function(autograph=False, reduce_retracing=True)
def elastic_net_objective(
    gram: Tensor, linear: Tensor, energy: Tensor, weights: Tensor, *, l1: Tensor, l2: Tensor
) -> Tensor:
    """The objective, added up over all columns: float64 [].

    Args:
        gram: float32 [..., n, n].
        linear: Xᵀy of each column, float32 [..., n, m].
        energy: yᵀy of each column, float32 [..., m].
        weights: float32 [..., n, m].
        l1: float32 [].
        l2: float32 [].
    """
    # ½‖y - Xw‖² = ½ (yᵀy - 2 wᵀXᵀy + wᵀXᵀXw). Only sums down a column are in single precision.
    fitted = weights * (tf.matmul(gram, weights) - 2 * linear)
    columns = 0.5 * (energy + tf.reduce_sum(fitted + l2 * tf.square(weights), axis=-2))
    columns += l1 * tf.reduce_sum(tf.abs(weights), axis=-2)
    return tf.reduce_sum(tf.cast(columns, tf.float64))


class NeighbourhoodChunk(NamedTuple):
    """The regressions of columns `start` to `end`, each on its own k neighbours.

    Attributes:
        start, end: the columns.
        gram: float32 [end - start, k, k], the Gram matrix of each column's neighbours.
        linear: float32 [end - start, k, 1], their products with the column.
        energy: float32 [end - start, 1], the column's square.
    """

    start: int
    end: int
    gram: Tensor
    linear: Tensor
    energy: Tensor


def nearest_items(gram_rows: Callable[[int, int], Tensor], counts: np.ndarray, k: int) -> np.ndarray:
    """The k items most similar to each item by the cosine of their columns: int32 [n_items, k], each row ascending.

    Args:
        gram_rows: `gram_rows(start, end)` gives rows of the Gram matrix, float32 [end - start, n_items]; `GramRows`.
        counts: float32 [n_items], the diagonal of the Gram matrix.
        k: at most n_items - 1. An item is not its own neighbour; equal items are in the order of their indices.
    """
    n_items = len(counts)
    height = max(1, _STRIP // n_items)
    norms = np.sqrt(np.maximum(counts, 1.0))
    strips = []
    for start in range(0, n_items, height):
        end = min(start + height, n_items)
        cosine = gram_rows(start, end) / norms  # times a factor of each row, which its order doesn't see
        cosine = tf.linalg.set_diag(cosine, tf.fill([end - start], -1.0), k=start)
        strips.append(np.sort(tf.math.top_k(cosine, k, sorted=False).indices.numpy(), axis=1))
    return np.concatenate(strips)


def neighbourhood_chunks(histories: Tensor, n_items: int, neighbours: np.ndarray) -> Iterator[NeighbourhoodChunk]:
    """The regressions of all columns on their neighbours, in chunks; never a matrix of n_items × n_items.

    The Gram matrices of a chunk are cut out of one of all the items that the chunk needs.

    Args:
        histories: ragged int32 [n_users, None]; the items of each user, sorted, each at most once.
        n_items: the number of columns.
        neighbours: int32 [n_items, k]; row j are the items whose columns explain column j.
    """
    users, items = histories.value_rowids().numpy(), histories.values.numpy()
    for start, end, union in _chunks(neighbours, n_items):
        position = np.full(n_items, -1, np.int32)
        position[union] = np.arange(len(union), dtype=np.int32)
        columns = position[items]
        kept = columns >= 0
        matrix = csr_matrix(users[kept], columns[kept], [histories.nrows(), len(union)])
        rows = tf.constant(position[neighbours[start:end]])
        yield NeighbourhoodChunk(start, end, *_cut_out(matrix, rows, tf.constant(position[start:end])))


def _chunks(neighbours: np.ndarray, n_items: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Runs of columns, and the sorted items that each run needs: its columns and their neighbours."""
    most = max(1, _CHUNK // neighbours.shape[1] ** 2)
    start, needed = 0, np.zeros(n_items, bool)
    for column in range(n_items):
        own = np.append(neighbours[column], column)
        if column > start and (column - start == most or needed.sum() + np.sum(~needed[own]) > _UNION):
            yield start, column, np.flatnonzero(needed)
            start, needed = column, np.zeros(n_items, bool)
        needed[own] = True
    yield start, n_items, np.flatnonzero(needed)


def _cut_out(matrix: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gram matrices and products of neighbourhoods, from the CSR matrix of all their items.

    Args:
        matrix: CSR [n_users, n_united].
        rows: int32 [n, k], the neighbours of each column, as columns of `matrix`.
        columns: int32 [n], the columns themselves.
    """
    product = tf.raw_ops.SparseMatrixSparseMatMul(a=matrix, b=matrix, type=tf.float32, transpose_a=True)
    united = tf.raw_ops.CSRSparseMatrixToDense(sparse_input=product, type=tf.float32)
    size, entries = tf.shape(united)[0], tf.reshape(united, [-1])
    offsets = rows[:, :, tf.newaxis] * size  # int32 is enough for any union that fits into memory here
    gram = tf.gather(entries, offsets + rows[:, tf.newaxis, :])
    linear = tf.gather(entries, offsets + columns[:, tf.newaxis, tf.newaxis])
    return gram, linear, tf.gather(entries, columns * (size + 1))[:, tf.newaxis]
