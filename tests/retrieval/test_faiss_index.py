"""Indexes of faiss for use in Python."""

import faiss
import numpy as np
import pytest

from tfrec.retrieval import FaissIndex
from tfrec.retrieval.faiss_building import inverted_file

N, DIMENSION = 400, 8


@pytest.fixture(scope="module")
def vectors(clustered):
    return clustered(N, DIMENSION)


class TestSearch:
    @pytest.mark.parametrize(("factory", "n_probes"), [("Flat", None), ("IVF6,Flat", 6)])
    def test_exact_where_all_is_searched(self, vectors, brute_force, factory, n_probes):
        positions, scores = FaissIndex(factory, n_probes).build(vectors).search(vectors[:5], 7)
        assert positions.tolist() == brute_force(vectors, vectors[:5], 7)
        np.testing.assert_allclose(scores, np.take_along_axis(vectors[:5] @ vectors.T, positions, 1), rtol=1e-5)
        assert scores.dtype == np.float32

    def test_hnsw_finds_most(self, vectors, brute_force):
        positions, _ = FaissIndex("HNSW16").build(vectors).search(vectors[:20], 10)
        pairs = zip(positions, brute_force(vectors, vectors[:20], 10), strict=True)
        assert np.mean([len(set(found) & set(best)) for found, best in pairs]) > 7

    def test_what_is_missing_is_padded(self, vectors):
        positions, scores = FaissIndex("IVF40,Flat", n_probes=1).build(vectors).search(vectors[:3], N)
        assert (positions == -1).any()
        np.testing.assert_array_equal(positions == -1, np.isneginf(scores))

    def test_probes_are_chosen(self, vectors):
        assert FaissIndex("IVF4,Flat").build(vectors).index.nprobe == 4
        assert FaissIndex("IVF20,Flat").build(vectors).index.nprobe == 8

    @pytest.mark.parametrize("factory", ["IVF9,Flat", "OPQ2_8,IVF9,Flat"])
    def test_lists_are_of_the_nearest_centroid(self, vectors, factory):
        vectors = vectors * np.random.default_rng(0).lognormal(size=(N, 1)).astype("f")
        index = FaissIndex(factory).build(vectors).index
        lists = inverted_file(index)
        centroids = lists.quantizer.reconstruct_n(0, 9)
        for number in range(9):
            for item in faiss.rev_swig_ptr(lists.invlists.get_ids(number), lists.invlists.list_size(number)):
                vector = index.chain.at(0).apply(vectors[item : item + 1]) if "OPQ" in factory else vectors[item]
                assert np.argmin(((centroids - vector) ** 2).sum(axis=1)) == number
        assert lists.quantizer.metric_type == faiss.METRIC_INNER_PRODUCT

    def test_the_same_seed_is_the_same_index(self, vectors):
        answers = [
            FaissIndex("IVF20,Flat", 1, seed=seed).build(vectors).search(vectors[:9], 30)[0] for seed in (1, 1, 2)
        ]
        np.testing.assert_array_equal(answers[0], answers[1])
        assert (answers[0] != answers[2]).any()

    def test_the_number_of_threads_is_as_before(self, vectors):
        before = faiss.omp_get_max_threads()
        FaissIndex("IVF4,Flat").build(vectors).search(vectors[:1], 1)
        assert faiss.omp_get_max_threads() == before


