"""Run directories: a configuration, carried out.

`<runs>/<name>/` holds `config.yaml` (complete: every default written out), `metrics.json` (flat: `{"ndcg@10": …}`),
`data.json` (fingerprints of the data), `history.csv` (a row an epoch), `model/` (for `tfrec.load`), `logs/` (for
TensorBoard) and `plots/` (PNG).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec import files
from tfrec.config import Config, ConfigError, DataConfig, build_model, load_config
from tfrec.data import Candidates, Interactions, movielens, ncf_split, random_split, synthetic

_DATA = "data.json"


@dataclass(frozen=True)
class Experiment:
    """The data of a configuration, split. `candidates` is None where all items are ranked."""

    train: Interactions
    test: Interactions
    candidates: Candidates | None = None

    def fingerprints(self) -> dict[str, str]:
        """What tells these data from any others."""
        return {"train": self.train.fingerprint(), "test": self.test.fingerprint()}


def load_data(config: DataConfig) -> Interactions:
    """The interactions that a configuration names (of a published split, its training part)."""
    if config.name == "synthetic":
        return synthetic()
    if config.name == "csv":
        return Interactions.from_csv(str(config.path))
    if config.name == "ml-1m-ncf":
        return ncf_split(path=config.path).train
    return movielens(config.name.removeprefix("ml-"), path=config.path)


def prepare(config: Config) -> Experiment:
    """Load and split the data of a configuration."""
    if config.split.method == "published":
        return Experiment(*ncf_split(path=config.data.path))
    split = config.split
    train, test = random_split(load_data(config.data), test=split.test, by=split.by, seed=split.seed)
    if not len(test):
        raise ConfigError(f"split.test is {split.test}: so small a share of {train!r} leaves nothing to test on")
    return Experiment(train, test)


def evaluate(config: Config, model: Any, experiment: Experiment) -> Any:
    """The `Report` of a fitted model on the test part."""
    from tfrec.evaluation import evaluate

    return evaluate(
        model,
        experiment.test,
        k=config.evaluation.k,
        metrics=config.evaluation.metrics,
        candidates=experiment.candidates,
    )


def train(config: Config, runs: str | Path = "runs", *, verbose: int = 1) -> tuple[Path, Any]:
    """Fit and evaluate what a configuration says, into the new folder `<runs>/<name>`.

    Returns:
        The folder, and the `Report`.

    Raises:
        FileExistsError: the folder is there already.
    """
    from tfrec._tf import tf
    from tfrec.evaluation import plots

    if config.data.path is not None:  # the run is evaluated from any folder
        data = config.data.model_copy(update={"path": str(Path(config.data.path).resolve())})
        config = config.model_copy(update={"data": data})
    with files.new_folder(Path(runs) / config.name) as folder:
        (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
        experiment = prepare(config)
        (folder / _DATA).write_text(json.dumps(experiment.fingerprints(), indent=2), encoding="utf-8")
        model = build_model(config)
        callbacks = [tf.keras.callbacks.TensorBoard(str(folder / "logs"))]
        history = model.fit(experiment.train, epochs=config.fit.epochs, callbacks=callbacks, verbose=verbose)
        _write_history(folder / "history.csv", history)
        report = evaluate(config, model, experiment)
        (folder / "metrics.json").write_text(json.dumps(report.to_dict(), indent=2), encoding="utf-8")
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
    if json.loads(path.read_text(encoding="utf-8")) != experiment.fingerprints():
        raise ValueError(f"the data have changed since {run_dir} was made: train again, or bring the old data back")


def shortfalls(config: Config, report: Any) -> list[str]:
    """One line for each metric that is not what the configuration expects, within its tolerance."""
    expected = config.expected
    return [
        f"{name} is {report[name]:.4f}, expected {value:.4f} ± {expected.tolerance:g}"
        for name, value in expected.metrics.items()
        if abs(report[name] - value) > expected.tolerance
    ]


def _write_history(path: Path, history: Any) -> None:
    import pandas as pd

    frame = pd.DataFrame(history.history)
    frame.insert(0, "epoch", history.epoch)
    frame.to_csv(path, index=False)
