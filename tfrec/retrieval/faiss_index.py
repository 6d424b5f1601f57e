"""An index of faiss for use in Python: build, search, save, load."""

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from tfrec.checks import check_flag, check_integer
from tfrec.retrieval.base import check_candidates

# Threads of OpenMP wait for one another by spinning. Beside TensorFlow's own threads that costs more than they give,
# unless there is a lot to do.
_MANY_VECTORS = 100_000
_MANY_QUERIES = 64
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
def _one_thread(faiss: Any, wanted: bool) -> Iterator[None]:
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


class FaissIndex:
    """The best vectors by inner product, found by faiss.

    For use in Python, offline or on a GPU; for a SavedModel see `Faiss`, which compiles such an index. The same vectors
    and seed give the same index, but for HNSW of 100,000 vectors and more, which several threads build.

    Source: Douze et al., The Faiss library, arXiv:2401.08281, 2024.

    Args:
        factory: what faiss's `index_factory` makes: "Flat" (exact), "IVF1024,Flat", "IVF1024,PQ16", "IVF1024,SQ8",
            "HNSW32", ….
        n_probes: how many inverted lists are searched for a query. None: `default_probes`.
        gpu: train and search on a GPU; it takes faiss with GPU support.
        seed: of the training.

    Raises:
        TypeError, ValueError: an argument doesn't fit.

    Attributes:
        index: the faiss index, for what this class doesn't offer; None before `build`.
    """

    def __init__(self, factory: str = "Flat", n_probes: int | None = None, gpu: bool = False, seed: int = 0) -> None:
        if not isinstance(factory, str) or not factory:
            raise ValueError(
                f'factory must be one of faiss\'s factory strings, such as "IVF1024,Flat"; got {factory!r}'
            )
        self.factory = factory
        self.n_probes = None if n_probes is None else check_integer("n_probes", n_probes, minimum=1)
        self.gpu = check_flag("gpu", gpu)
        self.seed = check_integer("seed", seed, minimum=0)
        self.index: Any = None

    def build(self, vectors: np.ndarray) -> Self:
        """Train the index on vectors, float [n, dimension], and add them; returns the index.

        Raises:
            ImportError: faiss is not installed, or has no GPU support where it is asked for.
            RuntimeError: no GPU is there where one is asked for.
            ValueError: the vectors are no matrix of finite numbers, too few for the index, or of a dimension that it
                can't divide; or faiss doesn't know the factory string.
        """
        faiss = import_faiss()
        vectors = np.ascontiguousarray(check_candidates(vectors))
        index = _make(faiss, self.factory, vectors.shape[1])
        _check_enough(index, len(vectors), self.factory)
        _prepare(index, self.seed % _SEEDS)
        self._set_probes(index)
        if self.gpu:
            index = _to_gpu(faiss, index)
        with _one_thread(faiss, len(vectors) < _MANY_VECTORS):
            index.train(vectors)
            index.add(vectors)
        self.index = index
        return self

    def _set_probes(self, index: Any) -> None:
        lists = inverted_file(index)
        if lists is None:
            if self.n_probes is not None:
                raise ValueError(f"n_probes is for an index with inverted lists (IVF…), which {self.factory!r} has not")
            return
        probes = default_probes(lists.nlist) if self.n_probes is None else self.n_probes
        if probes > lists.nlist:
            raise ValueError(f"n_probes is at most the number of lists, {lists.nlist}; got {probes}")
        lists.nprobe = probes

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The best vectors of each query that the index finds.

        Args:
            queries: float [batch, dimension].
            k: how many.

        Returns:
            Positions of vectors, int64 [batch, k], -1 where a row has no further one; and their scores, float32
            [batch, k], descending, -inf there.

        Raises:
            ValueError: there is no index yet, or the queries are no matrix of finite numbers of its dimension.
        """
        if self.index is None:
            raise ValueError("the index has no vectors yet: call build(vectors) first")
        k = check_integer("k", k, minimum=1)
        queries = np.ascontiguousarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.index.d:
            raise ValueError(f"queries must be [batch, {self.index.d}], as the vectors are; got shape {queries.shape}")
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite numbers; got NaN or an infinity among them")
        with _one_thread(import_faiss(), len(queries) < _MANY_QUERIES):
            scores, positions = self.index.search(queries, k)
        return positions, np.where(positions >= 0, scores, np.float32("-inf"))

    def save(self, path: str | os.PathLike) -> None:
        """Write a file that faiss reads too; it appears whole, in the place of an earlier one.

        Raises:
            ValueError: there is no index yet.
        """
        if self.index is None:
            raise ValueError("there is no index to save yet: call build(vectors) first")
        faiss, path = import_faiss(), Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
        try:
            faiss.write_index(faiss.index_gpu_to_cpu(self.index) if self.gpu else self.index, str(aside))
            os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """An index that was saved, here or by faiss itself; on the CPU, with the probes that it was saved with.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no faiss index, or one whose metric isn't the inner product.
        """
        faiss = import_faiss()
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no index file {path}")
        try:
            index = faiss.read_index(str(path))
        except Exception as error:
            raise ValueError(f"{path} is not an index that faiss {faiss.__version__} can read: {error}") from error
        return cls.of(index)

    @classmethod
    def of(cls, index: Any) -> Self:
        """An index that faiss has made, with the probes that are set in it.

        Raises:
            TypeError: it is no faiss index.
            ValueError: its metric isn't the inner product.
        """
        faiss = import_faiss()
        if not isinstance(index, faiss.Index):
            raise TypeError(f"expected an index of faiss; got a {type(index).__name__}")
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(
                "the index must rank by inner product (faiss.METRIC_INNER_PRODUCT, 0); it has metric "
                f"{index.metric_type}: build it again with that metric"
            )
        lists = inverted_file(index)
        made = cls(factory=describe(index), n_probes=None if lists is None else min(lists.nprobe, lists.nlist))
        made.index = index
        return made


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


def _make(faiss: Any, factory: str, dimension: int) -> Any:
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


def _check_enough(index: Any, n_vectors: int, factory: str) -> None:
    """Training needs a vector for each list and for each codeword."""
    lists = inverted_file(index)
    needed = 1 if lists is None else lists.nlist
    quantiser = getattr(lists, "pq", None)
    if quantiser is not None:
        needed = max(needed, 2**quantiser.nbits)
    if n_vectors < needed:
        raise ValueError(
            f"{factory!r} takes at least {needed} vectors to train on; got {n_vectors}: choose a smaller one"
        )


def _prepare(index: Any, seed: int) -> None:
    """Seeds; and no advice on how many vectors to train on, which is of no use to who has no more."""
    lists = inverted_file(index)
    if lists is None:
        return
    clusterings = [lists.cp]
    if hasattr(lists, "pq"):
        clusterings.append(lists.pq.cp)
        # It orders codewords for a filter that no search here uses, and takes longer than all other training.
        lists.do_polysemous_training = False
    for clustering in clusterings:
        clustering.seed = seed
        clustering.min_points_per_centroid = 1


def _to_gpu(faiss: Any, index: Any) -> Any:
    if not hasattr(faiss, "StandardGpuResources"):
        raise ImportError(
            "gpu=True takes faiss with GPU support, and this one has none: install faiss-gpu, or gpu=False"
        )
    if not faiss.get_num_gpus():
        raise RuntimeError("gpu=True, and faiss finds no GPU on this machine: choose gpu=False")
    return faiss.index_cpu_to_all_gpus(index)
