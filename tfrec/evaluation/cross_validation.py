"""Cross-validation: one model, fitted and evaluated on several splits; the public function `cross_validate`."""

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from tfrec import files
from tfrec._version import __version__
from tfrec.checks import check_integer
from tfrec.data import Interactions, Split, k_fold
from tfrec.evaluation.evaluator import evaluate
from tfrec.evaluation.report import Report, write_json
from tfrec.evaluation.setting import as_cutoffs, as_metrics
from tfrec.evaluation.storage import load_report, save_report
from tfrec.evaluation.tables import Table, Tabular, figure_text
from tfrec.metrics import Metric

_SETTINGS, _SPLIT = "cross_validation.json", "split"
_OF_ONE_TEST_SET = ("candidates", "given", "seen")
_WITHOUT_EFFECT = ("batch_size", "memory")


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation(Tabular):
    """The figures of a model on several splits; from `cross_validate`.

    Attributes:
        reports: the report of each fold.
    """

    reports: tuple[Report, ...]

    @property
    def mean(self) -> dict[str, float]:
        """Every figure's mean over the folds."""
        return self._of_folds("mean")

    @property
    def std(self) -> dict[str, float]:
        """Every figure's sample standard deviation over the folds (with n - 1 in the denominator).

        It says how much the figure varies from fold to fold. Divided by the root of n it is not the standard error of
        the mean: the folds' training sets overlap, so their figures are not independent, and no unbiased estimate of
        that error exists (Bengio & Grandvalet 2004, No Unbiased Estimator of the Variance of K-Fold Cross-Validation).
        """
        return self._of_folds("std")

    def __repr__(self) -> str:
        mean, std = self.mean, self.std
        figures = ", ".join(f"{key}={mean[key]:.4f} ± {std[key]:.4f}" for key in list(mean)[:3])
        return f"CrossValidation({self.reports[0].model!r}, {len(self.reports)} folds: {figures}, …)"

    def _folds(self) -> pd.DataFrame:
        frame = pd.DataFrame({number: report.to_dict() for number, report in enumerate(self.reports, start=1)})
        return frame.rename_axis(index="metric", columns="fold")

    def to_frame(self) -> pd.DataFrame:
        """A row for each figure (index "metric"); columns 1 to n, the folds, "mean" and "std"."""
        frame = self._folds()
        return frame.assign(mean=frame.mean(axis=1), std=frame.std(axis=1, ddof=1))

    def _of_folds(self, name: str) -> dict[str, float]:
        return {str(key): float(value) for key, value in self.to_frame()[name].items()}

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Means, deviations and the folds' reports as JSON, written to a file as well if there is a path.

        Returns:
            The JSON text.
        """
        first = self.reports[0]
        record = {"model": first.model, "dataset": first.dataset, "protocol": first.protocol}
        folds = [report.to_record() for report in self.reports]
        return write_json({**record, "mean": self.mean, "std": self.std, "folds": folds}, path)

    def table(self) -> Table:
        """The table that `print` and `show` show: a row for each figure, a column for each fold."""
        first, frame = self.reports[0], self.to_frame()
        return Table(
            header=["", *(f"fold {name}" if isinstance(name, int) else name for name in frame.columns)],
            rows=[[str(key), *map(figure_text, row)] for key, row in zip(frame.index, frame.to_numpy(), strict=True)],
            heading=[f"{first.model} on {first.dataset}: {first.protocol}", f"{len(self.reports)} folds"],
            notes=["std: sample standard deviation over the folds"],
            styles={(row, frame.shape[1] - 1): "bold" for row in range(len(frame))},
        )


def cross_validate(
    model: Any,
    data: Interactions | None = None,
    *,
    n_folds: int = 5,
    folds: Iterable[Split] | None = None,
    by: Literal["global", "user"] = "global",
    seed: int = 42,
    epochs: int | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **evaluation: Any,
) -> CrossValidation:
    """Fit and evaluate a model on every fold of the data.

        cross_validate(EASE(l2=200.0), data, n_folds=5, k=10, metrics=["ndcg", "recall"])

    Every interaction is tested on once, by a model fitted to the other folds (Kohavi 1995, A Study of Cross-Validation
    and Bootstrap for Accuracy Estimation and Model Selection, IJCAI).

    Args:
        model: the model to fit afresh for each fold; only its class and its arguments are used.
        data: the interactions to divide by `tfrec.data.k_fold`.
        n_folds: into how many folds.
        folds: instead of `data`, the splits themselves, at least two.
        by: for `data`: any rows make a fold ("global"), or each user's rows are spread over the folds ("user").
        seed: of the division of `data`. The model's own seed is one of its arguments, and the same in each fold.
        epochs: of each fit; None is the model's own default.
        path: a folder that keeps every finished fold, so that an interrupted run goes on where it was when it is
            started again.
        progress: show a bar on the standard error.
        **evaluation: arguments of `tfrec.evaluate`: `k`, `metrics`, `exclude_seen` and so on.

    Returns:
        Means, standard deviations and the folds' reports.

    Raises:
        ValueError: if there are both or neither of `data` and `folds`, or fewer than two folds; if `path` holds a run
            of another model, of other data or with other options.
        TypeError: if `model` is not a model, or an option is not one of `tfrec.evaluate` or belongs to one test set.
    """
    _check_model(model)
    evaluation = _checked(evaluation)
    if (data is None) == (folds is None):
        raise ValueError("cross_validate takes either data, to be divided into folds, or folds=, the splits themselves")
    if data is not None:
        splits: Sequence[Split] = k_fold(data, n_folds, by, seed)
    elif isinstance(folds, Sequence):
        splits = folds
    else:
        splits = list(folds or ())
    check_integer("the number of folds", len(splits), minimum=2)
    folder = None if path is None else Path(path)
    if folder is not None:
        options = {"epochs": epochs, "evaluation": evaluation}
        division = None if data is None else {"data": data, "by": by, "seed": seed}
        _begin(folder, _settings(model, division, len(splits), options))
    reports = []
    for number in tqdm(range(1, len(splits) + 1), desc="cross-validation", unit="fold", disable=not progress):
        split = splits[number - 1]
        reports.append(_fold(model, split, None if folder is None else folder / f"fold_{number}", epochs, evaluation))
    return CrossValidation(tuple(reports))


def _fold(model: Any, split: Split, folder: Path | None, epochs: int | None, evaluation: Mapping[str, Any]) -> Report:
    """The report of one fold, from its folder if it is there already."""
    parts = None if folder is None else {"train": split[0].fingerprint(), "test": split[1].fingerprint()}
    if folder is not None and folder.is_dir():
        if json.loads((folder / f"{_SPLIT}.json").read_text(encoding="utf-8")) != parts:
            raise ValueError(f"{folder} is of another split: give cross_validate the same folds, or another path")
        return load_report(folder)
    fresh = type(model)(**model.get_config())
    fresh.fit(split[0], epochs=epochs, verbose=0)
    report = evaluate(fresh, split[1], **evaluation)
    if folder is not None:
        save_report(folder, report, **{_SPLIT: parts})
    return report


def _check_model(model: Any) -> None:
    if isinstance(model, type) or not (hasattr(model, "get_config") and hasattr(model, "fit")):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a tfrec Recommender, such as EASE(l2=200.0); got {got}")


def _checked(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The options of every evaluation; raises the errors of a wrong one before the first fit."""
    if wrong := [name for name in _OF_ONE_TEST_SET if evaluation.get(name) is not None]:
        raise TypeError(f"{wrong[0]} belongs to one test set, and cross_validate has one for each fold")
    known = inspect.signature(evaluate).parameters
    if unknown := [name for name in evaluation if name not in known]:
        raise TypeError(f"cross_validate got {unknown[0]!r}, which is no argument of its own or of tfrec.evaluate")
    checks: dict[str, Callable[[Any], Any]] = {"k": as_cutoffs, "metrics": as_metrics}
    return {name: checks[name](value) if name in checks else value for name, value in evaluation.items()}