class TestFiles:
    @pytest.mark.parametrize("factory", ["Flat", "IVF6,Flat", "HNSW8"])
    def test_save_and_load(self, vectors, tmp_path, factory):
        index = FaissIndex(factory, n_probes=2 if "IVF" in factory else None).build(vectors)
        path = tmp_path / "new" / "items.faiss"
        index.save(path)
        index.save(path)
        loaded = FaissIndex.load(path)
        for found, expected in zip(loaded.search(vectors[:4], 9), index.search(vectors[:4], 9), strict=True):
            np.testing.assert_array_equal(found, expected)
        assert [file.name for file in path.parent.iterdir()] == ["items.faiss"]
        assert loaded.n_probes == index.n_probes

    def test_a_failed_save_leaves_the_old_file(self, vectors, tmp_path, monkeypatch):
        index = FaissIndex().build(vectors)
        index.save(tmp_path / "items.faiss")
        before = (tmp_path / "items.faiss").read_bytes()

        def fail(_index, path):
            with open(path, "wb") as file:
                file.write(b"half")
            raise OSError("disk full")

        monkeypatch.setattr(faiss, "write_index", fail)
        with pytest.raises(OSError, match="disk full"):
            index.save(tmp_path / "items.faiss")
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]

    @pytest.mark.parametrize("content", [b"", b"no index at all", b"IxFI" + bytes(10)])
    def test_a_file_that_is_no_index(self, tmp_path, content):
        (tmp_path / "items.faiss").write_bytes(content)
        with pytest.raises(ValueError, match=r"items\.faiss is not an index that faiss .* can read"):
            FaissIndex.load(tmp_path / "items.faiss")

    def test_a_file_cut_short(self, vectors, tmp_path):
        FaissIndex("IVF6,Flat").build(vectors).save(tmp_path / "items.faiss")
        whole = (tmp_path / "items.faiss").read_bytes()
        (tmp_path / "items.faiss").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match="is not an index that faiss"):
            FaissIndex.load(tmp_path / "items.faiss")

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no index file .*items\.faiss"):
            FaissIndex.load(tmp_path / "items.faiss")

    def test_a_file_of_another_metric(self, tmp_path):
        faiss.write_index(faiss.IndexFlatL2(3), str(tmp_path / "items.faiss"))
        with pytest.raises(ValueError, match="must rank by inner product"):
            FaissIndex.load(tmp_path / "items.faiss")


class TestErrors:
    def test_before_build(self, tmp_path):
        with pytest.raises(ValueError, match=r"call build\(vectors\) first"):
            FaissIndex().search(np.zeros((1, 2)), 1)
        with pytest.raises(ValueError, match="there is no index to save yet"):
            FaissIndex().save(tmp_path / "items.faiss")

    @pytest.mark.parametrize("factory", ["", None, 7])
    def test_no_factory_string(self, factory):
        with pytest.raises(ValueError, match="factory must be one of faiss's factory strings"):
            FaissIndex(factory)

    def test_unknown_factory_string(self, vectors):
        with pytest.raises(ValueError, match="faiss can't make an index from the factory string 'Tree9'"):
            FaissIndex("Tree9").build(vectors)

    @pytest.mark.parametrize("queries", [np.zeros(8), np.zeros((1, 7)), np.full((1, 8), np.nan)])
    def test_bad_queries(self, vectors, queries):
        with pytest.raises(ValueError, match="queries must be"):
            FaissIndex().build(vectors).search(queries, 1)

    def test_bad_numbers(self, vectors):
        with pytest.raises(ValueError, match="k must be an integer of at least 1; got 0"):
            FaissIndex().build(vectors).search(vectors[:1], 0)
        with pytest.raises(ValueError, match="n_probes is for an index with inverted lists"):
            FaissIndex("Flat", n_probes=2).build(vectors)
        with pytest.raises(ValueError, match="n_probes is at most the number of lists, 4; got 5"):
            FaissIndex("IVF4,Flat", n_probes=5).build(vectors)
        with pytest.raises(TypeError, match="gpu must be True or False"):
            FaissIndex(gpu="yes")  # type: ignore[arg-type]

    @pytest.mark.skipif(hasattr(faiss, "StandardGpuResources"), reason="this faiss has GPU support")
    def test_no_gpu_support(self, vectors):
        with pytest.raises(ImportError, match="gpu=True takes faiss with GPU support"):
            FaissIndex(gpu=True).build(vectors)

    def test_no_faiss(self, vectors, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "faiss", None)
        with pytest.raises(ImportError, match="pip install faiss-cpu"):
            FaissIndex().build(vectors)
