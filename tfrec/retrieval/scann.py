"""Approximate retrieval by ScaNN: partition, quantise, and score the best again."""

import math
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.scann_searcher import Plan, Searcher

# What ScaNN's own documentation advises by the size of the catalogue.
_BRUTE_FORCE_BELOW = 20_000
_NO_PARTITION_BELOW = 100_000
# Codes of four bits are learned from at least as many vectors.
_CODES = 16


class ScaNN(Retrieval):
    """The best candidates by inner product, found by ScaNN.

    The candidates are partitioned; for a query the most promising leaves are searched; there candidates are scored by
    quantised vectors, and the best of them again by the vectors themselves. The scores of the answers are exact, and
    some of the best candidates may be overlooked. Small catalogues are searched by brute force. The same candidates
    give the same index in every run. (ScaNN ranks the leaves of many queries at once in a coarser way than those of a
    few: where two leaves are nearly as promising, the batch that a query is in may decide which of them is searched.)

    It takes the package scann, which is made for Linux on x86-64, wherever its graphs are loaded: a model server needs
    ScaNN's ops built in.

    Source: Guo et al., Accelerating Large-Scale Inference with Anisotropic Vector Quantization, ICML 2020.

    Args:
        n_leaves: how many parts the candidates are partitioned into; 1 for no partition. None: about √n of 100,000
            candidates and more, 1 below; and below 20,000 brute force.
        n_leaves_to_search: how many parts are searched for a query. None: a quarter of them.
        n_reordering_candidates: how many candidates are scored again by their vectors. None: 2,000. Never
            fewer than twice what is asked for.
        dimensions_per_block: dimensions that share a code of four bits. More make a smaller, faster, less accurate
            index.
        training_iterations: of the k-means that partitions.
        name: Keras's name of the layer.

    Raises:
        TypeError, ValueError: an argument doesn't fit.
    """

    requires_ops: ClassVar[tuple[str, ...]] = ("scann",)
    op_namespaces: ClassVar[tuple[str, ...]] = ("Scann",)

    def __init__(
        self,
        *,
        n_leaves: int | None = None,
        n_leaves_to_search: int | None = None,
        n_reordering_candidates: int | None = None,
        dimensions_per_block: int = 2,
        training_iterations: int = 12,
        name: str = "scann",
    ) -> None:
        super().__init__(name=name)
        self.n_leaves = _check_optional("n_leaves", n_leaves)
        self.n_leaves_to_search = _check_optional("n_leaves_to_search", n_leaves_to_search)
        self.n_reordering_candidates = _check_optional("n_reordering_candidates", n_reordering_candidates)
        self.dimensions_per_block = check_integer("dimensions_per_block", dimensions_per_block, minimum=1)
        self.training_iterations = check_integer("training_iterations", training_iterations, minimum=1)
        if n_leaves is not None and n_leaves_to_search is not None and n_leaves_to_search > n_leaves:
            raise ValueError(f"n_leaves_to_search is at most n_leaves, {n_leaves}; got {n_leaves_to_search}")
        self._plan: Any = None
        self._searcher: Any = None

    def build_index(self, candidates: np.ndarray) -> None:
        """Train the partition and the codes.

        Raises:
            ImportError: scann is not installed.
            ValueError: there are fewer candidates than `n_leaves`, or the squares of their numbers overflow.
        """
        with np.errstate(over="ignore"):
            if not np.isfinite(np.einsum("nd,nd->n", candidates, candidates)).all():
                raise ValueError(
                    "ScaNN takes candidates whose squared length is a finite float32, below 3.4e38; some are longer: "
                    "divide all of them by one number, which doesn't change the ranking"
                )
        plan = self._plan_for(*candidates.shape)
        self._searcher, self._plan = Searcher(candidates, plan), plan

    def search(self, queries: Tensor, k: Tensor, *, thorough: bool) -> tuple[Tensor, Tensor]:
        """The best candidates of the leaves that are searched; `thorough` searches all. See `Retrieval.search`."""
        n_queries, plan = tf.shape(queries)[0], self._plan
        # ScaNN refuses an empty batch, a k of 0 and numbers that are not finite, each with an error of its own kind.
        padded = tf.pad(queries, [[0, tf.cast(n_queries == 0, tf.int32)], [0, 0]])
        padded = tf.where(tf.math.is_finite(padded), padded, 0.0)
        wanted = tf.maximum(k, 1)
        leaves = plan.n_leaves if thorough else plan.n_leaves_to_search
        found, scores = self._searcher.search(
            padded, wanted, tf.maximum(plan.n_reordering_candidates, 2 * wanted), leaves if plan.n_leaves > 1 else -1
        )
        missing = [[0, 0], [0, tf.maximum(k - tf.shape(found)[1], 0)]]
        found = tf.pad(found, missing, constant_values=-1)[:n_queries, :k]
        scores = tf.pad(scores, missing, constant_values=float("nan"))[:n_queries, :k]
        is_answer = tf.logical_not(tf.math.is_nan(scores))
        return tf.where(is_answer, found, -1), tf.where(is_answer, scores, float("-inf"))

    def rows(self, positions: Tensor) -> Tensor:
        """The candidates, as they were given: int32 [...] → float32 [..., dimension]."""
        return self._searcher.take(positions)

    def settings(self) -> dict:
        """What the index was made with; nothing before there is one."""
        return {} if self._plan is None else asdict(self._plan)

    @property
    def is_exact(self) -> bool:
        """Whether candidates are searched by brute force."""
        return self._plan is not None and self._plan.n_leaves == 0

    def _plan_for(self, n: int, dimension: int) -> Plan:
        """What to make of n candidates: the choices that were left, by the size of the catalogue."""
        chosen_by_hand = self.n_leaves is not None or self.n_leaves_to_search is not None
        if self.n_leaves is not None and self.n_leaves > n:
            raise ValueError(f"n_leaves is at most the number of candidates, {n}; got {self.n_leaves}")
        if n < _CODES or (n < _BRUTE_FORCE_BELOW and not chosen_by_hand):
            n_leaves, searched = 0, 0
        else:
            n_leaves = self.n_leaves or (1 if n < _NO_PARTITION_BELOW else round(math.sqrt(n)))
            searched = min(self.n_leaves_to_search or math.ceil(n_leaves / 4), n_leaves)
        return Plan(
            n_leaves=n_leaves,
            n_leaves_to_search=searched,
            n_reordering_candidates=self.n_reordering_candidates or 2000,
            dimensions_per_block=min(self.dimensions_per_block, dimension),
            training_iterations=self.training_iterations,
        )


def _check_optional(name: str, value: int | None) -> int | None:
    return None if value is None else check_integer(name, value, minimum=1)
