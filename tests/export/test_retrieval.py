"""Exports with retrieval layers: what they find, what they refuse, and what is in the folder."""

import json

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import synthetic
from tfrec.models import ALS, EASE, NCF, Popularity
from tfrec.retrieval import Exact, Faiss
from tfrec.scores import Scores

K = 20


@pytest.fixture(scope="module")
def world():
    """More items than a row has answers, so that an index has something to overlook."""
    return synthetic(n_users=300, n_items=600, n_interactions=9000, seed=3)


@pytest.fixture(scope="module")
def als(world):
    model = ALS(n_factors=16)
    model.fit(world, epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def ease(world):
    model = EASE(l2=50.0)
    model.fit(world, verbose=0)
    return model


def about(version) -> dict:
    return json.loads((version / "assets.extra" / "tfrec.json").read_text())["retrieval"]


def size_of_variables(version) -> int:
    return sum(file.stat().st_size for file in (version / "variables").glob("variables.data*"))


def answers(version, model, *, k=K, exclude=()) -> tuple[list, list]:
    """What the export and what the model recommend to every user and a stranger."""
    users = [*model.user_ids.tolist(), "nobody"]
    served = tf.saved_model.load(str(version)).signatures["recommend"](
        user_id=tf.constant(users),
        k=tf.fill([len(users)], k),
        exclude=tf.constant([["", *exclude]] * len(users)),
    )
    got = [[item.decode() for item in row if item] for row in served["item_id"].numpy()]
    own = model.recommend(users, k=k, exclude=list(exclude))
    return got, [[item for item in row if item] for row in own.item_id.tolist()]


def recall(got: list, wanted: list) -> float:
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(got, wanted, strict=True)]))


class TestFactors:
    def test_exact(self, als, tmp_path):
        version = als.export(tmp_path / "als")
        got, wanted = answers(version, als)
        assert got == wanted
        assert about(version) == {"layer": "Exact", "settings": {"precision": "float32"}, "recall": 1.0}

    @pytest.mark.parametrize("precision", ["bfloat16", "int8"])
    def test_lower_precision_says_what_it_costs(self, als, tmp_path, precision):
        version = als.export(tmp_path / "als", retrieval=Exact(precision=precision), k=K)
        got, wanted = answers(version, als)
        assert about(version)["recall"] > 0.9
        assert recall(got, wanted) == pytest.approx(about(version)["recall_of"]["users"], abs=0.03)
        assert size_of_variables(version) < size_of_variables(als.export(tmp_path / "whole"))

    def test_an_index_that_overlooks_too_much_is_refused(self, als, tmp_path):
        layer = Faiss(factory="IVF24,Flat", n_probes=1)
        with pytest.raises(ValueError, match=r"Faiss finds 0\.\d+ of the 20 items that ALS ranks first.*is 0.99"):
            als.export(tmp_path / "als", retrieval=layer, k=K, min_recall=0.99)
        assert not (tmp_path / "als").exists()

    def test_an_index_that_was_told_nothing_looks_at_more(self, als, tmp_path):
        version = als.export(tmp_path / "als", retrieval=Faiss(factory="IVF24,Flat"), k=K, min_recall=0.9999)
        assert about(version)["settings"]["n_probes"] > 8
        got, wanted = answers(version, als)
        assert recall(got, wanted) == 1.0

    def test_an_index_that_overlooks_something_never_answers_too_little(self, als, tmp_path):
        layer = Faiss(factory="IVF24,Flat", n_probes=1)
        version = als.export(tmp_path / "als", retrieval=layer, k=K, min_recall=0.0)
        favourites = als.recommend(als.user_ids[:1].tolist(), k=10).item_id[0].tolist()
        got, wanted = answers(version, als, exclude=favourites, k=590)
        assert [len(row) for row in got] == [len(row) for row in wanted]
        assert all(set(one) == set(other) for one, other in zip(got, wanted, strict=True))

    def test_vectors_are_kept_once(self, als, tmp_path):
        version = als.export(tmp_path / "als", retrieval=Faiss(factory="IVF24,Flat", n_probes=24), k=K)
        shapes = [shape for _, shape in tf.train.list_variables(str(version / "variables" / "variables"))]
        n_indexed = int(np.count_nonzero(als.recommendable))
        assert [shape for shape in shapes if len(shape) == 2 and shape[0] >= n_indexed] == [[n_indexed, 16]]

    def test_histories_are_folded_in_from_the_index(self, als, tmp_path):
        version = als.export(tmp_path / "als", retrieval=Faiss(factory="IVF24,Flat", n_probes=24), k=K)
        history = als.item_ids[[3, 50, 7]].tolist()
        served = tf.saved_model.load(str(version)).signatures["recommend_from_history"](
            history=tf.constant([["", *history]]), k=tf.constant([K]), exclude=tf.constant([[""]])
        )
        own = als.recommend_from_history([history], k=K)
        assert [item.decode() for item in served["item_id"].numpy()[0]] == own.item_id[0].tolist()
        np.testing.assert_allclose(served["score"], own.score, rtol=1e-4, atol=1e-5)


