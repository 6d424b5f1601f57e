"""SVD against numpy's gradient and ridge regression, and against scipy's singular vectors."""

import dataclasses

import numpy as np
import pytest
from scipy import linalg as dense_linalg
from scipy.sparse.linalg import svds

import tfrec
from tfrec._tf import tf
from tfrec.data import DataError, Interactions
from tfrec.models import SVD


def random_ratings(n_users=150, n_items=80, density=0.4, noise=0.3, seed=0) -> Interactions:
    """Ratings of a model with two factors and biases, and noise."""
    generator = np.random.default_rng(seed)
    exact = generator.normal(size=(n_users, 2)) @ generator.normal(size=(n_items, 2)).T
    exact += 3 + generator.normal(scale=0.5, size=(n_users, 1)) + generator.normal(scale=0.5, size=n_items)
    user, item = (side.astype(np.int32) for side in np.nonzero(generator.random(exact.shape) < density))
    return Interactions(
        user=user,
        item=item,
        rating=(exact[user, item] + generator.normal(scale=noise, size=len(user))).astype(np.float32),
        user_ids=np.array([f"u{u}" for u in range(n_users)], dtype=object),
        item_ids=np.array([f"i{i}" for i in range(n_items)], dtype=object),
    )


def numpy_epoch(model, data, weight=None):
    """One step over all ratings, as Koren writes it (the weights' mean is 1); returns the model's new variables."""
    p, q = model.user_factors.numpy().astype(float), model.item_factors.numpy().astype(float)
    b_user, b_item = model.user_biases.numpy().astype(float), model.item_biases.numpy().astype(float)
    weight = np.ones(len(data)) if weight is None else weight / weight.mean()
    mean = np.average(data.rating, weights=weight)
    error = data.rating - mean - b_user[data.user] - b_item[data.item] - (p[data.user] * q[data.item]).sum(axis=1)
    new = [p.copy(), q.copy(), b_user.copy(), b_item.copy()]
    for u, i, e, w in zip(data.user, data.item, error, weight, strict=True):
        rate = model.learning_rate * w
        new[0][u] += rate * (e * q[i] - model.l2 * p[u])
        new[1][i] += rate * (e * p[u] - model.l2 * q[i])
        new[2][u] += rate * (e - model.l2_biases * b_user[u])
        new[3][i] += rate * (e - model.l2_biases * b_item[i])
    return new


def variables(model) -> list[np.ndarray]:
    return [
        variable.numpy() for variable in (model.user_factors, model.item_factors, model.user_biases, model.item_biases)
    ]


@pytest.fixture(scope="module")
def ratings() -> Interactions:
    return random_ratings()


@pytest.fixture(scope="module")
def biased(ratings):
    model = SVD(n_factors=8, l2=0.02, learning_rate=0.04, batch_size=512, initial_std=0.1)
    model.fit(ratings, epochs=40, verbose=0)
    return model


