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
    with np.errstate(over="ignore"):
        single = float(np.float32(value))  # what a model computes with
    if not math.isfinite(single) or single <= 0:
        raise ValueError(f"{name} must be a finite number above 0 in single precision; got {value!r}")
    return float(value)


def check_flag(name: str, value: object) -> bool:
    """`value` as a bool.

    Raises:
        TypeError: it is anything else; "no" and 0 are not taken for False, nor "yes" for True.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False; got {value!r}, a {type(value).__name__}")
    return bool(value)
