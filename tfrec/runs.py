"""Run directories: a configuration, carried out.

`<runs>/<name>/` holds `config.yaml` (complete: every default written out), `metrics.json` (flat: `{"ndcg@10": …}`),
`data.json` (fingerprints of the data), `history.csv` (a row an epoch), `about.json` (how long it took, and on what),
`model/` (for `tfrec.load`), `logs/` (for TensorBoard), `plots/` (PNG) and `report/` (for `Report.load`: with the values
of every user, so that runs can be compared).

Of a cross-validation (`split.method: k_fold`) `metrics.json` holds the means over the folds and, as `rmse_std`, their
standard deviations; `report/`, `logs/` and `plots/` have a folder for each fold, and `history.csv` has a column for it.
It holds no `model/`: that of one fold is fitted to a part of the data only, and none was tested that is fitted to all.

A run that is interrupted leaves a hidden folder beside it, with which the next one of the same configuration goes on.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from tfrec._version import __version__
from tfrec.config import K_FOLD, Config, ConfigError, build_model, load_config
from tfrec.experiments import Experiment, FoldedExperiment, prepare, with_absolute_path
from tfrec.unfinished import PROGRESS, check_free, unfinished_folder

_CONFIG, _DATA, _METRICS, _ABOUT = "config.yaml", "data.json", "metrics.json", "about.json"


@dataclass(frozen=True)
class _Fit:
    """What came of a fit: the logs of its epochs, and how long they took."""

    rows: Sequence[Mapping[str, float]]
    seconds: float
    model: Any = None


def train(
    config: Config,
    runs: str | Path = "runs",
    *,
    verbose: int = 1,
    fresh: bool = False,
    replace: bool = False,
    keep_model: bool = True,
    callbacks: Sequence[Any] = (),
    say: Callable[[str], None] = print,
) -> tuple[Path, Any]:
    """Fit and evaluate what a configuration says, into the folder `<runs>/<name>`.

    Args:
        config: the configuration.
        runs: the folder of the runs.
        verbose: of Keras's `fit`.
        fresh: start over, though an interrupted run of this configuration could be gone on with.
        replace: put it in the place of an existing run, which stays until the new one is whole.
        keep_model: with `model/`; without, there are only figures.
        callbacks: of tf.keras, for every fit.
        say: told in words when a run goes on with what an interrupted one has done.

    Returns:
        The folder, and the `Report`; of a k-fold split the `CrossValidation`.

    Raises:
        FileExistsError: the folder is there already, and `replace` is False.
        RuntimeError: another process is at the same run.
    """
    from tfrec.evaluation.evaluator import check_needs

    path = Path(runs) / config.name
    check_free(path, replace=replace)
    config = with_absolute_path(config)
    experiment = prepare(config)
    test = experiment.folds.data if isinstance(experiment, FoldedExperiment) else experiment.test
    check_needs(build_model(config), test, config.evaluation.metrics)  # what would fail after the fit fails before it
    key = {"tfrec": __version__, "configuration": config.what_counts(), "data": experiment.fingerprints()}
    with unfinished_folder(path, key, fresh=fresh, replace=replace, lasting=("logs",)) as folder:
        (folder / _CONFIG).write_text(config.to_yaml(), encoding="utf-8")
        _write_json(folder / _DATA, experiment.fingerprints())
        run = _Run(config, folder, verbose, keep_model, tuple(callbacks), say)
        report = run.cross_validate(experiment) if isinstance(experiment, FoldedExperiment) else run.train(experiment)
        _write_json(folder / _METRICS, figures(report))
    return path, report


@dataclass(frozen=True)
class _Run:
    """A run that is going on, and the folder that it fills."""

    config: Config
    folder: Path
    verbose: int
    keep_model: bool
    callbacks: tuple[Any, ...]
    say: Callable[[str], None]

    def train(self, experiment: Experiment) -> Any:
        """The `Report` of one split."""
        from tfrec.evaluation import plots

        fit = self._fit(experiment, self.folder / PROGRESS, "")
        began = perf_counter()
        report = evaluate(self.config, fit.model, experiment)
        history = _history(fit.rows)
        history.to_csv(self.folder / "history.csv", index=False)
        self._write_about(fit.seconds, perf_counter() - began)
        report.save(self.folder / "report")
        if self.keep_model:
            fit.model.save(self.folder / "model")
        plots.save_run_plots(self.folder / "plots", _series(history), report)
        return report

    def cross_validate(self, experiment: FoldedExperiment) -> Any:
        """The `CrossValidation` of all folds; each that is finished is kept."""
        import pandas as pd

        from tfrec.evaluation import CrossValidation, plots

        reports, histories, fit_seconds, evaluation_seconds = [], {}, 0.0, 0.0
        for number, fold in enumerate(experiment.experiments(), start=1):
            report, fit, seconds = self._fold(number, len(experiment.folds), fold)
            report.save(self.folder / "report" / f"fold_{number}")
            histories[number] = _history(fit.rows)
            plots.save_run_plots(self.folder / "plots" / f"fold_{number}", _series(histories[number]), report)
            reports.append(report)
            fit_seconds, evaluation_seconds = fit_seconds + fit.seconds, evaluation_seconds + seconds
        history = pd.concat(histories, names=["fold", None]).reset_index("fold")
        history.to_csv(self.folder / "history.csv", index=False)
        self._write_about(fit_seconds, evaluation_seconds)
        return CrossValidation(tuple(reports))

    def _fold(self, number: int, n_folds: int, fold: Experiment) -> tuple[Any, _Fit, float]:
        """The report of a fold, its fit and the seconds of the evaluation: made, or kept by an interrupted run."""
        from tfrec.evaluation.storage import load_record, load_report, save_report

        kept, record = self.folder / PROGRESS / f"fold_{number}", "fit"
        title = f"fold {number} of {n_folds}"
        if kept.exists():
            self.say(f"{title} is there already: an interrupted run has finished it")
            done = load_record(kept / f"{record}.json")
            return load_report(kept), _Fit(done["rows"], done["seconds"]), done["evaluation_seconds"]
        if self.verbose:
            self.say(title)
        fitting = self.folder / PROGRESS / f"fit_{number}"
        fit = self._fit(fold, fitting, f"fold_{number}")
        began = perf_counter()
        report = evaluate(self.config, fit.model, fold)
        seconds = perf_counter() - began
        save_report(kept, report, **{record: {**vars(fit), "model": None, "evaluation_seconds": seconds}})
        shutil.rmtree(fitting, ignore_errors=True)
        return report, fit, seconds

    def _fit(self, experiment: Experiment, progress_folder: Path, logs: str) -> _Fit:
        """Fit a model, from where an interrupted fit was."""
        from tfrec._tf import tf
        from tfrec.callbacks import RankingMetrics
        from tfrec.resuming import Progress

        model = build_model(self.config)
        model.compile(steps_per_execution=self.config.fit.steps_per_execution)
        epochs = self.config.fit.epochs or model.default_epochs
        callbacks = [tf.keras.callbacks.TensorBoard(str(self.folder / "logs" / logs))]
        if experiment.validation is not None:
            evaluation = self.config.evaluation
            callbacks.append(RankingMetrics(experiment.validation, k=evaluation.k, metrics=evaluation.metrics))
        stopping = None
        if (asked := self.config.fit.early_stopping) is not None:
            stopping = tf.keras.callbacks.EarlyStopping(
                asked.monitor, patience=asked.patience, restore_best_weights=asked.restore_best
            )
            callbacks.append(stopping)
        progress = Progress(progress_folder, epochs, stopping)
        if done := len(progress.rows):
            self.say(f"an interrupted run has done {done} of {epochs} epochs: going on from there")
        model.fit(
            experiment.train,
            epochs=epochs,
            initial_epoch=progress.initial_epoch,
            callbacks=[*callbacks, *self.callbacks, progress],
            verbose=self.verbose,
        )
        return _Fit(progress.rows, progress.seconds, model)

    def _write_about(self, fit: float, evaluation: float) -> None:
        from tfrec.hardware import describe_hardware

        seconds = {"fit_seconds": round(fit, 3), "evaluation_seconds": round(evaluation, 3)}
        _write_json(self.folder / _ABOUT, {"tfrec": __version__, **seconds, "hardware": describe_hardware()})


def evaluate(config: Config, model: Any, experiment: Experiment) -> Any:
    """The `Report` of a fitted model on the test part."""
    from tfrec.data import concatenate
    from tfrec.evaluation import evaluate

    asked, given, seen = config.evaluation, experiment.given, experiment.validation
    if asked.validation_given and experiment.validation is not None:
        given, seen = concatenate(experiment.train, experiment.validation), None
    return evaluate(
        model,
        experiment.test,
        k=asked.k,
        metrics=asked.metrics,
        candidates=experiment.candidates,
        given=given,
        seen=seen if asked.validation_seen and experiment.candidates is None else None,
    )


def evaluate_again(run_dir: str | Path) -> tuple[Config, Any]:
    """The configuration of a run directory, and the `Report` of its model on the test part, made anew.

    Of a cross-validation it is the `CrossValidation` that was found then, as no models are kept; the data are checked.

    Raises:
        FileNotFoundError: it is not a whole run directory.
        ValueError: the data are not those of the run any more.
    """
    config = read_config(run_dir)
    experiment = prepare(config)
    check_data(run_dir, experiment)
    if isinstance(experiment, FoldedExperiment):
        return config, load_report(run_dir)
    return config, evaluate(config, load(run_dir)[1], experiment)


def read_config(run_dir: str | Path) -> Config:
    """The configuration of a run directory.

    Raises:
        FileNotFoundError: it is not a run directory.
    """
    path = Path(run_dir) / _CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir} is not a run directory: it has no {_CONFIG}; `tfrec train` makes one")
    return load_config(path)


def load(run_dir: str | Path) -> tuple[Config, Any]:
    """The configuration and the fitted model of a run directory.

    Raises:
        FileNotFoundError: it is not a run directory, or one without a model.
        ValueError: it is a cross-validation, of which no model is kept.
    """
    from tfrec.saving import load as load_model

    config = read_config(run_dir)
    if config.split["method"] == K_FOLD:
        raise ValueError(
            f"{run_dir} is a cross-validation, which keeps no model: for one, train with another split, such as "
            f'--set name={config.name}-model --set "split={{method: random, test: 0.1}}"'
        )
    folder = Path(run_dir) / "model"
    if not folder.exists():
        raise FileNotFoundError(
            f"{run_dir} holds figures only, as `tfrec reproduce` keeps them; `tfrec train` keeps models"
        )
    return config, load_model(folder)


def load_report(run_dir: str | Path) -> Any:
    """The `Report` that is kept in a run directory, or the `CrossValidation`.

    Raises:
        FileNotFoundError: it is not a whole run directory.
        ValueError: a file of it is damaged.
    """
    from tfrec.evaluation import CrossValidation, Report

    split, folder = read_config(run_dir).split, Path(run_dir) / "report"
    if split["method"] != K_FOLD:
        return Report.load(folder)
    return CrossValidation(tuple(Report.load(folder / f"fold_{n}") for n in range(1, split["n_folds"] + 1)))


def load_about(run_dir: str | Path) -> dict[str, Any]:
    """How long a run took (`fit_seconds` and `evaluation_seconds`), on what `hardware`, by which version of `tfrec`."""
    return json.loads((Path(run_dir) / _ABOUT).read_text(encoding="utf-8"))


def is_run_of(run_dir: str | Path, config: Config) -> bool:
    """Whether it is a finished run of this configuration by this version of tfrec; see `Config.what_counts`."""
    try:
        kept, about = read_config(run_dir), load_about(run_dir)
    except (FileNotFoundError, ConfigError):  # by a version that knew other keys, perhaps
        return False
    return kept.what_counts() == with_absolute_path(config).what_counts() and about["tfrec"] == __version__


def is_current(run_dir: str | Path, config: Config) -> bool:
    """Whether it is a finished run of this configuration by this version of tfrec, on the data that are there now."""
    if not is_run_of(run_dir, config):
        return False
    try:
        check_data(run_dir, prepare(config))
    except ValueError:
        return False
    return True


def check_data(run_dir: str | Path, experiment: Experiment | FoldedExperiment) -> None:
    """Raise a `ValueError` if the data are not those of the run any more."""
    path = Path(run_dir) / _DATA
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir} is not a whole run directory: it has no {_DATA}; `tfrec train` makes one")
    if json.loads(path.read_text(encoding="utf-8")) != experiment.fingerprints():
        raise ValueError(f"the data have changed since {run_dir} was made: train again, or bring the old data back")


def figures(report: Any) -> dict[str, float]:
    """The figures of a `Report` by name; of a `CrossValidation` the means, and the deviations as `<name>_std`."""
    from tfrec.evaluation import CrossValidation

    if isinstance(report, CrossValidation):
        return report.mean | {f"{name}_std": value for name, value in report.std.items()}
    return report.to_dict()


def shortfalls(config: Config, report: Any) -> list[str]:
    """One line for each metric that is not what the configuration expects, within its tolerance."""
    expected, found = config.expected, figures(report)
    return [
        f"{name} is {found[name]:.4f}, expected {value:.4f} ± {expected.tolerance:g}"
        for name, value in expected.metrics.items()
        if not abs(found[name] - value) <= expected.tolerance
    ]


def _history(rows: Sequence[Mapping[str, float]]) -> Any:
    import pandas as pd

    return pd.DataFrame(list(rows))


def _series(history: Any) -> dict[str, list[float]]:
    return {str(name): history[name].tolist() for name in history if name != "epoch"}


def _write_json(path: Path, record: Any) -> None:
    path.write_text(json.dumps(record, indent=2), encoding="utf-8")
