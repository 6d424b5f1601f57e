"""SVD++ against its formula rating by rating, and on data that were made by it."""

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.data import DataError, Interactions
from tfrec.models import SVDpp

PARAMETERS = ("user_biases", "item_biases", "user_factors", "item_factors", "implicit_factors")


def as_interactions(user, item, rating, n_users, n_items, weight=None) -> Interactions:
    return Interactions(
        user=np.asarray(user, np.int32),
        item=np.asarray(item, np.int32),
        rating=np.asarray(rating, np.float32),
        weight=None if weight is None else np.asarray(weight, np.float32),
        user_ids=np.array([f"u{n}" for n in range(n_users)], dtype=object),
        item_ids=np.array([f"i{n}" for n in range(n_items)], dtype=object),
    )


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Ratings with weights, rows in no order; user 2 has rated item 3 three times, user 7 and item 6 have no rows."""
    generator = np.random.default_rng(5)
    user, item = np.nonzero(generator.random((8, 9)) < 0.6)
    user, item = np.append(user, [2, 2, 2]), np.append(item, [3, 3, 3])
    keep = (user != 7) & (item != 6)
    order = generator.permutation(int(keep.sum()))
    user, item = user[keep][order], item[keep][order]
    rating, weight = generator.integers(1, 6, len(user)), generator.choice([0.5, 1.0, 2.0], len(user))
    return as_interactions(user, item, rating, 8, 9, weight)


@pytest.fixture
def model(data) -> SVDpp:
    """Adapted, with parameters that are all far from 0."""
    model = SVDpp(n_factors=3, l2=0.3, l2_implicit=0.07, batch_users=3)
    model.adapt(data)
    generator = np.random.default_rng(1)
    for name in PARAMETERS:
        variable = getattr(model, name)
        variable.assign(generator.normal(scale=0.5, size=variable.shape))
    return model


@pytest.fixture(scope="module")
def made() -> tuple[Interactions, Interactions]:
    """Ratings that follow the model: taste depends on what was rated at all, and on factors of the user's."""
    generator = np.random.default_rng(0)
    n_users, n_items = 300, 60
    item_factors, implicit = generator.normal(size=(2, n_items, 2))
    seen = generator.random((n_users, n_items)) < 0.5
    vectors = seen @ implicit / np.sqrt(seen.sum(axis=1, keepdims=True)) + 0.5 * generator.normal(size=(n_users, 2))
    ratings = 3 + generator.normal(scale=0.5, size=(n_users, 1)) + vectors @ item_factors.T
    user, item = np.nonzero(seen)
    whole = as_interactions(user, item, ratings[seen] + 0.1 * generator.normal(size=len(user)), n_users, n_items)
    held_out = generator.random(len(user)) < 0.1
    return whole.select(~held_out), whole.select(held_out)


@pytest.fixture(scope="module")
def learned(made) -> tuple[SVDpp, list[float]]:
    """A model that knows the first 250 users, and the losses of its fit."""
    train = made[0]
    model = SVDpp(n_factors=4, l2=0.005, l2_implicit=1e-5, learning_rate_decay=0.9)
    return model, model.fit(train.select(train.user < 250), epochs=25, verbose=0).history["loss"]


def parameters(model) -> dict[str, np.ndarray]:
    return {name: getattr(model, name).numpy().astype(np.float64) for name in PARAMETERS}


def predict(values, mean, history, user, item) -> float:
    """Equation 15, in the plainest numpy."""
    implicit = sum(values["implicit_factors"][other] for other in history) / np.sqrt(len(history))
    vector = values["user_factors"][user] + implicit
    return mean + values["user_biases"][user] + values["item_biases"][item] + values["item_factors"][item] @ vector


def objective(values, mean, data, users, *, l2=0.3, l2_implicit=0.07) -> float:
    """The weighted mean over the ratings of some users, each of which pays for all the parameters it uses."""
    total = weights = 0.0
    for user, item, rating, weight in zip(data.user, data.item, data.rating, data.weight, strict=True):
        if user not in users:
            continue
        history = sorted(set(data.item[data.user == user]))
        error = rating - predict(values, mean, history, user, item)
        paid = values["user_biases"][user] ** 2 + values["item_biases"][item] ** 2
        paid += np.sum(values["user_factors"][user] ** 2) + np.sum(values["item_factors"][item] ** 2)
        implicit = np.sum(values["implicit_factors"][history] ** 2)
        total += weight * (error**2 + l2 * paid + l2_implicit * implicit)
        weights += weight
    return total / weights


