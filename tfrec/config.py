"""Typed configurations: a data set, a split, a model, an evaluation, and what to expect of them.

Values are coerced to their types (YAML reads `1e-4` as a string), and an unknown key is refused with its nearest match.
"""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from tfrec.metrics import get_metric


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says which key, and what it takes."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where the interactions come from."""

    name: Literal["ml-100k", "ml-1m", "ml-1m-ncf", "synthetic", "csv"]
    path: str | None = Field(default=None, description="a file or folder; None: found by itself (not for csv)")


class SplitConfig(_Section):
    """How test rows are held out; a data set with a published split has its own."""

    method: Literal["random", "published"] = "random"
    test: float = Field(default=0.2, gt=0, lt=1, description="share of the rows")
    by: Literal["user", "global"] = "user"
    seed: int = Field(default=42, ge=0)


class FitConfig(_Section):
    """How the model is fitted."""

    epochs: int | None = Field(default=None, ge=1, description="None: the model's own default")


class EvaluationConfig(_Section):
    """What is measured."""

    k: tuple[int, ...] = (5, 10, 20)
    metrics: tuple[str, ...] = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")

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
        return metrics


class ExpectedConfig(_Section):
    """What the configuration reached when it was written: metrics within a tolerance."""

    metrics: dict[str, float] = {}
    tolerance: float = 0.0005


class Config(_Section):
    """One experiment. `model` is a mapping with the model's `name` and its constructor's arguments."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    protocol: str = ""
    data: DataConfig
    split: SplitConfig = SplitConfig()
    model: dict[str, Any]
    fit: FitConfig = FitConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    expected: ExpectedConfig = ExpectedConfig()

    def to_yaml(self) -> str:
        """The configuration as YAML, every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def find_config(path: str | Path) -> Path:
    """The file of a configuration: a path, or the name of one that comes with tfrec, such as `ml-100k/ease`.

    Raises:
        ConfigError: neither is there.
    """
    own = Path(__file__).parent / "configs"
    name = str(path).removeprefix("configs/").removesuffix(".yaml")
    for candidate in (Path(path), own / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    known = sorted(str(file.relative_to(own).with_suffix("")) for file in own.glob("*/*.yaml"))
    raise ConfigError(f"there is no configuration {str(path)!r}{_nearest(name, known)}; tfrec has {', '.join(known)}")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration, with `key=value` overrides such as `model.l2=300`, complete and checked.

    Raises:
        ConfigError: the file is missing or is no YAML mapping, or a key or a value of it doesn't fit.
    """
    path = find_config(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold a mapping of keys, such as `name: …`; got {type(content).__name__}")
    for override in overrides:
        _set(content, override)
    return parse_config(content, str(path))


def parse_config(content: Mapping[str, Any], source: str = "the configuration") -> Config:
    """A mapping as a `Config`, the model's arguments checked against its constructor and completed.

    Raises:
        ConfigError: a key or a value doesn't fit.
    """
    config = _validate(Config, content, source, "")
    arguments = _model_arguments(config.model, source)
    measured = [f"{name}@{k}" for name in config.evaluation.metrics for k in config.evaluation.k]
    for name in config.expected.metrics:
        if name not in measured:
            raise ConfigError(f"{source}: expected.metrics has {name}{_nearest(name, measured)}, which is not measured")
    if config.data.name == "csv" and config.data.path is None:
        raise ConfigError(f"{source}: data.name is csv: data.path must name the file")
    if config.data.name == "synthetic" and config.data.path is not None:
        raise ConfigError(f"{source}: data.path is {config.data.path!r}, and synthetic data come from no file")
    if (config.data.name == "ml-1m-ncf") != (config.split.method == "published"):
        raise ConfigError(
            f"{source}: split.method is {config.split.method!r} for data {config.data.name!r}: a published split "
            "needs `method: published`, and other data `method: random`"
        )
    return config.model_copy(update={"model": arguments})


def build_model(config: Config) -> Any:
    """The model of a configuration, not fitted."""
    from tfrec.models import MODELS

    arguments = dict(config.model)
    return MODELS[arguments.pop("name")](**arguments)


def _model_arguments(section: Mapping[str, Any], source: str) -> dict[str, Any]:
    from tfrec.models import MODELS

    arguments = dict(section)
    name = arguments.pop("name", None)
    if not isinstance(name, str) or name not in MODELS:
        nearest = _nearest(str(name), list(MODELS))
        raise ConfigError(f"{source}: model.name is {name!r}{nearest}; the models are {', '.join(MODELS)}")
    parameters = list(inspect.signature(MODELS[name].__init__).parameters.values())[1:]
    fields: dict[str, Any] = {p.name: (p.annotation, p.default) for p in parameters if p.name != "name"}
    schema = create_model(f"{name} arguments", __base__=_Section, **fields)
    return {"name": name, **_validate(schema, arguments, source, "model.").model_dump()}


def _validate(schema: type[BaseModel], content: Mapping[str, Any], source: str, prefix: str) -> Any:
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        lines = [_explain(problem, schema, prefix) for problem in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(lines)) from None


def _explain(problem: Any, schema: type[BaseModel], prefix: str) -> str:
    location = problem["loc"]
    key = prefix + ".".join(str(part) for part in location)
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}, got {problem['input']!r}"
    for part in location[:-1]:
        schema = schema.model_fields[part].annotation  # type: ignore[assignment]
    return f"unknown key {key}{_nearest(str(location[-1]), list(schema.model_fields))}"


def _nearest(name: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {matches[0]}?)" if matches else ""


def _set(content: dict, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set takes key=value, such as model.l2=300; got {override!r}")
    *sections, last = key.split(".")
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section with keys")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {value!r} is not a YAML value") from error