class TestGradients:
    @pytest.mark.parametrize("batch_size", [10_000, 100_000])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_a_step_is_korens(self, ratings, batch_size, weighted):
        weight = np.random.default_rng(3).random(len(ratings)).astype(np.float32) if weighted else None
        data = dataclasses.replace(ratings, weight=weight)
        model = SVD(n_factors=5, l2=0.3, l2_biases=0.1, learning_rate=0.001, batch_size=batch_size, initial_std=0.5)
        model.adapt(data)
        for _ in range(2):  # in the second the biases are not zero
            expected = numpy_epoch(model, data, weight)
            model.fit(model.training_data(data), epochs=1, verbose=0)
            for found, reference in zip(variables(model), expected, strict=True):
                np.testing.assert_allclose(found, reference, rtol=1e-4, atol=1e-5)

    def test_the_loss_is_the_objective_for_each_rating(self, ratings):
        model = SVD(n_factors=5, l2=0.3, l2_biases=0.1, batch_size=1000, initial_std=0.5)
        model.adapt(ratings)
        model.user_biases.assign(tf.random.stateless_normal([ratings.n_users], [0, 9]))
        p, q, b_user, b_item = (np.asarray(v, float) for v in variables(model))
        u, i = ratings.user, ratings.item
        error = ratings.rating - ratings.rating.mean() - b_user[u] - b_item[i] - (p[u] * q[i]).sum(axis=1)
        penalty = 0.3 * ((p[u] ** 2).sum(axis=1) + (q[i] ** 2).sum(axis=1)) + 0.1 * (b_user[u] ** 2 + b_item[i] ** 2)
        model.compile()
        loss = model.evaluate(model.training_data(ratings), verbose=0)
        assert loss == pytest.approx(np.mean(error**2 + penalty), rel=1e-4)

    def test_a_weight_of_two_is_the_row_twice(self, ratings):
        twice = np.arange(len(ratings)) % 3 == 0
        weighted = dataclasses.replace(ratings, weight=np.where(twice, 2, 1).astype(np.float32))
        rows = np.repeat(np.arange(len(ratings)), np.where(twice, 2, 1))
        repeated = dataclasses.replace(
            ratings, user=ratings.user[rows], item=ratings.item[rows], rating=ratings.rating[rows]
        )
        # All rows make one batch: with the same step for each of them, the sums are the same.
        one = SVD(n_factors=5, learning_rate=0.001 * len(repeated) / len(ratings), batch_size=10_000, initial_std=0.3)
        two = SVD(n_factors=5, learning_rate=0.001, batch_size=10_000, initial_std=0.3)
        one.fit(weighted, epochs=5, verbose=0)
        two.fit(repeated, epochs=5, verbose=0)
        for left, right in zip(variables(one), variables(two), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)

    def test_a_weight_of_zero_is_no_row(self, ratings):
        weight = np.ones(len(ratings), np.float32)
        weight[ratings.user == 0] = 0
        model = SVD(n_factors=5)
        model.fit(dataclasses.replace(ratings, weight=weight), epochs=2, verbose=0)
        assert model.user_biases.numpy()[0] == 0
        assert model.rating_mean.numpy() == pytest.approx(ratings.rating[ratings.user != 0].mean(), rel=1e-5)


class TestFit:
    def test_low_rank_ratings_are_recovered_up_to_their_noise(self, ratings):
        held_out = np.random.default_rng(1).random(len(ratings)) < 0.1
        model = SVD(n_factors=4, l2=0.01, learning_rate=0.05, batch_size=512, initial_std=0.1)
        model.fit(ratings.select(~held_out), epochs=40, verbose=0)
        test = ratings.select(held_out)
        error = test.rating - model.predict_ratings(test.user, test.item).numpy()
        assert np.sqrt(np.mean(error**2)) < 0.37  # the noise is 0.3; the ratings' own deviation 1.5

    def test_the_loss_falls(self, ratings):
        loss = SVD(n_factors=5, batch_size=256).fit(ratings, epochs=10, verbose=0).history["loss"]
        assert (np.diff(loss) < 0).all()

    def test_few_ratings_and_large_batches_are_stable(self, train):
        loss = SVD(batch_size=2**20).fit(train, epochs=10, verbose=0).history["loss"]
        assert (np.diff(loss) < 0).all()


