"""Many small ridge regressions against numpy, one row at a time."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from tfrec._tf import tf
from tfrec.linalg import least_squares
from tfrec.linalg.least_squares import bucketed, exact_ragged, last_of_each_pair, solve_buckets

N_ROWS, N_COLUMNS, N_FEATURES = 30, 17, 5


class Problem:
    """Random rows of very different lengths, of which one is empty and one is full."""

    def __init__(self, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        there = generator.random((N_ROWS, N_COLUMNS)) < generator.random((N_ROWS, 1))
        there[3], there[5] = False, True
        matrix = sparse.csr_array(there)
        self.splits, self.columns = matrix.indptr, matrix.indices
        self.weights = generator.uniform(0.1, 3, matrix.nnz).astype(np.float32)
        self.targets = generator.normal(size=matrix.nnz).astype(np.float32)
        self.features = generator.normal(size=(N_COLUMNS, N_FEATURES)).astype(np.float32)
        self.offsets = generator.normal(size=N_COLUMNS).astype(np.float32)
        self.shared = (0.3 * self.features.T @ self.features).astype(np.float32)
        self.ridge = generator.uniform(0.5, 2, N_ROWS).astype(np.float32)
        self.start = generator.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)

    def row(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """A_u and b_u in double precision."""
        entries = slice(self.splits[row], self.splits[row + 1])
        features = self.features[self.columns[entries]].astype(np.float64)
        weights = self.weights[entries].astype(np.float64)
        targets = self.targets[entries] - self.offsets[self.columns[entries]]
        matrix = features.T @ (weights[:, None] * features) + self.shared + self.ridge[row] * np.eye(N_FEATURES)
        return matrix, features.T @ (weights * targets)

    def objective(self, row: int, vector: np.ndarray) -> float:
        entries = slice(self.splits[row], self.splits[row + 1])
        columns = self.columns[entries]
        errors = self.targets[entries] - self.offsets[columns] - self.features[columns] @ vector
        squares = self.weights[entries] @ errors**2
        return squares + vector @ self.shared @ vector + self.ridge[row] * vector @ vector

    def buckets(self, shortest: int = 1) -> list:
        arrays = (self.splits, self.columns, self.weights, self.targets, self.ridge)
        return bucketed(*arrays, n_features=N_FEATURES, shortest=shortest)

    def solve(self, steps: int | None, shortest: int = 1) -> tuple[np.ndarray, float]:
        vectors, objective = solve_buckets(
            self.buckets(shortest),
            *map(tf.constant, (self.features, self.offsets)),
            shared=tf.constant(self.shared),
            start=tf.constant(self.start),
            steps=steps,
        )
        return vectors.numpy(), float(objective)


@pytest.fixture
def problem() -> Problem:
    return Problem()


@pytest.fixture(params=[2**21, 200, 1], ids=["one bucket", "several", "a row each"])
def bucket_floats(request, monkeypatch) -> int:
    monkeypatch.setattr(least_squares, "_BUCKET_FLOATS", request.param)
    return request.param


class TestBuckets:
    def test_hold_every_entry_once_and_no_row_that_is_empty(self, problem, bucket_floats):
        buckets = problem.buckets()
        rows = np.concatenate([bucket.rows for bucket in buckets])
        assert sorted(rows) == [row for row in range(N_ROWS) if problem.splits[row] < problem.splits[row + 1]]
        dense = np.zeros((N_ROWS, N_COLUMNS))
        for bucket in buckets:
            np.add.at(dense, (bucket.rows.numpy()[:, None], bucket.columns.numpy()), bucket.weights.numpy())
        expected = sparse.csr_array((problem.weights, problem.columns, problem.splits), shape=dense.shape).toarray()
        np.testing.assert_allclose(dense, expected)

    @pytest.mark.parametrize("shortest", [1, 9])
    def test_are_of_bounded_size(self, problem, bucket_floats, shortest):
        for bucket in problem.buckets(shortest):
            n_rows, length = bucket.columns.shape
            assert n_rows == 1 or n_rows * max(length, shortest) * N_FEATURES <= bucket_floats

    def test_without_any_entry(self):
        nothing = np.zeros(0, np.float32)
        assert bucketed(np.zeros(4, int), nothing, nothing, nothing, np.ones(3), n_features=2) == []
        vectors, objective = solve_buckets(
            [], tf.ones([4, 2]), tf.zeros([4]), shared=tf.eye(2), start=tf.ones([3, 2]), steps=None
        )
        np.testing.assert_array_equal(vectors, np.zeros((3, 2)))
        assert float(objective) == 0


class TestSolutions:
    @pytest.mark.parametrize("steps", [None, 2 * N_FEATURES])
    def test_are_those_of_numpy(self, problem, bucket_floats, steps):
        vectors, objective = problem.solve(steps)
        expected = np.array([np.linalg.solve(*problem.row(row)) for row in range(N_ROWS)])
        expected[3] = 0
        np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-4)
        assert objective == pytest.approx(sum(map(problem.objective, range(N_ROWS), expected)), rel=1e-4)

    @pytest.mark.parametrize("steps", [0, 1, 2, 3, 5])
    def test_the_objective_of_unfinished_steps_is_that_of_their_vectors(self, problem, steps):
        vectors, objective = problem.solve(steps)
        assert objective == pytest.approx(sum(map(problem.objective, range(N_ROWS), vectors)), rel=1e-4)

    def test_no_step_makes_it_worse(self, problem):
        objectives = [problem.solve(steps)[1] for steps in range(N_FEATURES + 1)]
        assert all(later < earlier for earlier, later in itertools.pairwise(objectives))

    @pytest.mark.parametrize("steps", [None, 3])
    def test_do_not_depend_on_the_buckets(self, problem, monkeypatch, steps):
        one, _ = problem.solve(steps)
        monkeypatch.setattr(least_squares, "_BUCKET_FLOATS", 150)
        many, _ = problem.solve(steps)
        np.testing.assert_allclose(one, many, rtol=1e-4, atol=1e-5)

    def test_what_is_solved_already_stays(self, problem):
        solved, _ = problem.solve(None)
        problem.start = solved
        again, _ = problem.solve(50)
        assert np.isfinite(again).all()
        np.testing.assert_allclose(again, solved, rtol=1e-3, atol=1e-5)

    def test_what_is_not_positive_definite_is_no_number(self, problem):
        problem.ridge[0] = -100
        vectors, objective = problem.solve(None)
        assert np.isnan(vectors[0]).all()
        assert np.isfinite(vectors[1:]).all()
        assert np.isnan(objective)


class TestRagged:
    def ragged(self, problem: Problem):
        return tf.RaggedTensor.from_row_splits(problem.columns.astype(np.int32), problem.splits.astype(np.int64))

    def solve(self, problem: Problem, rows, ridge: np.ndarray, entries: slice = slice(None)) -> np.ndarray:
        targets = (problem.targets - problem.offsets[problem.columns])[entries]
        arrays = (problem.weights[entries], targets, problem.features, problem.shared, ridge)
        return exact_ragged(rows.row_splits, rows.values, *map(tf.constant, arrays)).numpy()

    def test_is_the_solution_of_buckets(self, problem):
        vectors = self.solve(problem, self.ragged(problem), problem.ridge)
        np.testing.assert_allclose(vectors, problem.solve(None)[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(vectors[3], 0)

    def test_a_row_depends_on_no_other_in_its_last_bit(self, problem):
        rows = self.ragged(problem)
        together = self.solve(problem, rows, problem.ridge)
        for row in (0, 3, 5):
            entries = slice(problem.splits[row], problem.splits[row + 1])
            alone = self.solve(problem, rows[row : row + 1], problem.ridge[row : row + 1], entries)
            np.testing.assert_array_equal(alone[0], together[row])

    def test_no_rows(self, problem):
        nothing = tf.ragged.constant([], dtype=tf.int32, ragged_rank=1)
        assert self.solve(problem, nothing, np.zeros(0, np.float32), slice(0, 0)).shape == (0, N_FEATURES)

    def test_the_last_of_each_pair(self):
        rows = tf.ragged.constant([[4, 1, 4], [], [4], [0, 0, 0]], dtype=tf.int32)
        splits, columns, places = last_of_each_pair(rows, 5)
        assert splits.numpy().tolist() == [0, 2, 2, 3, 4]
        assert columns.numpy().tolist() == [4, 1, 4, 0]
        assert places.numpy().tolist() == [2, 1, 3, 6]
