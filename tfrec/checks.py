"""Checks of arguments, with errors that say what was expected and what came."""

import math

import numpy as np


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
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number above 0; got {value!r}, a {type(value).__name__}")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0; got {value!r}")
    return float(value)
