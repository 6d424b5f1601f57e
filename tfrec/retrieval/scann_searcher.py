"""A trained ScaNN searcher as TensorFlow variables, and one handle on it for all that ask."""

import hashlib
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfrec import op_libraries
from tfrec._tf import Tensor, tf


@dataclass(frozen=True)
class Plan:
    """What a searcher is made with.

    Attributes:
        n_leaves: how many parts the candidates are partitioned into; 1 is no partition, 0 is brute force.
        n_leaves_to_search: how many parts are searched for a query.
        n_reordering_candidates: how many of the best by approximate score are scored again, exactly.
        dimensions_per_block: dimensions that share a code of four bits.
        training_iterations: of the k-means that partitions.
    """

    n_leaves: int
    n_leaves_to_search: int
    n_reordering_candidates: int
    dimensions_per_block: int
    training_iterations: int


class Searcher(tf.Module):
    """ScaNN's searcher, kept as what it serialises to: the vectors, their codes, the partition and the codebook.

    ScaNN's op makes an index in memory from these tensors once, and finds it again by its shared name. Without a name
    each signature that searches would make one of its own; here the name is a digest of the content, so that all
    signatures share one, and no other searcher's.

    Args:
        candidates: float32 [n, dimension].
        plan: what to make.

    Raises:
        ImportError: scann is not installed.
    """

    def __init__(self, candidates: np.ndarray, plan: Plan) -> None:
        super().__init__()
        op_libraries.load(["scann"])
        tensors = _serialised(candidates, plan)
        self._shared_name = f"scann-{_digest(tensors)}"
        self._tensors = [_Kept(tensor) for tensor in tensors]
        # TensorFlow itself would keep the index in memory until the process ends.
        weakref.finalize(self, _destroy, self._handle()).atexit = False

    def take(self, positions: Tensor) -> Tensor:
        """The vectors: int32 [...] → float32 [..., dimension]."""
        return tf.gather(self._tensors[-1].value(), positions)

    def search(self, queries: Tensor, k: Tensor, candidates: Tensor, leaves: int) -> tuple[Tensor, Tensor]:
        """ScaNN's own answers, the best first.

        Args:
            queries: finite float32 [batch, dimension], at least one.
            k: int32 [], at least 1.
            candidates: int32 [], how many are scored exactly, at least k.
            leaves: how many leaves are searched; -1 without a partition.

        Returns:
            int32 and float32, both [batch, width] with width at most k; after the last answer of a row NaN scores.
        """
        from scann.scann_ops.py import scann_ops

        parallel = tf.shape(queries)[0] > 1
        return scann_ops.scann_search_batched(self._handle(), queries, k, candidates, leaves, parallel)

    def _handle(self) -> Tensor:
        """The index in memory, which whoever asks first in a process (or session) makes."""
        from scann.scann_ops.py import scann_ops

        *others, vectors = [tensor.value() for tensor in self._tensors]
        return scann_ops.tensors_to_scann(vectors, *others, shared_name=self._shared_name)


class _Kept(tf.Module):
    """A tensor in a variable, or in none where ScaNN says by a scalar that there is nothing."""

    def __init__(self, tensor: Tensor) -> None:
        super().__init__()
        self._dtype = tensor.dtype
        with tf.device("CPU"):  # where ScaNN's ops are
            self._variable = tf.Variable(tensor, trainable=False) if tensor.shape.rank else None

    def value(self) -> Tensor:
        return tf.zeros([], self._dtype) if self._variable is None else self._variable.read_value()


def _serialised(candidates: np.ndarray, plan: Plan) -> list[Tensor]:
    """Train a searcher and take it to pieces, which ScaNN's op gives in a fixed order, the vectors last."""
    from scann.scann_ops.py import scann_ops

    builder = scann_ops.builder(candidates, 1, "dot_product")
    if plan.n_leaves > 1:
        # Centres that start at random candidates differ from run to run; those of k-means++ don't.
        builder = builder.tree(
            plan.n_leaves, plan.n_leaves_to_search, training_iterations=plan.training_iterations, random_init=False
        )
    if plan.n_leaves:
        builder = builder.score_ah(plan.dimensions_per_block).reorder(plan.n_reordering_candidates)
    else:
        builder = builder.score_brute_force()
    handle = builder.build().searcher_handle
    try:
        return list(scann_ops.scann_to_tensors(handle))
    finally:
        tf.raw_ops.DestroyResourceOp(resource=handle)


def _digest(tensors: list[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        if tensor.shape.rank:
            content: Any = tensor.numpy()
            digest.update(content[0] if tensor.dtype == tf.string else content)
    return digest.hexdigest()


def _destroy(handle: Tensor) -> None:
    with tf.init_scope():
        tf.raw_ops.DestroyResourceOp(resource=handle)
