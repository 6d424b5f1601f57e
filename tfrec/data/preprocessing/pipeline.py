"""Several steps of preprocessing, one after the other, as a configuration writes them."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfrec.data.interactions import Interactions
from tfrec.data.preprocessing.compaction import compact
from tfrec.data.preprocessing.duplicates import drop_duplicates
from tfrec.data.preprocessing.filters import binarise, k_core, minimum_rating, subsample
from tfrec.data.preprocessing.normalisation import normalise_ratings
from tfrec.data.preprocessing.report import PipelineReport, PipelineResult, Preprocessed, Size, StepReport, finish
from tfrec.data.preprocessing.times import time_window

STEPS: dict[str, Callable[..., Preprocessed]] = {
    "binarise": binarise,
    "compact": compact,
    "drop_duplicates": drop_duplicates,
    "k_core": k_core,
    "minimum_rating": minimum_rating,
    "normalise_ratings": normalise_ratings,
    "subsample": subsample,
    "time_window": time_window,
}

Step = str | Mapping[str, Any] | Callable[[Interactions], Preprocessed | Interactions]


def preprocess(data: Interactions, steps: Iterable[Step]) -> PipelineResult:
    """Preprocess data by several steps.

    Args:
        data: The interactions.
        steps: Each a mapping of ``step``, a name out of `STEPS`, and the step's arguments, such as ``{"step": "k_core",
            "user": 5}``; or the name alone, for a step with its defaults; or a function of Interactions that gives
            Interactions, or what the steps of tfrec give. All names are checked before the first step is taken.

    Returns:
        The data after the last step, and the steps' reports in one.

    Raises:
        DataError: If a step finds its data unfit, or leaves nothing; the message names it.
        TypeError: If a step or an argument is of another type.
        ValueError: If a step or an argument has another name, or an argument a value out of its range.
    """
    functions = [_function(position, step) for position, step in enumerate(_listed(steps), start=1)]
    before = Size.of(data)
    reports: list[StepReport] = []
    for name, function in functions:
        result = function(data)
        if isinstance(result, Interactions):
            result = finish(name, {}, data, result)
        if not isinstance(result, Preprocessed):
            raise TypeError(f"preprocess: {name} must give Interactions or Preprocessed; got {type(result).__name__}")
        data = result.data
        reports.append(result.report)
    return PipelineResult(data, PipelineReport(tuple(reports), before, Size.of(data)))


def _listed(steps: object) -> list[Any]:
    if isinstance(steps, str | Mapping) or not isinstance(steps, Iterable):
        raise TypeError(f"preprocess: expected a list of steps, got {steps!r}: write [{steps!r}]")
    return list(steps)


def _function(position: int, step: Any) -> tuple[str, Callable[[Interactions], Any]]:
    """A step's name, and what it does."""
    where = f"preprocess: step {position}"
    if callable(step):
        return str(getattr(step, "__name__", type(step).__name__)), step
    arguments = {"step": step} if isinstance(step, str) else step
    if not isinstance(arguments, Mapping):
        raise TypeError(f"{where}: expected a name, a mapping or a function; got {step!r}, a {type(step).__name__}")
    if "step" not in arguments:
        raise ValueError(f"{where}: expected a mapping with the key 'step', such as {{'step': 'k_core'}}; got {step!r}")
    name = arguments["step"]
    if not isinstance(name, str) or name not in STEPS:
        raise ValueError(f"{where}: there is no step {name!r}{_nearest(name, STEPS)}; the steps are {', '.join(STEPS)}")
    rest = {key: value for key, value in arguments.items() if key != "step"}
    known = [parameter for parameter in inspect.signature(STEPS[name]).parameters if parameter != "data"]
    for key in rest:
        if key not in known:
            raise ValueError(
                f"{where}: {name} has no argument {key!r}{_nearest(key, known)}; it takes {', '.join(known) or 'none'}"
            )
    missing = _missing(name, rest)
    if missing:
        raise ValueError(f"{where}: {name} needs {', '.join(missing)}")
    return name, lambda data: STEPS[name](data, **rest)


def _missing(name: str, given: Mapping[str, Any]) -> list[str]:
    return [
        parameter.name
        for parameter in inspect.signature(STEPS[name]).parameters.values()
        if parameter.default is parameter.empty and parameter.name not in {"data", *given}
    ]


def _nearest(name: object, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
