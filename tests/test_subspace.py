"""The pieces of subspace iteration, against numpy and scipy."""

import numpy as np
import pytest
from scipy import sparse

from tfrec._tf import tf
from tfrec.linalg.subspace import gram_product, orthonormal_basis, ritz_pairs


@pytest.fixture
def matrix():
    generator = np.random.default_rng(0)
    return sparse.csr_array(generator.random((50, 20)) * (generator.random((50, 20)) < 0.3), dtype=np.float32)


def product(matrix, dense, *, binary=False):
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    values = None if binary else tf.constant(matrix.data)
    return gram_product(tf.constant(rows), tf.constant(matrix.indices), matrix.shape[0], tf.constant(dense), values)


class TestGramProduct:
    @pytest.mark.parametrize("binary", [True, False])
    def test_is_that_of_numpy(self, matrix, binary):
        dense = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
        full = (matrix.toarray() > 0) if binary else matrix.toarray()
        expected = full.T.astype(np.float64) @ (full.astype(np.float64) @ dense)
        np.testing.assert_allclose(product(matrix, dense, binary=binary), expected, rtol=1e-5, atol=1e-5)

    def test_is_the_same_bit_for_bit_each_time(self):
        large = sparse.random_array((3000, 500), density=0.05, format="csr", dtype=np.float32, rng=2)
        dense = np.random.default_rng(1).normal(size=(500, 24)).astype(np.float32)
        first = product(large, dense)
        for _ in range(20):
            np.testing.assert_array_equal(product(large, dense), first)

    def test_of_rows_without_entries_is_zero(self):
        empty = sparse.csr_array((4, 20), dtype=np.float32)
        np.testing.assert_array_equal(product(empty, np.ones((20, 3), np.float32)), np.zeros((20, 3)))


class TestRitzPairs:
    def test_the_whole_space_gives_the_eigenpairs(self, matrix):
        gram = (matrix.T @ matrix).toarray().astype(np.float64)
        values, vectors = ritz_pairs(tf.eye(20), tf.constant(gram, tf.float32))
        np.testing.assert_allclose(values, np.linalg.eigvalsh(gram)[::-1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(gram @ vectors.numpy(), vectors * values, atol=1e-4)

    def test_the_largest_component_of_each_vector_is_positive(self, matrix):
        gram = (matrix.T @ matrix).toarray()
        _, vectors = ritz_pairs(tf.eye(20), tf.constant(gram))
        assert (vectors.numpy()[np.abs(vectors.numpy()).argmax(axis=0), np.arange(20)] > 0).all()

    def test_the_values_never_fall_and_reach_the_eigenvalues(self, matrix):
        gram = (matrix.T @ matrix).toarray()
        basis = orthonormal_basis(tf.random.stateless_normal([20, 8], [0, 1]))
        found = []
        for _ in range(60):
            image = tf.matmul(gram, basis)
            found.append(ritz_pairs(basis, image)[0].numpy())
            basis = orthonormal_basis(image)
            np.testing.assert_allclose(basis.numpy().T @ basis.numpy(), np.eye(8), atol=1e-5)
        assert (np.diff(np.cumsum(found, axis=1), axis=0) >= -1e-4).all()
        np.testing.assert_allclose(found[-1][:4], np.linalg.eigvalsh(gram)[::-1][:4], rtol=1e-4)
