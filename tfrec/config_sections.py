"""The parts of a configuration that have a fixed form, and how a mapping is checked against a form."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from tfrec.metrics import get_metric


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says which key, and what it takes."""


class Section(BaseModel):
    """A part of a configuration: immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class EarlyStoppingConfig(Section):
    """When a fit ends before its last epoch."""

    monitor: str = Field(description="a figure of the validation, such as val_rmse or val_ndcg@10, or the loss")
    patience: int = Field(default=3, ge=1, description="epochs without an improvement until it ends")
    restore_best: bool = Field(default=True, description="end with the weights of the best epoch, not of the last")


class FitConfig(Section):
    """How the model is fitted."""

    epochs: int | None = Field(default=None, ge=1, description="None: the model's own default")
    early_stopping: EarlyStoppingConfig | None = None
    steps_per_execution: int = Field(
        default=1, ge=1, description="of Keras's compile: steps a call of the train function"
    )


class EvaluationConfig(Section):
    """What is measured."""

    k: tuple[int, ...] = (5, 10, 20)
    metrics: tuple[str, ...] = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")
    validation_seen: bool = Field(default=True, description="items of the validation part count as seen in the test")
    validation_given: bool = Field(
        default=False, description="the test is ranked from training and validation rows, by history, as sequences are"
    )

    @field_validator("k", "metrics", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value

    @field_validator("k")
    @classmethod
    def _check_k(cls, k: tuple[int, ...]) -> tuple[int, ...]:
        if not k or min(k) < 1 or len(set(k)) < len(k):
            raise ValueError("expected different numbers above 0")
        return k

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        if not metrics:
            raise ValueError("expected at least one metric")
        for name in metrics:
            get_metric(name)
        if len(set(metrics)) < len(metrics):
            raise ValueError("expected every metric once")
        return metrics

    def figures(self) -> list[str]:
        """The names of what is measured: metrics and cutoffs, such as "ndcg@10" or "rmse"."""
        return [figure for name in self.metrics for figure in _figures(name, self.k)]


def _figures(metric: str, cutoffs: Sequence[int]) -> list[str]:
    return [f"{metric}@{k}" for k in cutoffs] if get_metric(metric).has_cutoff else [metric]


class ExpectedConfig(Section):
    """What the configuration reached when it was written: metrics within a tolerance."""

    metrics: dict[str, FiniteFloat] = {}
    tolerance: FiniteFloat = Field(default=0.0005, ge=0)


class PublishedConfig(Section):
    """What others report of this model on these data, and where."""

    metrics: dict[str, FiniteFloat] = Field(min_length=1)
    source: str = Field(min_length=1)


def validate(schema: type[BaseModel], content: Mapping[str, Any], source: str, prefix: str) -> Any:
    """A mapping in the form of `schema`.

    Args:
        schema: the form.
        content: the mapping.
        source: the file, for messages.
        prefix: where in the file the mapping stands, such as "model.", for messages.

    Raises:
        ConfigError: a key or a value doesn't fit; all of them are named.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        lines = [_explain(problem, schema, prefix) for problem in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(lines)) from None


def _explain(problem: Any, schema: type[BaseModel], prefix: str) -> str:
    location = problem["loc"]
    key = prefix + ".".join(str(part) for part in location)
    if problem["type"] == "missing":
        return f"{key} must be given"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}, got {problem['input']!r}"
    for part in location[:-1]:
        schema = _section_in(schema.model_fields[part].annotation)
    return f"unknown key {key}{nearest(str(location[-1]), schema.model_fields)}"


def _section_in(annotation: Any) -> type[BaseModel]:
    """The form of a section that may be left out: of `X` and of `X | None`, X."""
    return next((part for part in get_args(annotation) if part is not type(None)), annotation)


def nearest(name: str, known: Iterable[str]) -> str:
    """What a message suggests instead of an unknown name; empty where nothing is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""
