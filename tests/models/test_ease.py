"""EASE against its formula in double precision, and against the figures in print."""

import subprocess
import sys

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.models import EASE, Popularity


def reference_weights(dense: np.ndarray, l2: float) -> np.ndarray:
    """Equation 8 of the paper, in the plainest numpy."""
    inverse = np.linalg.inv(dense.T @ dense + l2 * np.eye(dense.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.fixture(params=[0.5, 20.0])
def l2(request) -> float:
    return request.param


@pytest.fixture
def dense(train) -> np.ndarray:
    return train.to_csr().toarray().astype(np.float64)


@pytest.fixture
def large_catalogue(monkeypatch) -> None:
    """The way of large catalogues, for any: tiles of 8 items, and nothing whole."""
    monkeypatch.setattr("tfrec.models.ease._WHOLE", 0)
    monkeypatch.setattr("tfrec.linalg.tiled._TILE", 8)


class TestEASE:
    def test_weights_are_the_papers(self, train, dense, l2):
        model = EASE(l2=l2)
        model.fit(train, verbose=0)
        np.testing.assert_allclose(model.item_weights, reference_weights(dense, l2), atol=1e-5)
        assert (np.diag(model.item_weights) == 0).all()

    def test_loss_is_the_objective_for_each_user(self, train, dense, l2):
        loss = EASE(l2=l2).fit(train, verbose=0).history["loss"][0]
        weights = reference_weights(dense, l2)
        objective = np.sum((dense - dense @ weights) ** 2) + l2 * np.sum(weights**2)
        assert loss == pytest.approx(objective / len(dense), rel=1e-4)

    def test_no_other_weights_have_a_smaller_objective(self, train, dense, l2):
        model = EASE(l2=l2)
        model.fit(train, verbose=0)
        best = model.item_weights.numpy().astype(np.float64)

        def objective(weights):
            return np.sum((dense - dense @ weights) ** 2) + l2 * np.sum(weights**2)

        for seed in range(5):
            step = np.random.default_rng(seed).normal(scale=0.01, size=best.shape)
            np.fill_diagonal(step, 0)
            assert objective(best + step) > objective(best)

    def test_reconstruction_error_is_the_keras_evaluation(self, train, dense):
        model = EASE(l2=5.0)
        model.fit(train, verbose=0)
        expected = np.sum((dense - dense @ reference_weights(dense, 5.0)) ** 2) / len(dense)
        assert model.evaluate(model.training_data(train), verbose=0) == pytest.approx(expected, rel=1e-4)

    def test_sparse_and_dense_gram_give_the_same_model(self, train, monkeypatch):
        dense_model, sparse_model = EASE(), EASE()
        dense_model.fit(train, verbose=0)
        monkeypatch.setattr("tfrec.linalg.prefer_sparse_gram", lambda lengths, n_items: True)
        sparse_model.fit(train, verbose=0)
        np.testing.assert_array_equal(dense_model.item_weights, sparse_model.item_weights)

    def test_a_large_catalogue_gives_the_same_model_strip_by_strip(self, train, dense, l2, large_catalogue):
        model = EASE(l2=l2)
        loss = model.fit(train, verbose=0).history["loss"][0]
        expected = reference_weights(dense, l2)
        np.testing.assert_allclose(model.item_weights, expected, atol=1e-5)
        assert (np.diag(model.item_weights) == 0).all()
        objective = np.sum((dense - dense @ expected) ** 2) + l2 * np.sum(expected**2)
        assert loss == pytest.approx(objective / len(dense), rel=1e-4)

    def test_a_large_catalogue_is_solved_afresh_by_every_fit(self, train, other_train, large_catalogue):
        model, fresh = EASE(), EASE()
        model.fit(other_train, epochs=2, verbose=0)
        model.fit(train, verbose=0)
        fresh.fit(train, verbose=0)
        np.testing.assert_array_equal(model.item_weights, fresh.item_weights)

    def test_many_batches_give_the_same_model_as_one(self, train, monkeypatch):
        one, many = EASE(), EASE()
        one.fit(train, verbose=0)
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        many.fit(train, verbose=0)
        assert len(many.training_data(train)) == 6
        np.testing.assert_array_equal(one.item_weights, many.item_weights)

    def test_three_epochs_are_as_good_as_one(self, train):
        one, three = EASE(), EASE()
        one.fit(train, verbose=0)
        three.fit(train, epochs=3, verbose=0)
        np.testing.assert_array_equal(one.item_weights, three.item_weights)

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize("l2", [1e5, 1e9, 1e20])
    def test_loss_with_more_regularisation_nears_the_empty_model_s(self, train, dense, l2, whole, monkeypatch):
        monkeypatch.setattr("tfrec.models.ease._WHOLE", train.n_items if whole else 0)
        loss = EASE(l2=l2).fit(train, verbose=0).history["loss"][0]
        assert loss == pytest.approx(np.sum(dense**2) / len(dense), rel=1e-2)

    def test_a_history_scores_as_the_user_who_has_it(self, train, fitted_models):
        model = fitted_models[EASE]
        histories = tf.RaggedTensor.from_row_lengths(*_rows(train, [0, 3]))
        np.testing.assert_array_equal(model.score_histories(histories), model.score([0, 3]))

    def test_an_item_counts_once_however_often_it_stands_in_a_history(self, fitted_models):
        model = fitted_models[EASE]
        once = model.recommend_from_history([["ï1", "ï2"]])
        twice = model.recommend_from_history([["ï1", "ï2", "ï1"]])
        np.testing.assert_array_equal(once.score, twice.score)

    def test_similar_items_are_the_items_own_weights(self, fitted_models, train):
        model = fitted_models[EASE]
        weights = model.item_weights.numpy()[4]
        weights[[4, -1]] = -np.inf
        expected = train.item_ids[np.argsort(-weights, kind="stable")[:5]]
        assert model.similar_items(["ï4"], k=5).item_id[0].tolist() == expected.tolist()

    @pytest.mark.parametrize(
        ("l2", "error"),
        [(0, ValueError), (-1.0, ValueError), (float("nan"), ValueError), (1e300, ValueError), ("5", TypeError)],
    )
    def test_bad_l2(self, l2, error):
        with pytest.raises(error, match="l2 must be a"):
            EASE(l2=l2)

    @pytest.mark.parametrize("whole", [True, False])
    def test_too_little_regularisation_is_a_clear_error(self, train, whole, monkeypatch):
        monkeypatch.setattr("tfrec.models.ease._WHOLE", train.n_items if whole else 0)
        with pytest.raises(ValueError, match=r"not positive definite.*larger l2"):
            EASE(l2=1e-12).fit(tfrec.data.Interactions.from_frame(train.to_frame().iloc[:20]), verbose=0)


def _rows(train, users):
    rows = [np.sort(train.item[train.user == user]) for user in users]
    return np.concatenate(rows), [len(row) for row in rows]


FIT_A_LARGE_CATALOGUE = """
import resource
import numpy as np
from tfrec.data import Interactions
from tfrec.models import EASE

def peak():  # bytes; Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def fit(n_users, n_items):
    item = (np.random.default_rng(0).random(20 * n_users) ** 2 * n_items).astype(np.int32)
    ids = [np.arange(size).astype(str).astype(object) for size in (n_users, n_items)]
    data = Interactions(user=np.repeat(np.arange(n_users), 20), item=item, user_ids=ids[0], item_ids=ids[1])
    model = EASE(l2=50.0)
    model.fit(data, verbose=0)
    return model

fit(100, 50)  # what TensorFlow itself takes
before = peak()
n_items = 16_000
model = fit(30_000, n_items)
after = peak()
assert model.item_weights.numpy().any(axis=1).mean() > 0.99
print((after - before) / (4 * n_items**2))
"""


class TestLargeCatalogue:
    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="the unit of the peak is Linux's")
    def test_takes_the_memory_of_the_model_half_of_it_again_and_some_strips(self):
        command = [sys.executable, "-c", FIT_A_LARGE_CATALOGUE]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert float(result.stdout) < 2.6


class TestPublishedFigures:
    @pytest.mark.parametrize(
        ("model", "hit_rate", "ndcg", "tolerance"),
        [(EASE(l2=1320.0), 0.7192, 0.4494, 0.0005), (Popularity(), 0.4533, 0.2542, 0.001)],
        ids=["EASE", "Popularity"],
    )
    def test_on_the_ncf_split_of_movielens_1m(self, tfrec_data, model, hit_rate, ndcg, tolerance):
        train, test, candidates = tfrec.data.ncf_split(path=tfrec_data / "ml-1m-ncf")
        model.fit(train, verbose=0)
        report = tfrec.evaluate(model, test, candidates=candidates, k=10)
        assert report["hit_rate@10"] == pytest.approx(hit_rate, abs=tolerance)
        assert report["ndcg@10"] == pytest.approx(ndcg, abs=tolerance)
