"""The model's own scores of some items, and the small factorisations that find which items these should be."""

import functools

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.models import EASE, NCF, SLIM, Popularity
from tfrec.rescoring import LandmarkSearch

USERS = [3, 0, 11, 3]
HISTORIES = [[1, 2, 5], [3], [7, 0, 7], list(range(29))]
RATINGS = [[5.0, 1.0, 4.0], [2.0], [3.0, 5.0, 1.0], [4.0] * 29]
ITEMS = [[4, 0, 4, 29, 1], [28, 3, 2, 1, 0], [0, 0, 0, 0, 0], [9, 8, 7, 6, 5]]


def ragged(rows, dtype=tf.int32):
    return tf.ragged.constant(rows, dtype=dtype, row_splits_dtype=tf.int64)


def compiled(function):
    return tf.function(function, autograph=False, reduce_retracing=True)


def assert_close(some, scores):
    """That `some` are `scores` of ITEMS, but for the order in which they are added up."""
    scores = np.asarray(scores)
    expected = np.take_along_axis(scores, np.array(ITEMS), axis=1)
    np.testing.assert_allclose(some, expected, rtol=1e-5, atol=1e-5 * np.abs(scores).max())


class TestRescoring:
    @pytest.mark.parametrize("run", [lambda function: function, compiled], ids=["eager", "graph"])
    def test_users(self, fitted, run):
        assert_close(run(fitted.rescore)(tf.constant(USERS), tf.constant(ITEMS)), fitted.score(USERS))

    @pytest.mark.parametrize("ratings", [None, RATINGS])
    @pytest.mark.parametrize("run", [lambda function: function, compiled], ids=["eager", "graph"])
    def test_histories(self, fitted, ratings, run):
        histories = ragged(HISTORIES)
        ratings = None if ratings is None else ragged(ratings, tf.float32)
        some = run(fitted.rescore_histories)(histories, ratings, tf.constant(ITEMS))
        assert_close(some, fitted.score_histories(histories, ratings))

    def test_of_unknown_batch_size(self, fitted):
        signature = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.int32)]
        rescore = tf.function(fitted.rescore, input_signature=signature, autograph=False)
        assert_close(rescore(tf.constant(USERS), tf.constant(ITEMS)), fitted.score(USERS))
        assert rescore(tf.zeros([0], tf.int32), tf.zeros([0, 3], tf.int32)).shape == (0, 3)
        assert rescore(tf.constant(USERS), tf.zeros([4, 0], tf.int32)).shape == (4, 0)

    def test_of_nothing(self, fitted):
        assert fitted.rescore([], tf.zeros([0, 2], tf.int32)).shape == (0, 2)

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            ([1, 2, 3, 4], r"items are int \[batch, n\]"),
            ([[1], [2]], r"a row for each user or history; got shape \(2, 1\)"),
            ([[30]] * 4, "item indices are from 0 to 29; got 30"),
            ([[-1]] * 4, "item indices are from 0 to 29; got -1"),
        ],
    )
    def test_bad_items(self, fitted, items, message):
        with pytest.raises(ValueError, match=message):
            fitted.rescore(USERS, items)
        with pytest.raises(ValueError, match=message):
            fitted.rescore_histories(ragged(HISTORIES), None, items)

    def test_bad_users(self, fitted):
        with pytest.raises(ValueError, match="user indices are from 0 to 39; got 40"):
            fitted.rescore([40, 1, 2, 3], ITEMS)


class TestFallback:
    def test_ranks_for_people_without_a_history(self, fitted):
        expected = np.tile(fitted.fallback_scores(), (2, 1))
        np.testing.assert_array_equal(fitted.ranking_scores(tf.constant([-1, 39])), expected)
        np.testing.assert_array_equal(fitted.ranking_scores_from_histories(ragged([[], []])), expected)

    def test_is_how_many_have_an_item(self, fitted, train):
        np.testing.assert_array_equal(fitted.fallback_scores(), np.bincount(train.item, minlength=train.n_items))

    def test_is_the_decayed_popularity_where_that_is_the_model(self, train):
        model = Popularity(half_life=1e-3)
        model.fit(train, verbose=0)
        np.testing.assert_array_equal(model.fallback_scores(), model.popularity)
        assert len(set(np.asarray(model.fallback_scores()))) > 20


