"""Figures of predicted ratings, over all rows of a test set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfrec.data import Interactions
from tfrec.evaluation.held_out import HeldOut, translation
from tfrec.evaluation.rating_sums import are_of_sums, rating_sums
from tfrec.evaluation.scoring import NonFiniteScoresError, rating_predictor
from tfrec.metrics import Metric

_PAIRS_AT_A_TIME = 2**16


def rating_figures(
    model: Any, held_out: HeldOut, metrics: Sequence[Metric]
) -> tuple[dict[str, float], pd.DataFrame | None]:
    """The figures of metrics of ratings; nothing where there are no such metrics.

    Returns:
        The figures by name; and each user's sums that they are made of, if they are made of sums.

    Raises:
        NonFiniteScoresError: if a prediction is NaN or infinite.
        ValueError: if the model gives another number of predictions than was asked for.
    """
    if not metrics:
        return {}, None
    test = held_out.test
    predicted = _predictions(model, held_out)
    figures = {metric.name: metric.function(predicted, test.rating) for metric in metrics}
    if not are_of_sums(metrics):
        return figures, None
    row_of = np.zeros(test.n_users, np.int64)
    row_of[held_out.test_user] = np.arange(len(held_out))
    return figures, rating_sums(predicted, test.rating, row_of[test.user], held_out.user_ids)


def predicts_ratings(model: Any) -> bool:
    """Whether a model predicts ratings; one that has methods of both kinds says so in its `predicts_ratings`."""
    return bool(getattr(model, "predicts_ratings", hasattr(model, "predict_ratings")))


def check_rating_metrics(model: Any, test: Interactions, metrics: Sequence[Metric]) -> None:
    """Refuse metrics of ratings where there are none.

    Raises:
        ValueError: if the model predicts no ratings, or the test set has none.
    """
    metric = next((metric.name for metric in metrics if metric.kind == "ratings"), None)
    if metric is None:
        return
    if not predicts_ratings(model):
        raise ValueError(
            f"the metric {metric!r} is of predicted ratings, and {model.name!r} predicts none: it ranks. Choose a "
            "model of ratings, or a metric of rankings"
        )
    if not test.has_ratings:
        raise ValueError(f"the metric {metric!r} is of ratings, and the test set {test.name!r} has none")


def _predictions(model: Any, held_out: HeldOut) -> NDArray[np.float32]:
    """The predicted rating of every test row: float32 [n]."""
    test = held_out.test
    users = translation(test.user_ids, model.user_ids)[test.user]
    items = held_out.item_of[test.item]
    predict = rating_predictor(model)
    parts = [slice(start, start + _PAIRS_AT_A_TIME) for start in range(0, len(test), _PAIRS_AT_A_TIME)]
    predicted = np.concatenate([predict(users[part], items[part]) for part in parts])
    if predicted.shape != users.shape:
        raise ValueError(
            f"predict_ratings of model {model.name!r} must give one rating for each pair, [n]; "
            f"got {list(predicted.shape)} for {len(users)} pairs"
        )
    if not np.isfinite(predicted).all():
        row = int(np.argmin(np.isfinite(predicted)))
        raise NonFiniteScoresError(
            f"model {model.name!r} predicts {predicted[row]} for user {str(test.user_ids[test.user[row]])!r} and item "
            f"{str(test.item_ids[test.item[row]])!r}. Has the training diverged? Look at its losses, and try a lower "
            "learning rate or more regularisation"
        )
    return predicted