class TestRescoring:
    @pytest.mark.parametrize("layer", [Exact(precision="bfloat16"), Faiss(factory="IVF8,Flat", n_probes=7)])
    def test_final_scores_are_the_models_own(self, ease, tmp_path, layer):
        version = ease.export(tmp_path / "ease", retrieval=layer, k=K, min_recall=0.7)
        said = about(version)
        assert said["rank"] in ease.search_ranks
        assert K <= said["n_candidates"] <= ease.n_items
        got, wanted = answers(version, ease)
        assert recall(got, wanted) == pytest.approx(said["recall_of"]["users"], abs=0.05)
        users = ease.user_ids[:5].tolist()
        served = tf.saved_model.load(str(version)).signatures["serving_default"](user_id=tf.constant(users))
        for row, user in enumerate(users):
            own = ease.recommend([user], k=ease.n_items)
            scores = dict(zip(own.item_id[0].tolist(), own.score[0].tolist(), strict=True))
            expected = [scores[item.decode()] for item in served["item_id"].numpy()[row]]
            np.testing.assert_allclose(served["score"].numpy()[row], expected, rtol=1e-4, atol=1e-6)

    def test_exact_ranks_all_own_scores(self, ease, tmp_path):
        version = ease.export(tmp_path / "ease")
        assert "n_candidates" not in about(version)
        got, wanted = answers(version, ease)
        assert got == wanted

    def test_more_answers_than_candidates(self, ease, tmp_path):
        version = ease.export(tmp_path / "ease", retrieval=Exact(precision="bfloat16"), k=5, min_recall=0.5)
        got, wanted = answers(version, ease, k=500)
        assert [len(row) for row in got] == [len(row) for row in wanted]

    def test_a_perceptron_by_landmarks(self, world, tmp_path):
        model = NCF(architecture="mlp", mlp_layers=(16, 8))
        model.fit(world, epochs=3, verbose=0)
        version = model.export(tmp_path / "ncf", retrieval=Exact(precision="bfloat16"), k=K, min_recall=0.8)
        got, wanted = answers(version, model)
        assert recall(got, wanted) >= 0.8


class TestItemsWithoutRows:
    def test_are_not_in_the_index(self, data, tmp_path):
        model = ALS(n_factors=4)
        model.fit(data, epochs=2, verbose=0)  # the last item has no row
        version = model.export(tmp_path / "als", retrieval=Faiss(factory="Flat"))
        got, wanted = answers(version, model, k=12)
        assert got == wanted
        unindexed = tf.saved_model.load(str(version)).signatures["score"](
            user_id=tf.constant(["user 0"]), item_id=tf.constant(["item-11"])
        )
        assert unindexed["score"].numpy() == [0]


def test_popularity(world, tmp_path):
    model = Popularity()
    model.fit(world, verbose=0)
    version = model.export(tmp_path / "popularity", retrieval=Faiss(factory="Flat"))
    got, wanted = answers(version, model)
    assert recall(got, wanted) > 0.99  # of equally popular items the order is the index's


@pytest.mark.parametrize(("bad", "error"), [(1.5, ValueError), ("0.9", TypeError)])
def test_bad_min_recall(als, tmp_path, bad, error):
    with pytest.raises(error, match="min_recall must be"):
        als.export(tmp_path / "als", min_recall=bad)


def test_a_model_without_vectors(data, tmp_path):
    class Alphabetical(Popularity):
        scores_are_products = False
        search_ranks = ()
        search_model = Scores.search_model

    model = Alphabetical()
    model.fit(data, verbose=0)
    with pytest.raises(TypeError, match=r"Exact\(\)"):
        model.export(tmp_path / "it", retrieval=Faiss())
    assert model.export(tmp_path / "it").name == "1"