class TestSearchModels:
    def test_products_of_its_vectors_are_the_scores_where_a_model_says_so(self, fitted):
        if not fitted.scores_are_products:
            pytest.skip("its scores are no inner products")
        search = fitted.search_model(0)
        products = tf.matmul(search.query(tf.constant(USERS)), search.candidates(), transpose_b=True)
        np.testing.assert_allclose(products, fitted.score(USERS), rtol=1e-5, atol=1e-5)

    def test_others_are_modules_with_vectors_of_their_own(self, fitted):
        if fitted.scores_are_products or not fitted.search_ranks:
            pytest.skip("searched by its own vectors, or not at all")
        assert list(fitted.search_ranks) == sorted(fitted.search_ranks)
        for rank in fitted.search_ranks[:2]:
            search = fitted.search_model(rank)
            assert isinstance(search, tf.Module)
            queries, candidates = search.query(tf.constant(USERS)), search.candidates()
            assert queries.dtype == candidates.dtype == tf.float32
            assert candidates.shape == (fitted.n_items, queries.shape[1])
            assert search.query_histories(ragged(HISTORIES)).shape == queries.shape
            assert all(variable.name not in {v.name for v in fitted.weights} for variable in search.variables)

    def test_are_the_same_every_time(self, fitted):
        if not fitted.search_ranks:
            pytest.skip("not searched at all")
        one, other = (fitted.search_model(fitted.search_ranks[-1]) for _ in range(2))
        np.testing.assert_array_equal(one.candidates(), other.candidates())
        np.testing.assert_array_equal(one.query(tf.constant(USERS)), other.query(tf.constant(USERS)))

    def test_a_model_without_any_says_what_to_do(self, fitted_by_gradients):
        assert fitted_by_gradients.search_ranks == ()
        with pytest.raises(TypeError, match=r"TinyFactors has no vectors .* Exact\(\)"):
            fitted_by_gradients.search_model(8)

    @pytest.mark.parametrize("rank", [0, -1])
    def test_bad_rank(self, fitted_models, rank):
        with pytest.raises(ValueError, match=f"rank must be an integer of at least 1; got {rank}"):
            fitted_models[EASE].search_model(rank)


@pytest.fixture(scope="module")
def world() -> Interactions:
    """400 users with tastes in six dimensions, and 150 items of unequal popularity."""
    generator = np.random.default_rng(0)
    tastes, kinds = (generator.normal(size=(n, 6)) for n in (400, 150))
    logits = 1.5 * tastes @ kinds.T + generator.normal(size=150) - 3.5
    user, item = np.nonzero(generator.random(logits.shape) < 1 / (1 + np.exp(-logits)))
    ids = {name: np.array([f"{name}{i}" for i in range(n)], dtype=object) for name, n in (("u", 400), ("i", 150))}
    return Interactions(user.astype(np.int32), item.astype(np.int32), user_ids=ids["u"], item_ids=ids["i"])


# Each with the epochs that it is fitted for.
SEARCHED = {
    "ease": (functools.partial(EASE, l2=20.0), 1),
    "slim": (functools.partial(SLIM, l1=1.0, l2=20.0), 5),
    "neighbours": (functools.partial(SLIM, l1=1.0, l2=20.0, neighbours=20), 5),
    "gmf": (functools.partial(NCF, architecture="gmf", n_factors=8), 10),
    "mlp": (functools.partial(NCF, architecture="mlp", mlp_layers=(16, 8), batch_size=1024), 10),
    "neumf": (functools.partial(NCF, n_factors=8, mlp_layers=(16, 8), batch_size=1024), 10),
}


@pytest.fixture(scope="module", params=SEARCHED)
def searched(request, world):
    make, epochs = SEARCHED[request.param]
    model = make()
    model.fit(world, epochs=epochs, verbose=0)
    return model


@pytest.fixture(scope="module")
def linear(world):
    model = EASE(l2=20.0)
    model.fit(world, verbose=0)
    return model


