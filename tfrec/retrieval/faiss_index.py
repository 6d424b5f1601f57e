"""An index of faiss for use in Python: build, search, save, load."""

import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from tfrec import files
from tfrec.checks import check_flag, check_integer
from tfrec.retrieval import faiss_building as building
from tfrec.retrieval.base import check_candidates

# From here on several threads are worth their waiting for one another.
_MANY_QUERIES = 64


class FaissIndex:
    """The best vectors by inner product, found by faiss.

    For use in Python, offline or on a GPU; for a SavedModel see `Faiss`, which compiles such an index. The same vectors
    and seed give the same index, but for HNSW of 100,000 vectors and more, which several threads build.

    The lists of IVF are those of k-means by distance, and are probed by inner product. (The k-means that faiss has for
    inner products looks at directions alone; where vectors differ in length, as those of ALS do, it takes ten times as
    many vectors to find as much.)

    Source: Douze et al., The Faiss library, arXiv:2401.08281, 2024.

    Args:
        factory: what faiss's `index_factory` makes: "Flat" (exact), "IVF1024,Flat", "IVF1024,PQ16", "IVF1024,SQ8",
            "HNSW32", ….
        n_probes: how many inverted lists are searched for a query. None: a 32nd, and at least 8.
        gpu: cluster and search on a GPU; it takes faiss with GPU support.
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
        vectors = np.ascontiguousarray(check_candidates(vectors))
        if self.gpu:
            building.check_gpu()
        index = building.make(self.factory, vectors.shape[1])
        self._set_probes(index)
        building.fill(index, vectors, factory=self.factory, gpu=self.gpu, seed=self.seed)
        self.index = building.import_faiss().index_cpu_to_all_gpus(index) if self.gpu else index
        return self

    def _set_probes(self, index: Any) -> None:
        lists = building.inverted_file(index)
        if lists is None:
            if self.n_probes is not None:
                raise ValueError(f"n_probes is for an index with inverted lists (IVF…), which {self.factory!r} has not")
            return
        probes = building.default_probes(lists.nlist) if self.n_probes is None else self.n_probes
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
        with building.one_thread(len(queries) < _MANY_QUERIES):
            scores, positions = self.index.search(queries, k)
        return positions, np.where(positions >= 0, scores, np.float32("-inf"))

    def save(self, path: str | os.PathLike) -> None:
        """Write a file that faiss reads too; it appears whole, in the place of an earlier one.

        Raises:
            ValueError: there is no index yet.
        """
        if self.index is None:
            raise ValueError("there is no index to save yet: call build(vectors) first")
        faiss, path = building.import_faiss(), Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.new_file(path) as aside:
            faiss.write_index(faiss.index_gpu_to_cpu(self.index) if self.gpu else self.index, str(aside))

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """An index that was saved, here or by faiss itself; on the CPU, with the probes that it was saved with.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no faiss index, or one whose metric isn't the inner product.
        """
        faiss = building.import_faiss()
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
        faiss = building.import_faiss()
        if not isinstance(index, faiss.Index):
            raise TypeError(f"expected an index of faiss; got a {type(index).__name__}")
        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(
                "the index must rank by inner product (faiss.METRIC_INNER_PRODUCT, 0); it has metric "
                f"{index.metric_type}: build it again with that metric"
            )
        lists = building.inverted_file(index)
        made = cls(factory=building.describe(index), n_probes=None if lists is None else min(lists.nprobe, lists.nlist))
        made.index = index
        return made
