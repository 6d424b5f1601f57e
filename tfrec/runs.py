"""Run directories: a configuration, carried out.

`<runs>/<name>/` holds `config.yaml` (complete: every default written out), `metrics.json` (flat: `{"ndcg@10": …}`),
`data.json` (fingerprints of the data), `history.csv` (a row an epoch), `model/` (for `tfrec.load`), `logs/` (for
TensorBoard), `plots/` (PNG) and `report/` (for `Report.load`: with the values of every user, so that runs can be
compared).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec import files
from tfrec.config import PUBLISHED, Config, ConfigError, build_model, load_config
from tfrec.data import Candidates, Interactions, StrongSplit, preprocess
from tfrec.data.by_name import LOADERS, PUBLISHED_SPLITS, SPLITS

_DATA = "data.json"


@dataclass(frozen=True)
class Experiment:
    """The data of a configuration, split. What a protocol doesn't have is None.

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


def load_data(section: Mapping[str, Any]) -> Interactions:
    """The interactions that a configuration names, preprocessed (of a published split, its training part)."""
    arguments = dict(section)
    name, steps = arguments.pop("name"), arguments.pop("preprocess", [])
    if name not in LOADERS:
        return PUBLISHED_SPLITS[name](**arguments).train
    data = LOADERS[name](**arguments)
    return preprocess(data, steps).data if steps else data


def prepare(config: Config) -> Experiment:
    """Load and split the data of a configuration."""
    split = dict(config.split)
    method = split.pop("method")
    if method == PUBLISHED:
        arguments = {key: value for key, value in config.data.items() if key not in ("name", "preprocess")}
        return Experiment(**PUBLISHED_SPLITS[config.data["name"]](**arguments)._asdict())
    validate = split.pop("validation")
    data = load_data(config.data)
    parts = SPLITS[method](data, **split)
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


def evaluate(config: Config, model: Any, experiment: Experiment) -> Any:
    """The `Report` of a fitted model on the test part."""
    from tfrec.evaluation import evaluate

    return evaluate(
        model,
        experiment.test,
        k=config.evaluation.k,
        metrics=config.evaluation.metrics,
        candidates=experiment.candidates,
        given=experiment.given,
        seen=experiment.validation if config.evaluation.validation_seen and experiment.candidates is None else None,
    )


def train(config: Config, runs: str | Path = "runs", *, verbose: int = 1) -> tuple[Path, Any]:
    """Fit and evaluate what a configuration says, into the new folder `<runs>/<name>`.

    Returns:
        The folder, and the `Report`.

    Raises:
        FileExistsError: the folder is there already.
    """
    from tfrec._tf import tf
    from tfrec.callbacks import RankingMetrics
    from tfrec.evaluation import plots
    from tfrec.evaluation.evaluator import check_needs

    if config.data.get("path") is not None:  # the run is evaluated from any folder
        config = config.model_copy(
            update={"data": config.data | {"path": str(Path(config.data["path"]).expanduser().resolve())}}
        )
    with files.new_folder(Path(runs) / config.name) as folder:
        (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
        experiment = prepare(config)
        (folder / _DATA).write_text(json.dumps(experiment.fingerprints(), indent=2), encoding="utf-8")
        model = build_model(config)
        check_needs(model, experiment.test, config.evaluation.metrics)  # what would fail after the fit fails before it
        callbacks = [tf.keras.callbacks.TensorBoard(str(folder / "logs"))]
        if experiment.validation is not None:
            evaluation = config.evaluation
            callbacks.append(RankingMetrics(experiment.validation, k=evaluation.k, metrics=evaluation.metrics))
        history = model.fit(experiment.train, epochs=config.fit.epochs, callbacks=callbacks, verbose=verbose)
        _write_history(folder / "history.csv", history)
        report = evaluate(config, model, experiment)
        (folder / "metrics.json").write_text(json.dumps(report.to_dict(), indent=2), encoding="utf-8")
        report.save(folder / "report")
        model.save(folder / "model")
        plots.save_run_plots(folder / "plots", history.history, report)
    return Path(runs) / config.name, report


def load(run_dir: str | Path) -> tuple[Config, Any]:
    """The configuration and the fitted model of a run directory.

    Raises:
        FileNotFoundError: it is not a run directory.
    """
    from tfrec.saving import load as load_model

    run_dir = Path(run_dir)
    if not (run_dir / "config.yaml").is_file():
        raise FileNotFoundError(f"{run_dir} is not a run directory: it has no config.yaml; `tfrec train` makes one")
    return load_config(run_dir / "config.yaml"), load_model(run_dir / "model")


def check_data(run_dir: str | Path, experiment: Experiment) -> None:
    """Raise a `ValueError` if the data are not those of the run any more."""
    path = Path(run_dir) / _DATA
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir} is not a whole run directory: it has no {_DATA}; `tfrec train` makes one")
    if json.loads(path.read_text(encoding="utf-8")) != experiment.fingerprints():
        raise ValueError(f"the data have changed since {run_dir} was made: train again, or bring the old data back")


def shortfalls(config: Config, report: Any) -> list[str]:
    """One line for each metric that is not what the configuration expects, within its tolerance."""
    expected = config.expected
    return [
        f"{name} is {report[name]:.4f}, expected {value:.4f} ± {expected.tolerance:g}"
        for name, value in expected.metrics.items()
        if not abs(report[name] - value) <= expected.tolerance
    ]


def _write_history(path: Path, history: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame(history.history)
    frame.insert(0, "epoch", history.epoch)
    frame.to_csv(path, index=False)
