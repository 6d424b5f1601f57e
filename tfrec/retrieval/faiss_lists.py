"""Search of vectors, all of them or in inverted lists, in stock TensorFlow ops."""

from typing import Any

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.retrieval.faiss_codes import Codes

# Numbers in a block of scores, where all candidates are scored: a quarter of a gigabyte.
_SCORES = 2**26
# Queries of a batch whose lists are searched at the same time.
_AT_ONCE = 8

_Found = tuple[Tensor, Tensor]


class AllVectors(tf.Module):
    """Vectors of which every one is scored.

    Args:
        codes: how they are kept.
    """

    def __init__(self, codes: Codes) -> None:
        super().__init__()
        self.codes = codes
        self.n_candidates = codes.kept.shape[0]

    def decoded(self, places: Tensor | None) -> Tensor:
        """The vectors at some places, int32 [...] → float32 [..., dimension]; None: all of them."""
        kept = linalg.whole(self.codes.kept)
        return self.codes.decode(kept if places is None else tf.gather(kept, places))

    def rows(self, positions: Tensor) -> Tensor:
        """The vectors of candidates, int32 [...] → float32 [..., dimension]."""
        return self.decoded(positions)

    def positions_of(self, places: Tensor) -> Tensor:
        """Which candidates stand at places; int32 of any shape."""
        return places

    def score_all(self, queries: Tensor, k: Tensor) -> _Found:
        """The best of all candidates; see `Retrieval.search`."""
        n_queries, vectors = tf.shape(queries)[0], self.decoded(None)
        at_once = tf.clip_by_value(n_queries, 1, max(1, _SCORES // self.n_candidates))
        n_blocks = tf.maximum(-(-n_queries // at_once), 1)  # a loop over nothing doesn't know what it makes
        padded = tf.pad(queries, [[0, n_blocks * at_once - n_queries], [0, 0]])

        def block(some: Tensor) -> _Found:
            scores, places = tf.math.top_k(tf.matmul(some, vectors, transpose_b=True), k)
            return self.positions_of(places), scores

        found = tf.map_fn(
            block,
            tf.reshape(padded, tf.stack([n_blocks, at_once, queries.shape[1]])),
            fn_output_signature=_specs([None, None]),
            parallel_iterations=1,
        )
        positions, scores = (tf.reshape(part, tf.stack([n_blocks * at_once, k]))[:n_queries] for part in found)
        return positions, scores


class InvertedLists(AllVectors):
    """Vectors in lists, of which those are searched whose centroids have the largest products with the query.

    The lists lie one after another; a candidate's place is where it stands there.

    Args:
        codes: how the vectors are kept, in the order of places.
        positions: the candidate at each place, int32 [n].
        sizes: of the lists, int32 [n_lists].
        centroids: float32 [n_lists, dimension].
        residual: whether codes are of a vector's difference from the centroid of its list.
        n_probes: how many lists are searched for a query.
    """

    def __init__(
        self,
        codes: Codes,
        positions: np.ndarray,
        sizes: np.ndarray,
        centroids: np.ndarray,
        *,
        residual: bool,
        n_probes: int,
    ) -> None:
        super().__init__(codes)
        self.residual, self.n_probes = residual, n_probes
        self.centroids = tf.Variable(centroids, trainable=False, name="centroids")
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self.bounds = tf.Variable(bounds, trainable=False, name="bounds")
        self.positions = tf.Variable(positions, trainable=False, name="positions")
        places = np.empty_like(positions)
        places[positions] = np.arange(len(positions), dtype=positions.dtype)
        self.places = tf.Variable(places, trainable=False, name="places")

    def decoded(self, places: Tensor | None) -> Tensor:
        """The vectors at some places, int32 [...] → float32 [..., dimension]; None: all of them."""
        vectors = super().decoded(places)
        if not self.residual:
            return vectors
        places = tf.range(self.n_candidates) if places is None else places
        lists = tf.searchsorted(linalg.whole(self.bounds)[1:], tf.reshape(places, [-1]), side="right")
        return vectors + linalg.rows_of(self.centroids, tf.reshape(lists, tf.shape(places)))

    def rows(self, positions: Tensor) -> Tensor:
        """The vectors of candidates, int32 [...] → float32 [..., dimension]."""
        return self.decoded(linalg.rows_of(self.places, positions))

    def positions_of(self, places: Tensor) -> Tensor:
        """Which candidates stand at places; int32 of any shape."""
        return linalg.rows_of(self.positions, places)

    def probe(self, queries: Tensor, k: Tensor) -> _Found:
        """The best candidates of the lists that are searched; see `Retrieval.search`."""
        n_queries = tf.shape(queries)[0]
        queries = tf.pad(queries, [[0, tf.maximum(1 - n_queries, 0)], [0, 0]])  # a loop needs one at least
        nearness = tf.matmul(queries, linalg.whole(self.centroids), transpose_b=True)
        nearness, lists = tf.math.top_k(nearness, self.n_probes, sorted=False)

        def one(query: Tensor, own: Tensor, near: Tensor) -> _Found:
            return self._in_lists(query, own, near, k)

        def alone() -> _Found:
            positions, scores = one(queries[0], lists[0], nearness[0])
            return positions[tf.newaxis], scores[tf.newaxis]

        def together() -> _Found:
            return tf.map_fn(
                lambda row: one(*row),
                (queries, lists, nearness),
                fn_output_signature=_specs([None]),
                parallel_iterations=_AT_ONCE,
            )

        # A loop over a single query would take a fifth of its time.
        positions, scores = tf.cond(n_queries <= 1, alone, together)
        return positions[:n_queries], scores[:n_queries]

    def _in_lists(self, query: Tensor, lists: Tensor, nearness: Tensor, k: Tensor) -> _Found:
        """The best candidates of one query's lists: int32 [k] and float32 [k]."""
        starts, ends = linalg.rows_of(self.bounds, lists), linalg.rows_of(self.bounds, lists + 1)
        places = tf.ragged.range(starts, ends).flat_values
        scores = self.codes.products(linalg.rows_of(self.codes.kept, places), query)
        if self.residual:
            scores += tf.repeat(nearness, ends - starts)
        n_found = tf.minimum(k, tf.size(scores))
        scores, best = tf.math.top_k(scores, n_found)
        positions = self.positions_of(tf.gather(places, best))
        missing = [[0, k - n_found]]
        return tf.pad(positions, missing, constant_values=-1), tf.pad(scores, missing, constant_values=float("-inf"))


def _specs(shape: list[int | None]) -> Any:
    return tf.TensorSpec(shape, tf.int32), tf.TensorSpec(shape, tf.float32)
