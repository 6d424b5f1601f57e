"""What a preprocessing step gives: the new interactions, and a report of what it removed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions

if TYPE_CHECKING:
    from tfrec.data.preprocessing.normalisation import RatingNormaliser


class Size(NamedTuple):
    """How large interactions are: rows, and the users and items that have any."""

    rows: int
    users: int
    items: int

    @classmethod
    def of(cls, data: Interactions) -> "Size":
        """Count rows, and the users and items with rows."""
        users, items = np.bincount(data.user, minlength=1), np.bincount(data.item, minlength=1)
        return cls(len(data), int(np.count_nonzero(users)), int(np.count_nonzero(items)))


@dataclass(frozen=True)
class StepReport:
    """What one step of preprocessing did. ``print`` shows it in one line.

    Attributes:
        step: The step's name.
        parameters: Its arguments, ready for JSON.
        before: The size of what it was given.
        after: The size of what it gave.
        details: More counts, such as the rounds of `k_core`.
        normaliser: What `normalise_ratings` fitted, which also maps back; None in other steps' reports.
    """

    step: str
    parameters: Mapping[str, Any]
    before: Size
    after: Size
    details: Mapping[str, int] = field(default_factory=dict)
    normaliser: "RatingNormaliser | None" = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        details = [f"{name} {value:,}" for name, value in self.details.items()]
        return f"{call(self.step, self.parameters)}: {', '.join([_change(self.before, self.after), *details])}"

    def to_dict(self) -> dict[str, Any]:
        """The report, ready for JSON: ``step``, ``parameters``, ``before``, ``after`` and the details."""
        return {
            "step": self.step,
            "parameters": dict(self.parameters),
            "before": self.before._asdict(),
            "after": self.after._asdict(),
            **self.details,
        }


@dataclass(frozen=True)
class PipelineReport:
    """What several steps did, one after the other. ``print`` shows a line a step.

    Attributes:
        steps: The steps' reports, in their order.
        before: The size of what the first step was given.
        after: The size of what the last step gave.
    """

    steps: tuple[StepReport, ...]
    before: Size
    after: Size

    def __str__(self) -> str:
        return "\n".join([*map(str, self.steps), f"all steps: {_change(self.before, self.after)}"])

    def to_dict(self) -> dict[str, Any]:
        """The report, ready for JSON: ``steps``, ``before`` and ``after``."""
        return {
            "steps": [step.to_dict() for step in self.steps],
            "before": self.before._asdict(),
            "after": self.after._asdict(),
        }


class Preprocessed(NamedTuple):
    """New interactions and the report of the step that made them: ``data, report = k_core(data)``."""

    data: Interactions
    report: StepReport


class PipelineResult(NamedTuple):
    """New interactions and the report of all steps that made them."""

    data: Interactions
    report: PipelineReport


def finish(
    step: str,
    parameters: Mapping[str, Any],
    before: Interactions,
    after: Interactions,
    *,
    details: Mapping[str, int] | None = None,
    normaliser: "RatingNormaliser | None" = None,
) -> Preprocessed:
    """The result of a step.

    Raises:
        DataError: If nothing is left; the message names the step and its arguments.
    """
    if not len(after):
        made = f"leaves none of the {len(before):,} interactions" if len(before) else "was given no interactions"
        raise DataError(f"{call(step, parameters)} {made} of {before.name!r}")
    report = StepReport(step, dict(parameters), Size.of(before), Size.of(after), dict(details or {}), normaliser)
    return Preprocessed(after, report)


def call(step: str, parameters: Mapping[str, Any]) -> str:
    """A step with its arguments, as one writes it; arguments that were left out are left out here."""
    given = [f"{name}={value!r}" for name, value in parameters.items() if value is not None]
    return f"{step}({', '.join(given)})"


def _change(before: Size, after: Size) -> str:
    return ", ".join(f"{name} {old:,} → {new:,}" for name, old, new in zip(Size._fields, before, after, strict=True))
