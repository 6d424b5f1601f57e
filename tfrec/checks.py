"""Checks of arguments, with errors that say what was expected and what came."""

import math
from collections.abc import Collection
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice", bound=str)


def check_integer(name: str, value: object, *, minimum: int) -> int:
    """`value` as an int of at least `minimum`.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is too small.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer of at least {minimum}; got {value!r}, a {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}; got {value}")
    return int(value)


def check_positive(name: str, value: object) -> float:
    """`value` as a finite number above zero.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not finite, or not above zero.
    """
    number, single = _number(name, value, "above 0")
    if not math.isfinite(single) or single <= 0:
        raise ValueError(f"{name} must be a finite number above 0 in single precision; got {value!r}")
    return number


def check_not_negative(name: str, value: object) -> float:
    """`value` as a finite number of at least zero.

    Raises:
        TypeError: it is not a number.
        ValueError: it is not finite, or below zero.
    """
    number, single = _number(name, value, "of at least 0")
    if not math.isfinite(single) or number < 0:
        raise ValueError(f"{name} must be a finite number of at least 0 in single precision; got {value!r}")
    return number


def check_between(name: str, value: object, low: float, high: float) -> float:
    """`value` as a number from `low` to `high`, both included.

    Raises:
        TypeError: it is not a number.
        ValueError: it is outside.
    """
    number, _ = _number(name, value, f"from {low:g} to {high:g}")
    if not low <= number <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}")
    return number


def check_fraction(name: str, value: object) -> float:
    """`value` as a number above 0 and at most 1.

    Raises:
        TypeError: it is not a number.
        ValueError: it is outside.
    """
    number, single = _number(name, value, "above 0 and at most 1")
    if not (single > 0 and number <= 1):
        raise ValueError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    return number


def _number(name: str, value: object, expected: str) -> tuple[float, float]:
    """`value`, and in the single precision that a model computes with."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number {expected}; got {value!r}, a {type(value).__name__}")
    with np.errstate(over="ignore"):
        return float(value), float(np.float32(value))


def check_choice(name: str, value: Choice, choices: Collection[str]) -> Choice:
    """`value` as one of some words.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def check_flag(name: str, value: object) -> bool:
    """`value` as a bool.

    Raises:
        TypeError: it is anything else; "no" and 0 are not taken for False, nor "yes" for True.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {value!r}, a {type(value).__name__}")
    return bool(value)
