"""From scores to ranked lists, as TensorFlow graph operations.

`recommend` in Python, the evaluator and the exported signatures all rank through these functions, so that the server
answers what Python answers.
"""

from typing import Any, NamedTuple

from tfrec._tf import Tensor, tf


class Ranked(NamedTuple):
    """The best items of each row, best first.

    Attributes:
        item: int32 [batch, K]; -1 where a row has no further item.
        score: float32 [batch, K]; 0 where `item` is -1.
        finite: bool [], whether all scores were; if not, the ranking means nothing.
    """

    item: Tensor
    score: Tensor
    finite: Tensor


def multi_hot(rows: Tensor, n_items: Tensor) -> Tensor:
    """Which items a ragged int32 [batch, None] lists: bool [batch, n_items]. Negative entries are ignored."""
    rows = tf.ragged.boolean_mask(rows, rows >= 0)
    # RaggedBincount fills a dense block five times faster than a scatter does.
    counts = tf.math.bincount(rows, minlength=n_items, maxlength=n_items, dtype=tf.float32, axis=-1, binary_output=True)
    return counts > 0


def top_k(scores: Tensor, hidden: Tensor, k: Tensor, limit: Tensor = None) -> Ranked:
    """The k best items of every row, those that are hidden left out.

    Hidden items are masked, not pushed down by a constant: they never appear, and a row with fewer than k items left is
    short. Equal scores are in the order of the columns.

    Args:
        scores: float32 [batch, n_items], finite.
        hidden: bool [batch, n_items] or [1, n_items].
        k: int32 [batch], how many items each row asks for; zero or less gives an empty row.
        limit: the largest k that is answered; more is cut. None: no limit.

    Returns:
        `Ranked` with K the largest k of the batch (at most `limit`).
    """
    k = tf.maximum(k, 0)
    if limit is not None:
        k = tf.minimum(k, limit)
    width = tf.reduce_max(tf.concat([k, [0]], axis=0))
    masked = tf.where(hidden, tf.constant(float("-inf"), scores.dtype), scores)
    indices, values = best_columns(masked, width)
    listed = tf.range(width)[tf.newaxis, :] < k[:, tf.newaxis]
    finite = tf.reduce_all(tf.math.is_finite(scores))
    return Ranked(tf.where(listed, indices, -1), tf.where(listed, values, 0.0), finite)


