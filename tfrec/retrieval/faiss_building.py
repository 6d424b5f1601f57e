"""How indexes of faiss are made, trained and filled."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_MANY_VECTORS = 100_000
# Centroids get no better by more, and k-means takes most of the time.
_VECTORS_A_LIST = 64
_SEEDS = 2**31  # faiss keeps a seed as an int


def import_faiss() -> Any:
    """The package faiss.

    Raises:
        ImportError: it is not installed; the error says how to get it.
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError("this index takes the package faiss: pip install faiss-cpu") from error
    return faiss


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """Faiss in one thread, if that is wanted.

    Threads of OpenMP wait for one another by spinning. Beside TensorFlow's own threads that costs more than they give,
    unless there is a lot to do.
    """
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def inverted_file(index: Any) -> Any:
    """The part of a faiss index that has inverted lists, or None; it lives as long as the index does."""
    faiss = import_faiss()
    lists = faiss.try_extract_index_ivf(index)
    return None if lists is None else faiss.downcast_index(lists)


def default_probes(n_lists: int) -> int:
    """How many of some inverted lists are searched unless it is said: a 32nd of them, and at least 8."""
    return min(n_lists, max(8, n_lists // 32))


def describe(index: Any) -> str:
    """An index's factory string, if it is of a kind that `Faiss` compiles; else the name of its class."""
    faiss = import_faiss()
    index = faiss.downcast_index(index)
    kind = type(index)
    if kind in (faiss.IndexFlat, faiss.IndexFlatIP):
        return "Flat"
    codes = {
        faiss.IndexIVFFlat: lambda: "Flat",
        faiss.IndexIVFPQ: lambda: f"PQ{index.pq.M}x{index.pq.nbits}",
        faiss.IndexIVFScalarQuantizer: lambda: {
            faiss.ScalarQuantizer.QT_8bit: "SQ8",
            faiss.ScalarQuantizer.QT_fp16: "SQfp16",
        }.get(index.sq.qtype),
    }
    code = codes[kind]() if kind in codes else None
    return kind.__name__ if code is None else f"IVF{index.nlist},{code}"


def make(factory: str, dimension: int) -> Any:
    """An empty index by inner product.

    Raises:
        ValueError: faiss doesn't know the factory string, or the dimension isn't one that it can divide.
    """
    faiss = import_faiss()
    n_codes = re.search(r"PQ(\d+)", factory)
    if n_codes and "OPQ" not in factory and dimension % max(int(n_codes[1]), 1):
        raise ValueError(
            f"{factory!r} divides a vector into {n_codes[1]} equal parts, and it has {dimension} dimensions: choose a "
            "number after PQ that divides them"
        )
    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except Exception as error:
        raise ValueError(f"faiss can't make an index from the factory string {factory!r}: {error}") from error


def fill(index: Any, vectors: np.ndarray, *, factory: str, gpu: bool, seed: int) -> None:
    """Train an index on vectors, and add them.

    Raises:
        ValueError: they are too few to train on.
    """
    lists = inverted_file(index)
    with one_thread(len(vectors) < _MANY_VECTORS):
        if lists is None:
            index.train(vectors)
            index.add(vectors)
            return
        _check_enough(lists, len(vectors), factory)
        _set_training(lists, seed % _SEEDS)
        with _lists_by_distance(lists, gpu):
            index.train(vectors)
            index.add(vectors)


def _check_enough(lists: Any, n_vectors: int, factory: str) -> None:
    """Training needs a vector for each list and for each codeword."""
    needed = max(lists.nlist, 2**lists.pq.nbits if hasattr(lists, "pq") else 1)
    if n_vectors < needed:
        raise ValueError(
            f"{factory!r} takes at least {needed} vectors to train on; got {n_vectors}: choose a smaller one"
        )


def _set_training(lists: Any, seed: int) -> None:
    """Seeds; and no advice on how many vectors to train on, which is of no use to who has no more."""
    lists.cp.max_points_per_centroid = _VECTORS_A_LIST
    clusterings = [lists.cp]
    if hasattr(lists, "pq"):
        clusterings.append(lists.pq.cp)
        # It orders codewords for a filter that no search here uses, and takes longer than all other training.
        lists.do_polysemous_training = False
        lists.use_precomputed_table = -1  # tables for distances
    for clustering in clusterings:
        clustering.seed = seed
        clustering.min_points_per_centroid = 1


@contextmanager
def _lists_by_distance(lists: Any, gpu: bool) -> Iterator[None]:
    """Vectors go to the list with the nearest centroid meanwhile; afterwards lists are chosen by inner product.

    Inner products with centroids of unit length, faiss's own way for this metric, partition by direction alone.
    """
    faiss = import_faiss()
    by_product = faiss.downcast_index(lists.quantizer)
    if type(by_product) not in (faiss.IndexFlat, faiss.IndexFlatIP):
        yield
        return
    by_distance = faiss.IndexFlatL2(lists.d)
    on_gpu = faiss.index_cpu_to_all_gpus(faiss.IndexFlatL2(lists.d)) if gpu else None
    owned, lists.own_fields = lists.own_fields, False
    lists.quantizer, lists.clustering_index, lists.cp.spherical = by_distance, on_gpu, False
    try:
        yield
        by_product.add(by_distance.reconstruct_n(0, by_distance.ntotal))
    finally:
        lists.quantizer, lists.clustering_index, lists.own_fields = by_product, None, owned


def check_gpu() -> None:
    """See that faiss can use a GPU.

    Raises:
        ImportError: this faiss has no GPU support.
        RuntimeError: it finds no GPU.
    """
    faiss = import_faiss()
    if not hasattr(faiss, "StandardGpuResources"):
        raise ImportError(
            "gpu=True takes faiss with GPU support, and this one has none: install faiss-gpu, or gpu=False"
        )
    if not faiss.get_num_gpus():
        raise RuntimeError("gpu=True, and faiss finds no GPU on this machine: choose gpu=False")
