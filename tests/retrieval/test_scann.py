"""Search by ScaNN: what it finds, what it leaves out, and what it refuses."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scann", reason="scann has no wheel for this platform")

from tensorflow.core.protobuf import saved_model_pb2

from tfrec import op_libraries
from tfrec._tf import tf, tfrs
from tfrec.retrieval import ScaNN

N, DIMENSION = 3000, 16


@pytest.fixture(scope="module")
def candidates(clustered):
    return clustered(N, DIMENSION)


@pytest.fixture(scope="module")
def queries(clustered):
    return clustered(40, DIMENSION, seed=1)


@pytest.fixture(scope="module")
def partitioned(candidates):
    """Few leaves searched and few candidates scored again: much is overlooked, unless asked for."""
    return ScaNN(n_leaves=50, n_leaves_to_search=2, n_reordering_candidates=20).index(candidates)


@pytest.fixture(scope="module")
def complete(candidates):
    """All leaves searched."""
    return ScaNN(n_leaves=50, n_leaves_to_search=50, n_reordering_candidates=500).index(candidates)


@pytest.fixture(scope="module")
def brute(candidates):
    return ScaNN().index(candidates)


def recall(answers, wanted) -> float:
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in zip(answers, wanted, strict=True)]))


class TestSearch:
    def test_brute_force_is_exact(self, brute, candidates, queries, brute_force, listed):
        answer = brute(queries, 25)
        assert brute.is_exact
        assert listed(answer) == brute_force(candidates, queries, 25)
        np.testing.assert_allclose(answer.score, -np.sort(-queries @ candidates.T, axis=1)[:, :25], rtol=1e-5)

    @pytest.mark.parametrize("n_leaves", [1, 50])
    def test_recall(self, candidates, queries, brute_force, listed, n_leaves):
        layer = ScaNN(n_leaves=n_leaves).index(candidates)
        assert not layer.is_exact
        assert recall(listed(layer(queries, 50)), brute_force(candidates, queries, 50)) > 0.9

    def test_scores_are_exact_inner_products(self, partitioned, candidates, queries):
        answer = partitioned(queries, 10)
        products = np.take_along_axis(queries @ candidates.T, answer.item.numpy(), axis=1)
        np.testing.assert_allclose(answer.score, products, rtol=1e-5)

    def test_more_leaves_find_more(self, partitioned, complete, candidates, queries, brute_force, listed):
        wanted = brute_force(candidates, queries, 20)
        few, all_leaves = (recall(listed(layer(queries, 20)), wanted) for layer in (partitioned, complete))
        assert few < 0.95
        assert all_leaves > 0.99

    def test_finds_no_less_than_the_layer_of_tfrs(self, candidates, queries, brute_force, listed):
        wanted = brute_force(candidates, queries, 50)
        made: Any = {"training_iterations": 12, "dimensions_per_block": 2}
        theirs = tfrs.layers.factorized_top_k.ScaNN(
            k=50, num_leaves=50, num_leaves_to_search=5, num_reordering_candidates=200, **made
        ).index(candidates)
        ours = ScaNN(n_leaves=50, n_leaves_to_search=5, n_reordering_candidates=200, **made).index(candidates)
        _, found = theirs(tf.constant(queries), 50)
        assert recall(listed(ours(queries, 50)), wanted) > recall(found.numpy().tolist(), wanted) - 0.05

    def test_k_of_each_row(self, partitioned, queries, listed):
        answers = listed(partitioned(queries[:5], np.array([0, 3, 100, -1, 1], np.int32)))
        assert [len(row) for row in answers] == [0, 3, 100, 0, 1]

    def test_k_above_what_is_reordered(self, partitioned, queries, listed):
        assert [len(row) for row in listed(partitioned(queries, 100))] == [100] * len(queries)

    def test_all_of_them(self, partitioned, queries, listed):
        assert [sorted(row) for row in listed(partitioned(queries[:3], N + 5))] == [list(range(N))] * 3

    def test_thorough_search_leaves_nothing_out(self, partitioned, queries):
        items, scores = partitioned.search(tf.constant(queries), tf.constant(N), thorough=True)
        assert np.array_equal(np.sort(items, axis=1), np.tile(np.arange(N), (len(queries), 1)))
        assert np.all(np.diff(scores, axis=1) <= 0)

    def test_short_lists_end_in_padding(self, partitioned, queries):
        items, scores = partitioned.search(tf.constant(queries), tf.constant(N), thorough=False)
        n_found = np.sum(items.numpy() >= 0, axis=1)
        assert items.shape == scores.shape == (len(queries), N)
        assert n_found.max() < N
        for row, (its_items, its_scores) in enumerate(zip(items.numpy(), scores.numpy(), strict=True)):
            assert len(set(its_items[: n_found[row]])) == n_found[row]
            assert np.all(np.isfinite(its_scores[: n_found[row]]))
            assert np.all(its_items[n_found[row] :] == -1)
            assert np.all(its_scores[n_found[row] :] == -np.inf)

    def test_no_queries(self, partitioned, queries):
        assert partitioned(queries[:0], 5).item.shape[0] == 0

    @pytest.mark.parametrize("number", [np.nan, np.inf])
    def test_queries_that_are_not_finite(self, partitioned, queries, number, listed):
        broken = queries[:3].copy()
        broken[1, 2] = number
        answer = partitioned(broken, 5)
        assert not answer.finite
        sound = listed(partitioned(queries[:3], 5))
        assert [listed(answer)[row] for row in (0, 2)] == [sound[row] for row in (0, 2)]

    @pytest.mark.parametrize("layer", ["brute", "complete"])
    def test_answers_do_not_depend_on_the_batch(self, request, layer, queries, listed):
        layer = request.getfixturevalue(layer)
        together = layer(queries, 20)
        alone = [layer(query[np.newaxis], 20) for query in queries[:10]]
        assert listed(together)[:10] == [listed(one)[0] for one in alone]
        np.testing.assert_allclose(together.score[:10], np.concatenate([one.score for one in alone]), rtol=1e-5)

    def test_the_batch_may_tip_the_scales_between_leaves_and_no_more(self, partitioned, queries, listed):
        together = listed(partitioned(queries, 20))
        assert recall([listed(partitioned(query[np.newaxis], 20))[0] for query in queries], together) > 0.9

    def test_in_a_function(self, partitioned, queries, listed):
        traced = tf.function(
            partitioned.call,
            input_signature=[tf.TensorSpec([None, DIMENSION]), tf.TensorSpec([None], tf.int32)],
            autograph=False,
        )
        for k in ([3] * 40, [0] * 40, list(range(40))):
            assert listed(traced(queries, k)) == listed(partitioned(queries, np.array(k, np.int32)))


class TestExclusion:
    @settings(max_examples=15)
    @given(data=st.data())
    def test_never_answered_and_never_missed(self, data, partitioned, queries, listed):
        few, most = st.integers(0, 30), st.integers(N - 30, N)
        rows, ks = [], []
        for _ in range(3):
            n = data.draw(st.one_of(few, most))
            offset = data.draw(st.integers(0, N))
            rows.append([(offset + item) % N for item in range(n)] + data.draw(st.sampled_from([[], [-1, offset % N]])))
            ks.append(data.draw(st.integers(0, 40)))
        answers = listed(partitioned(queries[:3], np.array(ks, np.int32), tf.ragged.constant(rows, tf.int32)))
        for answer, left_out, k in zip(answers, rows, ks, strict=True):
            distinct = {item for item in left_out if item >= 0}
            assert not distinct & set(answer)
            assert len(set(answer)) == len(answer) == min(k, N - len(distinct))

    def test_exact_where_brute_force_is(self, brute, candidates, queries, brute_force, listed):
        exclude = [[*row[:7], -1, N + 4] for row in brute_force(candidates, queries, 10)]
        answers = listed(brute(queries, 10, tf.ragged.constant(exclude, tf.int32)))
        assert answers == brute_force(candidates, queries, 10, exclude)


class TestSmallCatalogues:
    @pytest.mark.parametrize("n", [1, 2, 15, 16, 17])
    @pytest.mark.parametrize("dimension", [1, 5])
    @pytest.mark.parametrize("n_leaves", [None, 1])
    def test_all_found(self, clustered, brute_force, listed, n, dimension, n_leaves):
        candidates, queries = clustered(n, dimension), clustered(4, dimension, seed=2)
        layer = ScaNN(n_leaves=n_leaves, dimensions_per_block=3).index(candidates)
        assert listed(layer(queries, n + 1)) == brute_force(candidates, queries, n)

    def test_a_leaf_for_each(self, clustered, listed):
        layer = ScaNN(n_leaves=20, n_leaves_to_search=1).index(clustered(20, 4))
        assert sorted(listed(layer(clustered(1, 4, seed=2), 20))[0]) == list(range(20))

    @pytest.mark.parametrize("number", [0.0, 1.0])
    def test_candidates_that_are_all_alike(self, number, listed):
        layer = ScaNN(n_leaves=5).index(np.full((60, 4), number, "f"))
        assert sorted(listed(layer(np.ones((1, 4), "f"), 60))[0]) == list(range(60))


class TestSettings:
    @pytest.mark.parametrize(
        ("n", "n_leaves", "searched"),
        [(19_999, 0, 0), (20_000, 1, 1), (99_999, 1, 1), (100_000, 316, 79), (1_000_000, 1000, 250)],
    )
    def test_chosen_by_the_size(self, n, n_leaves, searched):
        plan = ScaNN()._plan_for(n, 64)
        assert (plan.n_leaves, plan.n_leaves_to_search) == (n_leaves, searched)

    def test_chosen_by_hand(self, partitioned):
        assert partitioned.settings() == {
            "n_leaves": 50,
            "n_leaves_to_search": 2,
            "n_reordering_candidates": 20,
            "dimensions_per_block": 2,
            "training_iterations": 12,
        }

    def test_without_an_index(self):
        assert ScaNN().settings() == {}
        assert not ScaNN().is_exact

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n_leaves": 0}, ValueError, "n_leaves must be an integer of at least 1; got 0"),
            ({"n_leaves": 2.5}, TypeError, "n_leaves must be an integer"),
            ({"n_leaves_to_search": -1}, ValueError, "n_leaves_to_search must be"),
            ({"n_leaves": 4, "n_leaves_to_search": 5}, ValueError, "n_leaves_to_search is at most n_leaves, 4; got 5"),
            ({"n_reordering_candidates": "many"}, TypeError, "n_reordering_candidates must be"),
            ({"dimensions_per_block": 0}, ValueError, "dimensions_per_block must be"),
            ({"training_iterations": True}, TypeError, "training_iterations must be"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            ScaNN(**arguments)

    def test_more_leaves_than_candidates(self, clustered):
        with pytest.raises(ValueError, match="n_leaves is at most the number of candidates, 30; got 31"):
            ScaNN(n_leaves=31).index(clustered(30, 4))

    def test_candidates_too_long(self, clustered):
        with pytest.raises(ValueError, match="squared length is a finite float32"):
            ScaNN().index(clustered(30, 4) * 1e25)

    def test_no_index_yet(self):
        with pytest.raises(ValueError, match=r"call index\(candidates\) first"):
            ScaNN()(np.zeros((1, 4), "f"), 3)

    def test_without_scann(self, monkeypatch, clustered):
        monkeypatch.setitem(sys.modules, "scann.scann_ops.py.scann_ops", None)
        with pytest.raises(ImportError, match=r"scann, which is not installed: pip install 'scann"):
            ScaNN().index(clustered(30, 4))


class TestIndex:
    def test_rows_are_the_candidates(self, partitioned, brute, candidates):
        positions = tf.constant([[0, N - 1], [7, 7]])
        for layer in (partitioned, brute):
            assert layer.keeps_rows
            assert np.array_equal(layer.rows(positions), candidates[positions.numpy()])

    def test_the_same_in_every_run(self, candidates, partitioned):
        again = ScaNN(n_leaves=50, n_leaves_to_search=2, n_reordering_candidates=20).index(candidates)
        ours, theirs = partitioned._searcher.variables, again._searcher.variables
        assert len(ours) == len(theirs) == 6
        for one, other in zip(ours, theirs, strict=True):
            assert np.array_equal(one.numpy(), other.numpy())

    def test_several_do_not_mix(self, clustered, brute_force, listed):
        catalogues = [clustered(200, 6, seed=seed) for seed in range(3)]
        queries = clustered(4, 6, seed=9)
        layers = [ScaNN().index(candidates) for candidates in catalogues]
        together = tf.function(lambda queries: [layer(queries, 9) for layer in layers], autograph=False)
        for answer, candidates in zip(together(queries), catalogues, strict=True):
            assert listed(answer) == brute_force(candidates, queries, 9)

    def test_index_again(self, clustered, brute_force, listed):
        queries = clustered(4, 6, seed=9)
        layer = ScaNN().index(clustered(50, 6))
        layer(queries, 3)
        again = clustered(70, 6, seed=1)
        assert listed(layer.index(again)(queries, 70)) == brute_force(again, queries, 70)

    def test_a_copy_that_goes_leaves_the_other_its_answers(self, clustered, brute_force, listed):
        candidates, queries = clustered(50, 6), clustered(4, 6, seed=9)
        first, second = ScaNN().index(candidates), ScaNN().index(candidates)
        expected = brute_force(candidates, queries, 5)
        assert listed(first(queries, 5)) == listed(second(queries, 5)) == expected
        first.index(clustered(60, 6, seed=1))
        assert listed(second(queries, 5)) == expected


LOAD_ELSEWHERE = """
import sys
import numpy as np
import tensorflow as tf
try:
    tf.saved_model.load(sys.argv[1])
