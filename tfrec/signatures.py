"""The signatures of an exported model: what a server answers, from raw ids to raw ids."""

from typing import Any

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf

_IDS = tf.TensorSpec([None], tf.string)
_ID_LISTS = tf.TensorSpec([None, None], tf.string)
_COUNTS = tf.TensorSpec([None], tf.int32)
_RATING_LISTS = tf.TensorSpec([None, None], tf.float32)


class Ids(tf.Module):
    """Raw ids ↔ indices, in a table and a variable."""

    def __init__(self, ids: np.ndarray) -> None:
        super().__init__()
        raw = tf.constant(ids.tolist(), tf.string)
        # A table that is filled from a file would break ids at line breaks; one filled from a constant would put them
        # into the graph. This one keeps its content among the SavedModel's variables.
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int32, default_value=-1)
        self.table.insert(raw, tf.range(len(ids)))
        self.raw = tf.Variable(raw, trainable=False)

    def encode(self, ids: Tensor) -> Tensor:
        """Indices of raw ids, of any shape; -1 for unknown ones and for the padding ""."""
        return tf.ensure_shape(self.table.lookup(ids), ids.shape)

    def encode_lists(self, ids: Tensor) -> Tensor:
        """Ragged indices [batch, None] of padded lists [batch, width]."""
        return tf.RaggedTensor.from_tensor(self.encode(ids))

    def decode(self, indices: Tensor) -> Tensor:
        """Raw ids of indices, of any shape; "" where an index is negative."""
        return tf.where(indices >= 0, tf.gather(self.raw, tf.maximum(indices, 0)), "")


class Served(tf.Module):
    """What a SavedModel holds: tables, the variables that its graphs read, and the signatures.

    Args:
        model: the fitted model.
        ranker: `OwnScores` or `Searched`, of the model.
        k: how many items the default signature answers.
        users: with the signatures that need the users.

    Attributes:
        traced: the signatures by name, concrete functions.
    """

    def __init__(self, model: Any, ranker: Any, *, k: int, users: bool) -> None:
        super().__init__()
        self._hidden = _Hidden(model, ranker)
        self._k = k
        self.items = Ids(model.item_ids)
        self.users: Any = Ids(model.user_ids) if users else None
        with ranker.tracing():
            self.traced = self._trace_all()
        # The graphs read these; whatever else the model has (an optimizer, users that are left out) stays behind.
        captured = [variable for function in self.traced.values() for variable in function.graph.variables]
        self.captured = list({id(variable): variable for variable in (*captured, *ranker.variables)}.values())

    def _trace_all(self) -> dict:
        inputs = {
            "recommend_from_history": {"history": _ID_LISTS, "k": _COUNTS, "exclude": _ID_LISTS},
            "similar_items": {"item_id": _IDS, "k": _COUNTS},
        }
        if getattr(self._hidden.model, "predicts_ratings", False):
            inputs["rate_from_history"] = inputs["recommend_from_history"] | {"rating": _RATING_LISTS}
        if self.users is not None:
            inputs |= {
                "serving_default": {"user_id": _IDS},
                "recommend": {"user_id": _IDS, "k": _COUNTS, "exclude": _ID_LISTS},
                "score": {"user_id": _IDS, "item_id": _IDS},
            }
        return {name: self._trace(name, specs) for name, specs in inputs.items()}

    def _trace(self, signature: str, specs: dict) -> Tensor:
        named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]
        return tf.function(getattr(self, signature), input_signature=named, autograph=False).get_concrete_function()

    def _ranked(self, ranked: ranking.Ranked) -> dict:
        return {"item_id": self.items.decode(ranked.item), "score": ranked.score}

    def serving_default(self, user_id: Tensor) -> dict:
        """The best items for users, as many as the export says."""
        k = tf.fill(tf.shape(user_id), self._k)
        return self._ranked(self._hidden.ranker.users(self.users.encode(user_id), k, None))

    def recommend(self, user_id: Tensor, k: Tensor, exclude: Tensor) -> dict:
        """The best items for users."""
        users, exclude = self.users.encode(user_id), self.items.encode_lists(exclude)
        return self._ranked(self._hidden.ranker.users(users, k, exclude))

    def recommend_from_history(self, history: Any, k: Tensor, exclude: Tensor) -> dict:
        """The best items for people of whom only a history is known."""
        return self._rank_histories(self.items.encode(history), None, k, self.items.encode(exclude))

    def rate_from_history(self, history: Tensor, k: Tensor, exclude: Tensor, rating: Tensor) -> dict:
        """The best items for people who have rated the items of a history."""
        shapes = "rate_from_history takes a rating for each item of history: both of one shape [batch, length]"
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(rating), tf.shape(history), shapes)]):
            items, exclude = self.items.encode(history), self.items.encode(exclude)
        # An error would be one for everybody whose requests were merged into the batch. So an item whose rating is no
        # number says nothing; that the person has had it stays true.
        is_number = tf.math.is_finite(rating)
        if self._hidden.ranker.exclude_seen:
            exclude = tf.concat([exclude, tf.where(is_number, -1, items)], axis=1)
        return self._rank_histories(tf.where(is_number, items, -1), rating, k, exclude)

    def _rank_histories(self, items: Tensor, ratings: Tensor, k: Tensor, exclude: Tensor) -> dict:
        histories = tf.RaggedTensor.from_tensor(items)
        ratings = None if ratings is None else histories.with_values(tf.reshape(ratings, [-1]))
        exclude = tf.RaggedTensor.from_tensor(exclude)
        return self._ranked(self._hidden.ranker.histories(histories, ratings, k, exclude))

    def similar_items(self, item_id: Tensor, k: Tensor) -> dict:
        """What the model recommends to somebody who likes one item."""
        return self._ranked(self._hidden.ranker.similar(self.items.encode(item_id), k))

    def score(self, user_id: Tensor, item_id: Tensor) -> dict:
        """The score of pairs; a rating, of a model of ratings."""
        users, items = self.users.encode(user_id), self.items.encode(item_id)
        return {"score": self._hidden.model.answer_pairs(users, items)}


class _Hidden:
    """Holds what TensorFlow must neither track nor save: Keras's own objects."""

    def __init__(self, model: Any, ranker: Any) -> None:
        self.model, self.ranker = model, ranker
