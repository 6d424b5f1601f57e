"""Figures of predicted ratings, over all rows of a test set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfrec.evaluation.held_out import HeldOut, translation
from tfrec.evaluation.scoring import NonFiniteScoresError, rating_predictor
from tfrec.metrics import Metric

_PAIRS_AT_A_TIME = 2**16


def rating_figures(model: Any, held_out: HeldOut, metrics: Sequence[Metric]) -> dict[str, float]:
    """The figures of metrics of ratings; nothing where there are no such metrics.

    Raises:
        NonFiniteScoresError: if a prediction is NaN or infinite.
        ValueError: if the model predicts no ratings, or the test set has none.
    """
    if not metrics:
        return {}
    _check(model, held_out, metrics[0].name)
    test = held_out.test
    predicted = _predictions(model, held_out)
    return {metric.name: metric.function(predicted, test.rating) for metric in metrics}


def _check(model: Any, held_out: HeldOut, metric: str) -> None:
    if not hasattr(model, "predict_ratings"):
        raise ValueError(
            f"the metric {metric!r} is of predicted ratings, and {model.name!r} predicts none: it ranks. Choose a "
            "model of ratings, or a metric of rankings"
        )
    if not held_out.test.has_ratings:
        raise ValueError(f"the metric {metric!r} is of ratings, and the test set {held_out.test.name!r} has none")


def _predictions(model: Any, held_out: HeldOut) -> NDArray[np.float32]:
    """The predicted rating of every test row: float32 [n]."""
    test = held_out.test
    users = translation(test.user_ids, model.user_ids)[test.user]
    items = held_out.item_of[test.item]
    predict = rating_predictor(model)
    parts = [slice(start, start + _PAIRS_AT_A_TIME) for start in range(0, len(test), _PAIRS_AT_A_TIME)]
    predicted = np.concatenate([predict(users[part], items[part]) for part in parts])
    if not np.isfinite(predicted).all():
        row = int(np.argmin(np.isfinite(predicted)))
        raise NonFiniteScoresError(
            f"model {model.name!r} predicts {predicted[row]} for user {str(test.user_ids[test.user[row]])!r} and item "
            f"{str(test.item_ids[test.item[row]])!r}. Has the training diverged? Look at its losses, and try a lower "
            "learning rate or more regularisation"
        )
    return predicted
