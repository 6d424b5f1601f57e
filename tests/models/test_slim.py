"""SLIM against the conditions of its optimum, against EASE, and against the figures in print."""

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.models import EASE, SLIM

EXACT = {"tolerance": 1e-9}


@pytest.fixture
def dense(train) -> np.ndarray:
    return train.to_csr().toarray().astype(np.float64)


def fitted_to(data, **arguments):
    model = SLIM(**{**EXACT, **arguments})
    return model, model.fit(data, epochs=100, verbose=0)


def weights_of(model) -> np.ndarray:
    """B as a dense matrix, from its compressed rows."""
    weights = np.zeros((model.n_items, model.n_items))
    rows = np.repeat(np.arange(model.n_items), np.diff(model.weight_splits.numpy()))
    weights[rows, model.weight_columns.numpy()] = model.weight_values.numpy()
    return weights


def objective(dense, weights, l1, l2) -> float:
    error = np.sum((dense - dense @ weights) ** 2)
    return 0.5 * error + 0.5 * l2 * np.sum(weights**2) + l1 * np.abs(weights).sum()


@pytest.fixture(scope="module")
def model(train) -> SLIM:
    """With weights of either sign."""
    return fitted_to(train, l1=1.0, l2=5.0, non_negative=False)[0]


class TestOptimum:
    @pytest.mark.parametrize("neighbours", [None, 29, 1000])
    @pytest.mark.parametrize("non_negative", [True, False])
    @pytest.mark.parametrize(("l1", "l2"), [(1.0, 5.0), (3.0, 0.5)])
    def test_the_conditions_of_the_optimum_hold(self, train, dense, l1, l2, non_negative, neighbours):
        model, _ = fitted_to(train, l1=l1, l2=l2, non_negative=non_negative, neighbours=neighbours)
        weights = weights_of(model)
        gradient = dense.T @ (dense @ weights - dense) + l2 * weights
        off_diagonal = ~np.eye(len(weights), dtype=bool)
        active = weights != 0
        assert (weights[~off_diagonal] == 0).all()
        assert 0.05 < active.mean() < 0.9
        np.testing.assert_allclose(gradient[active], -l1 * np.sign(weights[active]), atol=2e-3)
        idle = gradient[~active & off_diagonal]
        if non_negative:
            assert (weights >= 0).all()
            assert (idle > -l1 - 2e-3).all()
        else:
            assert (np.abs(idle) < l1 + 2e-3).all()

    def test_without_l1_it_is_ease(self, train):
        model, _ = fitted_to(train, l1=0, l2=20.0, non_negative=False)
        ease = EASE(l2=20.0)
        ease.fit(train, verbose=0)
        np.testing.assert_allclose(weights_of(model), ease.item_weights, atol=1e-4)

    def test_more_l1_leaves_fewer_weights(self, train):
        sizes = [len(fitted_to(train, l1=l1, l2=5.0)[0].weight_values.numpy()) for l1 in (0.1, 1.0, 3.0, 5.0)]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) == 4

    def test_so_much_l1_that_nothing_is_left(self, train):
        model, history = fitted_to(train, l1=1e4)
        assert len(model.weight_values.numpy()) == 0
        np.testing.assert_array_equal(model.score([0, 1]), np.zeros((2, train.n_items)))
        assert history.history["loss"][-1] == pytest.approx(len(train) / 2 / train.n_users)
        assert model.recommend(["u000"], k=3).item_id.shape == (1, 3)

    def test_neighbours_alone_have_weights(self, train, dense):
        model, _ = fitted_to(train, l1=0.1, l2=5.0, neighbours=3)
        weights = weights_of(model)
        assert ((weights != 0).sum(axis=0) <= 3).all()
        gram = dense.T @ dense
        best = np.argsort(-(gram - np.diag(np.diag(gram)))[:, 0] / np.sqrt(np.maximum(np.diag(gram), 1)), kind="stable")
        assert set(np.flatnonzero(weights[:, 0])) <= set(best[:3])