class TestFoldIn:
    def test_is_ridge_regression(self, ratings, biased):
        histories = tf.ragged.constant([[3, 5, 9, 3], [], [7]], dtype=tf.int32)
        given = tf.ragged.constant([[1.0, 4.0, 5.0, 2.0], [], [3.0]])
        vectors, biases = biased.history_vectors(histories, given)
        features = np.column_stack([biased.item_factors, np.ones(ratings.n_items)]).astype(float)
        for row, (items, values) in enumerate(zip(histories.to_list(), given.to_list(), strict=True)):
            x = features[items]
            target = np.array(values) - biased.rating_mean.numpy() - biased.item_biases.numpy()[items]
            penalty = max(len(items), 1) * np.diag([biased.l2] * 8 + [biased.l2_biases])
            expected = np.linalg.solve(x.T @ x + penalty, x.T @ target)
            np.testing.assert_allclose(np.append(vectors[row], biases[row]), expected, rtol=1e-3, atol=1e-4)

    def test_of_a_users_own_ratings_predicts_as_well_as_the_user(self, ratings, biased):
        # All users rate 30 items or so; a ridge solution is the optimum of what descent comes near to.
        users = range(50)
        own = [ratings.user == user for user in users]
        histories = tf.ragged.constant([ratings.item[rows] for rows in own], dtype=tf.int32)
        given = tf.ragged.constant([ratings.rating[rows] for rows in own], dtype=tf.float32)
        folded, trained = biased.score_histories(histories, given).numpy(), biased.score(np.arange(50)).numpy()
        for scores in (folded, trained):
            errors = np.concatenate(
                [scores[user, ratings.item[own[user]]] - ratings.rating[own[user]] for user in users]
            )
            assert np.sqrt(np.mean(errors**2)) < 0.32
        assert np.corrcoef(folded.ravel(), trained.ravel())[0, 1] > 0.99

    def test_without_ratings_all_items_are_liked_most(self, ratings, biased):
        histories = tf.ragged.constant([[3, 5, 9], []], dtype=tf.int32)
        highest = tf.ragged.constant([[float(ratings.rating.max())] * 3, []])
        np.testing.assert_array_equal(biased.score_histories(histories), biased.score_histories(histories, highest))

    def test_nobody_known_gets_the_biases_of_the_items(self, biased):
        scores = biased.score_histories(tf.ragged.constant([[]], dtype=tf.int32, ragged_rank=1))
        np.testing.assert_allclose(scores[0], biased.rating_mean + biased.item_biases, rtol=1e-5)