def recall(scores, approximate, k=10, n_candidates=40):
    """The share of the k best items that are among the candidates with the best approximate scores."""
    best = np.argsort(-np.asarray(scores), axis=1)[:, :k]
    found = np.argsort(-np.asarray(approximate), axis=1)[:, :n_candidates]
    return np.mean([np.isin(one, other).mean() for one, other in zip(best, found, strict=True)])


def products_of_nobody(world, search):
    """The same for everybody: what a search that knows nothing of a person would find."""
    mean = tf.reduce_mean(search.query(tf.range(world.n_users)), axis=0, keepdims=True)
    return tf.tile(tf.matmul(mean, search.candidates(), transpose_b=True), [100, 1])


class TestCandidates:
    """The items that a model ranks first are among the candidates that its vectors find."""

    def test_of_users(self, searched, world):
        search = searched.search_model(searched.search_ranks[-1])
        users = tf.range(100)
        scores = searched.score(users)
        found = recall(scores, tf.matmul(search.query(users), search.candidates(), transpose_b=True))
        assert found > 0.95
        assert recall(scores, products_of_nobody(world, search)) < found - 0.03

    def test_of_histories(self, searched):
        search = searched.search_model(searched.search_ranks[-1])
        histories = searched.seen_items(tf.range(100))
        query = compiled(search.query_histories)(histories)
        approximate = tf.matmul(query, search.candidates(), transpose_b=True)
        assert recall(searched.score_histories(histories), approximate) > 0.95

    @pytest.mark.parametrize("kind", ["ease", "slim", "neighbours"])
    def test_at_full_rank_the_products_are_the_scores(self, world, kind):
        make, epochs = SEARCHED[kind]
        model = make()
        model.fit(world, epochs=epochs, verbose=0)
        search = model.search_model(10 * world.n_items)
        assert search.candidates().shape == (150, 150)
        users, histories = tf.range(50), ragged([[3, 5, 3], [140], [], [9, 8, 7]])
        for query, scores in (
            (search.query(users), model.score(users)),
            (search.query_histories(histories), model.score_histories(histories)),
        ):
            np.testing.assert_allclose(tf.matmul(query, search.candidates(), transpose_b=True), scores, atol=1e-4)

    def test_a_higher_rank_comes_nearer(self, linear):
        users = tf.range(200)
        errors = []
        for rank in (2, 8, 32):
            search = linear.search_model(rank)
            products = tf.matmul(search.query(users), search.candidates(), transpose_b=True)
            errors.append(float(tf.norm(products - linear.score(users))))
        assert errors == sorted(errors, reverse=True)

    def test_of_a_matrix_without_any_weight(self, world):
        model = SLIM(l1=1e6, l2=20.0)
        model.fit(world, epochs=2, verbose=0)
        assert tf.size(model.weight_values) == 0
        search = model.search_model(8)
        assert not np.any(tf.matmul(search.query(tf.range(9)), search.candidates(), transpose_b=True))

    def test_neumf_at_rank_0_is_searched_by_its_gmf(self, fitted_models):
        model = fitted_models[NCF]
        search, users = model.search_model(0), tf.range(5)
        expected = (np.asarray(model.gmf_users)[:5] * model.gmf_output.numpy()) @ np.asarray(model.gmf_items).T
        products = tf.matmul(search.query(users), search.candidates(), transpose_b=True)
        np.testing.assert_allclose(products, expected, rtol=1e-5, atol=1e-6)

    def test_landmarks_serve_any_model(self, linear):
        search, users = LandmarkSearch(linear, 16), tf.range(100)
        products = tf.matmul(search.query(users), search.candidates(), transpose_b=True)
        assert recall(linear.score(users), products) > 0.95

    def test_landmarks_of_fewer_users_than_dimensions(self, world):
        few = world.select(world.user < 5)
        model = NCF(architecture="mlp", mlp_layers=(4,))
        model.fit(few, epochs=1, verbose=0)
        search = model.search_model(64)
        assert search.candidates().shape == (150, 6)
        assert np.isfinite(search.query_histories(ragged([[1, 2]]))).all()
