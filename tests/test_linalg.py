"""TensorFlow linear algebra against numpy, scipy and LAPACK."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg as scipy_linalg
from scipy import sparse

import tfrec
from tfrec import linalg
from tfrec._tf import tf


def ragged(matrix: sparse.csr_array):
    return tf.RaggedTensor.from_row_splits(matrix.indices.astype(np.int32), matrix.indptr.astype(np.int64))


def binary(seed: int, n_users: int, n_items: int, density: float = 0.2) -> sparse.csr_array:
    dense = np.random.default_rng(seed).random((n_users, n_items)) < density
    return sparse.csr_array(dense.astype(np.float32))


class TestGram:
    @settings(max_examples=12)  # every size is traced anew
    @given(seed=st.integers(0, 99), n_users=st.integers(1, 12), n_items=st.sampled_from([1, 2, 7, 9, 40]))
    def test_counts_users_who_have_both(self, seed, n_users, n_items):
        matrix = binary(seed, n_users, n_items)
        expected = matrix.toarray().T @ matrix.toarray()
        for is_sparse in (False, True):
            np.testing.assert_array_equal(linalg.gram(ragged(matrix), n_items, sparse=is_sparse), expected)

    def test_sparse_where_that_is_cheaper(self):
        assert linalg.prefer_sparse_gram(np.full(30_000, 27), 41_000)  # as Gowalla
        assert not linalg.prefer_sparse_gram(np.full(6_040, 250), 3_706)  # as MovieLens-1M


class TestGramRows:
    @settings(max_examples=30)
    @given(seed=st.integers(0, 99), n_users=st.integers(1, 12), n_items=st.sampled_from([1, 7, 40]), data=st.data())
    def test_are_those_of_the_gram_matrix(self, seed, n_users, n_items, data):
        matrix = binary(seed, n_users, n_items)
        start = data.draw(st.integers(0, n_items - 1))
        end = data.draw(st.integers(start + 1, n_items))
        rows = linalg.GramRows(ragged(matrix), n_items)(start, end)
        np.testing.assert_array_equal(rows, (matrix.toarray().T @ matrix.toarray())[start:end])


class TestSparseDenseProduct:
    @settings(max_examples=30)
    @given(seed=st.integers(0, 99), n_rows=st.integers(0, 9), n_columns=st.integers(1, 9))
    def test_is_the_product(self, seed, n_rows, n_columns):
        left = binary(seed, n_rows, n_columns, 0.4)
        right = np.random.default_rng(seed).normal(size=(n_columns, 5)).astype(np.float32)
        rows = ragged(left)
        product = linalg.sparse_dense_product(rows.value_rowids(), rows.values, rows.nrows(), tf.constant(right))
        np.testing.assert_allclose(product, left.toarray() @ right, rtol=1e-5, atol=1e-5)


def random_spd(size: int, seed: int = 0) -> np.ndarray:
    factor = np.random.default_rng(seed).normal(size=(size, size + 5))
    return (factor @ factor.T / size + 0.1 * np.eye(size)).astype(np.float32)


class TestInverse:
    # 1 and 2: no blocks; 256 and 257: one leaf and two; 700: uneven blocks; 2100: blocks within blocks.
    @pytest.mark.parametrize("size", [1, 2, 8, 255, 256, 257, 700, 2100])
    def test_is_the_inverse_and_symmetric(self, size):
        matrix = random_spd(size)
        inverse = linalg.spd_inverse(matrix).numpy()
        np.testing.assert_allclose(inverse @ matrix.astype(np.float64), np.eye(size), atol=2e-3)
        np.testing.assert_allclose(inverse, inverse.T, rtol=1e-3, atol=1e-5)

    def test_reads_the_lower_triangle_only(self):
        matrix = random_spd(300)
        lower = np.tril(matrix) + np.triu(np.full_like(matrix, np.nan), 1)
        np.testing.assert_array_equal(linalg.spd_inverse(lower), linalg.spd_inverse(matrix))

    @pytest.mark.parametrize("size", [3, 600])
    @pytest.mark.parametrize("where", [0, -1])
    def test_what_is_not_positive_definite(self, size, where):
        matrix = np.eye(size, dtype=np.float32)
        matrix[where, where] = -1
        with pytest.raises(ValueError, match="not positive definite"):
            linalg.spd_inverse(matrix)

    def test_not_a_number(self):
        with pytest.raises(ValueError, match="not positive definite"):
            linalg.spd_inverse(np.full((3, 3), np.nan, np.float32))

    @pytest.mark.parametrize("shape", [(2, 3), (0, 0), (2, 2, 2), (4,)])
    def test_what_is_not_square(self, shape):
        with pytest.raises(ValueError, match="one square matrix"):
            linalg.spd_inverse(np.ones(shape, np.float32))


def tiled_inverse(matrix: np.ndarray) -> np.ndarray:
    inverse = linalg.TiledInverse(lambda start, end: tf.constant(matrix[start:end]), len(matrix))
    return np.concatenate([inverse.rows(strip) for strip in range(len(inverse.strips))])


class TestTiledInverse:
    # One tile; even and uneven tiles; tiles of one row; tiles whose own factorisation has blocks.
    @pytest.mark.parametrize(("size", "tile"), [(1, 4), (4, 4), (12, 4), (13, 4), (5, 1), (301, 100), (900, 400)])
    def test_is_the_inverse_and_symmetric(self, size, tile, monkeypatch):
        monkeypatch.setattr("tfrec.linalg.tiled._TILE", tile)
        matrix = random_spd(size)
        inverse = tiled_inverse(matrix)
        np.testing.assert_allclose(inverse @ matrix.astype(np.float64), np.eye(size), atol=2e-3)
        np.testing.assert_allclose(inverse, inverse.T, rtol=1e-3, atol=1e-5)

    def test_is_that_of_the_whole_matrix(self, monkeypatch):
        monkeypatch.setattr("tfrec.linalg.tiled._TILE", 128)
        matrix = random_spd(700)
        np.testing.assert_allclose(tiled_inverse(matrix), linalg.spd_inverse(matrix), rtol=1e-3, atol=1e-4)

    def test_diagonal(self, monkeypatch):
        monkeypatch.setattr("tfrec.linalg.tiled._TILE", 4)
        matrix = random_spd(13)
        inverse = linalg.TiledInverse(lambda start, end: tf.constant(matrix[start:end]), 13)
        np.testing.assert_array_equal(inverse.diagonal(), np.diag(tiled_inverse(matrix)))

    def test_asks_for_every_row_once_and_reads_the_lower_triangle_only(self, monkeypatch):
        monkeypatch.setattr("tfrec.linalg.tiled._TILE", 4)
        matrix = random_spd(10)
        lower = np.tril(matrix) + np.triu(np.full_like(matrix, np.nan), 1)
        asked: list[int] = []

        def rows(start, end):
            asked.extend(range(start, end))
            return tf.constant(lower[start:end])

        inverse = linalg.TiledInverse(rows, 10)
        assert asked == list(range(10))
        np.testing.assert_array_equal(np.concatenate([inverse.rows(i) for i in range(3)]), tiled_inverse(matrix))

    @pytest.mark.parametrize("where", [0, 5, -1])
    @pytest.mark.parametrize("value", [-1, np.nan])
    def test_what_is_not_positive_definite(self, where, value, monkeypatch):
        monkeypatch.setattr("tfrec.linalg.tiled._TILE", 4)
        matrix = np.eye(13, dtype=np.float32)
        matrix[where, where] = value
        with pytest.raises(ValueError, match="not positive definite"):
            tiled_inverse(matrix)


def solution(inverse: np.ndarray) -> np.ndarray:
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def lapack_inverse(matrix: np.ndarray, prefix: str) -> np.ndarray:
    factor, info = getattr(scipy_linalg.lapack, f"{prefix}potrf")(matrix, lower=1)
    assert info == 0
    inverse, info = getattr(scipy_linalg.lapack, f"{prefix}potri")(factor, lower=1)
    assert info == 0
    return np.tril(inverse) + np.tril(inverse, -1).T


@pytest.fixture(scope="module")
def gram(tfrec_data):
    """That of MovieLens-1M: float32 [3706, 3706]."""
    matrix = tfrec.data.movielens("1m", path=tfrec_data / "ml-1m").to_csr()
    gram = linalg.gram(ragged(matrix), matrix.shape[1]).numpy()
    np.testing.assert_array_equal(gram, (matrix.T @ matrix).toarray())
    return gram


class TestOnTheRealGram:
    """Random matrices don't show it: a real Gram matrix has a few huge eigenvalues and many small ones."""

    # The less is added to the diagonal, the harder it is: whoever passes the first passes the others.
    @pytest.mark.parametrize("l2", [1.0, *(pytest.param(l2, marks=pytest.mark.slow) for l2 in (10.0, 100.0, 500.0))])
    def test_error_is_that_of_lapack(self, gram, l2):
        regularised = gram + l2 * np.eye(len(gram), dtype=np.float32)
        exact = solution(lapack_inverse(regularised.astype(np.float64), "d"))

        def error(inverse):
            return np.linalg.norm(solution(inverse) - exact) / np.linalg.norm(exact)

        lapack = error(lapack_inverse(regularised, "s"))
        assert error(linalg.spd_inverse(regularised).numpy()) <= 3 * lapack
        assert error(tiled_inverse(regularised)) <= 3 * lapack
