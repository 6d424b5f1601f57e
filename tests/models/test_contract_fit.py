"""What every model keeps of the contract about its constructor and its fit."""

import dataclasses
import inspect
import warnings

import numpy as np
import pytest
import yaml

import tfrec
from tfrec._tf import tf, tfrs
from tfrec.models import MODELS

KERAS_OWNS = {
    "loss", "optimizer", "history", "layers", "dtype", "metrics", "losses", "weights", "input", "output", "updates",
    "dynamic",
}  # fmt: skip


class TestConstructor:
    def test_is_a_tfrs_model_whose_arguments_are_keyword_only_with_defaults(self, model_class):
        parameters = list(inspect.signature(model_class.__init__).parameters.values())[1:]
        assert issubclass(model_class, tfrs.Model)
        assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
        assert {"seed", "name"} <= {p.name for p in parameters}

    def test_no_argument_has_a_name_that_keras_owns(self, model_class):
        assert not KERAS_OWNS & set(inspect.signature(model_class.__init__).parameters)

    def test_does_no_work(self, model_class):
        model = model_class()
        assert not model.built
        assert model.weights == []

    @pytest.mark.parametrize("seed", [0, 7])
    def test_config_survives_yaml(self, small, model_class, seed):
        config = small(seed=seed).get_config()
        assert config["seed"] == seed
        again = model_class(**yaml.safe_load(yaml.safe_dump(config)))
        assert again.get_config() == config  # YAML has no tuples: a list does as well

    @pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
    def test_refuses_a_bad_seed(self, model_class, seed):
        with pytest.raises((TypeError, ValueError), match="seed must be an integer of at least 0"):
            model_class(seed=seed)

    def test_registry_keys_are_the_names(self):
        assert all(MODELS[key]().name == key for key in MODELS)


class TestFit:
    def test_again_from_its_config_is_the_same(self, small, model_class, train, fitted, fit, assert_same_weights):
        config = fitted.get_config()
        assert config == small().get_config()  # after compile and fit
        again = model_class(**config)
        fit(again, train)
        assert_same_weights(fitted, again)

    def test_the_keras_spelling_is_the_same_thing(self, small, train, fitted, fit, assert_same_weights):
        """Keras's own validation, on a data set of the model's own kind, changes nothing."""
        model = small()
        model.adapt(train)
        model.compile()
        batches = model.training_data(train)
        history = fit(model, batches, validation_data=batches)
        assert np.isfinite(history.history["val_loss"]).all()
        assert_same_weights(fitted, model)

    def test_after_other_data_it_is_a_fresh_fit(self, small, train, other_train, fitted, fit, assert_same_weights):
        """After data of another size, and then of the same: neither the model nor its optimizer remembers anything."""
        model = small()
        usual = model.default_optimizer()
        mine = usual.get_config() | {"name": "mine", "learning_rate": 0.5}
        model.compile(type(usual).from_config(mine))
        model.optimizer.learning_rate = float(usual.learning_rate)  # what is changed after `compile` counts
        for data in (tfrec.data.Interactions.from_frame(train.to_frame().iloc[::4]), other_train):
            fit(model, data, epochs=1)
            model.recommend(["u000"])  # by functions of variables that are soon gone
        fit(model, train)
        assert model.optimizer.name == "mine"
        assert_same_weights(fitted, model)
        np.testing.assert_array_equal(model.recommend(["u000"]).item_id, fitted.recommend(["u000"]).item_id)

    def test_history_has_a_finite_loss_for_every_epoch(self, fitted):
        losses = fitted.history.history["loss"]
        assert 1 <= len(losses) <= fitted.history.params["epochs"]  # a model may find that it is done
        assert np.isfinite(losses).all()

    def test_refuses_what_it_cannot_learn_from_and_keeps_what_it_knows(self, fitted, other_train):
        before = [weight.numpy() for weight in fitted.weights]
        for bad in ({"x": None}, {"x": [1, 2]}, {"x": "train.csv"}, {"validation_data": np.zeros(3)}):
            with pytest.raises(TypeError, match=r"takes tfrec\.data\.Interactions, or a data set"):
                fitted.fit(**{"x": other_train, **bad})
        with pytest.raises((TypeError, ValueError), match="epochs must be"):
            fitted.fit(other_train, epochs=0)
        for left, right in zip(before, fitted.weights, strict=True):
            np.testing.assert_array_equal(left, right.numpy())

    def test_refuses_what_it_cannot_learn_from_before_it_knows_anything(self, model_class):
        with pytest.raises(TypeError, match=r"takes tfrec\.data\.Interactions, or a data set"):
            model_class().fit([1, 2])

    def test_a_data_set_before_adapt(self, model_class):
        with pytest.raises(ValueError, match="knows no data yet"):
            model_class().fit(tf.data.Dataset.range(3))

    def test_several_steps_in_one_call(self, small, train, fitted, fit, monkeypatch, assert_similar_scores):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        model = small()
        model.compile(model.default_optimizer(), steps_per_execution=2)
        fit(model, train)
        assert_similar_scores(model, fitted)

    def test_refuses_empty_data(self, model_class, train):
        with pytest.raises(ValueError, match="no interactions at all"):
            model_class().fit(train.select(np.zeros(len(train), bool)))

    def test_refuses_to_adapt_to_something_else(self, model_class, train):
        with pytest.raises(TypeError, match=r"adapt takes tfrec\.data\.Interactions, got DataFrame"):
            model_class().adapt(train.to_frame())


class TestWeights:
    """`Interactions.weight`: used, or refused aloud."""

    def test_reach_the_loss_or_a_warning(self, small, train, weighted, fitted, fit, assert_similar_scores):
        model = small()
        if not model.uses_weights:
            with pytest.warns(UserWarning, match="cannot use weights: every interaction of"):
                model.adapt(weighted)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.adapt(weighted)
        fit(model, dataclasses.replace(train, weight=np.ones(len(train), np.float32)))
        assert_similar_scores(model, fitted)
        fit(model, weighted)
        assert np.isfinite(model.score([0, 3])).all()
        with pytest.raises(AssertionError):
            assert_similar_scores(model, fitted)


class TestClosedForms:
    """What only models that are solved from a whole epoch refuse."""

    def test_part_of_an_epoch(self, closed_form_class, train, monkeypatch):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        model = closed_form_class()
        model.adapt(train)
        with pytest.raises(ValueError, match="33 were left out and 0 came more than once"):
            model.fit(model.training_data(train), steps_per_epoch=1, verbose=0)
        with pytest.raises(ValueError, match="0 were left out and 40 came more than once"):
            model.fit(model.training_data(train).repeat(2), verbose=0)

    def test_other_data_than_it_was_adapted_to(self, closed_form_class, train, other_train):
        model = closed_form_class()
        model.adapt(train)
        model.training_data(train.select(np.arange(len(train))))
        with pytest.raises(ValueError, match="adapted to other data"):
            model.training_data(other_train)

    def test_adapted_and_not_fitted(self, closed_form_class, train, held_out, tmp_path):
        model = closed_form_class()
        model.adapt(train)
        for ask in (lambda m: m.recommend(["u000"]), lambda m: m.export(tmp_path), lambda m: m.evaluate(held_out)):
            with pytest.raises(ValueError, match="adapted to data but not fitted"):
                ask(model)
