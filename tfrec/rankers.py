"""Ways to rank that an exported model may use, with one interface.

`OwnScores` scores every item. `Searched` asks a retrieval layer for the items whose vectors answer best to that of the
query, which leaves out most of the work of a large catalogue. Where the model's scores are no inner products the layer
searches an approximation of the model, and what it finds is scored by the model itself.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf
from tfrec.retrieval import Retrieval


class OwnScores:
    """Ranks by all of the model's own scores.

    Args:
        model: an adapted `Recommender`.
        exclude_seen: leave out what a user (or history) has had.
        limit: the largest k that is answered.
    """

    variables: tuple = ()

    def __init__(self, model: Any, *, exclude_seen: bool, limit: int | None) -> None:
        self._model, self.exclude_seen, self._limit = model, exclude_seen, limit

    def users(self, users: Tensor, k: Tensor, exclude: Tensor) -> ranking.Ranked:
        """As `ranking.rank_users`: int32 [batch], int32 [batch] and ragged int32 [batch, None] or None."""
        return ranking.rank_users(self._model, users, k, exclude, exclude_seen=self.exclude_seen, limit=self._limit)

    def histories(self, histories: Tensor, ratings: Tensor, k: Tensor, exclude: Tensor) -> ranking.Ranked:
        """As `ranking.rank_histories`: three ragged [batch, None], of which ratings and exclude may be None."""
        return ranking.rank_histories(
            self._model, histories, ratings, k, exclude, exclude_seen=self.exclude_seen, limit=self._limit
        )

    def similar(self, items: Tensor, k: Tensor) -> ranking.Ranked:
        """As `ranking.rank_similar`: int32 [batch] and int32 [batch]."""
        return ranking.rank_similar(self._model, items, k, limit=self._limit)

    def tracing(self) -> AbstractContextManager:
        """What the signatures are traced in."""
        return nullcontext()


class Searched:
    """Ranks what a retrieval layer finds; people of whom nothing is known get the popularity ranking.

    Only items with training rows are indexed. The layer's answers are exact in what they exclude and complete in their
    number (see `Retrieval.call`), and so are these.

    Args:
        model: an adapted `Recommender`.
        search_model: what gives the vectors, `model.search_model(rank)`.
        layer: a `Retrieval`; its index is made here.
        n_candidates: how many items are scored by the model itself for each row, or k, if that is more; 0: none, the
            layer's scores are the model's.
        exclude_seen: leave out what a user (or history) has had.
        limit: the largest k that is answered.
    """

    def __init__(
        self,
        model: Any,
        search_model: Any,
        layer: Retrieval,
        *,
        n_candidates: int,
        exclude_seen: bool,
        limit: int | None,
    ) -> None:
        self._model, self._search_model, self._layer = model, search_model, layer
        self._n_candidates, self.exclude_seen, self._limit = n_candidates, exclude_seen, limit
        indexed = np.flatnonzero(model.recommendable.numpy()).astype(np.int32)
        candidates = search_model.candidates().numpy()
        self._items = self._positions = None  # where every item is indexed, a position is an item
        if len(indexed) < model.n_items:
            positions = np.full(model.n_items, -1, np.int32)
            positions[indexed] = np.arange(len(indexed), dtype=np.int32)
            self._items = tf.Variable(indexed, trainable=False, name="indexed_items")
            self._positions = tf.Variable(positions, trainable=False, name="positions")
            candidates = candidates[indexed]
        layer.index(candidates)
        order = indexed[np.argsort(-model.fallback_scores().numpy()[indexed], kind="stable")]
        self._popular = tf.Variable(order, trainable=False, name="popular_items")

    @property
    def variables(self) -> tuple:
        """What a SavedModel must hold beside the model's variables: variables and modules."""
        own = (self._items, self._positions, self._popular, *self._layer.variables)
        module = self._search_model
        more = module.variables if module is not self._model else ()
        return tuple(part for part in (*own, *more) if part is not None)

    def tracing(self) -> AbstractContextManager:
        """Lets the index stand in for the model's table of the same vectors, so that they are kept once."""
        if self._search_model is not self._model or not self._layer.keeps_rows:
            return nullcontext()
        return self._model.rows_from(self._rows)

    def users(self, users: Tensor, k: Tensor, exclude: Tensor) -> ranking.Ranked:
        """As `ranking.rank_users`: int32 [batch], int32 [batch] and ragged int32 [batch, None] or None."""
        known, users = self._model.has_history(users), tf.maximum(users, 0)
        seen = self._model.seen_items(tf.where(known, users, -1)) if self.exclude_seen else None
        queries = self._search_model.query(users)
        return self._ranked(queries, known, k, _joined(seen, exclude), lambda items: self._model.rescore(users, items))

    def histories(self, histories: Tensor, ratings: Tensor, k: Tensor, exclude: Tensor) -> ranking.Ranked:
        """As `ranking.rank_histories`: three ragged [batch, None], of which ratings and exclude may be None."""
        histories, ratings = ranking.known_histories(self._model, histories, ratings)
        ratings = self._model.usable_ratings(ratings)
        known = histories.row_lengths() > 0
        seen = histories if self.exclude_seen else None
        queries = self._search_model.query_histories(histories, ratings)
        return self._ranked(
            queries,
            known,
            k,
            _joined(seen, exclude),
            lambda items: self._model.rescore_histories(histories, ratings, items),
        )

    def similar(self, items: Tensor, k: Tensor) -> ranking.Ranked:
        """As `ranking.rank_similar`: int32 [batch] and int32 [batch]."""
        known = self._model.are_recommendable(items)
        histories = tf.RaggedTensor.from_tensor(items[:, tf.newaxis])
        return self.histories(histories, None, tf.where(known, k, 0), histories)

    def _ranked(self, queries: Tensor, known: Tensor, k: Tensor, exclude: Tensor, rescore: Any) -> ranking.Ranked:
        k = tf.maximum(k, 0) if self._limit is None else tf.clip_by_value(k, 0, self._limit)
        width = tf.reduce_max(tf.concat([k, [0]], axis=0))
        queries = tf.where(known[:, tf.newaxis], queries, 0.0)  # someone without a history may have no vector
        if self._n_candidates:
            found = self._layer.call(queries, tf.maximum(k, self._n_candidates), self._indexed(exclude))
            items = self._items_at(found.item)
            items, scores = ranking.best_of(items, rescore(tf.maximum(items, 0)), width)
        else:
            found = self._layer.call(queries, k, self._indexed(exclude))
            items, scores = self._items_at(found.item), found.score
        items, scores = tf.cond(
            tf.reduce_all(known),
            lambda: (items, scores),
            lambda: self._or_popular(items, scores, known, exclude, width),
        )
        listed = tf.logical_and(items >= 0, tf.range(width)[tf.newaxis, :] < k[:, tf.newaxis])
        finite = tf.logical_and(found.finite, tf.reduce_all(tf.math.is_finite(scores)))
        return ranking.Ranked(tf.where(listed, items, -1), tf.where(listed, scores, 0.0), finite)

    def _or_popular(
        self, items: Tensor, scores: Tensor, known: Tensor, exclude: Tensor, width: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rows of which nothing is known, replaced by the most popular items that they don't exclude."""
        n_rows = tf.shape(items)[0]
        excluded, n_excluded = ranking.distinct_exclusions(exclude, n_rows, self._model.n_items)
        enough = tf.minimum(width + tf.reduce_max(tf.concat([n_excluded, [0]], axis=0)), self._popular.shape[0])
        popular = tf.tile(self._popular[tf.newaxis, :enough], [n_rows, 1])
        counted = tf.gather(self._model.fallback_scores(), popular)
        popular, counted = ranking.best_without(popular, counted, excluded, width)
        known = known[:, tf.newaxis]
        return tf.where(known, items, popular), tf.where(known, scores, counted)

    def _indexed(self, items: Tensor) -> Tensor:
        """Positions in the index of ragged items; -1 for those that aren't there."""
        if items is None or self._positions is None:
            return items
        values = tf.where(items.values >= 0, tf.gather(self._positions, tf.maximum(items.values, 0)), -1)
        return items.with_values(values)

    def _rows(self, items: Tensor) -> Tensor:
        """The vectors of items that are indexed; of others, which no answer depends on, any."""
        positions = items if self._positions is None else tf.maximum(tf.gather(self._positions, items), 0)
        return self._layer.rows(positions)

    def _items_at(self, positions: Tensor) -> Tensor:
        """Items at positions in the index; -1 stays -1."""
        if self._items is None:
            return positions
        return tf.where(positions >= 0, tf.gather(self._items, tf.maximum(positions, 0)), -1)


def _joined(*lists: Tensor) -> Tensor:
    """Ragged int32 [batch, None] of all the lists that are not None; None if all are."""
    given = [rows for rows in lists if rows is not None]
    return tf.concat(given, axis=1) if given else None
