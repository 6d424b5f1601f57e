"""The data of a configuration, loaded, preprocessed and split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec.config import K_FOLD, PUBLISHED, Config, ConfigError
from tfrec.data import Candidates, Folds, Interactions, StrongSplit, preprocess
from tfrec.data.by_name import LOADERS, PUBLISHED_SPLITS, SPLITS


@dataclass(frozen=True)
class Experiment:
    """Data to train and to test on. What a protocol doesn't have is None.

    Attributes:
        train: what the model is fitted to.
        test: what it is evaluated on.
        validation: what it is evaluated on after every epoch.
        given: what is given of the test users.
        candidates: the items to rank; None for all.
    """

    train: Interactions
    test: Interactions
    validation: Interactions | None = None
    given: Interactions | None = None
    candidates: Candidates | None = None

    def fingerprints(self) -> dict[str, str]:
        """What tells these data from any others."""
        parts = {
            "train": self.train,
            "test": self.test,
            "validation": self.validation,
            "given": self.given,
            "candidates": self.candidates,
        }
        return {name: part.fingerprint() for name, part in parts.items() if part is not None}


@dataclass(frozen=True)
class FoldedExperiment:
    """Data in folds: as many experiments, each made when its turn comes.

    Attributes:
        folds: the splits.
    """

    folds: Folds

    def fingerprints(self) -> dict[str, str]:
        """What tells these data from any others: the rows that each fold tests, and so the others, it trains on."""
        return {f"fold_{number}": test.fingerprint() for number, (_, test) in enumerate(self.folds, start=1)}

    def experiments(self) -> Iterator[Experiment]:
        """The experiment of each fold."""
        return (Experiment(train, test) for train, test in self.folds)


def with_absolute_path(config: Config) -> Config:
    """The configuration for use from any folder."""
    path = config.data.get("path")
    if path is None:
        return config
    return config.model_copy(update={"data": config.data | {"path": str(Path(path).expanduser().resolve())}})


def load_data(section: Mapping[str, Any]) -> Interactions:
    """The interactions that a configuration names, preprocessed (of a published split, its training part)."""
    arguments = dict(section)
    name, steps = arguments.pop("name"), arguments.pop("preprocess", [])
    if name not in LOADERS:
        return PUBLISHED_SPLITS[name](**arguments).train
    data = LOADERS[name](**arguments)
    return preprocess(data, steps).data if steps else data


def prepare(config: Config) -> Experiment | FoldedExperiment:
    """Load and split the data of a configuration.

    Raises:
        ConfigError: there is nothing to test or to validate on.
    """
    split = dict(config.split)
    method = split.pop("method")
    if method == PUBLISHED:
        return _published(config)
    validate = split.pop("validation")
    data = load_data(config.data)
    parts = SPLITS[method](data, **split)
    if method == K_FOLD:
        return FoldedExperiment(parts)
    if isinstance(parts, StrongSplit):
        return Experiment(parts.train, parts.hidden, given=parts.given)
    train, test = parts
    if not len(test):
        raise ConfigError(f"split.test is {split.get('test')}: so small a share of {data!r} leaves nothing to test on")
    if not validate:
        return Experiment(train, test)
    train, validation = SPLITS[method](train, **split)
    if not len(validation):
        raise ConfigError(f"split.validation leaves nothing to validate on: the same split of {train!r} is empty")
    return Experiment(train, test, validation)


def _published(config: Config) -> Experiment:
    arguments = {key: value for key, value in config.data.items() if key not in ("name", "preprocess")}
    experiment = Experiment(**PUBLISHED_SPLITS[config.data["name"]](**arguments)._asdict())
    stopping = config.fit.early_stopping
    if stopping is not None and stopping.monitor != "loss" and experiment.validation is None:
        raise ConfigError(
            f"fit.early_stopping.monitor is {stopping.monitor}, and the published split of {config.data['name']} has "
            "no validation part: write monitor: loss"
        )
    if config.evaluation.validation_given and experiment.validation is None:
        raise ConfigError(
            f"evaluation.validation_given: the published split of {config.data['name']} has no validation part"
        )
    return experiment
