"""Models of ratings."""

from typing import Any

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.data import DataError, Interactions
from tfrec.inputs import check_range
from tfrec.recommender import Recommender


class ExplicitRecommender(Recommender):
    """A model that predicts ratings, and ranks by what it predicts.

    `score`, `score_pairs` and `score_histories` are predictions that are not yet cut to the scale of the ratings, so
    that they rank; `predict_ratings` cuts them.

    A subclass that also has methods that only rank says so in `predicts_ratings`. One that creates variables calls
    `super().create_variables()` first.

    Attributes:
        rating_range: float32 [2], the lowest and the highest rating in training.
        rating_mean: float32 [], the mean of the ratings in training, by weight where there are weights.
    """

    rating_range: Any
    rating_mean: Any

    @property
    def predicts_ratings(self) -> bool:
        """Whether the model predicts ratings; if not, it ranks."""
        return True

    def create_variables(self) -> None:
        """The range of the ratings and their mean."""
        self.set_variable("rating_range", np.zeros(2, np.float32))
        self.set_variable("rating_mean", np.float32(0.0))

    def adapt(self, train: Interactions) -> None:
        """As `Recommender.adapt`; and learn the scale of the ratings.

        Raises:
            DataError: there are no ratings, and the model is of ratings.
        """
        if self.predicts_ratings and isinstance(train, Interactions) and not train.has_ratings:
            raise DataError(
                f"{type(self).__name__} learns from ratings, and {train!r} has none: give a column of ratings, or "
                "choose a model that ranks, such as ALS or EASE"
            )
        super().adapt(train)
        self.rating_range.assign([train.rating.min(), train.rating.max()])
        weighted = train.weight is not None and self.uses_weights and train.weight.sum() > 0
        self.rating_mean.assign(np.average(train.rating, weights=train.weight if weighted else None))

    def predict_ratings(self, users: Tensor, items: Tensor) -> Tensor:
        """Predicted ratings, in the range of the ratings in training.

        Args:
            users: int32 [n]; -1 for an unknown user, who gets the mean and what is known of the item.
            items: int32 [n]; -1 for an unknown item, likewise.

        Returns:
            float32 [n].

        Raises:
            TypeError, ValueError: users or items are not indices; or this method of the model only ranks.
        """
        if not self.predicts_ratings:
            raise ValueError(f"{self.name!r} ranks items and predicts no ratings: choose a model or a method that does")
        users = check_range("user", users, self.n_users, minimum=-1)
        return self.answer_pairs(users, check_range("item", items, self.n_items, minimum=-1))

    def usable_ratings(self, ratings: Tensor) -> Tensor:
        """A rating beyond the scale of training counts as that end of it."""
        if ratings is None or not self.predicts_ratings:
            return ratings
        return ratings.with_values(self._within_range(ratings.values))

    def answer_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Predicted ratings of pairs: as `predict_ratings`; scores, where the model predicts no ratings."""
        scores = super().answer_pairs(users, items)
        return self._within_range(scores) if self.predicts_ratings else scores

    def _within_range(self, scores: Tensor) -> Tensor:
        return tf.clip_by_value(scores, self.rating_range[0], self.rating_range[1])
