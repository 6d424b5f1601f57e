"""Approximate retrieval by an index of faiss, compiled into stock TensorFlow ops."""

import math
import re
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.faiss_index import FaissIndex
from tfrec.retrieval.faiss_lists import InvertedLists
from tfrec.retrieval.faiss_reading import COMPILED, read

# Below, scoring all candidates takes no longer than choosing among lists.
_FLAT_BELOW = 100_000
_FACTORY = re.compile(r"Flat|IVF[1-9]\d*,(Flat|PQ[1-9]\d*(x8)?(np)?|SQ8|SQfp16)")


class Faiss(Retrieval):
    """The best candidates by inner product, found by an index of faiss.

    faiss trains and builds the index; its lists and codes are then searched by stock TensorFlow ops, which answer what
    faiss would. So a graph with this layer needs no faiss, and any model server loads it. Candidates are partitioned
    into lists; for a query those lists are searched whose centroids have the largest products with it, so that some of
    the best candidates may be overlooked. With "Flat" and "IVF…,Flat" the scores are exact; with PQ and SQ they are of
    vectors that are decoded from codes.

    Sources: Douze et al., The Faiss library, arXiv:2401.08281, 2024; Jégou, Douze & Schmid, Product Quantization for
    Nearest Neighbor Search, TPAMI 2011.

    Args:
        factory: faiss's factory string: "Flat" (all candidates are scored), "IVF1024,Flat" (1,024 lists of vectors),
            "IVF1024,PQ16" (16 bytes a vector), "IVF1024,SQ8" (a byte a dimension) or "IVF1024,SQfp16" (two bytes).
            None: "Flat" below 100,000 candidates, else "IVF…,Flat" with 4√n lists.
        n_probes: how many lists are searched for a query: more find more of the best. None: a 32nd, and at least 8; an
            export doubles that until the recall it asks for is reached. Not heeded where "Flat" is chosen.
        seed: of the training.
        name: Keras's name of the layer.

    Raises:
        TypeError, ValueError: an argument doesn't fit.
    """

    def __init__(
        self, *, factory: str | None = None, n_probes: int | None = None, seed: int = 0, name: str = "faiss"
    ) -> None:
        super().__init__(name=name)
        if factory is not None and not (isinstance(factory, str) and _FACTORY.fullmatch(factory)):
            raise ValueError(
                f"factory must be of an index that can be compiled into TensorFlow: {COMPILED}; got {factory!r}. Any "
                "other serves in Python, by FaissIndex"
            )
        self.factory = factory
        self.n_probes = None if n_probes is None else check_integer("n_probes", n_probes, minimum=1)
        self.seed = check_integer("seed", seed, minimum=0)
        if factory == "Flat" and n_probes is not None:
            raise ValueError('n_probes is for an index with inverted lists (IVF…), which "Flat" has not')
        self._parts: Any = None
        self._described, self._dimension = "", 0
        self._probe: Any = None
        self._search_all: Any = None

    @classmethod
    def from_index(cls, index: Any, *, name: str = "faiss") -> Self:
        """A layer that answers what an index answers, with the probes that are set in it.

        Args:
            index: a built `FaissIndex`, or an index of faiss itself.
            name: Keras's name of the layer.

        Raises:
            TypeError: it is neither.
            ValueError: it is of a kind that can't be compiled, or empty.
        """
        index = FaissIndex.of(index.index if isinstance(index, FaissIndex) else index)
        layer = cls(name=name)
        layer._compile(index)
        layer.n_candidates, layer.dimension = index.index.ntotal, index.index.d
        return layer

    def build_index(self, candidates: np.ndarray) -> None:
        """Train and build the index by faiss, and compile it.

        Raises:
            ImportError: faiss is not installed.
            ValueError: there are fewer candidates than lists or than codewords, or PQ's parts don't divide the
                dimensions.
        """
        n = len(candidates)
        factory = self.factory or ("Flat" if n < _FLAT_BELOW else f"IVF{round(4 * math.sqrt(n))},Flat")
        n_probes = None if factory == "Flat" else self.n_probes
        self._compile(FaissIndex(factory=factory, n_probes=n_probes, seed=self.seed).build(candidates))

    def _compile(self, index: FaissIndex) -> None:
        self._parts, self._described, self._dimension = read(index.index), index.factory, index.index.d
        self._search_all = self._function(self._parts.score_all)
        has_lists = isinstance(self._parts, InvertedLists)
        self._probe = self._function(self._parts.probe) if has_lists else self._search_all

    def _function(self, search: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Any:
        """A function of its own: the graph of a signature calls it, and doesn't repeat it."""
        specs = [tf.TensorSpec([None, self._dimension], tf.float32), tf.TensorSpec([], tf.int32)]
        return tf.function(search, input_signature=specs, autograph=False)

    def widen(self) -> bool:
        """Probe twice as many lists, unless `n_probes` was given or all are probed; returns whether it does."""
        parts = self._parts
        if self.n_probes is not None or not isinstance(parts, InvertedLists):
            return False
        n_lists = int(parts.centroids.shape[0])
        if parts.n_probes >= n_lists:
            return False
        parts.n_probes = min(2 * parts.n_probes, n_lists)
        self._probe = self._function(parts.probe)
        return True

    def search(self, queries: Tensor, k: Tensor, *, thorough: bool) -> tuple[Tensor, Tensor]:
        """The best candidates of the lists that are probed, or of all; see `Retrieval.search`."""
        k = tf.convert_to_tensor(k, tf.int32)
        return self._search_all(queries, k) if thorough else self._probe(queries, k)

    def rows(self, positions: Tensor) -> Tensor:
        """The candidates as the index keeps them: int32 [...] → float32 [..., dimension].

        With PQ and SQ they are the index's approximations, decoded from their codes.
        """
        return self._parts.rows(positions)

    @property
    def keeps_rows(self) -> bool:
        """Whether `rows` may stand in for the vectors that were indexed: not those of PQ, whose codes are coarse."""
        return "PQ" not in (self._described or self.factory or "")

    @property
    def is_exact(self) -> bool:
        """Whether every candidate is scored by its own vector: "Flat"."""
        return self._described == "Flat"

    def settings(self) -> dict:
        """The factory string and the seed; with inverted lists, how many they are and how many are probed."""
        settings = {"factory": self._described, "seed": self.seed}
        if isinstance(self._parts, InvertedLists):
            settings |= {"n_lists": self._parts.centroids.shape[0], "n_probes": self._parts.n_probes}
        return settings
