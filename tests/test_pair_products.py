"""Inner products of sampled pairs against numpy, forwards and backwards."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.linalg import pair_products, pairs


def sample(n_queries: int, n_candidates: int, n: int, dimension: int = 5):
    generator = np.random.default_rng(n_queries)
    queries = generator.normal(size=(n_queries, dimension)).astype(np.float32)
    candidates = generator.normal(size=(n_candidates, dimension)).astype(np.float32)
    upstream = generator.normal(size=(n_queries, n)).astype(np.float32)
    return queries, candidates, generator.integers(0, n_candidates, (n_queries, n)).astype(np.int32), upstream


def with_gradients(queries, candidates, listed, upstream):
    queries, candidates = tf.constant(queries), tf.constant(candidates)
    with tf.GradientTape() as tape:
        tape.watch([queries, candidates])
        products = pair_products(queries, candidates, tf.constant(listed))
    return products, *tape.gradient(products, [queries, candidates], tf.constant(upstream))


# Few candidates, so that a row has some twice; more of them than are ever drawn, so that some have no gradient.
@pytest.mark.parametrize(("n_queries", "n_candidates", "n"), [(1, 1, 1), (7, 3, 4), (64, 500, 1), (65, 40, 9)])
@pytest.mark.parametrize("chunk_bytes", [1, 1000, 1 << 20])
def test_products_and_gradients(n_queries, n_candidates, n, chunk_bytes, monkeypatch):
    monkeypatch.setattr(pairs, "_CHUNK_BYTES", chunk_bytes)
    queries, candidates, listed, upstream = sample(n_queries, n_candidates, n)
    products, of_queries, of_candidates = with_gradients(queries, candidates, listed, upstream)
    np.testing.assert_allclose(products, np.einsum("bd,bnd->bn", queries, candidates[listed]), atol=1e-5)
    np.testing.assert_allclose(of_queries, np.einsum("bn,bnd->bd", upstream, candidates[listed]), atol=1e-5)
    expected = np.zeros_like(candidates)
    np.add.at(expected, listed, upstream[:, :, None] * queries[:, None, :])
    np.testing.assert_allclose(of_candidates, expected, atol=1e-4)


def test_no_queries_at_all():
    products, of_queries, of_candidates = with_gradients(*sample(0, 3, 2))
    assert products.shape == (0, 2)
    assert of_queries.shape == (0, 5)
    np.testing.assert_array_equal(of_candidates, np.zeros((3, 5)))


def test_in_a_graph_that_does_not_know_how_many_queries():
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 5]), tf.TensorSpec([None, 3], tf.int32)])
    def traced(queries, listed):
        return pair_products(queries, tf.ones([4, 5]), listed)

    for n_queries in (2, 300):
        queries, _, listed, _ = sample(n_queries, 4, 3)
        products = traced(queries, listed)
        np.testing.assert_allclose(products, np.repeat(queries.sum(axis=1)[:, None], 3, axis=1), atol=1e-5)


def test_the_same_bits_every_time():
    # Hot candidates, whose gradients have thousands of summands: threads that race would show.
    queries, candidates, listed, upstream = sample(20_000, 3, 4, dimension=16)
    first = with_gradients(queries, candidates, listed, upstream)
    for _ in range(5):
        for one, other in zip(first, with_gradients(queries, candidates, listed, upstream), strict=True):
            np.testing.assert_array_equal(one, other)