except RuntimeError as error:
    assert "Op type not registered 'Scann>" in str(error)
else:
    raise AssertionError("loaded without the ops")
import scann
loaded = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[1] + "/queries.npy")
answers = [loaded.signatures[name](queries=tf.constant(given), k=tf.constant([7] * len(given))) for name in ("a", "b")]
assert all(np.array_equal(answers[0][name], answers[1][name]) for name in answers[0])
assert not any(name.split(".")[0] in ("tfrec", "tensorflow_recommenders") for name in sys.modules)
np.savez(sys.argv[1] + "/answers.npz", **answers[0])
"""


@pytest.fixture(scope="module")
def saved(partitioned, queries, tmp_path_factory):
    """A SavedModel with two signatures that search."""

    class Served(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.searcher = partitioned._searcher

    def answer(queries, k):
        return partitioned(queries, k)._asdict()

    specs = [tf.TensorSpec([None, DIMENSION], tf.float32, name="queries"), tf.TensorSpec([None], tf.int32, name="k")]
    signatures = {
        name: tf.function(answer, input_signature=specs, autograph=False).get_concrete_function() for name in "ab"
    }
    folder = tmp_path_factory.mktemp("saved")
    options = tf.saved_model.SaveOptions(namespace_whitelist=list(ScaNN.op_namespaces))
    tf.saved_model.save(Served(), str(folder), signatures=signatures, options=options)
    np.save(folder / "queries.npy", queries)
    return folder


class TestSavedModel:
    def test_in_a_fresh_process_with_scann_and_not_without(self, saved, partitioned, queries):
        done = subprocess.run(
            [sys.executable, "-c", LOAD_ELSEWHERE, str(saved)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        answers = np.load(saved / "answers.npz")
        expected = partitioned(queries, 7)
        assert np.array_equal(answers["item"], expected.item)
        np.testing.assert_allclose(answers["score"], expected.score, rtol=1e-5)

    def test_through_a_session_as_the_model_server_does(self, saved, partitioned, queries):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(saved))
            signature = meta.signature_def["a"]
            given = {signature.inputs["queries"].name: queries, signature.inputs["k"].name: [7] * len(queries)}
            item = session.run(signature.outputs["item"].name, given)
        assert np.array_equal(item, partitioned(queries, 7).item)

    def test_all_signatures_share_one_index(self, saved):
        read = saved_model_pb2.SavedModel()
        read.ParseFromString((saved / "saved_model.pb").read_bytes())
        graph = read.meta_graphs[0].graph_def
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        made = [node.attr["shared_name"].s for node in nodes if node.op == "Scann>TensorsToScann"]
        assert len(made) > 1
        assert len(set(made)) == 1
        assert made[0].startswith(b"scann-")

    def test_holds_the_vectors_once(self, saved):
        size = sum(file.stat().st_size for file in (saved / "variables").iterdir())
        # 8 blocks of codes and a leaf beside 16 numbers; the partition, a small share in large catalogues, apart.
        assert size < N * (4 * DIMENSION + DIMENSION // 2 + 4) + 20_000

    def test_required_ops_load(self):
        op_libraries.load(ScaNN.requires_ops)