@pytest.fixture(params=["binary", "rating", "weight"], scope="module")
def values(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def data(ratings) -> Interactions:
    positive = np.abs(ratings.rating)
    return dataclasses.replace(ratings, rating=positive, weight=positive[::-1].copy())


@pytest.fixture(scope="module")
def matrix(data, values):
    return data.to_csr(values).astype(np.float64)


@pytest.fixture(scope="module")
def truncated(data, values):
    model = SVD(method="truncated", n_factors=6, values=values)
    model.losses_of_epochs = tuple(model.fit(data, epochs=40, verbose=0).history["loss"])
    return model


@pytest.mark.filterwarnings("ignore:SVD cannot use weights")
class TestTruncated:
    def test_is_scipys(self, truncated, matrix):
        left, singular, right = svds(matrix, k=6)
        order = np.argsort(-singular)
        np.testing.assert_allclose(truncated.singular_values, singular[order], rtol=1e-4)
        angles = dense_linalg.subspace_angles(truncated.item_factors.numpy().astype(float), right.T)
        assert angles.max() < 1e-2
        scores = (left * singular) @ right
        np.testing.assert_allclose(
            truncated.score(np.arange(matrix.shape[0])), scores, atol=2e-3 * np.abs(scores).max()
        )

    def test_the_vectors_are_orthonormal(self, truncated):
        vectors = truncated.item_factors.numpy()
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-5)

    def test_the_loss_is_the_error_of_the_reconstruction_and_never_grows(self, truncated, matrix, data):
        loss = truncated.losses_of_epochs
        vectors = truncated.item_factors.numpy().astype(float)
        dense = matrix.toarray()
        expected = np.sum((dense - dense @ vectors @ vectors.T) ** 2) / len(dense)
        assert loss[-1] == pytest.approx(expected, rel=1e-4)
        assert truncated.evaluate(truncated.training_data(data), verbose=0) == pytest.approx(expected, rel=1e-4)
        assert (np.diff(loss) <= 1e-5 * loss[0]).all()

    def test_many_batches_give_the_model_of_one(self, truncated, data, values, monkeypatch):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * data.n_items * 7)
        many = SVD(method="truncated", n_factors=6, values=values)
        many.fit(data, epochs=40, verbose=0)
        assert len(many.training_data(data)) > 20
        np.testing.assert_allclose(many.score([0, 5]), truncated.score([0, 5]), rtol=1e-3, atol=1e-3)

    def test_a_person_scores_as_the_user_of_the_same_history(self, truncated, data, values):
        rows = [np.flatnonzero(data.user == user) for user in (0, 7)]
        histories = tf.ragged.constant([data.item[row] for row in rows], dtype=tf.int32)
        given = tf.ragged.constant([data.rating[row] for row in rows], dtype=tf.float32)
        if values != "weight":  # which nobody unknown has
            scores = truncated.score_histories(histories, given)
            np.testing.assert_allclose(scores, truncated.score([0, 7]), rtol=1e-4, atol=1e-4)

    def test_a_saved_model_scores_alike(self, truncated, tmp_path):
        truncated.save(tmp_path / "svd")
        loaded = tfrec.load(tmp_path / "svd")
        np.testing.assert_array_equal(loaded.score([0, 1]), truncated.score([0, 1]))

    def test_an_item_counts_once_however_often_it_stands_in_a_history(self, truncated):
        twice = tf.ragged.constant([[1, 2, 1]], dtype=tf.int32)
        scores = truncated.score_histories(twice, tf.ragged.constant([[5.0, 3.0, 1.0]]))
        once = truncated.score_histories(tf.ragged.constant([[1, 2]], dtype=tf.int32), tf.ragged.constant([[1.0, 3.0]]))
        np.testing.assert_allclose(scores, once, rtol=1e-5)

    def test_it_predicts_no_ratings(self, truncated):
        with pytest.raises(ValueError, match="ranks items and predicts no ratings"):
            truncated.predict_ratings([0], [0])
        assert truncated.answer_pairs(tf.constant([-1]), tf.constant([0]))[0] == 0

    def test_more_factors_than_the_rank(self, train):
        model = SVD(method="truncated", n_factors=30)
        with pytest.raises(ValueError, match=r"n_factors is 30.*39 users and 29 items.*at most rank 29"):
            model.fit(train)
        SVD(method="truncated", n_factors=29).fit(train, epochs=1, verbose=0)


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"method": "pure"}, ValueError, "method must be one of 'biased', 'truncated'; got 'pure'"),
            ({"method": None}, ValueError, "method must be one of"),
            ({"values": "count"}, ValueError, "values must be one of 'binary', 'rating', 'weight'"),
            ({"n_factors": 0}, ValueError, "n_factors must be an integer of at least 1"),
            ({"l2": 0}, ValueError, "l2 must be a finite number above 0"),
            ({"l2_biases": -1}, ValueError, "l2_biases must be a finite number above 0"),
            ({"learning_rate": float("nan")}, ValueError, "learning_rate must be a finite number above 0"),
            ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
            ({"initial_std": 0}, ValueError, "initial_std must be a finite number above 0"),
            ({"oversampling": -1}, ValueError, "oversampling must be an integer of at least 0"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            SVD(**arguments)

    @pytest.mark.parametrize("model", [SVD(), SVD(method="truncated", n_factors=4, values="rating")])
    def test_no_ratings(self, train, model):
        frame = train.to_frame().drop(columns="rating")
        with pytest.raises(DataError, match="has none"):
            model.fit(Interactions.from_frame(frame))

    def test_binary_values_need_no_ratings(self, train):
        model = SVD(method="truncated", n_factors=4)
        model.fit(Interactions.from_frame(train.to_frame().drop(columns="rating")), verbose=0)
        assert np.isfinite(model.score([0])).all()

    def test_ratings_that_are_no_numbers(self, train):
        rating = train.rating.copy()
        rating[3] = np.nan
        with pytest.raises(DataError, match="rating"):
            dataclasses.replace(train, rating=rating)

    def test_no_weight_at_all(self, train):
        with pytest.raises(DataError, match="all its weights are zero"):
            SVD().fit(dataclasses.replace(train, weight=np.zeros(len(train), np.float32)))

    def test_weights_that_nothing_uses(self, train):
        weighted = dataclasses.replace(train, weight=np.ones(len(train), np.float32))
        with pytest.warns(UserWarning, match="cannot use weights"):
            SVD(method="truncated", n_factors=4).adapt(weighted)
