"""What every model of the registry keeps (and a model trained by gradients, so that the base class is tested whole)."""

import inspect
import json

import numpy as np
import pandas as pd
import pytest
import yaml

import tfrec
from tfrec._tf import tf, tfrs
from tfrec.models import MODELS

KERAS_OWNS = {
    "loss", "optimizer", "history", "layers", "dtype", "metrics", "losses", "weights", "input", "output", "updates",
    "dynamic",
}  # fmt: skip


def weights_of(model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def assert_same_weights(one, other) -> None:
    assert len(one.weights) == len(other.weights) > 0
    for left, right in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(left, right)


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

    def test_config_survives_compile_fit_and_yaml(self, model_class, train):
        model = model_class(seed=7)
        before = model.get_config()
        model.compile()
        model.fit(train, verbose=0)
        config = yaml.safe_load(yaml.safe_dump(model.get_config()))
        assert config == before
        again = model_class(**config)
        again.fit(train, verbose=0)
        assert_same_weights(model, again)

    @pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
    def test_refuses_a_bad_seed(self, model_class, seed):
        with pytest.raises((TypeError, ValueError), match="seed must be an integer of at least 0"):
            model_class(seed=seed)

    def test_registry_keys_are_the_names(self):
        assert all(MODELS[key]().name == key for key in MODELS)


class TestFit:
    def test_is_deterministic(self, model_class, train, fitted):
        again = model_class()
        again.fit(train, verbose=0)
        assert_same_weights(fitted, again)

    def test_the_keras_spelling_is_the_same_thing(self, model_class, train, fitted):
        model = model_class()
        model.adapt(train)
        model.compile()
        model.fit(model.training_data(train), epochs=model.default_epochs, verbose=0)
        assert_same_weights(fitted, model)

    @pytest.mark.parametrize("compiled_with", [None, "sgd"])
    def test_again_on_other_data_is_a_fresh_fit(self, model_class, train, other_train, compiled_with):
        def compiled():
            model = model_class()
            model.compile(compiled_with)
            return model

        model, fresh = compiled(), compiled()
        model.fit(train, verbose=0)
        model.recommend(["u000"])
        model.fit(other_train, verbose=0)
        fresh.fit(other_train, verbose=0)
        assert_same_weights(model, fresh)
        np.testing.assert_array_equal(model.recommend(["u000"]).item_id, fresh.recommend(["u000"]).item_id)

    def test_again_on_data_of_another_size(self, model_class, train):
        small = tfrec.data.Interactions.from_frame(train.to_frame().iloc[:60])
        model, fresh = model_class(), model_class()
        model.fit(train, verbose=0)
        model.fit(small, verbose=0)
        fresh.fit(small, verbose=0)
        assert_same_weights(model, fresh)

    def test_history_has_a_finite_loss_for_every_epoch(self, model_class, train):
        history = model_class().fit(train, epochs=2, verbose=0)
        assert len(history.history["loss"]) == 2
        assert np.isfinite(history.history["loss"]).all()

    def test_validation_is_in_the_logs_of_every_epoch(self, model_class, train, held_out):
        seen = []
        spy = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
        model = model_class()
        history = model.fit(train, validation_data=held_out, epochs=2, callbacks=[spy], verbose=0)
        assert [logs["val_ndcg@10"] for logs in seen] == history.history["val_ndcg@10"]
        assert history.history["val_ndcg@10"][-1] == tfrec.evaluate(model, held_out)["ndcg@10"]

    def test_keras_validates_on_a_data_set_of_the_models_own_kind(self, model_class, train, held_out):
        model = model_class()
        model.adapt(train)
        history = model.fit(model.training_data(train), validation_data=model.training_data(train), verbose=0)
        assert np.isfinite(history.history["val_loss"]).all()

    @pytest.mark.parametrize("bad", [None, [1, 2], "train.csv", np.zeros(3)])
    @pytest.mark.parametrize("role", ["x", "validation_data"])
    def test_refuses_what_it_cannot_learn_from_and_keeps_what_it_knows(
        self, model_class, train, other_train, bad, role
    ):
        model = model_class()
        with pytest.raises(TypeError, match=r"takes tfrec\.data\.Interactions, or a data set"):
            model.fit(bad)
        model.fit(train, verbose=0)
        before = weights_of(model)
        if bad is not None or role == "x":
            with pytest.raises(TypeError, match=r"takes tfrec\.data\.Interactions, or a data set"):
                model.fit(**{"x": other_train, role: bad})
        with pytest.raises((TypeError, ValueError), match="epochs must be"):
            model.fit(other_train, epochs=0)
        for left, right in zip(before, weights_of(model), strict=True):
            np.testing.assert_array_equal(left, right)

    def test_a_data_set_before_adapt(self, model_class):
        with pytest.raises(ValueError, match="knows no data yet"):
            model_class().fit(tf.data.Dataset.range(3))

    def test_several_steps_in_one_call(self, model_class, train, fitted, monkeypatch):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        model = model_class()
        model.compile(model.default_optimizer(), steps_per_execution=2)
        model.fit(train, verbose=0)
        assert_same_weights(fitted, model)

    def test_what_the_user_changes_after_compile_counts(self, model_class, train):
        model = model_class()
        model.compile(tf.keras.optimizers.SGD(0.1))
        model.optimizer.learning_rate = 0.0
        model.fit(train, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.0

    def test_refuses_empty_data(self, model_class, train):
        with pytest.raises(ValueError, match="no interactions at all"):
            model_class().fit(train.select(np.zeros(len(train), bool)))

    def test_refuses_to_adapt_to_something_else(self, model_class, train):
        with pytest.raises(TypeError, match=r"adapt takes tfrec\.data\.Interactions, got DataFrame"):
            model_class().adapt(train.to_frame())


class TestScores:
    def test_shape_and_finiteness(self, fitted):
        scores = fitted.score([0, 5, 7])
        assert scores.shape == (3, fitted.n_items)
        assert scores.dtype == tf.float32
        assert np.isfinite(scores).all()

    def test_pairs_and_call_are_the_same_scores(self, fitted):
        users, items = np.array([0, 3, 5]), np.array([1, 2, 4])
        expected = fitted.score(users).numpy()[np.arange(3), items]
        for pairs in (
            fitted.score_pairs(users, items),
            fitted((tf.constant(users), tf.constant(items))),
            fitted({"users": tf.constant(users), "items": tf.constant(items)}),
        ):
            np.testing.assert_allclose(pairs, expected, rtol=1e-5, atol=1e-6)

    def test_a_row_does_not_depend_on_its_batch(self, fitted):
        together = fitted.score(np.arange(fitted.n_users - 1)).numpy()
        alone = np.concatenate([fitted.score([user]) for user in range(fitted.n_users - 1)])
        np.testing.assert_array_equal(together, alone)

    def test_histories(self, fitted):
        histories = tf.ragged.constant([[1, 2], [3]], dtype=tf.int32)
        scores = fitted.score_histories(histories)
        assert scores.shape == (2, fitted.n_items)
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("users", [[-1], [10_000], [2**32 + 1]])
    def test_indices_out_of_range_are_a_clear_error(self, fitted, users):
        with pytest.raises(ValueError, match="user indices are from 0 to 39"):
            fitted.score(users)

    @pytest.mark.parametrize("users", [[0.7], ["1"], [True], [[3, 4]], None, 3])
    def test_what_are_no_indices(self, fitted, users):
        with pytest.raises(TypeError, match="user indices are whole numbers"):
            fitted.score(users)

    def test_pairs_of_different_lengths(self, fitted):
        with pytest.raises(ValueError, match="1 users and 3 items"):
            fitted.score_pairs([1], [1, 2, 3])

    @pytest.mark.parametrize("histories", [[[1, 31], [3]], [[1], [3, -1]]])
    def test_histories_out_of_range(self, fitted, histories):
        with pytest.raises(ValueError, match="item indices are from 0 to 29"):
            fitted.score_histories(tf.ragged.constant(histories, dtype=tf.int32))

    def test_histories_that_are_not_ragged(self, fitted):
        with pytest.raises(TypeError, match=r"tf\.RaggedTensor"):
            fitted.score_histories([[1, 2], [3]])

    def test_scores_that_are_not_finite_are_an_error(self, model_class, train, tmp_path):
        model = model_class()
        model.fit(train, verbose=0)
        for weight in model.weights:
            if weight.dtype.is_floating and weight is not model.item_counts:
                weight.assign(tf.fill(weight.shape, float("nan")))
        with pytest.raises(ValueError, match="not finite"):
            model.recommend(["u000"])
        with pytest.raises(ValueError, match="not finite"):
            model.export(tmp_path / "model")

    def test_before_fit(self, model_class):
        for ask in (lambda m: m.score([0]), lambda m: m.recommend(["u000"]), lambda m: m.similar_items(["ï1"])):
            with pytest.raises(ValueError, match="knows no data yet: call fit"):
                ask(model_class())


class TestRecommend:
    def test_is_the_order_of_the_scores_without_what_was_seen(self, fitted, train):
        answer = fitted.recommend(["u000", "u007"], k=5)
        for row, user in enumerate([0, 7]):
            scores = fitted.score([user]).numpy()[0]
            scores[train.item[train.user == user]] = -np.inf
            scores[-1] = -np.inf  # no training row
            best = np.argsort(-scores, kind="stable")[:5]
            assert answer.item_id[row].tolist() == train.item_ids[best].tolist()
            np.testing.assert_allclose(answer.score[row], scores[best], rtol=1e-6)

    def test_seen_items_may_be_asked_for(self, fitted, train):
        everything = fitted.recommend(["u000"], k=fitted.n_items, exclude_seen=False)
        assert set(everything.item_id[0]) == {*train.item_ids[:-1], ""}

    def test_exclusion_for_everybody_and_by_row(self, fitted):
        first = fitted.recommend(["u000", "u001"], k=3).item_id
        for_all = fitted.recommend(["u000", "u001"], k=30, exclude=[first[0, 0], "unknown"]).item_id
        assert first[0, 0] not in for_all
        by_row = fitted.recommend(["u000", "u001"], k=3, exclude=[[first[0, 0]], []]).item_id
        assert by_row[0].tolist() == [*first[0, 1:], by_row[0, -1]]
        assert by_row[1].tolist() == first[1].tolist()

    def test_rows_with_fewer_items_left_end_in_padding(self, fitted, train):
        answer = fitted.recommend(["u000"], k=100)
        left = set(train.item_ids[:-1]) - set(train.item_ids[train.item[train.user == 0]])
        assert set(answer.item_id[0][: len(left)]) == left
        assert (answer.item_id[0][len(left) :] == "").all()
        assert (answer.score[0][len(left) :] == 0).all()

    @pytest.mark.parametrize("user", ["nobody", "u039"])
    def test_an_unknown_user_gets_what_is_popular(self, fitted, train, user):
        counts = np.bincount(train.item, minlength=train.n_items)
        expected = train.item_ids[np.argsort(-counts, kind="stable")[:10]]
        assert fitted.recommend([user]).item_id[0].tolist() == expected.tolist()

    def test_many_users_in_one_call(self, fitted):
        users = [f"u{user % 40:03d}" for user in range(1500)]
        answer = fitted.recommend(users, k=2)
        assert len(answer) == 1500
        assert answer.item_id[0].tolist() == answer.item_id[1480].tolist()
        assert len(fitted.recommend([], k=2)) == 0

    def test_frame(self, fitted):
        frame = fitted.recommend(["u000", "nobody"], k=3).to_frame()
        assert frame.columns.tolist() == ["query", "rank", "item", "score", "title"]
        assert frame["query"].tolist() == ["u000"] * 3 + ["nobody"] * 3
        assert frame["rank"].tolist() == [1, 2, 3] * 2
        assert frame["title"][0] == "Title " + frame["item"][0].removeprefix("ï")

    @pytest.mark.parametrize(
        ("users", "k", "error", "message"),
        [
            ([1], 3, TypeError, "did you mean '1'"),
            ("u000", 3, TypeError, r"write \['u000'\]"),
            ([None], 3, TypeError, "got None"),
            (None, 3, TypeError, "expected a list of user ids, got None"),
            ({"user": ["u000"]}, 3, TypeError, "expected a list of user ids"),
            (["u000"], 0, ValueError, "k must be an integer of at least 1; got 0"),
            (["u000"], -3, ValueError, "at least 1; got -3"),
            (["u000"], 2.0, TypeError, "k must be an integer"),
            (["u000"], True, TypeError, "k must be an integer"),
            (["u000"], 10**9, ValueError, "k is at most 1000"),
        ],
    )
    def test_bad_input(self, fitted, users, k, error, message):
        with pytest.raises(error, match=message):
            fitted.recommend(users, k=k)

    def test_ids_of_any_sequence(self, fitted):
        users, expected = ["u000", "u001"], fitted.recommend(["u000", "u001"], k=3, exclude=["ï1"]).to_frame()
        for same in (tuple(users), np.array(users, dtype=object), pd.Series(users), iter(users)):
            assert fitted.recommend(same, k=3, exclude=pd.Series(["ï1"])).to_frame().equals(expected)

    def test_bad_exclusions(self, fitted):
        with pytest.raises(TypeError, match="exclude takes a list"):
            fitted.recommend(["u000"], exclude=5)
        with pytest.raises(TypeError, match="exclude_seen must be True or False"):
            fitted.recommend(["u000"], exclude_seen="no")
        with pytest.raises(ValueError, match="exclude has 1 lists for 2 rows"):
            fitted.recommend(["u000", "u001"], exclude=[["ï1"]])
        with pytest.raises(TypeError, match="did you mean '5'"):
            fitted.recommend(["u000"], exclude=[5])
        with pytest.raises(TypeError, match=r"write \['ï1'\]"):
            fitted.recommend(["u000"], exclude="ï1")


class TestHistories:
    def test_answers_without_the_history_and_what_is_unknown_in_it(self, fitted):
        plain = fitted.recommend_from_history([["ï1", "ï2"]], k=30)
        noisy = fitted.recommend_from_history([["nothing", "ï1", "ï29", "ï2"]], k=30)
        assert plain.item_id.tolist() == noisy.item_id.tolist()
        assert not {"ï1", "ï2", "ï29"} & set(plain.item_id[0])
        assert "ï1" in fitted.recommend_from_history([["ï1"]], k=30, exclude_seen=False).item_id

    @pytest.mark.parametrize("history", [[], ["nothing"], ["ï29"]])
    def test_with_nothing_left_gives_what_is_popular(self, fitted, history):
        answer = fitted.recommend_from_history([history, ["ï1"]], k=5)
        assert answer.item_id[0].tolist() == fitted.recommend(["nobody"], k=5).item_id[0].tolist()

    def test_exclude(self, fitted):
        first = fitted.recommend_from_history([["ï1"]], k=2).item_id[0]
        assert fitted.recommend_from_history([["ï1"]], k=1, exclude=[first[0]]).item_id[0, 0] == first[1]

    @pytest.mark.parametrize(
        ("histories", "error", "message"),
        [
            (["ï1"], TypeError, r"a list of item ids for each row"),
            ("ï1", TypeError, r"a list of item ids for each row"),
            ([[1]], TypeError, "did you mean '1'"),
            ([None], TypeError, "got None for a row"),
            (5, TypeError, r"a list of item ids for each row"),
        ],
    )
    def test_bad_input(self, fitted, histories, error, message):
        with pytest.raises(error, match=message):
            fitted.recommend_from_history(histories)

    @pytest.mark.parametrize(
        ("ratings", "message"), [([[1.0]], "one number for each item"), ([[1.0, float("nan")]], "finite")]
    )
    def test_bad_ratings(self, fitted, ratings, message):
        with pytest.raises(ValueError, match=message):
            fitted.recommend_from_history([["ï1", "ï2"]], ratings=ratings)

    def test_similar_items_are_others(self, fitted):
        answer = fitted.similar_items(["ï1", "nothing", "ï29"], k=28)
        assert "ï1" not in answer.item_id[0]
        assert (answer.item_id[0] != "").all()
        assert (answer.item_id[1:] == "").all()
        assert (answer.score[1:] == 0).all()


class TestClosedForms:
    """What only models that are solved from a whole epoch refuse."""

    def test_part_of_an_epoch(self, train, monkeypatch):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        for kind in MODELS.values():
            model = kind()
            model.adapt(train)
            with pytest.raises(ValueError, match="33 were left out and 0 came more than once"):
                model.fit(model.training_data(train), steps_per_epoch=1, verbose=0)
            with pytest.raises(ValueError, match="0 were left out and 40 came more than once"):
                model.fit(model.training_data(train).repeat(2), verbose=0)

    def test_other_data_than_it_was_adapted_to(self, train, other_train):
        for kind in MODELS.values():
            model = kind()
            model.adapt(train)
            model.training_data(train.select(np.arange(len(train))))
            with pytest.raises(ValueError, match="adapted to other data"):
                model.training_data(other_train)

    def test_adapted_and_not_fitted(self, train, held_out, tmp_path):
        for kind in MODELS.values():
            model = kind()
            model.adapt(train)
            for ask in (lambda m: m.recommend(["u000"]), lambda m: m.export(tmp_path), lambda m: m.evaluate(held_out)):
                with pytest.raises(ValueError, match="adapted to data but not fitted"):
                    ask(model)


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
    def test_load_gives_the_same_model(self, fitted, tmp_path, custom_objects, train):
        fitted.save(tmp_path / "model")
        loaded = tfrec.load(tmp_path / "model", custom_objects)
        assert type(loaded) is type(fitted)
        assert loaded.get_config() == fitted.get_config()
        assert_same_weights(fitted, loaded)
        left, right = fitted.recommend(["u000", "x"]).to_frame(), loaded.recommend(["u000", "x"]).to_frame()
        assert left.equals(right)
        loaded.fit(train, verbose=0)
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

    def test_keras_weights_round_trip(self, model_class, fitted, train, tmp_path):
        fitted.save_weights(tmp_path / "w.weights.h5")
        other = model_class(seed=1)
        other.adapt(train)
        other.load_weights(tmp_path / "w.weights.h5")
        assert_same_weights(fitted, other)
