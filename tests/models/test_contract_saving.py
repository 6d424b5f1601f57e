"""What every model keeps of the contract about evaluation, saving and loading."""

import json

import numpy as np
import pytest

import tfrec


class TestEvaluate:
    def test_passes_arguments_on(self, fitted, held_out):
        assert set(fitted.evaluate(held_out, k=3, metrics=["ndcg"], verbose=0)) == {"ndcg@3"}
        with pytest.raises(TypeError, match="kk"):
            fitted.evaluate(held_out, kk=3)
        with pytest.raises(TypeError, match="evaluate takes"):
            fitted.evaluate([1, 2])

    def test_is_tfrecs_own(self, fitted, held_out):
        assert fitted.evaluate(held_out).to_dict() == tfrec.evaluate(fitted, held_out).to_dict()

    def test_does_not_depend_on_the_batch_size(self, fitted, held_out):
        assert tfrec.evaluate(fitted, held_out, batch_size=7).to_dict() == fitted.evaluate(held_out).to_dict()

    def test_on_a_data_set_is_the_mean_loss(self, fitted, train):
        assert np.isfinite(fitted.evaluate(fitted.training_data(train), verbose=0))


class TestSave:
    def test_load_gives_the_same_model(self, fitted, tmp_path, custom_objects, train, fit, assert_same_weights):
        fitted.save(tmp_path / "model")
        loaded = tfrec.load(tmp_path / "model", custom_objects)
        assert type(loaded) is type(fitted)
        assert loaded.get_config() == fitted.get_config()
        assert_same_weights(fitted, loaded)
        left, right = fitted.recommend(["u000", "x"]).to_frame(), loaded.recommend(["u000", "x"]).to_frame()
        assert left.equals(right)
        fit(loaded, train)
        assert_same_weights(fitted, loaded)

    def test_nothing_is_overwritten_by_accident(self, fitted, tmp_path):
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "thesis.txt").write_text("years of work")
        with pytest.raises(FileExistsError, match="not a saved model"):
            fitted.save(tmp_path / "precious")
        fitted.save(tmp_path / "model")
        with pytest.raises(FileExistsError, match="overwrite is False"):
            fitted.save(tmp_path / "model", overwrite=False)
        fitted.save(tmp_path / "model")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "precious"]

    def test_what_is_not_a_saved_model(self, fitted, tmp_path, custom_objects):
        with pytest.raises(FileNotFoundError, match=r"model\.json, vocabulary\.json, weights\.npz is missing"):
            tfrec.load(tmp_path / "nothing")
        fitted.save(tmp_path / "model")
        weights = tmp_path / "model" / "weights.npz"
        weights.write_bytes(weights.read_bytes()[:100])
        with pytest.raises(ValueError, match="cannot be read, it may be damaged"):
            tfrec.load(tmp_path / "model", custom_objects)

    def test_a_vocabulary_of_another_size(self, fitted, tmp_path, custom_objects):
        fitted.save(tmp_path / "model")
        path = tmp_path / "model" / "vocabulary.json"
        whole = json.loads(path.read_text())
        for key in ("user_ids", "item_titles"):
            path.write_text(json.dumps({**whole, key: whole[key][:-3]}))
            with pytest.raises(ValueError, match="not of the same size"):
                tfrec.load(tmp_path / "model", custom_objects)

    def test_a_class_that_is_not_of_the_zoo(self, tmp_path, fitted_models, custom_objects):
        fitted_models[custom_objects["TinyFactors"]].save(tmp_path / "model")
        with pytest.raises(ValueError, match="pass it in custom_objects"):
            tfrec.load(tmp_path / "model")

    def test_before_fit(self, model_class, tmp_path):
        with pytest.raises(ValueError, match="knows no data yet"):
            model_class().save(tmp_path / "model")
        with pytest.raises(ValueError, match="knows no data yet"):
            model_class().load_weights(tmp_path / "weights")
        assert list(tmp_path.iterdir()) == []

    def test_keras_weights_round_trip(self, small, fitted, train, tmp_path, assert_same_weights):
        fitted.save_weights(tmp_path / "w.weights.h5")
        other = small(seed=1)
        other.adapt(train)
        other.load_weights(tmp_path / "w.weights.h5")
        assert_same_weights(fitted, other)
