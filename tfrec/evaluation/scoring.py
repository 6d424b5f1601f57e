"""The model's scores of a batch of test users, as numpy arrays, checked."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tfrec._tf import tf
from tfrec.evaluation.held_out import HeldOut, Histories, Pairs


class NonFiniteScoresError(ValueError):
    """A model gave a score that is NaN or infinite, so that its items cannot be ranked."""


class Batch(NamedTuple):
    """What the model says of some test users.

    Attributes:
        scores: float32 [n_rows, n_items], finite, read-only.
        seen: what the users have had: their training items, or those that are given of them.
    """

    scores: NDArray[np.float32]
    seen: Pairs


class Scorer(Protocol):
    """Scores the rows of a test set from start to stop."""

    def __call__(self, start: int, stop: int) -> Batch:
        """Scores and seen items.

        Raises:
            NonFiniteScoresError: if a score is NaN or infinite.
        """


def user_scorer(model: Any, held_out: HeldOut, *, with_seen: bool) -> Scorer:
    """Scores known users by who they are; the model answers for users that it doesn't know."""
    nothing = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), tf.zeros([1], tf.int64))

    @_traced(tf.TensorSpec([None], tf.int32))
    def answer(users: Any) -> Any:
        scores = _checked_width(model, model.ranking_scores(users))
        seen = model.seen_items(users) if with_seen else nothing
        return scores, tf.reduce_sum(scores), seen.row_splits, seen.values

    def score(start: int, stop: int) -> Batch:
        scores, total, splits, items = answer(tf.constant(held_out.user[start:stop]))
        rows = np.repeat(np.arange(len(splits) - 1), np.diff(_view(splits)))
        return Batch(
            _checked(scores, total, model, held_out, slice(start, stop)), Pairs(rows, _view(items).astype(np.int64))
        )

    return score


def history_scorer(model: Any, held_out: HeldOut, given: Histories) -> Scorer:
    """Scores people by what is given of them, whoever they are; see `tfrec.evaluate`'s ``given``."""
    has_ratings = given.rating is not None
    everything = given.pairs()

    @_traced(*(tf.TensorSpec([None], dtype) for dtype in (tf.int32, tf.float32, tf.int64)))
    def answer(items: Any, ratings: Any, splits: Any) -> Any:
        histories = tf.RaggedTensor.from_row_splits(items, splits, validate=False)
        scores = model.ranking_scores_from_histories(histories, histories.with_values(ratings) if has_ratings else None)
        scores = _checked_width(model, scores)
        return scores, tf.reduce_sum(scores)

    def score(start: int, stop: int) -> Batch:
        splits = given.splits[start : stop + 1]
        entries = slice(splits[0], splits[-1])
        ratings = np.zeros(0, np.float32) if given.rating is None else given.rating[entries]
        scores, total = answer(*map(tf.constant, (given.item[entries], ratings, splits - splits[0])))
        return Batch(_checked(scores, total, model, held_out, slice(start, stop)), everything.of(start, stop))

    return score


def rating_predictor(model: Any) -> Callable[..., NDArray[np.float32]]:
    """Predicts ratings of pairs of users and items, int32 [n] each, in the model's indices; -1 is unknown."""

    @_traced(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32))
    def predict(users: Any, items: Any) -> Any:
        return tf.cast(model.predict_ratings(users, items), tf.float32)

    return lambda users, items: _view(predict(tf.constant(users), tf.constant(items)))


def _traced(*signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A graph of a function, traced once for batches of any size.

    It is for one evaluation only: a model fitted again may have new variables, which an old trace would not see. And it
    is the concrete function, because a `tf.function` warns of retracing when many models are evaluated one by one.
    """

    def trace(function: Callable[..., Any]) -> Callable[..., Any]:
        if tf.config.functions_run_eagerly():  # as somebody who debugs a model asks for
            return function
        return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()

    return trace


def _checked_width(model: Any, scores: Any) -> Any:
    if not scores.shape.is_compatible_with([None, model.n_items]):
        raise ValueError(
            f"the scores of model {model.name!r} must be [batch, {model.n_items}], one for each item; "
            f"got {scores.shape.as_list()}"
        )
    return tf.cast(tf.ensure_shape(scores, [None, model.n_items]), tf.float32)


def _view(tensor: Any) -> NDArray[Any]:
    """A tensor's values, without the copy that its method `numpy` makes."""
    return np.asarray(memoryview(tensor))


def _checked(scores: Any, total: Any, model: Any, held_out: HeldOut, batch: slice) -> NDArray[np.float32]:
    """The scores as an array, if they are all finite; their sum tells at little cost whether they may not be."""
    table = _view(scores)
    if len(table) != batch.stop - batch.start:
        raise ValueError(
            f"the scores of model {model.name!r} must have a row for each user; got {len(table)} rows for "
            f"{batch.stop - batch.start} users"
        )
    if np.isfinite(total) or (good := np.isfinite(table)).all():
        return table
    row, item = np.unravel_index(np.argmin(good), good.shape)
    score = float(table[row, item])
    what = "NaN" if np.isnan(score) else "infinity" if score > 0 else "minus infinity"
    raise NonFiniteScoresError(
        f"model {model.name!r} gave {what} for user {str(held_out.user_ids[batch.start + row])!r} (item "
        f"{str(model.item_ids[item])!r}): such scores cannot be ranked. Has the training diverged? Look at its losses, "
        "and try a lower learning rate or more regularisation"
    )
