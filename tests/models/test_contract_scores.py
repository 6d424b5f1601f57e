"""What the models keep whose scores are inner products, and those whose scores are ratings."""

import dataclasses

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import DataError, Interactions

HISTORIES = [[1, 2, 5], [3], [7, 0]]
RATINGS = [[5.0, 1.0, 4.0], [2.0], [3.0, 5.0]]
OTHER_RATINGS = [[1.0, 5.0, 2.0], [5.0], [5.0, 1.0]]


def ragged(rows, dtype):
    return tf.ragged.constant(rows, dtype=dtype, row_splits_dtype=tf.int64)


class TestFactors:
    def test_scores_are_inner_products(self, fitted_factors):
        users = np.array([0, 3, 7, 11])
        queries, candidates = fitted_factors.query(users), fitted_factors.candidates()
        assert queries.dtype == candidates.dtype == tf.float32
        assert queries.shape[0] == 4
        assert candidates.shape == (fitted_factors.n_items, queries.shape[1])
        expected = np.asarray(queries) @ np.asarray(candidates).T
        np.testing.assert_allclose(fitted_factors.score(users), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            fitted_factors.score_pairs(users, [4, 1, 9, 2]), expected[np.arange(4), [4, 1, 9, 2]], rtol=1e-5, atol=1e-5
        )

    @pytest.mark.parametrize("ratings", [None, RATINGS])
    def test_so_are_those_of_histories(self, fitted_factors, ratings):
        histories = ragged(HISTORIES, tf.int32)
        ratings = None if ratings is None else ragged(ratings, tf.float32)
        queries, candidates = fitted_factors.query_histories(histories, ratings), fitted_factors.candidates()
        assert queries.shape == (3, candidates.shape[1])
        expected = np.asarray(queries) @ np.asarray(candidates).T
        np.testing.assert_allclose(fitted_factors.score_histories(histories, ratings), expected, rtol=1e-5, atol=1e-5)

    def test_users_out_of_range(self, fitted_factors):
        with pytest.raises(ValueError, match="user indices are from 0 to 39"):
            fitted_factors.query([40])


class TestPredictedRatings:
    def test_are_finite_and_within_the_range_of_the_data(self, fitted_ratings, train):
        users, items = (grid.ravel() for grid in np.mgrid[-1 : train.n_users, -1 : train.n_items])
        predicted = np.asarray(fitted_ratings.predict_ratings(users, items))
        assert predicted.dtype == np.float32
        assert predicted.shape == users.shape
        assert train.rating.min() <= predicted.min() <= predicted.max() <= train.rating.max()

    def test_are_the_scores_within_that_range(self, fitted_ratings, train):
        users, items = np.array([0, 3, 5, 9]), np.array([1, 2, 4, 7])
        expected = np.clip(fitted_ratings.score_pairs(users, items), train.rating.min(), train.rating.max())
        np.testing.assert_allclose(fitted_ratings.predict_ratings(users, items), expected, rtol=1e-6)

    def test_where_nothing_is_known_it_is_the_mean(self, fitted_ratings, train):
        np.testing.assert_allclose(fitted_ratings.predict_ratings([-1], [-1]), [train.rating.mean()], rtol=1e-5)

    def test_are_better_than_the_mean_of_what_was_learned_from(self, fitted_ratings, train):
        error = fitted_ratings.predict_ratings(train.user, train.item) - train.rating
        assert np.mean(np.square(error)) < train.rating.var()

    def test_ratings_of_a_history_count(self, fitted_ratings):
        histories = ragged(HISTORIES, tf.int32)
        one, other = (
            fitted_ratings.score_histories(histories, ragged(r, tf.float32)) for r in (RATINGS, OTHER_RATINGS)
        )
        assert np.isfinite(one).all()
        assert np.isfinite(other).all()
        assert (np.abs(one - other).max(axis=1) > 1e-4).all()

    def test_data_without_ratings(self, rating_class, train):
        bare = Interactions(train.user, train.item, user_ids=train.user_ids, item_ids=train.item_ids)
        with pytest.raises(DataError, match=r"learns from ratings, and .* has none"):
            rating_class().fit(bare)

    def test_ratings_that_are_all_alike(self, rating_class, train, fit):
        model = rating_class()
        fit(model, dataclasses.replace(train, rating=np.full(len(train), 3.0, np.float32)))
        np.testing.assert_allclose(model.predict_ratings([0, -1, 2], [1, 1, -1]), 3.0)

    @pytest.mark.parametrize(("users", "items"), [([-2], [0]), ([0], [-2]), ([40], [0]), ([0], [30])])
    def test_indices_out_of_range(self, fitted_ratings, users, items):
        with pytest.raises(ValueError, match="indices are from -1 to"):
            fitted_ratings.predict_ratings(users, items)


def test_a_model_that_only_ranks_passes_over_ratings(fitted_ranker):
    histories = ragged(HISTORIES, tf.int32)
    with_ratings = fitted_ranker.score_histories(histories, ragged(RATINGS, tf.float32))
    np.testing.assert_array_equal(with_ratings, fitted_ranker.score_histories(histories))
