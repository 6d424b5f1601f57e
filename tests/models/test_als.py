"""ALS against its formulas in double precision, one row at a time, and against the figures in print."""

import dataclasses

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.data import DataError, Interactions
from tfrec.linalg import least_squares
from tfrec.models import ALS

N_USERS, N_ITEMS = 40, 30
IMPLICIT = {"n_factors": 6, "alpha": 2.0, "unobserved_weight": 0.3, "l2": 0.05, "l2_exponent": 0.7}
EXPLICIT = {"n_factors": 6, "alpha": 1.5, "l2": 0.1, "l2_exponent": 0.8, "feedback": "explicit"}


class Reference:
    """The objective as it stands in the docstring, and its minimum over one side, over dense matrices."""

    def __init__(self, model: ALS, train: Interactions) -> None:
        self.explicit = model.predicts_ratings
        self.confidence = model.alpha * train.to_csr("weight").toarray().astype(np.float64)
        self.rated = train.to_csr("rating").toarray().astype(np.float64) if self.explicit else np.ones((1, 1))
        self.mean = np.average(train.rating, weights=train.weight)
        self.all_pairs = 0.0 if self.explicit else model.unobserved_weight
        there = train.to_csr().toarray()
        self.user_ridge, self.item_ridge = (
            model.l2 * np.maximum(counts + self.all_pairs * others, 1.0) ** model.l2_exponent
            for counts, others in ((there.sum(1), N_ITEMS), (there.sum(0), N_USERS))
        )

    def predictions(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        if not self.explicit:
            return users @ items.T
        return self.mean + users[:, -1:] + items[:, -1] + users[:, :-1] @ items[:, :-1].T

    def objective(self, users: np.ndarray, items: np.ndarray) -> float:
        scores = self.predictions(users, items)
        observed = np.sum(self.confidence * (self.rated - scores) ** 2)
        penalty = np.sum(self.user_ridge[:, None] * users**2) + np.sum(self.item_ridge[:, None] * items**2)
        return observed + self.all_pairs * np.sum(scores**2) + penalty

    def best_users(self, items: np.ndarray) -> np.ndarray:
        """The minimum over the users' vectors: row by row, weighted normal equations over all items."""
        features, rest = items, np.zeros(len(items))
        if self.explicit:
            features, rest = np.hstack([items[:, :-1], np.ones((len(items), 1))]), self.mean + items[:, -1]
        ratings = np.broadcast_to(self.rated, self.confidence.shape)
        rows = []
        for confidence, ridge, rating in zip(self.confidence, self.user_ridge, ratings, strict=True):
            weights = confidence + self.all_pairs
            matrix = (features.T * weights) @ features + ridge * np.eye(features.shape[1])
            rows.append(np.linalg.solve(matrix, features.T @ (confidence * (rating - rest))))
        return np.array(rows)

    def transposed(self) -> "Reference":
        other = object.__new__(Reference)
        other.__dict__ |= self.__dict__ | {"confidence": self.confidence.T, "rated": self.rated.T}
        other.user_ridge, other.item_ridge = self.item_ridge, self.user_ridge
        return other


def factors(model: ALS) -> tuple[np.ndarray, np.ndarray]:
    return model.user_factors.numpy().astype(np.float64), model.item_factors.numpy().astype(np.float64)


def fitted(train: Interactions, epochs: int, **arguments) -> tuple[ALS, list[float]]:
    model = ALS(**arguments)
    return model, model.fit(train, epochs=epochs, verbose=0).history["loss"]


@pytest.fixture(params=[IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
def settings(request) -> dict:
    return dict(request.param)


class TestSweeps:
    def test_one_sweep_is_the_formulas(self, weighted, settings):
        start = ALS(**settings, solver="exact")
        start.adapt(weighted)
        reference, (_, items) = Reference(start, weighted), factors(start)
        users = reference.best_users(items)
        items = reference.transposed().best_users(users)
        model, loss = fitted(weighted, 1, **settings, solver="exact")
        np.testing.assert_allclose(model.user_factors, users, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(model.item_factors, items, rtol=1e-3, atol=1e-4)
        assert loss[0] == pytest.approx(reference.objective(users, items) / len(weighted), rel=1e-4)

    @pytest.mark.parametrize("solver", ["exact", "cg"])
    def test_loss_is_the_objective_for_each_pair(self, weighted, settings, solver):
        model, loss = fitted(weighted, 3, **settings, solver=solver)
        objective = Reference(model, weighted).objective(*factors(model))
        assert loss[-1] == pytest.approx(objective / len(weighted), rel=1e-5)

    def test_gradient_of_the_objective_vanishes_at_a_half_steps_solution(self, weighted, settings):
        model, _ = fitted(weighted, 2, **settings, solver="exact")
        reference, (users, items) = Reference(model, weighted), factors(model)
        generator = np.random.default_rng(0)
        for _ in range(5):
            direction = generator.normal(size=items.shape)
            # Central differences of a quadratic are exact.
            ahead, behind = (reference.objective(users, items + sign * direction) for sign in (1e-2, -1e-2))
            curvature = ahead + behind - 2 * reference.objective(users, items)
            assert abs(ahead - behind) < 2e-3 * curvature

    @pytest.mark.parametrize("solver", ["exact", "cg"])
    def test_loss_falls_with_every_epoch(self, weighted, settings, solver):
        _, loss = fitted(weighted, 8, **settings, solver=solver)
        assert (np.diff(loss) < 1e-6 * np.abs(loss[1:])).all()

    @pytest.mark.parametrize(("cg_steps", "tolerance"), [(3, 0.02), (10, 1e-4)])
    def test_conjugate_gradients_end_where_exact_solutions_do(self, weighted, settings, cg_steps, tolerance):
        _, exact = fitted(weighted, 15, **settings, solver="exact")
        _, loss = fitted(weighted, 15, **settings, solver="cg", cg_steps=cg_steps)
        assert loss[-1] == pytest.approx(exact[-1], rel=tolerance)

    @pytest.mark.parametrize("solver", ["exact", "cg"])
    def test_buckets_make_no_difference(self, weighted, settings, solver, monkeypatch):
        one, _ = fitted(weighted, 3, **settings, solver=solver)
        monkeypatch.setattr(least_squares, "_BUCKET_FLOATS", 300)
        many, _ = fitted(weighted, 3, **settings, solver=solver)
        np.testing.assert_allclose(one.score(np.arange(N_USERS)), many.score(np.arange(N_USERS)), rtol=1e-3, atol=1e-4)

    def test_whoever_has_no_entries_has_no_vector(self, weighted, settings):
        model, _ = fitted(weighted, 2, **settings)
        np.testing.assert_array_equal(model.user_factors[-1], 0)
        np.testing.assert_array_equal(model.item_factors[-1], 0)


class TestWeights:
    def test_a_weight_of_two_is_a_confidence_of_two(self, weighted):
        unweighted = dataclasses.replace(weighted, weight=None)
        twice = dataclasses.replace(weighted, weight=np.full(len(weighted), 2, np.float32))
        one, _ = fitted(twice, 3, **IMPLICIT)
        other, _ = fitted(unweighted, 3, **IMPLICIT | {"alpha": 2 * IMPLICIT["alpha"]})
        np.testing.assert_array_equal(one.user_factors, other.user_factors)

    def test_a_pair_that_comes_twice_weighs_two(self, weighted, settings):
        rows = np.repeat(np.arange(len(weighted)), 1 + (np.arange(len(weighted)) % 3 == 0))
        columns = {name: getattr(weighted, name)[rows] for name in ("user", "item", "rating")}
        repeated = dataclasses.replace(weighted, **columns, timestamp=None, weight=None)
        counts = np.bincount(rows).astype(np.float32)
        one, _ = fitted(repeated, 3, **settings)
        other, _ = fitted(dataclasses.replace(weighted, weight=counts), 3, **settings)
        np.testing.assert_allclose(one.user_factors, other.user_factors, rtol=1e-5, atol=1e-6)

    def test_what_weighs_nothing_says_nothing(self, weighted):
        silent = np.where(weighted.user == 3, 0, weighted.weight).astype(np.float32)
        model, _ = fitted(dataclasses.replace(weighted, weight=silent), 2, **IMPLICIT, solver="exact")
        np.testing.assert_array_equal(model.user_factors[3], 0)

    def test_validation_loss_is_the_error_without_the_penalty(self, weighted, settings):
        model, loss = fitted(weighted, 3, **settings)
        reference = Reference(model, weighted)
        reference.user_ridge, reference.item_ridge = np.zeros(N_USERS), np.zeros(N_ITEMS)
        expected = reference.objective(*factors(model)) / len(weighted)
        assert model.evaluate(model.training_data(weighted), verbose=0) == pytest.approx(expected, rel=1e-5)
        assert expected < loss[-1]

    def test_no_weights_to_learn_from(self, weighted):
        model = ALS()
        model.adapt(weighted)
        with pytest.raises(ValueError, match="call training_data"):
            model.fit(tf.data.Dataset.range(N_USERS, output_type=tf.int32).batch(N_USERS), verbose=0)


def ragged_rows(keys: np.ndarray, values: np.ndarray, rows: list[int]):
    return tf.ragged.constant([values[keys == row].tolist() for row in rows], dtype=tf.as_dtype(values.dtype))


class TestFoldIn:
    """A new row with the entries of an old one has its vector, once the fit has converged."""

    @pytest.fixture
    def unweighted(self, weighted) -> Interactions:
        return dataclasses.replace(weighted, weight=None)

    @pytest.fixture
    def histories(self, unweighted) -> tuple:
        """Of users 0, 7, 38, and 39, who has no entries."""
        return tuple(
            ragged_rows(unweighted.user, values, [0, 7, 38, 39]) for values in (unweighted.item, unweighted.rating)
        )

    def test_of_users(self, unweighted, settings, histories):
        model, _ = fitted(unweighted, 2, **settings)
        best = Reference(model, unweighted).best_users(factors(model)[1])
        queries = model.query_histories(*histories).numpy()
        np.testing.assert_allclose(queries[:, :6], best[[0, 7, 38, 39], :6], rtol=1e-3, atol=1e-4)
        if model.predicts_ratings:
            biases = float(model.rating_mean) + best[[0, 7, 38, 39], 6]
            np.testing.assert_allclose(queries[:, 6:], np.stack([np.ones(4), biases], axis=1), rtol=1e-4)

    def test_of_known_users_gives_their_own_vectors(self, unweighted, settings, histories):
        model, _ = fitted(unweighted, 40, **settings | {"n_factors": 2}, solver="exact")
        np.testing.assert_allclose(model.query_histories(*histories), model.query([0, 7, 38, 39]), rtol=0.02, atol=0.01)

    def test_of_items(self, unweighted, settings):
        model, _ = fitted(unweighted, 2, **settings, solver="exact")
        items = [0, 7, 28, 29]
        users = ragged_rows(unweighted.item, unweighted.user, items)
        vectors = model.fold_in_items(users, ragged_rows(unweighted.item, unweighted.rating, items))
        # Exactly so after any epoch, whose last half-step is that of the items.
        np.testing.assert_allclose(vectors, tf.gather(model.candidates(), items), rtol=1e-3, atol=1e-4)
        scores = tf.matmul(model.query([0, 1]), vectors, transpose_b=True)
        np.testing.assert_allclose(scores, tf.gather(model.score([0, 1]), items, axis=1), rtol=1e-3, atol=1e-3)

    def test_an_item_that_comes_again_counts_once_with_its_last_rating(self, unweighted, settings):
        model, _ = fitted(unweighted, 2, **settings)
        once = model.query_histories(tf.ragged.constant([[1, 4]], tf.int32), tf.ragged.constant([[5.0, 2.0]]))
        again = tf.ragged.constant([[1, 4, 1]], tf.int32)
        np.testing.assert_allclose(
            model.query_histories(again, tf.ragged.constant([[1.0, 2.0, 5.0]])), once, rtol=1e-5, atol=1e-6
        )

    def test_of_rows_without_entries_and_of_no_rows(self, unweighted, settings):
        model, _ = fitted(unweighted, 2, **settings)
        mean = float(model.rating_mean) if model.predicts_ratings else 0.0
        empty = tf.ragged.constant([[], [3], []], dtype=tf.int32)
        scores = model.score_histories(empty).numpy()
        biases = model.candidates()[:, -2] if model.predicts_ratings else np.zeros(N_ITEMS)
        np.testing.assert_allclose(scores[[0, 2]], np.stack([mean + biases] * 2), rtol=1e-6)
        assert np.abs(scores[1] - scores[0]).max() > 1e-3
        assert model.score_histories(empty[:0]).shape == (0, N_ITEMS)
        assert model.fold_in_items(empty[:0]).shape[0] == 0

    def test_without_ratings_people_have_liked_what_they_had(self, unweighted):
        model, _ = fitted(unweighted, 2, **EXPLICIT)
        history = tf.ragged.constant([[1, 4]], tf.int32)
        liked = model.query_histories(history, tf.ragged.constant([[5.0, 5.0]]))
        np.testing.assert_array_equal(model.query_histories(history), liked)

    def test_wrong_users(self, unweighted, settings):
        model, _ = fitted(unweighted, 1, **settings)
        with pytest.raises(TypeError, match="RaggedTensor"):
            model.fold_in_items([[1, 2]])
        with pytest.raises(ValueError, match="user indices are from 0 to 39"):
            model.fold_in_items(tf.ragged.constant([[40]], dtype=tf.int32))
        with pytest.raises(ValueError, match="one rating for each user"):
            model.fold_in_items(tf.ragged.constant([[1, 2]], dtype=tf.int32), tf.ragged.constant([[1.0]]))


class TestRatings:
    def test_are_predicted_within_their_scale(self, weighted):
        model, _ = fitted(weighted, 5, **EXPLICIT)
        users, items = np.meshgrid(np.arange(-1, N_USERS), np.arange(-1, N_ITEMS))
        ratings = model.predict_ratings(users.ravel(), items.ravel()).numpy()
        assert ratings.min() >= 1
        assert ratings.max() <= 5

    def test_of_what_is_unknown_are_the_mean_and_the_known_bias(self, weighted):
        model, _ = fitted(weighted, 5, **EXPLICIT)
        mean, (users, items) = float(model.rating_mean), factors(model)
        expected = [mean, mean + items[3, -1], mean + users[2, -1]]
        np.testing.assert_allclose(model.predict_ratings([-1, 39, 2], [-1, 3, 29]), expected, rtol=1e-5)

    def test_implicit_feedback_predicts_none(self, weighted):
        model, _ = fitted(weighted, 1, **IMPLICIT)
        with pytest.raises(ValueError, match="predicts no ratings"):
            model.predict_ratings([0], [0])
        np.testing.assert_array_equal(model.answer_pairs(tf.constant([-1, 39]), tf.constant([3, 3])), [0, 0])

    def test_need_ratings(self, weighted):
        frame = weighted.to_frame()[["user", "item"]]
        with pytest.raises(DataError, match="learns from ratings"):
            ALS(feedback="explicit").fit(Interactions.from_frame(frame))
        ALS().fit(Interactions.from_frame(frame), epochs=1, verbose=0)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n_factors": 0}, ValueError, "n_factors must be an integer of at least 1"),
            ({"n_factors": 6.0}, TypeError, "n_factors must be an integer"),
            ({"alpha": 0}, ValueError, "alpha must be a finite number above 0"),
            ({"unobserved_weight": -1}, ValueError, "unobserved_weight must be"),
            ({"l2": float("nan")}, ValueError, "l2 must be"),
            ({"l2_exponent": -0.5}, ValueError, "l2_exponent must be"),
            ({"feedback": "both"}, ValueError, "feedback must be one of 'implicit', 'explicit'; got 'both'"),
            ({"solver": "lu"}, ValueError, "solver must be one of 'exact', 'cg'; got 'lu'"),
            ({"solver": None}, ValueError, "solver must be one of"),
            ({"cg_steps": 0}, ValueError, "cg_steps must be an integer of at least 1"),
            ({"init_scale": "1"}, TypeError, "init_scale must be a number above 0"),
        ],
    )
    def test_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            ALS(**arguments)

    def test_what_cannot_be_solved_is_a_clear_error(self, weighted):
        heavy = dataclasses.replace(weighted, weight=np.where(weighted.user == 0, 1e30, 1).astype(np.float32))
        with pytest.raises(ValueError, match="cannot be solved in single precision with l2=1e-20"):
            ALS(l2=1e-20, solver="exact").fit(heavy, verbose=0)


@pytest.mark.slow
class TestPublishedFigures:
    def test_on_the_ncf_split_of_movielens_1m(self, tfrec_data):
        """With 64 factors, quickly; the configuration has the settings that reach the figures in print."""
        train, test, candidates = tfrec.data.ncf_split(path=tfrec_data / "ml-1m-ncf")
        model = ALS(unobserved_weight=0.3, l2=0.007)
        model.fit(train, epochs=8, verbose=0)
        report = tfrec.evaluate(model, test, candidates=candidates, k=10)
        assert report["hit_rate@10"] >= 0.700
        assert report["ndcg@10"] >= 0.430
