"""From a batch of users to their ranked lists, in TensorFlow: scores are checked, masked and cut to the top k."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfrec._tf import tf

_SEED = 20_240_229  # of the order of ties: any constant


class NonFiniteScoresError(ValueError):
    """A model gave a score that is NaN or infinite, so that its items cannot be ranked."""


class Ranked(NamedTuple):
    """What ranking a batch of users gives.

    Attributes:
        items: int32 [batch, K], the recommended items, best first; -1 where there is none.
        reachable: bool [n_relevant], for each test item of the batch, whether it could have been recommended.
        finite: bool [], whether all scores are; if not, `row`, `item` and `score` are of one that is not.
        row: int64 [].
        item: int64 [].
        score: float32 [].
    """

    items: Any
    reachable: Any
    finite: Any
    row: Any
    item: Any
    score: Any


_USERS = tf.TensorSpec([None], tf.int32)
_PAIRS = tf.TensorSpec([None, 2], tf.int32)
_SCORES = tf.TensorSpec([None, None], tf.float32)
_K = tf.TensorSpec([], tf.int32)


def ranking(model: Any, k: int, *, given_only: bool, exclude_seen: bool) -> Callable[..., Ranked]:
    """A function that ranks items for a batch of users.

    The function is traced once, for batches of any size, and is for one evaluation only: a model fitted again may have
    new variables, which an old trace would not see. What doesn't depend on the model is traced once and for all.

    Args:
        model: what `tfrec.evaluate` takes.
        k: length of the lists; they are shorter if the model has fewer items.
        given_only: rank the given items only.
        exclude_seen: leave out what the users have in training.

    Returns:
        A function that gives a `Ranked`, of

        - users, int32 [batch], in the model's vocabulary;
        - test_users, int32 [batch], the same in the test set's vocabulary, where unknown users differ too;
        - relevant, int32 [n_relevant, 2], (row, item) of the test items;
        - given, int32 [n, 2], (row, item) of the given items.
    """

    @tf.function(input_signature=[_USERS, _USERS, _PAIRS, _PAIRS])
    def rank(users: Any, test_users: Any, relevant: Any, given: Any) -> Ranked:
        raw = _raw_scores(model, users)
        # Adding 0 turns -0.0 into 0.0, which equals it and has other bits.
        scores = raw + tf.where(model.recommendable, 0.0, -np.inf)
        if given_only:
            nothing = tf.fill(tf.shape(scores), -np.inf)
            scores = tf.tensor_scatter_nd_update(nothing, given, tf.gather_nd(scores, given))
        if exclude_seen:
            seen = _entries(model.seen_items(users))
            scores = tf.tensor_scatter_nd_update(scores, seen, tf.fill(tf.shape(seen)[:1], -np.inf))
        reachable = tf.gather_nd(scores, relevant) > -np.inf
        return Ranked(_top_items(scores, test_users, k), reachable, *_fault(raw))

    return rank


def _raw_scores(model: Any, users: Any) -> Any:
    scores = model.ranking_scores(users)
    if not scores.shape.is_compatible_with([None, model.n_items]):
        raise ValueError(
            f"ranking_scores of model {model.name!r} must be [batch, {model.n_items}], a score for each item; "
            f"got {scores.shape.as_list()}"
        )
    return tf.ensure_shape(scores, [None, model.n_items])


def _entries(rows: Any) -> Any:
    """Row and value of every entry of a ragged [rows, None]: int64 [n, 2]."""
    return tf.stack([tf.cast(rows.value_rowids(), tf.int64), tf.cast(rows.values, tf.int64)], axis=1)


@tf.function(input_signature=[_SCORES, _USERS, _K], autograph=False)
def _top_items(scores: Any, users: Any, k: Any) -> Any:
    """The k best items of each row, -1 where only -inf is left: int32 [batch, min(k, n_items)].

    Items with equal scores come in a random order, a fixed one for each user, that knows nothing of the data. By index
    it would be an order of popularity in many data sets, whose vocabularies are in the order of first appearance; and
    one order for all users would be the luck of whichever items it happens to put first. With this one, a constant
    model scores at chance.

    The order of ties costs several times the top k itself, so only rows get it in which there are ties among the first
    k, or between the last of them and the next; and row by row, which is quicker than all at once and needs no memory.
    """
    width = tf.minimum(k + 1, tf.shape(scores)[1])
    values, found = tf.math.top_k(scores, width)
    is_tied = tf.reduce_any((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -np.inf), axis=1)

    def in_order(row: Any) -> Any:
        return tf.math.top_k(_keys(scores[row], users[row]), width).indices

    def with_ties_broken() -> Any:
        tied = tf.where(is_tied)
        rows = tf.map_fn(in_order, tied[:, 0], fn_output_signature=tf.int32)
        return tf.tensor_scatter_nd_update(found, tied, rows)

    items = tf.cond(tf.reduce_any(is_tied), with_ties_broken, lambda: found)
    return tf.where(values > -np.inf, items, -1)[:, :k]


def _keys(scores: Any, user: Any) -> Any:
    """Whole numbers in the order of a user's scores, float32 [n_items], with ties broken: int64 [n_items]."""
    bits = tf.bitcast(scores, tf.int32)
    # Read as whole numbers, the bits of positive floats are in order, and those of negative ones in reverse.
    ascending = tf.where(bits < 0, tf.bitwise.bitwise_xor(bits, tf.int32.max), bits)
    random = tf.random.stateless_uniform(
        tf.shape(scores), seed=[_SEED, user], minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
    return tf.cast(ascending, tf.int64) * 2**32 + tf.cast(random, tf.int64)


@tf.function(input_signature=[_SCORES], autograph=False)
def _fault(scores: Any) -> tuple[Any, Any, Any, Any]:
    """Whether all scores are finite, and the row, the item and the value of the first that is not."""
    finite_rows = tf.reduce_all(tf.math.is_finite(scores), axis=1)
    row = tf.argmin(tf.cast(finite_rows, tf.float32))
    item = tf.argmin(tf.cast(tf.math.is_finite(scores[row]), tf.float32))
    return tf.reduce_all(finite_rows), row, item, scores[row, item]