def best_columns(scores: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """The columns of the best scores of each row, and these scores; equal ones are in the order of the columns.

    Args:
        scores: float32 [batch, n]; -inf is never among the best.
        width: int32 [], how many.

    Returns:
        int32 [batch, width], -1 where a row has no further column, and float32 [batch, width], 0 there.
    """
    values, columns = tf.math.top_k(scores, tf.minimum(width, tf.shape(scores)[1]))
    missing = width - tf.shape(values)[1]
    values = tf.pad(values, [[0, 0], [0, missing]], constant_values=float("-inf"))
    columns = tf.pad(columns, [[0, 0], [0, missing]])
    listed = values > float("-inf")
    return tf.where(listed, columns, -1), tf.where(listed, values, 0.0)


def best_of(items: Tensor, scores: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """The best of each row's own items, and their scores; equal ones are in the order in which they stand.

    Args:
        items: int32 [batch, n]; -1 stands for no item.
        scores: float32 [batch, n].
        width: int32 [], how many.

    Returns:
        As of `best_columns`, with items in the place of columns.
    """
    columns, values = best_columns(tf.where(items >= 0, scores, float("-inf")), width)
    chosen = tf.gather(items, tf.maximum(columns, 0), batch_dims=1)
    return tf.where(columns >= 0, chosen, -1), values


def distinct_exclusions(exclude: Tensor, n_rows: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
    """What each row excludes, in the form that `best_without` takes, and how many items that is.

    Args:
        exclude: ragged int32 [n_rows, None], or None; what is no item from 0 to `n_items` - 1 is ignored.
        n_rows: int32 [].
        n_items: how many items there are.

    Returns:
        int32 [n_rows, width], ascending, -1 for padding; and int32 [n_rows].
    """
    if exclude is None:
        return tf.fill([n_rows, 1], -1), tf.zeros([n_rows], tf.int32)
    given = tf.cast(exclude, tf.int32).to_tensor(-1)
    given = tf.where(tf.logical_and(given >= 0, given < n_items), given, -1)
    ascending = tf.pad(tf.sort(given, axis=1), [[0, 0], [1, 0]], constant_values=-1)
    is_new = ascending[:, 1:] > ascending[:, :-1]
    return ascending, tf.math.count_nonzero(is_new, axis=1, dtype=tf.int32)


def best_without(items: Tensor, scores: Tensor, excluded: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """As `best_of`, of the items that are not excluded.

    Args:
        items: int32 [batch, n]; -1 stands for no item.
        scores: float32 [batch, n].
        excluded: int32 [batch, any], ascending, from `distinct_exclusions`.
        width: int32 [].
    """
    # searchsorted takes no empty matrix.
    items, scores = (tf.pad(x, [[0, 0], [0, 1]], constant_values=-1) for x in (items, scores))
    places = tf.minimum(tf.searchsorted(excluded, items), tf.shape(excluded)[1] - 1)
    kept = tf.gather(excluded, places, batch_dims=1) != items
    return best_of(tf.where(kept, items, -1), scores, width)


def _hidden(model: Any, *lists: Any) -> Tensor:
    """What must not be answered: items without training rows, and those of each row's lists."""
    hidden = tf.logical_not(model.recommendable)[tf.newaxis, :]
    for rows in lists:
        if rows is not None:
            hidden = tf.logical_or(hidden, multi_hot(rows, model.n_items))
    return hidden


def rank_users(
    model: Any, users: Tensor, k: Tensor, exclude: Tensor, *, exclude_seen: bool, limit: int | None = None
) -> Ranked:
    """The best items for known and unknown users.

    Args:
        model: an adapted `Recommender`.
        users: int32 [batch]; -1 is an unknown user.
        k: int32 [batch].
        exclude: ragged int32 [batch, None], items left out (negative entries are ignored), or None.
        exclude_seen: leave out the items of the user's training history too.
        limit: the largest k that is answered.
    """
    hidden = _hidden(model, model.seen_items(users) if exclude_seen else None, exclude)
    return top_k(model.ranking_scores(users), hidden, k, limit)


def rank_histories(
    model: Any,
    histories: Tensor,
    ratings: Tensor,
    k: Tensor,
    exclude: Tensor,
    *,
    exclude_seen: bool,
    limit: int | None = None,
) -> Ranked:
    """The best items for people the model has never seen, from what they have liked.

    Args:
        model: an adapted `Recommender`.
        histories: ragged int32 [batch, None], oldest first; negative entries (unknown items) are ignored.
        ratings: ragged float32 [batch, None] of the same row lengths, or None.
        k: int32 [batch].
        exclude: ragged int32 [batch, None], items left out, or None.
        exclude_seen: leave out the items of the history too.
        limit: the largest k that is answered.
    """
    known, ratings = known_histories(model, histories, ratings)
    hidden = _hidden(model, known if exclude_seen else None, exclude)
    return top_k(model.ranking_scores_from_histories(known, ratings), hidden, k, limit)


def known_histories(model: Any, histories: Tensor, ratings: Tensor) -> tuple[Tensor, Tensor]:
    """What a model can use of histories: ragged int32 [batch, None] of items with training rows, and their ratings.

    Args:
        model: an adapted `Recommender`.
        histories: ragged int32 [batch, None]; negative entries are unknown items.
        ratings: ragged float32 [batch, None] of the same row lengths, or None.
    """
    known = histories.with_values(model.are_recommendable(histories.values))
    if ratings is not None:
        ratings = tf.ragged.boolean_mask(ratings, known)
    return tf.ragged.boolean_mask(histories, known), ratings


def rank_similar(model: Any, items: Tensor, k: Tensor, *, limit: int | None = None) -> Ranked:
    """What the model recommends to somebody who likes one item; an unknown item (-1) has an empty row."""
    known = model.are_recommendable(items)
    histories = tf.RaggedTensor.from_tensor(items[:, tf.newaxis])
    return rank_histories(model, histories, None, tf.where(known, k, 0), None, exclude_seen=True, limit=limit)


def score_known_pairs(model: Any, users: Tensor, items: Tensor) -> Tensor:
    """The model's score of (user, item) pairs; `model.unknown_pair_scores` where it has learned nothing of either.

    Args:
        model: an adapted `Recommender`.
        users: int32 [batch]; -1 is unknown.
        items: int32 [batch]; -1 is unknown.

    Returns:
        float32 [batch].
    """
    known_user = model.has_history(users)
    known_item = model.are_recommendable(items)
    scores = model.score_pairs(tf.maximum(users, 0), tf.maximum(items, 0))
    fallback = model.unknown_pair_scores(tf.where(known_user, users, -1), tf.where(known_item, items, -1))
    return tf.where(tf.logical_and(known_user, known_item), scores, fallback)
