"""Typed configurations: a data set, a split, a model, an evaluation, and what to expect of them.

Values are coerced to their types (YAML reads `1e-4` as a string), and an unknown key is refused with its nearest match.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field, create_model

from tfrec.config_sections import (
    ConfigError,
    EvaluationConfig,
    ExpectedConfig,
    FitConfig,
    PublishedConfig,
    Section,
    nearest,
    validate,
)

__all__ = ["Config", "ConfigError", "build_model", "find_config", "load_config", "parse_config", "parse_data"]

PUBLISHED = "published"
"""The method of a split that comes with its data."""

K_FOLD = "k_fold"
"""The method of a split into folds, each of which is tested on once."""


class Config(Section):
    """One experiment.

    Three sections are a name and the arguments of what it names: `data` a `name` and the arguments of the loader,
    `split` a `method` and those of the split, `model` a `name` and those of the constructor. `data` also takes
    `preprocess`, the steps for `tfrec.data.preprocess`, and `split` also `validation`: split the training part once
    more in the same way, to validate on every epoch.

    `expected` and `published` change nothing: they say what comes out, here and in print.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    protocol: str = ""
    data: dict[str, Any]
    split: dict[str, Any] = Field(default={})
    model: dict[str, Any]
    fit: FitConfig = FitConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    expected: ExpectedConfig = ExpectedConfig()
    published: PublishedConfig | None = None

    def what_counts(self) -> dict[str, Any]:
        """All that the figures depend on, as JSON has it: configurations alike in it give the same ones."""
        return self.model_dump(mode="json", include={"data", "split", "model", "fit", "evaluation"})

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
    raise ConfigError(f"there is no configuration {str(path)!r}{nearest(name, known)}; tfrec has {', '.join(known)}")


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
    config = validate(Config, content, source, "")
    sections = {
        "model": _model_section(config.model, source),
        "split": _split_section(config.split, source),
        "data": _data_section(config.data, config.split.get("method") == PUBLISHED, source),
    }
    config = config.model_copy(update=sections)
    _check_figures(config, source)
    _check_early_stopping(config, source)
    _check_validation_given(config, source)
    return config


def _check_figures(config: Config, source: str) -> None:
    """Refuse figures that are not measured."""
    measured = config.evaluation.figures()
    for section, given in (("expected", config.expected), ("published", config.published)):
        for name in given.metrics if given is not None else ():
            if name not in measured:
                what = f"{section}.metrics has {name}{nearest(name, measured)}"
                raise ConfigError(f"{source}: {what}, which is not measured")


def _check_early_stopping(config: Config, source: str) -> None:
    """Refuse to wait for a figure that will not be in the logs."""
    stopping, split = config.fit.early_stopping, config.split
    if stopping is None or stopping.monitor == "loss":
        return
    key = f"{source}: fit.early_stopping.monitor"
    known = [f"val_{name}" for name in config.evaluation.figures()]
    if stopping.monitor not in known:
        guess = nearest(stopping.monitor, known)
        raise ConfigError(f"{key} is {stopping.monitor!r}{guess}; there are loss, {', '.join(known)}")
    if split["method"] != PUBLISHED and not split["validation"]:
        way_out = "monitor: loss" if split["method"] in _UNVALIDATED else "split.validation: true, or monitor: loss"
        raise ConfigError(f"{key} is {stopping.monitor}, and nothing is kept to validate on: write {way_out}")


def _check_validation_given(config: Config, source: str) -> None:
    """Refuse to give what there is not."""
    split = config.split
    if config.evaluation.validation_given and split["method"] != PUBLISHED and not split["validation"]:
        raise ConfigError(
            f"{source}: evaluation.validation_given needs something kept to validate on: write split.validation: true"
        )


