"""Ratings on one scale for all users, and back."""

import dataclasses
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import frozen
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.report import Preprocessed, call, finish

Method = Literal["center", "z_score", "min_max"]
By = Literal["user", "item", "global"]

_METHODS = ("center", "z_score", "min_max")
_BY = ("user", "item", "global")


def normalise_ratings(data: Interactions, method: Method = "center", by: By = "user") -> Preprocessed:
    """Shift and scale the ratings, for each user or item or for all alike.

    Normalise training data, and predictions back with ``report.normaliser.inverse``; `RatingNormaliser` is for test
    data, which are normalised by what the training data say.

    Args:
        data: The interactions, with ratings.
        method: What a rating r becomes. ``"center"``: r - mean. ``"z_score"``: (r - mean) / standard deviation (of the
            population; 1 where all ratings are equal, so that they become 0). ``"min_max"``: (r - lowest) / (highest
            - lowest), from 0 to 1 (½ where all ratings are equal).
        by: What mean, deviation, lowest and highest are of: the ratings of ``"user"`` or ``"item"``, or ``"global"``.

    Returns:
        The data, with new ratings, and the report, with the `RatingNormaliser`.

    Raises:
        DataError: If the data have no ratings, or no rows.
        ValueError: If ``method`` or ``by`` is something else.
    """
    normaliser = RatingNormaliser.fit(data, method, by)
    parameters = {"method": method, "by": by}
    return finish("normalise_ratings", parameters, data, normaliser.apply(data), normaliser=normaliser)


@dataclasses.dataclass(frozen=True, eq=False)
class RatingNormaliser:
    """The shift and the scale of each user or item, as some data have them: new = (rating - shift) / scale.

    Users and items without a rating there, and unknown ones (index -1), have those of all ratings together.

    Attributes:
        method: See `normalise_ratings`.
        by: See `normalise_ratings`.
        ids: The vocabulary of users or items, object [n]; empty for ``by="global"``.
        shift: Of each user or item, and at last of all together, float64 [n + 1].
        scale: Likewise, above 0.
    """

    method: Method
    by: By
    ids: npt.NDArray[np.object_]
    shift: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, data: Interactions, method: Method = "center", by: By = "user") -> Self:
        """Shift and scale of these data. Arguments and errors are those of `normalise_ratings`."""
        if method not in _METHODS:
            raise ValueError(f"normalise_ratings: expected method to be one of {', '.join(_METHODS)}, got {method!r}")
        if by not in _BY:
            raise ValueError(f"normalise_ratings: expected by to be one of {', '.join(_BY)}, got {by!r}")
        if not len(data) or not data.has_ratings:
            problem = "has no ratings, and this step needs them" if len(data) else "has no interactions"
            raise DataError(f"{call('normalise_ratings', {'method': method, 'by': by})}: {data.name!r} {problem}")
        ids, keys = _groups(data, by)
        own = _shift_and_scale(keys, data.rating, len(ids), method)
        overall = _shift_and_scale(np.zeros(len(data), np.int32), data.rating, 1, method)
        present = np.bincount(keys, minlength=len(ids))[: len(ids)] > 0
        shift, scale = (
            np.append(np.where(present, each, everyone), everyone) for each, everyone in zip(own, overall, strict=True)
        )
        return cls(method, by, ids, frozen(shift), frozen(scale))

    def apply(self, data: Interactions) -> Interactions:
        """These data with normalised ratings, such as the test part of a split.

        Raises:
            DataError: If the data have no ratings, or another vocabulary.
        """
        if not data.has_ratings:
            raise DataError(f"normalise_ratings: {data.name!r} has no ratings, and this step needs them")
        ids, keys = _groups(data, self.by)
        if ids is not self.ids and not np.array_equal(ids, self.ids):
            raise DataError(
                f"normalise_ratings: {data.name!r} has other {self.by} ids than the normaliser was fitted on"
            )
        groups = keys if len(ids) else np.full(len(data), -1)
        normalised = (data.rating - self.shift[groups]) / self.scale[groups]
        return dataclasses.replace(data, rating=normalised.astype(np.float32))

    def inverse(self, values: Any, *, users: Any = None, items: Any = None) -> npt.NDArray[np.float64]:
        """Ratings, on the scale they had, from normalised values such as a model's predictions.

        Args:
            values: Normalised ratings, of any shape.
            users: The users' indices, -1 for an unknown one; needed if normalised by user. Its shape is broadcast
                with that of the values: for a matrix with one row a user, ``users[:, np.newaxis]``.
            items: The items' indices, likewise; needed if normalised by item.

        Raises:
            ValueError: If the indices that are needed are missing.
            DataError: If an index is below -1 or not in the vocabulary.
        """
        values = np.asarray(values, np.float64)
        if self.by == "global":
            return values * self.scale[-1] + self.shift[-1]
        name, given = ("users", users) if self.by == "user" else ("items", items)
        if given is None:
            raise ValueError(f"inverse: ratings normalised by {self.by} need {name}=…, the {self.by} of each value")
        groups = np.asarray(given)
        if groups.size and groups.dtype.kind not in "iu":
            raise DataError(f"inverse: expected {name} to be whole numbers, got dtype {groups.dtype}")
        if groups.size and not (groups.min() >= -1 and groups.max() < len(self.ids)):
            worst = groups.min() if groups.min() < -1 else groups.max()
            raise DataError(f"inverse: expected {name} in -1 … {len(self.ids) - 1}, got {worst}")
        groups = groups.astype(np.intp)  # -1 is the last entry: that of all together
        return values * self.scale[groups] + self.shift[groups]


def _groups(data: Interactions, by: By) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int32]]:
    """The vocabulary that ratings are normalised by, and each row's index in it (0 if there is none)."""
    if by == "user":
        return data.user_ids, data.user
    if by == "item":
        return data.item_ids, data.item
    return np.empty(0, object), np.zeros(len(data), np.int32)


def _shift_and_scale(
    keys: npt.NDArray[np.int32], ratings: npt.NDArray[np.float32], n_groups: int, method: Method
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of each group: two arrays float64 [n_groups]; 0 and 1 for a group without ratings."""
    lowest, highest = np.full(max(n_groups, 1), np.inf), np.full(max(n_groups, 1), -np.inf)
    np.minimum.at(lowest, keys, ratings)
    np.maximum.at(highest, keys, ratings)
    spread = np.maximum(highest - lowest, 0.0)
    constant = spread == 0
    if method == "min_max":
        shift, scale = np.where(constant, lowest - 0.5, lowest), spread
    else:
        counts = np.maximum(np.bincount(keys, minlength=len(lowest)), 1)
        mean = np.bincount(keys, ratings, len(lowest)) / counts
        shift = np.where(constant, lowest, mean)  # exactly, so that equal ratings become exactly 0
        scale = np.sqrt(np.bincount(keys, (ratings - mean[keys]) ** 2, len(lowest)) / counts)
    scale = np.ones_like(scale) if method == "center" else np.where(constant, 1.0, scale)
    return shift[:n_groups], scale[:n_groups]
