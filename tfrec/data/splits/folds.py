"""Cross-validation: every row is tested once."""

import operator
from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from tfrec.checks import check_integer
from tfrec.data.columns import frozen
from tfrec.data.errors import DataError
from tfrec.data.grouping import group_rows
from tfrec.data.interactions import Interactions
from tfrec.data.splits.orders import BY, By, shuffled
from tfrec.data.splits.parts import Split, check_choice, check_rows, divide


class Folds(Sequence[Split]):
    """The splits of a cross-validation, made one at a time, when they are asked for.

    Attributes:
        data: The interactions.
        fold: int32 [n], the fold in which each row is a test row.
    """

    def __init__(self, data: Interactions, fold: npt.NDArray[np.int32], n_folds: int) -> None:
        self.data = data
        self.fold = frozen(fold)
        self._n_folds = n_folds

    def __len__(self) -> int:
        """The number of folds."""
        return self._n_folds

    @overload
    def __getitem__(self, index: int) -> Split: ...
    @overload
    def __getitem__(self, index: slice) -> list[Split]: ...
    def __getitem__(self, index: int | slice) -> Split | list[Split]:
        """The rows of all other folds to train on, and those of this fold to test on.

        Raises:
            TypeError: If the index is not a whole number.
            IndexError: If there is no such fold.
        """
        if isinstance(index, slice):
            return [self[fold] for fold in range(len(self))[index]]
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"fold {index} is not in 0 … {len(self) - 1}")
        return divide(self.data, self.fold == index % len(self))

    def __repr__(self) -> str:
        return f"Folds({len(self)} of {self.data!r})"


def k_fold(data: Interactions, n_folds: int = 5, by: By = "global", seed: int = 42) -> Folds:
    """Divide the rows at random into folds of equal size, give or take one row, each to be tested on once.

        for train, test in k_fold(data): ...

    Args:
        data: The interactions.
        n_folds: How many folds, at least 2.
        by: ``"global"``: any rows make a fold. ``"user"``: each user's rows are spread over the folds as evenly as
            they go, so that a user with at least two rows always has some to train on.
        seed: The same seed divides the same data alike.

    Returns:
        A sequence of `Split`; it can be gone through again.

    Raises:
        TypeError: If ``data`` is not `Interactions`, or a number is not whole.
        ValueError: If ``by`` is something else, ``n_folds`` is below 2, or ``seed`` below 0.
        DataError: If there are fewer rows than folds.
    """
    check_rows("k_fold", data)
    n_folds = check_integer("k_fold: n_folds", n_folds, minimum=2)
    check_choice("k_fold", "by", by, BY)
    generator = np.random.default_rng(check_integer("k_fold: seed", seed, minimum=0))
    if n_folds > len(data):
        raise DataError(f"k_fold: {n_folds} folds can't be made of {data!r}: every fold takes a row")
    rows = shuffled(data, "global", generator).rows
    if by == "user":  # one after the other, in random order too, or else some rows were in the same fold for every seed
        place = generator.permutation(np.arange(data.n_users, dtype=np.int32))
        rows = rows[group_rows(place[data.user[rows]], data.n_users)[1]]
    start = generator.integers(n_folds)  # where the folds are not of equal size, which of them are larger is chance too
    fold = np.empty(len(data), np.int32)
    fold[rows] = np.arange(start, start + len(data), dtype=np.int64) % n_folds
    return Folds(data, fold, n_folds)
