"""What the splits share: the pair of parts, and checks of arguments."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions


class Split(NamedTuple):
    """Training and test rows of one data set, with the same vocabularies."""

    train: Interactions
    test: Interactions


def divide(data: Interactions, held_out: npt.NDArray[np.bool_]) -> Split:
    """The rows that are not held out, and those that are; both in the order of rows."""
    return Split(data.select(~held_out), data.select(held_out))


def check_data(split: str, data: Any) -> None:
    """Refuse what is not `Interactions`.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(data, Interactions):
        raise TypeError(f"{split}: expected tfrec.data.Interactions, got {type(data).__name__}")


def check_rows(split: str, data: Any) -> None:
    """Refuse what is not `Interactions`, and those without rows.

    Raises:
        TypeError: If it is something else.
        DataError: If there are no rows.
    """
    check_data(split, data)
    if not len(data):
        raise DataError(f"{split}: there is nothing to split, {data!r} has no rows")


def check_share(split: str, name: str, value: Any) -> None:
    """Refuse what is not a number between 0 and 1, both excluded.

    Raises:
        ValueError: If it is something else.
    """
    if not (isinstance(value, Real) and 0 < float(value) < 1):
        raise ValueError(f"{split}: expected {name} to be a share between 0 and 1, got {value!r}")


def check_choice(split: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is not one of the choices.

    Raises:
        ValueError: If it is something else.
    """
    if not (isinstance(value, str) and value in choices):
        expected = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"{split}: expected {name} to be {expected}, got {value!r}")
