"""The elastic net of all columns at once against scikit-learn's coordinate descent, one column at a time."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from tfrec._tf import tf
from tfrec.linalg import GramRows
from tfrec.linalg import elastic_net as solver

N_USERS, N_ITEMS = 60, 20
RHO = 3.0


@pytest.fixture(scope="module")
def dense() -> np.ndarray:
    generator = np.random.default_rng(0)
    popularity = np.linspace(0.05, 0.6, N_ITEMS)
    taste = generator.random((N_USERS, 1)) * 2
    matrix = (generator.random((N_USERS, N_ITEMS)) < popularity * taste).astype(np.float64)
    matrix[:, 3] = 0  # an item without users
    return matrix


@pytest.fixture(scope="module")
def histories(dense):
    return tf.RaggedTensor.from_row_lengths(np.nonzero(dense)[1].astype(np.int32), dense.sum(axis=1).astype(np.int64))


def reference(dense: np.ndarray, l1: float, l2: float, non_negative: bool, neighbours=None) -> np.ndarray:
    """Column by column; scikit-learn divides the squared error by the number of rows."""
    n_users, n_items = dense.shape
    weights = np.zeros((n_items, n_items))
    alpha = (l1 + l2) / n_users
    net = ElasticNet(
        alpha=alpha, l1_ratio=l1 / (l1 + l2), fit_intercept=False, positive=non_negative, tol=1e-12, max_iter=100_000
    )
    for item in range(n_items):
        others = np.delete(np.arange(n_items), item) if neighbours is None else neighbours[item]
        weights[others, item] = net.fit(dense[:, others], dense[:, item]).coef_
    return weights


def objective(dense: np.ndarray, weights: np.ndarray, l1: float, l2: float) -> float:
    error = np.sum((dense - dense @ weights) ** 2)
    return 0.5 * error + 0.5 * l2 * np.sum(weights**2) + l1 * np.abs(weights).sum()


def solve(gram, linear, l1, l2, *, non_negative, zero_diagonal, iterations=300):
    gram, linear = tf.constant(gram, tf.float32), tf.constant(linear, tf.float32)
    penalty = solver.admm_penalty(gram, tf.constant(l2), RHO)
    inverse = solver.regularised_inverse(gram, tf.constant(l2), penalty)
    weights = dual = tf.zeros_like(linear)
    options = {"iterations": 2, "non_negative": non_negative, "zero_diagonal": zero_diagonal}
    for _ in range(iterations // 2):
        iterate = solver.admm(inverse, linear, penalty, weights, dual, l1=tf.constant(l1), **options)
        weights, dual = iterate.weights, iterate.dual
    return iterate


@pytest.mark.parametrize("non_negative", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.5, 2.0), (2.0, 20.0), (3.0, 0.5)])
class TestWholeProblem:
    def test_weights_are_coordinate_descents(self, dense, l1, l2, non_negative):
        gram = dense.T @ dense
        found = solve(gram, gram, l1, l2, non_negative=non_negative, zero_diagonal=True).weights.numpy()
        expected = reference(dense, l1, l2, non_negative)
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert (np.diag(found) == 0).all()
        assert 0.05 < np.mean(found != 0) < 0.95
        np.testing.assert_array_equal(found != 0, np.abs(expected) > 1e-9)

    def test_objective(self, dense, l1, l2, non_negative):
        gram = dense.T @ dense
        weights = reference(dense, l1, l2, non_negative)
        single = [tf.constant(value, tf.float32) for value in (gram, gram, np.diag(gram), weights)]
        found = float(solver.elastic_net_objective(*single, l1=tf.constant(l1), l2=tf.constant(l2)))
        assert found == pytest.approx(objective(dense, weights, l1, l2), rel=1e-6)

    def test_residual_vanishes_at_the_solution(self, dense, l1, l2, non_negative):
        gram = dense.T @ dense
        early, late = (
            solve(gram, gram, l1, l2, non_negative=non_negative, zero_diagonal=True, iterations=iterations)
            for iterations in (2, 300)
        )
        assert float(early.distance) > 1e-4 * float(early.size)
        assert float(late.distance) < 1e-10 * float(late.size)


def test_going_on_is_the_same_as_not_stopping(dense):
    gram = tf.constant(dense.T @ dense, tf.float32)
    penalty = solver.admm_penalty(gram, tf.constant(2.0), RHO)
    inverse = solver.regularised_inverse(gram, tf.constant(2.0), penalty)

    def go_on(weights, dual, iterations):
        options = {"iterations": iterations, "non_negative": True, "zero_diagonal": True}
        return solver.admm(inverse, gram, penalty, weights, dual, l1=tf.constant(0.5), **options)

    once = go_on(tf.zeros_like(gram), tf.zeros_like(gram), 6)
    half = go_on(tf.zeros_like(gram), tf.zeros_like(gram), 3)
    twice = go_on(half.weights, half.dual, 3)
    np.testing.assert_allclose(twice.weights, once.weights, atol=1e-6)


class TestNeighbourhoods:
    def test_nearest_items_have_the_largest_cosine(self, dense, histories, monkeypatch):
        monkeypatch.setattr(solver, "_STRIP", 7 * N_ITEMS)  # three strips
        gram = dense.T @ dense
        found = solver.nearest_items(GramRows(histories, N_ITEMS), np.diag(gram).astype(np.float32), 4)
        norms = np.sqrt(np.maximum(np.diag(gram), 1))
        cosine = gram / norms / norms[:, None]
        np.fill_diagonal(cosine, -1)
        assert found.shape == (N_ITEMS, 4)
        for item, neighbours in enumerate(found):
            assert item not in neighbours
            assert (np.diff(neighbours) > 0).all()
            left_out = np.delete(cosine[item], neighbours)
            assert cosine[item, neighbours].min() >= left_out.max() - 1e-6

    @pytest.mark.parametrize(("chunk", "union"), [(2**24, 8192), (3 * 16, 8192), (2**24, 9), (1, 1)])
    def test_chunks_hold_every_column_with_its_own_gram(self, dense, histories, monkeypatch, chunk, union):
        monkeypatch.setattr(solver, "_CHUNK", chunk)
        monkeypatch.setattr(solver, "_UNION", union)
        gram = dense.T @ dense
        neighbours = solver.nearest_items(GramRows(histories, N_ITEMS), np.diag(gram).astype(np.float32), 4)
        end = 0
        for part in solver.neighbourhood_chunks(histories, N_ITEMS, neighbours):
            assert part.start == end < part.end
            end = part.end
            for row, item in enumerate(range(part.start, part.end)):
                own = neighbours[item]
                np.testing.assert_array_equal(part.gram[row], gram[np.ix_(own, own)])
                np.testing.assert_array_equal(part.linear[row, :, 0], gram[own, item])
                assert part.energy[row, 0] == gram[item, item]
        assert end == N_ITEMS
        if chunk == 3 * 16:
            assert part.end - part.start <= 3

    @pytest.mark.parametrize("non_negative", [True, False])
    def test_batched_weights_are_coordinate_descents(self, dense, histories, non_negative):
        gram = dense.T @ dense
        neighbours = solver.nearest_items(GramRows(histories, N_ITEMS), np.diag(gram).astype(np.float32), 5)
        expected = reference(dense, 0.5, 2.0, non_negative, neighbours)
        for part in solver.neighbourhood_chunks(histories, N_ITEMS, neighbours):
            found = solve(part.gram, part.linear, 0.5, 2.0, non_negative=non_negative, zero_diagonal=False).weights
            for row, item in enumerate(range(part.start, part.end)):
                np.testing.assert_allclose(found[row, :, 0], expected[neighbours[item], item], atol=2e-5)


def test_a_batched_inverse_is_that_of_each_matrix(dense):
    gram = np.stack([dense.T @ dense, dense[:30].T @ dense[:30]]).astype(np.float32)
    penalty = solver.admm_penalty(tf.constant(gram), tf.constant(2.0), RHO)
    found = solver.regularised_inverse(tf.constant(gram), tf.constant(2.0), penalty)
    for matrix, own, inverse in zip(gram, penalty.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(inverse, np.linalg.inv(matrix + np.diag(own + 2.0)), atol=1e-5)
        np.testing.assert_allclose(own, RHO * (np.diag(matrix) + 2.0), rtol=1e-6)


def test_what_has_no_inverse_is_a_clear_error():
    singular = tf.ones([2, 3, 3])
    with pytest.raises(ValueError, match="not positive definite in single precision"):
        solver.regularised_inverse(singular, tf.constant(0.0), tf.zeros([2, 3]))
    with pytest.raises(ValueError, match="not positive definite in single precision"):
        solver.regularised_inverse(-singular[0], tf.constant(0.0), tf.zeros([3]))