def parse_data(name: str, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """The data section of a data set by name, with `key=value` arguments of its loader, complete and checked.

    Raises:
        ConfigError: there is no such data set, or an argument doesn't fit.
    """
    from tfrec.data.by_name import LOADERS, PUBLISHED_SPLITS

    section: dict[str, Any] = {}
    for argument in arguments:
        _set(section, argument)
    published = name in PUBLISHED_SPLITS and name not in LOADERS
    return _data_section({"name": name, **section}, published, "the command line")


def build_model(config: Config) -> Any:
    """The model of a configuration, not fitted."""
    from tfrec.models import MODELS

    arguments = dict(config.model)
    return MODELS[arguments.pop("name")](**arguments)


_UNVALIDATED = ("strong", K_FOLD)  # splits that no second split of the same kind fits into


def _model_section(section: Mapping[str, Any], source: str) -> dict[str, Any]:
    from tfrec.models import MODELS

    return _called(
        section, "name", {name: model.__init__ for name, model in MODELS.items()}, source, "model", own={"self"}
    )


def _split_section(section: Mapping[str, Any], source: str) -> dict[str, Any]:
    from tfrec.data.by_name import SPLITS

    section = {"method": "random", **section}
    if section["method"] == PUBLISHED:
        return _called(section, "method", {PUBLISHED: lambda: None}, source, "split")
    validation = section.pop("validation", False)
    if not isinstance(validation, bool):
        raise ConfigError(f"{source}: split.validation is true or false, got {validation!r}")
    if validation and section["method"] in _UNVALIDATED:
        raise ConfigError(
            f"{source}: split.validation goes with splits of known users in two parts, not with {section['method']}"
        )
    if validation and section.get("date") is not None:
        raise ConfigError(
            f"{source}: split.validation would split at the same split.date again: give split.test instead"
        )
    section = _called(section, "method", SPLITS, source, "split", own={"data"}, others=[PUBLISHED])
    arguments = {key: value for key, value in section.items() if key != "method"}
    _try(lambda data: SPLITS[section["method"]](data, **arguments), f"{source}: split")
    return {**section, "validation": validation}


def _data_section(section: Mapping[str, Any], published: bool, source: str) -> dict[str, Any]:
    from tfrec.data import preprocess
    from tfrec.data.by_name import LOADERS, PUBLISHED_SPLITS

    arguments = dict(section)
    name, steps = arguments.get("name"), arguments.pop("preprocess", [])
    if name in PUBLISHED_SPLITS and name not in LOADERS and not published:
        raise ConfigError(f"{source}: {name} comes as a published split: write `split: {{method: {PUBLISHED}}}`")
    if name in LOADERS and name not in PUBLISHED_SPLITS and published:
        raise ConfigError(f"{source}: split.method is {PUBLISHED}, and {name} has no published split")
    if published and steps:
        raise ConfigError(f"{source}: data.preprocess would change a published split: leave one of the two away")
    arguments = _called(arguments, "name", PUBLISHED_SPLITS if published else LOADERS, source, "data")
    _try(lambda data: preprocess(data, steps), f"{source}: data.preprocess")
    return {**arguments, "preprocess": steps}


def _called(
    section: Mapping[str, Any],
    key: str,
    known: Mapping[str, Callable[..., Any]],
    source: str,
    prefix: str,
    *,
    own: Collection[str] = (),
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """A name and the arguments of what it names, checked against the signature and completed.

    Args:
        section: the name, under ``key``, and the arguments.
        key: what the name is called.
        known: the functions by name.
        source: the file, for messages.
        prefix: the section, for messages.
        own: parameters that a configuration doesn't give.
        others: further names, for messages.
    """
    arguments = dict(section)
    name = arguments.pop(key, None)
    names = [*known, *others]
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"{source}: {prefix}.{key} is {name!r}{nearest(str(name), names)}; there are {', '.join(names)}"
        )
    parameters = [p for p in inspect.signature(known[name]).parameters.values() if p.name not in {*own, "name"}]
    fields: dict[str, Any] = {p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in parameters}
    schema = create_model(f"{name} arguments", __base__=Section, **fields)
    return {key: name, **validate(schema, arguments, source, f"{prefix}.").model_dump()}


def _try(use: Callable[[Any], Any], what: str) -> None:
    """Find bad arguments before the real data are loaded, which may take minutes: use them on a handful of rows."""
    from tfrec.data import DataError, Interactions

    user, item = np.divmod(np.arange(100), 10)
    ids = np.array([f"{i}" for i in range(10)], dtype=object)
    data = Interactions(user, item, 1 + item % 5, 86_400 * item, user_ids=ids, item_ids=ids, name="a trial")
    try:
        use(data)
    except DataError:
        return  # so few rows may be unfit; the real ones will tell
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from None


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
