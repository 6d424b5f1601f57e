"""The compiled index beside faiss's own search of the same index."""

from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec._tf import tf
from tfrec.retrieval import Faiss, FaissIndex

N, DIMENSION, LISTS = 900, 20, 12
FACTORIES = ("Flat", "IVF12,Flat", "IVF12,PQ5", "IVF12,SQ8", "IVF12,SQfp16")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(scope="module")
def candidates(clustered):
    return clustered(N, DIMENSION)


@pytest.fixture(scope="module")
def queries(clustered):
    return clustered(7, DIMENSION, seed=1)


@pytest.fixture(scope="module", params=FACTORIES)
def index(request, candidates):
    return FaissIndex(request.param, n_probes=None if request.param == "Flat" else 3).build(candidates)


@pytest.fixture(scope="module")
def layer(index):
    return Faiss.from_index(index)


def assert_same(found, expected):
    """Scores alike; positions too, but where scores tie; nothing twice."""
    positions, scores = (np.asarray(part) for part in found)
    wanted, wanted_scores = expected
    assert positions.shape == wanted.shape
    np.testing.assert_array_equal(positions >= 0, wanted >= 0)
    np.testing.assert_allclose(scores, wanted_scores, rtol=1e-4, atol=1e-4)
    for row, wanted_row, row_scores in zip(positions, wanted, scores, strict=True):
        listed = row[row >= 0]
        assert len(set(listed)) == len(listed)
        last = row_scores[np.isfinite(row_scores)].min(initial=np.inf)
        surely = row_scores > last + 1e-3
        assert set(row[surely]) <= set(wanted_row)


class TestAgainstFaiss:
    @pytest.mark.parametrize("k", [1, 10, 600])
    def test_every_type(self, index, layer, queries, k):
        assert_same(layer.search(tf.constant(queries), tf.constant(k), thorough=False), index.search(queries, k))

    def test_one_query_alone(self, index, layer, queries):
        assert_same(
            layer.search(tf.constant(queries[:1]), tf.constant(9), thorough=False), index.search(queries[:1], 9)
        )

    def test_thorough_is_all_lists(self, index, layer, queries):
        whole = faiss.clone_index(index.index)
        if hasattr(whole, "nprobe"):
            whole.nprobe = LISTS
        found = layer.search(tf.constant(queries), tf.constant(N), thorough=True)
        assert_same(found, FaissIndex.of(whole).search(queries, N))

    def test_no_answer_asked_for(self, layer, queries):
        assert layer.search(tf.constant(queries), tf.constant(0), thorough=False)[0].shape == (7, 0)
        assert layer(tf.zeros([0, DIMENSION]), k=3).item.shape == (0, 0)

    def test_rows_are_what_is_scored(self, index, layer, queries):
        positions, scores = layer.search(tf.constant(queries), tf.constant(5), thorough=False)
        rows = layer.rows(positions)
        np.testing.assert_allclose(np.einsum("bd,bkd->bk", queries, rows), scores, rtol=1e-4, atol=1e-4)
        lists = index.index
        if hasattr(lists, "make_direct_map"):
            lists.make_direct_map()
        np.testing.assert_allclose(rows[0][0], lists.reconstruct(int(positions[0][0])), rtol=1e-4, atol=1e-4)

    def test_vectors_are_kept_but_by_coarse_codes(self, index, layer):
        assert layer.keeps_rows == ("PQ" not in index.factory)
        assert layer.is_exact == (index.factory == "Flat")

    def test_residuals_may_be_off(self, candidates, queries):
        for factory in ("IVF12,PQ5", "IVF12,SQ8", "IVF12,SQfp16"):
            index: Any = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
            index.by_residual, index.nprobe = False, 4
            if "PQ" in factory:
                index.do_polysemous_training, index.pq.cp.min_points_per_centroid = False, 1
            index.train(candidates)
            index.add(candidates)
            found = Faiss.from_index(index).search(tf.constant(queries), tf.constant(20), thorough=False)
            assert_same(found, FaissIndex.of(index).search(queries, 20))

    @pytest.mark.parametrize("dimension", [1, 3, 13])
    @pytest.mark.parametrize("factory", ["Flat", "IVF5,Flat", "IVF5,SQ8", "IVF5,SQfp16"])
    def test_dimensions_of_no_power_of_two(self, clustered, factory, dimension):
        vectors, queries = clustered(150, dimension), clustered(3, dimension, seed=2)
        index = FaissIndex(factory, n_probes=None if factory == "Flat" else 2).build(vectors)
        found = Faiss.from_index(index).search(tf.constant(queries), tf.constant(30), thorough=False)
        assert_same(found, index.search(queries, 30))

    @pytest.mark.parametrize("factory", ["IVF12,Flat", "IVF12,PQ5", "IVF12,SQ8"])
    def test_empty_lists(self, candidates, queries, factory):
        index = FaissIndex(factory, n_probes=2).build(candidates)
        few = faiss.clone_index(index.index)
        few.reset()
        few.add(candidates[:4])
        layer = Faiss.from_index(few)
        found = layer.search(tf.constant(queries), tf.constant(4), thorough=False)
        assert_same(found, FaissIndex.of(few).search(queries, 4))
        assert (layer(tf.constant(queries), k=4).item.numpy() >= 0).all()