class TestFit:
    @pytest.mark.parametrize("neighbours", [None, 6])
    def test_loss_is_the_objective_for_each_user_and_falls(self, train, dense, neighbours):
        model = SLIM(l1=1.0, l2=5.0, neighbours=neighbours, tolerance=1e-7)
        losses = model.fit(train, verbose=0).history["loss"]
        assert losses[-1] == pytest.approx(objective(dense, weights_of(model), 1.0, 5.0) / len(dense), rel=1e-5)
        assert (np.diff(losses) < 1e-6).all()

    def test_stops_when_the_objective_has_settled(self, train):
        rough = SLIM(l1=1.0, l2=5.0, tolerance=1e-2).fit(train, verbose=0).history["loss"]
        fine = SLIM(l1=1.0, l2=5.0, tolerance=1e-6).fit(train, verbose=0).history["loss"]
        assert len(rough) < len(fine) < SLIM.default_epochs
        assert fine[: len(rough)] == rough
        changes = -np.diff(fine) / np.array(fine[1:])
        assert changes[-1] < 1e-6

    def test_a_residual_that_has_not_vanished_keeps_it_from_stopping(self, train, monkeypatch):
        monkeypatch.setattr("tfrec.models.slim._ITERATIONS", 1)
        # So large a penalty lets nothing move: the objective changes little although nothing is solved.
        losses = SLIM(l1=0.1, l2=5.0, rho=1e4).fit(train, epochs=3, verbose=0).history["loss"]
        assert len(losses) == 3
        assert abs(losses[-1] - losses[-2]) < 1e-3 * losses[-1]

    @pytest.mark.parametrize("neighbours", [None, 6])
    def test_rho_is_a_matter_of_speed_only(self, train, neighbours):
        one, other = (fitted_to(train, l1=1.0, l2=5.0, neighbours=neighbours, rho=rho)[0] for rho in (1.0, 8.0))
        np.testing.assert_allclose(weights_of(one), weights_of(other), atol=1e-4)

    def test_a_fit_starts_afresh(self, train, assert_same_weights):
        one, two = SLIM(l1=1.0, l2=5.0), SLIM(l1=1.0, l2=5.0)
        for model in (one, two, two):
            model.fit(train, epochs=2, verbose=0)
        assert_same_weights(one, two)
        two.fit(two.training_data(train), epochs=2, verbose=0)
        for left, right in zip(one.weights, two.weights, strict=True):
            if left is not one.epochs_done:
                np.testing.assert_array_equal(left.numpy(), right.numpy())

    def test_where_the_solver_stands_is_let_go(self, train, tmp_path):
        model = SLIM()
        model.fit(train, verbose=0)
        assert not hasattr(model, "solver")
        assert {weight.name.split(":")[0] for weight in model.weights} == {
            "history_splits", "history_items", "item_counts", "epochs_done", "steps_done", "weight_splits",
            "weight_columns", "weight_values",
        }  # fmt: skip

    @pytest.mark.parametrize("neighbours", [None, 6])
    def test_a_killed_fit_ends_bit_for_bit_as_one_that_was_not(self, train, tmp_path, neighbours):
        class KilledError(Exception):
            pass

        def kill(epoch, logs):
            if epoch == 2:
                raise KilledError

        def fit(*extra):
            model = SLIM(l1=1.0, l2=5.0, neighbours=neighbours, tolerance=1e-12)
            model.adapt(train)
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
            history = model.fit(model.training_data(train), epochs=5, callbacks=[backup, *extra], verbose=0)
            return model, history

        with pytest.raises(KilledError):
            fit(tf.keras.callbacks.LambdaCallback(on_epoch_begin=kill))
        resumed, history = fit()
        whole = SLIM(l1=1.0, l2=5.0, neighbours=neighbours, tolerance=1e-12)
        losses = whole.fit(train, epochs=5, verbose=0).history["loss"]
        assert history.history["loss"] == losses[2:]
        np.testing.assert_array_equal(resumed.weight_values, whole.weight_values)

    def test_a_backup_that_was_restored_says_nothing_of_later_fits(self, train, other_train, tmp_path):
        def fit():
            model = SLIM(l1=1.0, l2=5.0)
            model.adapt(train)
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "first"), delete_checkpoint=False)
            history = model.fit(model.training_data(train), epochs=2, callbacks=[backup], verbose=0)
            return model, history

        fit()
        model, history = fit()
        assert history.epoch == []
        later = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "later"))  # Keras can't do without one any more
        model.fit(other_train, epochs=2, callbacks=[later], verbose=0)
        fresh = SLIM(l1=1.0, l2=5.0)
        fresh.fit(other_train, epochs=2, verbose=0)
        np.testing.assert_array_equal(model.weight_values, fresh.weight_values)

    def test_too_many_items_are_refused_without_neighbours(self, train, monkeypatch):
        monkeypatch.setattr("tfrec.models.slim._MOST_BYTES", 30 * 30 * 4 * 8 - 1)
        with pytest.raises(ValueError, match=r"SLIM with 30 items would take .* give neighbours"):
            SLIM().fit(train, verbose=0)
        SLIM(neighbours=5).fit(train, verbose=0)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"l1": -1.0}, ValueError, "l1 must be"),
            ({"l1": float("nan")}, ValueError, "l1 must be"),
            ({"l1": "5"}, TypeError, "l1 must be"),
            ({"l1": False}, TypeError, "l1 must be"),
            ({"l2": 0}, ValueError, "l2 must be"),
            ({"rho": 0.0}, ValueError, "rho must be"),
            ({"tolerance": -1e-4}, ValueError, "tolerance must be"),
            ({"non_negative": 1}, TypeError, "non_negative must be True or False"),
            ({"neighbours": 0}, ValueError, "neighbours must be an integer of at least 1"),
            ({"neighbours": 2.5}, TypeError, "neighbours must be an integer of at least 1"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            SLIM(**arguments)


class TestScores:
    @pytest.mark.parametrize("sparse", [1, 10**6])
    def test_are_the_products_of_histories_and_weights(self, model, dense, monkeypatch, sparse):
        monkeypatch.setattr("tfrec.models.slim._SPARSE", sparse)  # gathered rows, or a product
        assert (weights_of(model) < 0).any()
        expected = dense @ weights_of(model)
        users = np.arange(len(dense))
        np.testing.assert_allclose(model.score(users), expected, atol=1e-5)
        pairs_of, items = (indices.ravel() for indices in np.indices(dense.shape))
        np.testing.assert_allclose(model.score_pairs(pairs_of, items), expected.ravel(), atol=1e-5)
        empty = tf.constant([], tf.int32)
        assert model.score(empty).shape == (0, dense.shape[1])
        assert model.score_pairs(empty, empty).shape == (0,)

    @pytest.mark.parametrize("sparse", [1, 10**6])
    def test_of_any_histories_each_item_once(self, model, dense, monkeypatch, sparse):
        monkeypatch.setattr("tfrec.models.slim._SPARSE", sparse)  # gathered rows, or a product
        histories = tf.ragged.constant([[4, 1, 4], [], [29], [0, 7, 2]], dtype=tf.int32)
        known = np.zeros((4, dense.shape[1]))
        for row, items in enumerate(histories.to_list()):
            known[row, items] = 1
        np.testing.assert_allclose(model.score_histories(histories), known @ weights_of(model), atol=1e-5)

    def test_contributions_are_the_columns_entries(self, model, train):
        history = np.flatnonzero(train.to_csr().toarray()[3]).astype(np.int32)
        found = model.history_contributions(tf.constant(history), tf.constant(5))
        np.testing.assert_array_equal(found, weights_of(model)[history, 5].astype(np.float32))

    def test_an_explanation_adds_up_to_the_score(self, model):
        explanation = model.explain("u003", "ï5", k=None)
        assert explanation.score == pytest.approx(float(model.score_pairs([3], [5])[0]), rel=1e-5)
        assert explanation.contribution.sum() == pytest.approx(explanation.score, rel=1e-5)

    def test_keras_evaluates_half_the_reconstruction_error(self, model, train, dense):
        expected = 0.5 * np.sum((dense - dense @ weights_of(model)) ** 2) / len(dense)
        assert model.evaluate(model.training_data(train), verbose=0) == pytest.approx(expected, rel=1e-4)

    def test_a_saved_model_has_the_sparse_weights_alone(self, model, tmp_path):
        model.save(tmp_path / "model")
        loaded = tfrec.load(tmp_path / "model")
        np.testing.assert_array_equal(weights_of(loaded), weights_of(model))
        np.testing.assert_array_equal(loaded.score([0, 9]), model.score([0, 9]))
        served = tf.saved_model.load(str(model.export(tmp_path / "served"))).signatures["score"]
        answer = served(user_id=tf.constant(["u003"]), item_id=tf.constant(["ï5"]))["score"]
        np.testing.assert_allclose(answer, model.score_pairs([3], [5]), rtol=1e-6)
