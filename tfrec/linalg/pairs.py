"""Inner products of some pairs out of two sets of vectors."""

from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.linalg.products import sparse_dense_product

_CHUNK_BYTES = 1 << 20  # of gathered vectors: what a core's cache holds


def pair_products(queries: Tensor, candidates: Tensor, pairs: Tensor) -> Tensor:
    """Inner products of each query with a few of the candidates, for models that learn from sampled pairs.

    The plain spelling, `reduce_sum(queries[:, newaxis] * gather(candidates, pairs), axis=2)`, moves three tensors of a
    vector for each pair through memory, and its gradient as many again. Here vectors are gathered for as many pairs at
    a time as the cache holds, and the gradients are sparse products: ML-1M, 8,192 queries with 9 of 3,706 candidates
    each, 128 dimensions, forwards and backwards, one core: 18 ms instead of 158.

    The gradients add up in a fixed order: the same pairs give the same bits.

    Args:
        queries: float32 [batch, dimension].
        candidates: float32 [n_candidates, dimension].
        pairs: int32 [batch, n], candidates for each query; n and the dimension must be known while tracing.

    Returns:
        float32 [batch, n].
    """

    @tf.custom_gradient
    def products(queries: Tensor, candidates: Tensor) -> tuple[Tensor, Any]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return _gradients(queries, candidates, pairs, upstream)

        return _products(queries, candidates, pairs), gradients

    return products(tf.convert_to_tensor(queries), tf.convert_to_tensor(candidates))


def _products(queries: Tensor, candidates: Tensor, pairs: Tensor) -> Tensor:
    n, dimension = pairs.shape[1], queries.shape[1]
    chunk = max(1, _CHUNK_BYTES // (queries.dtype.size * n * dimension))
    n_queries = tf.shape(queries)[0]
    padding = [[0, -n_queries % chunk], [0, 0]]

    def of_chunk(arguments: tuple[Tensor, Tensor]) -> Tensor:
        vectors, listed = arguments
        return tf.linalg.matvec(tf.gather(candidates, listed), vectors)

    chunks = (
        tf.reshape(tf.pad(queries, padding), [-1, chunk, dimension]),
        tf.reshape(tf.pad(pairs, padding), [-1, chunk, n]),
    )
    products = tf.map_fn(of_chunk, chunks, fn_output_signature=tf.TensorSpec([chunk, n], queries.dtype))
    return tf.reshape(products, [-1, n])[:n_queries]


def _gradients(queries: Tensor, candidates: Tensor, pairs: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    """The products of the sparse matrix of the upstream gradients, [batch, n_candidates], with both sides' vectors."""
    n_queries, n_candidates = tf.shape(queries)[0], tf.shape(candidates)[0]
    # Of the candidates for a hard negative all but one have no gradient.
    entries = tf.where(upstream != 0)
    rows, columns, values = entries[:, 0], tf.gather_nd(pairs, entries), tf.gather_nd(upstream, entries)
    of_queries = sparse_dense_product(rows, columns, n_queries, candidates, values)
    # Sorted instead of multiplying by the transpose, whose threads add up in no fixed order.
    order = tf.argsort(columns, stable=True)
    columns, rows, values = (tf.gather(column, order) for column in (columns, rows, values))
    return of_queries, sparse_dense_product(columns, rows, n_candidates, queries, values)