@pytest.fixture(scope="module")
def compiled(candidates):
    layer = Faiss(factory="IVF12,Flat", n_probes=2).index(candidates)
    specs = [
        tf.TensorSpec([None, DIMENSION], tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.RaggedTensorSpec([None, None], tf.int32),
    ]
    return tf.function(layer.call, input_signature=specs, autograph=False)


class TestLayer:
    @pytest.mark.parametrize("factory", ["Flat", "IVF12,Flat"])
    def test_all_lists_are_exact_search(self, candidates, queries, listed, brute_force, factory):
        layer = Faiss(factory=factory, n_probes=None if factory == "Flat" else LISTS).index(candidates)
        assert listed(layer(tf.constant(queries), k=30)) == brute_force(candidates, queries, 30)

    @settings(max_examples=25)
    @given(
        rows=st.lists(st.tuples(st.integers(0, N), st.sets(st.integers(-1, N), max_size=40)), min_size=1, max_size=3),
        hide_best=st.booleans(),
    )
    def test_nobody_gets_what_they_exclude_or_too_little(self, compiled, candidates, listed, rows, hide_best):
        best = np.argsort(-candidates[0] @ candidates.T)[:500].tolist() if hide_best else []
        k = [row[0] for row in rows]
        exclude = [sorted(row[1] | set(best)) for row in rows]
        ranked = compiled(
            tf.constant(candidates[: len(rows)]), tf.constant(k), tf.ragged.constant(exclude, tf.int32, ragged_rank=1)
        )
        for answer, wanted, hidden in zip(listed(ranked), k, exclude, strict=True):
            left = set(range(N)) - set(hidden)
            assert len(answer) == len(set(answer)) == min(wanted, len(left))
            assert set(answer) <= left

    def test_answers_do_not_depend_on_the_batch(self, layer, queries):
        together = layer(tf.constant(queries), k=40)
        for row, query in enumerate(queries):
            alone = layer(tf.constant(query[np.newaxis]), k=40)
            np.testing.assert_array_equal(alone.item[0], together.item[row])
            np.testing.assert_allclose(alone.score[0], together.score[row], rtol=1e-5)

    def test_blocks_of_queries_answer_alike(self, layer, queries, monkeypatch):
        whole = layer(tf.constant(queries), k=N)
        monkeypatch.setattr("tfrec.retrieval.faiss_lists._SCORES", 3 * N)
        blocks = Faiss.from_index(FaissIndex("Flat").build(layer.rows(tf.range(N)).numpy()))(tf.constant(queries), k=N)
        np.testing.assert_allclose(blocks.score, whole.score, rtol=1e-4, atol=1e-4)

    def test_the_same_seed_is_the_same_index(self, candidates, queries):
        answers = [
            Faiss(factory="IVF12,PQ5", n_probes=2, seed=seed).index(candidates)(tf.constant(queries), k=50)
            for seed in (3, 3, 4)
        ]
        np.testing.assert_array_equal(answers[0].item, answers[1].item)
        np.testing.assert_array_equal(answers[0].score, answers[1].score)
        assert (answers[0].item.numpy() != answers[2].item.numpy()).any()

    def test_indexed_again(self, candidates, queries, listed, brute_force):
        layer = Faiss(factory="IVF12,Flat", n_probes=LISTS).index(candidates[:300])
        layer(tf.constant(queries), k=3)
        assert listed(layer.index(candidates)(tf.constant(queries), k=9)) == brute_force(candidates, queries, 9)

    def test_one_candidate_of_one_dimension(self, listed):
        assert listed(Faiss().index([[2.0]])(tf.constant([[1.0], [-1.0]]), k=3)) == [[0], [0]]

    def test_what_is_chosen_from_the_size(self, clustered, monkeypatch):
        assert Faiss().index(clustered(50, 4)).settings() == {"factory": "Flat", "seed": 0}
        monkeypatch.setattr("tfrec.retrieval.faiss._FLAT_BELOW", 400)
        layer = Faiss().index(clustered(400, 4))
        assert layer.settings() == {"factory": "IVF80,Flat", "seed": 0, "n_lists": 80, "n_probes": 8}
        assert Faiss(n_probes=3).index(clustered(399, 4)).is_exact
        assert not layer.is_exact

    def test_ops_are_few_and_stock(self, layer):
        graph = tf.function(lambda queries: layer(queries, k=10), autograph=False).get_concrete_function(
            tf.TensorSpec([None, DIMENSION], tf.float32)
        )
        definition = graph.graph.as_graph_def()
        nodes = [*definition.node, *(node for made in definition.library.function for node in made.node_def)]
        assert len(nodes) < 1500
        assert not {node.op for node in nodes} & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
        constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
        assert max(tensor.ByteSize() for tensor in constants) < 2000


class TestSavedModel:
    def test_plain_tensorflow_answers_alike(self, layer, queries, tmp_path):
        module = tf.Module()
        module.layer = layer
        module.answer = tf.function(
            lambda queries, k: layer(queries, k)._asdict(),
            input_signature=[tf.TensorSpec([None, DIMENSION], tf.float32), tf.TensorSpec([None], tf.int32)],
            autograph=False,
        )
        tf.saved_model.save(module, str(tmp_path), signatures={"answer": module.answer})
        served = tf.saved_model.load(str(tmp_path)).signatures["answer"]
        k = tf.constant([5, 0, 300, 1, 2, 3, 4])
        found, expected = served(queries=tf.constant(queries), k=k), layer(tf.constant(queries), k)
        np.testing.assert_array_equal(found["item"], expected.item)
        np.testing.assert_allclose(found["score"], expected.score, rtol=1e-5)


class TestErrors:
    @pytest.mark.parametrize(
        "factory", ["HNSW32", "OPQ4,IVF12,PQ4", "IVF12,PQ5x4", "IVF0,Flat", "IVF12_HNSW8,Flat", "SQ8", "flat", "", 3]
    )
    def test_factories_that_are_not_compiled(self, factory):
        with pytest.raises(ValueError, match=r'factory must be .* "IVF…,SQfp16", .*FaissIndex'):
            Faiss(factory=factory)

    @pytest.mark.parametrize(
        ("factory", "match"),
        [
            ("HNSW8", "kind IndexHNSWFlat"),
            ("IVF12,PQ5x4", "codes have 4 bits"),
            ("IVF12,SQ4", "kind IndexIVFScalarQuantizer"),
            ("IVF12_HNSW8,Flat", "lists are chosen by its IndexHNSWFlat"),
        ],
    )
    def test_indexes_that_are_not_compiled(self, candidates, factory, match):
        index = FaissIndex(factory).build(candidates)
        with pytest.raises(ValueError, match=rf"{match}.*What can: .*FaissIndex"):
            Faiss.from_index(index)

    def test_index_of_another_metric(self, candidates):
        index = faiss.IndexFlatL2(DIMENSION)
        index.add(candidates)
        with pytest.raises(ValueError, match="must rank by inner product"):
            Faiss.from_index(index)

    def test_lists_of_another_metric(self, candidates):
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(DIMENSION), DIMENSION, 4, faiss.METRIC_INNER_PRODUCT)
        index.train(candidates)
        index.add(candidates)
        with pytest.raises(ValueError, match="lists are chosen by another metric"):
            Faiss.from_index(index)

    def test_index_of_other_ids(self, candidates):
        index = faiss.index_factory(DIMENSION, "IVF4,Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(candidates)
        index.add_with_ids(candidates, np.arange(N) + 1)
        with pytest.raises(ValueError, match="must hold the vectors 0 to 899, each once"):
            Faiss.from_index(index)

    @pytest.mark.parametrize("index", [faiss.IndexFlatIP(3), FaissIndex("Flat"), "IVF4,Flat"])
    def test_no_index_or_an_empty_one(self, index):
        with pytest.raises((TypeError, ValueError), match=r"has no vectors|expected an index of faiss; got a"):
            Faiss.from_index(index)

    def test_probes_without_lists(self):
        with pytest.raises(ValueError, match='"Flat" has not'):
            Faiss(factory="Flat", n_probes=3)
        with pytest.raises(ValueError, match="n_probes must be an integer of at least 1"):
            Faiss(n_probes=0)

    def test_too_few_candidates(self, candidates):
        with pytest.raises(ValueError, match=r"'IVF12,Flat' takes at least 12 vectors to train on; got 11"):
            Faiss(factory="IVF12,Flat").index(candidates[:11])
        with pytest.raises(ValueError, match=r"takes at least 256 vectors to train on; got 200"):
            Faiss(factory="IVF2,PQ5").index(candidates[:200])
        with pytest.raises(ValueError, match=r"n_probes is at most the number of lists, 2; got 3"):
            Faiss(factory="IVF2,Flat", n_probes=3).index(candidates)
        with pytest.raises(ValueError, match=r"divides a vector into 3 equal parts, and it has 20 dimensions"):
            Faiss(factory="IVF2,PQ3").index(candidates)