def _settings(
    model: Any, division: Mapping[str, Any] | None, n_folds: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the figures depend on, as JSON gives it back; the splits are kept with their folds."""
    evaluation = {name: value for name, value in options["evaluation"].items() if name not in _WITHOUT_EFFECT}
    settings = {
        "version of tfrec": __version__,
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "arguments of the model": model.get_config(),
        "number of folds": n_folds,
        "division of the data": division,
        "epochs": options["epochs"],
        "evaluation": evaluation,
    }
    return json.loads(json.dumps(settings, default=_plain))


def _plain(value: Any) -> Any:
    """What stands in the settings for a value that JSON doesn't have."""
    if isinstance(value, Interactions):
        return value.fingerprint()
    if isinstance(value, Metric):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()]
    if isinstance(value, Iterable):
        return list(value)
    return repr(value)


def _begin(folder: Path, settings: dict[str, Any]) -> None:
    """Make the folder of a run, or see to it that the run which is there is this one."""
    path = folder / _SETTINGS
    if not path.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"{folder} holds something else than a cross-validation: choose another path")
        folder.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(settings, indent=2))
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name in settings if there.get(name) != settings[name]]:
        raise ValueError(
            f"{folder} holds a cross-validation with other settings ({', '.join(other)}): choose another path, or "
            "remove it to start afresh"
        )