class TestFormula:
    def test_predictions_are_the_papers(self, model, data):
        values, mean = parameters(model), np.average(data.rating, weights=data.weight)
        scores = model.score(np.arange(7)).numpy()
        for user in range(7):
            history = sorted(set(data.item[data.user == user]))
            for item in range(9):
                assert scores[user, item] == pytest.approx(predict(values, mean, history, user, item), abs=1e-5)

    @pytest.mark.parametrize("users", [[2], [4, 0, 2], [0, 1, 2, 3, 4, 5, 6]])
    def test_loss_is_the_papers(self, model, data, users):
        values, mean = parameters(model), float(model.rating_mean)
        loss = model.compute_loss(tf.constant(users), training=True)
        assert float(loss) == pytest.approx(objective(values, mean, data, users), rel=1e-5)
        plain = model.compute_loss(tf.constant(users))
        assert float(plain) == pytest.approx(objective(values, mean, data, users, l2=0, l2_implicit=0), rel=1e-5)

    @pytest.mark.parametrize("users", [[2], [4, 0, 2]])
    def test_gradient_is_that_of_finite_differences(self, model, data, users):
        variables = {name: getattr(model, name) for name in PARAMETERS}

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32)])
        def gradients(users):
            with tf.GradientTape() as tape:
                loss = model.compute_loss(users, training=True)
            return {name: tf.convert_to_tensor(g) for name, g in tape.gradient(loss, variables).items()}

        found = gradients(tf.constant(users))
        values, mean = parameters(model), float(model.rating_mean)
        for name in PARAMETERS:
            expected = np.zeros_like(values[name])
            for place in np.ndindex(*expected.shape):
                both = []
                for step in (1e-5, -1e-5):
                    moved = {**values, name: values[name].copy()}
                    moved[name][place] += step
                    both.append(objective(moved, mean, data, users))
                expected[place] = (both[0] - both[1]) / 2e-5
            np.testing.assert_allclose(found[name], expected, atol=2e-5, err_msg=name)

    def test_loss_of_an_epoch_is_the_mean_over_its_ratings(self, model, data):
        expected = objective(parameters(model), float(model.rating_mean), data, set(range(7)), l2=0, l2_implicit=0)
        assert len(model.training_data(data)) == 3
        model.compile()
        assert model.evaluate(model.training_data(data), verbose=0) == pytest.approx(expected, rel=1e-5)

    def test_a_vector_sums_over_the_distinct_items(self, model):
        once = model.history_vectors(tf.ragged.constant([[3, 5]], dtype=tf.int32))[0]
        twice = model.history_vectors(tf.ragged.constant([[3, 5, 3]], dtype=tf.int32))[0]
        np.testing.assert_array_equal(once, twice)
        rows = model.implicit_factors.numpy()
        np.testing.assert_allclose(once[0], (rows[3] + rows[5]) / np.sqrt(2), rtol=1e-5)

    def test_a_history_has_the_implicit_term_of_the_user_who_has_it(self, model, data):
        history = sorted(set(data.item[data.user == 2]))
        assert len(history) < np.sum(data.user == 2)
        vectors, biases = model.history_vectors(tf.ragged.constant([history, []], dtype=tf.int32))
        np.testing.assert_allclose(
            model.user_vectors(tf.constant([2]))[0] - model.user_factors[2], vectors[0], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(vectors[1], np.zeros(3))
        np.testing.assert_array_equal(biases, np.zeros(2))

    def test_biases_start_at_shrunk_means(self, data):
        model = SVDpp()
        model.adapt(data)
        rows = data.item == 3
        residuals = data.rating[rows] - np.average(data.rating, weights=data.weight)
        expected = np.sum(data.weight[rows] * residuals) / (np.sum(data.weight[rows]) + 10)
        assert float(model.item_biases[3]) == pytest.approx(expected, rel=1e-4)
        assert float(model.item_biases[6]) == float(model.user_biases[7]) == 0


class TestWeights:
    def test_twice_the_weight_is_the_row_twice(self, data):
        counts = (2 * data.weight).astype(int)
        weighted = as_interactions(data.user, data.item, data.rating, 8, 9, counts)
        rows = np.repeat(np.arange(len(data)), counts)
        repeated = as_interactions(data.user[rows], data.item[rows], data.rating[rows], 8, 9)
        one, other = SVDpp(n_factors=3, batch_users=3), SVDpp(n_factors=3, batch_users=3)
        losses = [
            model.fit(given, epochs=3, verbose=0).history["loss"]
            for model, given in ((one, weighted), (other, repeated))
        ]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
        for name in PARAMETERS:
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3, err_msg=name)

    def test_all_of_them_alike_change_nothing(self, data):
        weighted = as_interactions(data.user, data.item, data.rating, 8, 9, np.full(len(data), 3.0))
        plain = as_interactions(data.user, data.item, data.rating, 8, 9)
        one, other = SVDpp(), SVDpp()
        one.adapt(weighted)
        other.adapt(plain)
        users = tf.range(7)
        assert float(one.rating_mean) == float(other.rating_mean)
        one.item_biases.assign(other.item_biases)  # which start by how much there is
        one.user_biases.assign(other.user_biases)
        assert float(one.compute_loss(users, True)) == pytest.approx(float(other.compute_loss(users, True)), rel=1e-6)

    def test_without_any_weight_there_is_nothing_to_learn_and_no_nan(self, data):
        model = SVDpp(batch_users=2)
        nothing = as_interactions(data.user, data.item, data.rating, 8, 9, np.where(data.user < 4, 0.0, 1.0))
        history = model.fit(nothing, epochs=2, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        assert np.isfinite(model.score(np.arange(7))).all()


class TestLearning:
    def test_it_finds_the_low_rank_that_data_were_made_of(self, learned, made):
        model, losses = learned
        known = made[1].select(made[1].user < 250)
        assert losses[-1] < 0.2 * losses[0]
        assert tfrec.evaluate(model, known, metrics=["rmse"])["rmse"] < 0.35 * known.rating.std()

    def test_the_implicit_term_tells_something_of_a_stranger(self, learned, made):
        model, (train, test) = learned[0], made
        strangers = [user for user in range(250, 300) if (test.user == user).any()]
        histories = tf.ragged.constant([train.item[train.user == user].tolist() for user in strangers], dtype=tf.int32)
        ratings = tf.ragged.constant([train.rating[train.user == user].tolist() for user in strangers])

        def rmse(scores):
            errors = [
                test.rating[row] - scores[strangers.index(test.user[row]), test.item[row]]
                for row in np.flatnonzero(test.user >= 250)
            ]
            return np.sqrt(np.mean(np.square(errors)))

        spread = np.std(test.rating[test.user >= 250])
        implicit = rmse(model.score_histories(histories).numpy())
        explicit = rmse(model.score_histories(histories, ratings).numpy())
        assert implicit < 0.9 * spread
        assert explicit < 0.5 * implicit

    def test_two_fits_are_alike_to_the_last_bit(self, made):
        train, _ = made
        one, other = SVDpp(n_factors=50), SVDpp(n_factors=50)
        for model in (one, other):
            model.fit(train, epochs=3, verbose=0)
        for name in PARAMETERS:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

    def test_the_learning_rate_decays(self, data):
        model = SVDpp(learning_rate=0.5, learning_rate_decay=0.5)
        model.fit(data, epochs=3, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.0625
        model.fit(data, epochs=1, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.25

    def test_a_schedule_of_ones_own_stays_as_it_is(self, data):
        model = SVDpp(batch_users=7, learning_rate_decay=0.1)
        model.compile(tf.keras.optimizers.SGD(tf.keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)))
        rates = []
        spy = tf.keras.callbacks.LambdaCallback(
            on_batch_end=lambda step, logs: rates.append(float(model.optimizer.learning_rate))
        )
        model.fit(data, epochs=3, callbacks=[spy], verbose=0)
        assert rates == [0.5, 0.25, 0.125]


class TestFoldIn:
    def test_with_ratings_it_is_one_ridge_regression(self, model):
        items, ratings = np.array([1, 4, 4, 8]), np.array([5.0, 2.0, 3.0, 4.0])
        values = parameters(model)
        implicit = values["implicit_factors"][[1, 4, 8]].sum(axis=0) / np.sqrt(3)
        features = np.column_stack([values["item_factors"][items], np.ones(4)])
        residuals = ratings - float(model.rating_mean) - values["item_biases"][items]
        residuals -= values["item_factors"][items] @ implicit
        solved = np.linalg.solve(features.T @ features + 0.3 * 4 * np.eye(4), features.T @ residuals)
        vectors, biases = model.history_vectors(
            tf.ragged.constant([[], items.tolist()], dtype=tf.int32), tf.ragged.constant([[], ratings.tolist()])
        )
        np.testing.assert_allclose(vectors[1], implicit + solved[:3], atol=1e-5)
        assert float(biases[1]) == pytest.approx(solved[3], abs=1e-5)
        assert not np.any(vectors[0])
        assert not biases[0]

    def test_it_minimises_the_objective_of_a_user_who_is_known(self, model, data):
        """The fold-in of a user's own ratings is where the gradient of this user's parameters vanishes."""
        plain = as_interactions(data.user, data.item, data.rating, 8, 9)
        model.adapt(plain)
        rows = plain.user == 2
        history = tf.ragged.constant([plain.item[rows].tolist()], dtype=tf.int32)
        vectors, biases = model.history_vectors(history, tf.ragged.constant([plain.rating[rows].tolist()]))
        own = vectors - (model.user_vectors(tf.constant([2])) - model.user_factors[2])
        model.user_factors.scatter_nd_update([[2]], own)
        model.user_biases.scatter_nd_update([[2]], biases)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(tf.constant([2]), training=True)
        for gradient in tape.gradient(loss, [model.user_factors, model.user_biases]):
            np.testing.assert_allclose(tf.convert_to_tensor(gradient), 0, atol=1e-5)


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n_factors": 0}, ValueError, "n_factors must be an integer of at least 1; got 0"),
            ({"n_factors": 2.5}, TypeError, "n_factors must be an integer"),
            ({"l2": 0}, ValueError, "l2 must be a finite number above 0"),
            ({"l2": "0.1"}, TypeError, "l2 must be a number above 0"),
            ({"l2_implicit": -1.0}, ValueError, "l2_implicit must be a finite number above 0"),
            ({"learning_rate": float("nan")}, ValueError, "learning_rate must be a finite number above 0"),
            ({"learning_rate_decay": 1.1}, ValueError, r"learning_rate_decay must be .* at most 1; got 1\.1"),
            ({"learning_rate_decay": 0}, ValueError, "learning_rate_decay must be a number above 0 and at most 1"),
            ({"batch_users": 0}, ValueError, "batch_users must be an integer of at least 1"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            SVDpp(**arguments)

    def test_data_without_ratings(self, data):
        unrated = Interactions(user=data.user, item=data.item, user_ids=data.user_ids, item_ids=data.item_ids)
        with pytest.raises(DataError, match="SVDpp learns from ratings"):
            SVDpp().fit(unrated)

    def test_training_data_of_something_else(self, model, data):
        with pytest.raises(TypeError, match=r"training_data takes tfrec\.data\.Interactions, got DataFrame"):
            model.training_data(data.to_frame())
        other = as_interactions(data.user, data.item, 6 - data.rating, 8, 9, data.weight)
        with pytest.raises(ValueError, match="adapted to other data"):
            model.training_data(other)
        model.training_data(data.select(np.arange(len(data))))

    def test_a_loaded_model_has_no_ratings_to_learn_from(self, data, tmp_path):
        model = SVDpp(n_factors=2)
        model.fit(data, epochs=1, verbose=0)
        model.save(tmp_path / "model")
        loaded = tfrec.load(tmp_path / "model")
        np.testing.assert_array_equal(loaded.score([0, 2]), model.score([0, 2]))
        with pytest.raises(ValueError, match="was loaded, and knows no ratings"):
            loaded.training_data(data)
        with pytest.raises(ValueError, match="knows no data yet"):
            SVDpp().training_data(data)
