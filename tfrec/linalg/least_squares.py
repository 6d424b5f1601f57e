"""Many small ridge regressions at once: the half-steps of alternating least squares.

Every row u of one side has entries j with features f_j, weights c_uj and targets t_uj, and looks for its own vector:

    min_x  Σ_j c_uj (t_uj - f_j · x)² + xᵀ S x + λ_u ‖x‖²

whose solution is A_u x = b_u with A_u = Σ_j c_uj f_j f_jᵀ + S + λ_u I and b_u = Σ_j c_uj t_uj f_j. S is common to all
rows. Rows of about the same length are padded to a bucket, so that all of them are solved by the same few operations.

- `exact_rows` forms the systems and factorises them (Cholesky): 2 d² operations an entry and d³/3 a row.
- `descend_rows` never forms them: a step of conjugate gradients takes 4 d operations an entry and 2 d² a row.
- `exact_ragged` is `exact_rows` for rows of any lengths, one after the other: for a few rows that come unprepared.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from tfrec._tf import Tensor, tf

# The features that a bucket gathers, 8 MB, stay in the cache while conjugate gradients pass over them again and again;
# on MovieLens-1M a fourth of it and four times as much are both half as fast.
_BUCKET_FLOATS = 2**21


class Bucket(NamedTuple):
    """Some rows of a sparse matrix, padded to the longest of them.

    Attributes:
        rows: int32 [n_rows], which rows.
        columns: int32 [n_rows, length], the columns of their entries; 0 where padded.
        weights: float32 [n_rows, length]; 0 where padded.
        targets: float32 [n_rows, length]; 0 where padded.
        ridge: λ_u, float32 [n_rows].
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    targets: Tensor
    ridge: Tensor


class Systems(NamedTuple):
    """What the vectors of some rows minimise.

    Attributes:
        features: f, float32 [n_rows, length, d].
        weights: c, float32 [n_rows, length]; 0 where padded.
        targets: t, float32 [n_rows, length].
        shared: S, float32 [d, d], symmetric.
        ridge: λ_u, float32 [n_rows].
    """

    features: Tensor
    weights: Tensor
    targets: Tensor
    shared: Tensor
    ridge: Tensor


def bucketed(
    splits: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray,
    targets: np.ndarray,
    ridge: np.ndarray,
    *,
    n_features: int,
    shortest: int = 1,
) -> list[Bucket]:
    """The rows of a sparse matrix by length, in buckets; rows without entries are in none.

    A bucket gathers at most 2²¹ features, or those of one row, which are no more than the whole feature matrix.

    Args:
        splits: int [n_rows + 1]; row u has the entries from `splits[u]` to `splits[u + 1]`.
        columns: int [n_entries].
        weights: float [n_entries].
        targets: float [n_entries].
        ridge: float [n_rows].
        n_features: d, how many features an entry has.
        shortest: the length that a row counts at least: d where d × d systems are formed.
    """
    lengths = np.diff(splits)
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    buckets, start = [], 0
    while start < len(order):
        most = max(1, _BUCKET_FLOATS // (n_features * max(int(lengths[order[start]]), shortest)))
        ahead = np.maximum(lengths[order[start : start + most]], shortest)
        fits = np.arange(1, len(ahead) + 1) * ahead * n_features <= _BUCKET_FLOATS  # True first, as lengths ascend
        rows = order[start : start + max(1, int(fits.sum()))]
        places = np.arange(lengths[rows[-1]])
        there = places < lengths[rows, np.newaxis]
        entries = np.where(there, splits[rows, np.newaxis] + places, 0)
        buckets.append(
            Bucket(
                tf.constant(rows, tf.int32),
                tf.constant(np.where(there, columns[entries], 0), tf.int32),
                tf.constant(np.where(there, weights[entries], 0), tf.float32),
                tf.constant(np.where(there, targets[entries], 0), tf.float32),
                tf.constant(ridge[rows], tf.float32),
            )
        )
        start += len(rows)
    return buckets


def solve_buckets(
    buckets: list[Bucket], features: Tensor, offsets: Tensor, *, shared: Tensor, start: Tensor, steps: int | None
) -> tuple[Tensor, Tensor]:
    """The vectors of all rows of a sparse matrix.

    Args:
        buckets: the rows, as `bucketed` has them.
        features: f, float32 [n_columns, d].
        offsets: float32 [n_columns], taken off the targets of each column.
        shared: S, float32 [d, d], symmetric.
        start: float32 [n_rows, d], where `steps` start from.
        steps: of conjugate gradients; None solves exactly.

    Returns:
        float32 [n_rows, d], 0 for rows without entries; and the sum of what the rows minimise, float64 []. Both are NaN
        where a system to be solved exactly is not positive definite in single precision.
    """
    vectors, objective = [start[:0]], tf.constant(0.0, tf.float64)
    for bucket in buckets:
        targets = bucket.targets - tf.gather(offsets, bucket.columns)
        systems = Systems(tf.gather(features, bucket.columns), bucket.weights, targets, shared, bucket.ridge)
        if steps is None:
            solved, objectives = exact_rows(systems)
        else:
            solved, objectives = descend_rows(systems, tf.gather(start, bucket.rows), tf.constant(steps))
        vectors.append(solved)
        objective += tf.reduce_sum(tf.cast(objectives, tf.float64))
    rows = tf.concat([tf.zeros([0], tf.int32), *(bucket.rows for bucket in buckets)], axis=0)
    return tf.scatter_nd(rows[:, tf.newaxis], tf.concat(vectors, axis=0), tf.shape(start)), objective


_VECTOR, _MATRIX, _BLOCK = (tf.TensorSpec([None] * rank, tf.float32) for rank in (1, 2, 3))
_SYSTEMS = Systems(_BLOCK, _MATRIX, _MATRIX, _MATRIX, _VECTOR)


@tf.function(input_signature=[_SYSTEMS], autograph=False)
def exact_rows(systems: Systems) -> tuple[Tensor, Tensor]:
    """The solutions, float32 [n_rows, d], by Cholesky factorisation; and the minima, float32 [n_rows].

    Where a system is not positive definite in single precision, both are NaN.
    """
    features, weights, targets, shared, ridge = systems
    matrices = tf.matmul(features, weights[:, :, tf.newaxis] * features, transpose_a=True) + shared
    matrices = tf.linalg.set_diag(matrices, tf.linalg.diag_part(matrices) + ridge[:, tf.newaxis])
    right = tf.linalg.matvec(features, weights * targets, transpose_a=True)
    vectors = tf.linalg.cholesky_solve(tf.linalg.cholesky(matrices), right[:, :, tf.newaxis])[:, :, 0]
    errors = targets - tf.linalg.matvec(features, vectors)
    return vectors, _objectives(systems, errors, vectors, tf.matmul(vectors, shared))


@tf.function(input_signature=[_SYSTEMS, _MATRIX, tf.TensorSpec([], tf.int32)], autograph=False)
def descend_rows(systems: Systems, start: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Better vectors than those to start from, by conjugate gradients, of which no step makes them worse.

    Args:
        systems: what they minimise.
        start: float32 [n_rows, d].
        steps: int32 [], how many; d of them solve the systems but for rounding.

    Returns:
        The vectors, float32 [n_rows, d], and what they minimise, float32 [n_rows].
    """
    features, weights, targets, shared, ridge = systems

    def product(vectors: Tensor) -> Tensor:
        """A_u x of every row."""
        observed = tf.linalg.matvec(features, weights * tf.linalg.matvec(features, vectors), transpose_a=True)
        return observed + tf.matmul(vectors, shared) + ridge[:, tf.newaxis] * vectors

    def step(vectors: Tensor, residuals: Tensor, directions: Tensor, squares: Tensor, objectives: Tensor) -> tuple:
        products = product(directions)
        sizes = tf.math.divide_no_nan(squares, _inner(directions, products))
        vectors += sizes[:, tf.newaxis] * directions
        residuals -= sizes[:, tf.newaxis] * products
        next_squares = _inner(residuals, residuals)
        directions = residuals + tf.math.divide_no_nan(next_squares, squares)[:, tf.newaxis] * directions
        # Along a direction p, for which pᵀr = rᵀr, the objective falls by (rᵀr)² / pᵀAp.
        return vectors, residuals, directions, next_squares, objectives - sizes * squares

    errors = targets - tf.linalg.matvec(features, start)
    start_shared = tf.matmul(start, shared)
    residuals = tf.linalg.matvec(features, weights * errors, transpose_a=True)
    residuals -= start_shared + ridge[:, tf.newaxis] * start
    objectives = _objectives(systems, errors, start, start_shared)
    state = (start, residuals, residuals, _inner(residuals, residuals), objectives)
    vectors, *_, objectives = tf.while_loop(
        lambda *_: True, step, state, maximum_iterations=steps, parallel_iterations=1
    )
    return vectors, objectives


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return tf.reduce_sum(left * right, axis=1)


def _objectives(systems: Systems, errors: Tensor, vectors: Tensor, vectors_shared: Tensor) -> Tensor:
    """Σ c e² + xᵀ S x + λ_u ‖x‖² of every row, given the errors e and S x."""
    squares = _inner(systems.weights * errors, errors)
    return squares + _inner(vectors, vectors_shared) + systems.ridge * _inner(vectors, vectors)


def last_of_each_pair(rows: Tensor, n_columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ragged rows without repetitions: of a column that comes again in a row, only the last entry.

    Args:
        rows: ragged int32 [n_rows, None] of columns.
        n_columns: how many columns there are.

    Returns:
        splits, int64 [n_rows + 1]; the columns, int32 [n_entries]; and where they stood in `rows.values`, int32
        [n_entries].
    """
    row_of = rows.value_rowids()
    distinct, which = tf.unique(row_of * n_columns + tf.cast(rows.values, row_of.dtype))
    last = tf.math.unsorted_segment_max(tf.range(tf.size(which)), which, tf.size(distinct))
    lengths = tf.math.unsorted_segment_sum(tf.ones_like(distinct), distinct // n_columns, rows.nrows())
    splits = tf.concat([[0], tf.cumsum(tf.cast(lengths, tf.int64))], axis=0)
    return splits, tf.gather(rows.values, last), last


def exact_ragged(  # noqa: PLR0917  # one array of entries, or of rows, after the other
    splits: Tensor,
    columns: Tensor,
    weights: Tensor,
    targets: Tensor,
    features: Tensor,
    shared: Tensor,
    ridge: Tensor,
) -> Tensor:
    """The solutions for rows of any lengths, of which none depends on the others even in its last bits.

    Args:
        splits: int64 [n_rows + 1]; row u has the entries from `splits[u]` to `splits[u + 1]`.
        columns: int32 [n_entries], which features.
        weights: c, float32 [n_entries].
        targets: t, float32 [n_entries].
        features: f, float32 [n_columns, d]; d must be known.
        shared: S, float32 [d, d], symmetric.
        ridge: λ_u, float32 [n_rows].

    Returns:
        float32 [n_rows, d]; 0 for a row without entries; NaN as in `exact_rows`.
    """
    return _ragged_solver(features.shape[1])(splits, columns, weights, targets, features, shared, ridge)


@functools.cache
def _ragged_solver(width: int) -> Any:
    """`exact_ragged` for d = `width`, which must be known for the case that there are no rows at all."""

    def solve(splits: Tensor, columns: Tensor, *others: Tensor) -> Tensor:
        weights, targets, features, shared, ridge = others

        def one(row: Tensor) -> Tensor:
            entries = slice(splits[row], splits[row + 1])
            gathered = tf.gather(features, columns[entries])[tf.newaxis]
            own = (weights[tf.newaxis, entries], targets[tf.newaxis, entries])
            vectors, _ = exact_rows(Systems(gathered, *own, shared, ridge[tf.newaxis, row]))
            return tf.ensure_shape(vectors[0], [width])

        return tf.map_fn(one, tf.range(tf.size(ridge)), fn_output_signature=tf.TensorSpec([width], tf.float32))

    integers = [tf.TensorSpec([None], dtype) for dtype in (tf.int64, tf.int32)]
    return tf.function(solve, input_signature=[*integers, _VECTOR, _VECTOR, _MATRIX, _MATRIX, _VECTOR], autograph=False)
