"""Cross-validation: one model, fitted and evaluated on several splits; the public function `cross_validate`."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from tfrec.checks import check_flag, check_integer
from tfrec.data import Folds, Interactions, Split, k_fold
from tfrec.evaluation.evaluator import check_needs, complete_options, evaluate
from tfrec.evaluation.kept_folds import begin, kept_fold, settings_of
from tfrec.evaluation.report import Report, write_json
from tfrec.evaluation.setting import as_batch_size
from tfrec.evaluation.tables import Table, Tabular, figure_text

_OF_ONE_TEST_SET = ("test", "candidates", "given", "seen")


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
        folds: instead of `data`, the splits themselves, at least two: pairs (train, test) of `Interactions`.
        by: for `data`: any rows make a fold ("global"), or each user's rows are spread over the folds ("user").
        seed: of the division of `data`. The model's own seed is one of its arguments, and the same in each fold.
        epochs: of each fit; None is the model's own default.
        path: a folder that keeps every finished fold, so that an interrupted run goes on where it was when it is
            started again. It then can't have metrics of your own, whose functions no file tells apart.
        progress: show a bar on the standard error.
        **evaluation: arguments of `tfrec.evaluate`: `k`, `metrics`, `exclude_seen` and so on.

    Returns:
        Means, standard deviations and the folds' reports.

    Raises:
        ValueError: if there are both or neither of `data` and `folds`, or fewer than two folds; if a fold has no rows,
            or an option is out of range; if `path` holds a run of another model, of other data or with other options,
            or something damaged.
        TypeError: if `model` is not a model, or a fold no pair of `Interactions`; if an option is not one of
            `tfrec.evaluate`, or belongs to one test set, or with `path` is nothing that a file can tell.
    """
    _check_model(model)
    check_flag("progress", progress)
    evaluation = _checked(evaluation)
    epochs = getattr(model, "default_epochs", None) if epochs is None else check_integer("epochs", epochs, minimum=1)
    if (data is None) == (folds is None):
        raise ValueError("cross_validate takes either data, to be divided into folds, or folds=, the splits themselves")
    splits: Sequence[Split] = _checked_folds(folds) if data is None else k_fold(data, n_folds, by, seed)
    test = splits[0][1] if data is None else data
    as_batch_size(evaluation["batch_size"], evaluation["memory"], test.n_items, max(evaluation["k"]))
    check_needs(model, test, evaluation["metrics"], evaluation["item_vectors"])
    folder = None if path is None else Path(path)
    if folder is not None:
        division = None if data is None else {"data": data, "by": by, "seed": seed}
        begin(folder, settings_of(model, division, len(splits), epochs, evaluation))
    reports = []
    for number in tqdm(range(1, len(splits) + 1), desc="cross-validation", unit="fold", disable=not progress):
        split = splits[number - 1]
        reports.append(_fold(model, split, None if folder is None else folder / f"fold_{number}", epochs, evaluation))
    return CrossValidation(tuple(reports))


def _fold(model: Any, split: Split, folder: Path | None, epochs: int | None, evaluation: Mapping[str, Any]) -> Report:
    """The report of one fold, from its folder if it is there already."""

    def make() -> Report:
        fresh = type(model)(**model.get_config())
        fresh.fit(split[0], epochs=epochs, verbose=0)
        return evaluate(fresh, split[1], **evaluation)

    return make() if folder is None else kept_fold(folder, split, make)


def _checked_folds(folds: Any) -> Sequence[Split]:
    """The splits, if each is a pair to train and to test on; those that tfrec makes one at a time are not all made."""
    way_out = "folds takes pairs (train, test) of Interactions, such as k_fold(data) gives"
    if isinstance(folds, Folds):
        return folds
    if isinstance(folds, Interactions):
        raise TypeError(f"{way_out}; got Interactions: to have them divided, give them as the data")
    if not isinstance(folds, Iterable):
        hint = ": for a number of folds, give data and n_folds" if isinstance(folds, int) else ""
        raise TypeError(f"{way_out}; got {folds!r}{hint}")
    if isinstance(folds, tuple) and any(isinstance(part, Interactions) for part in folds):
        raise TypeError(f"{way_out}; got a single {type(folds).__name__}: give a list of at least two pairs")
    splits = list(folds)
    check_integer("the number of folds", len(splits), minimum=2)
    for number, split in enumerate(splits, start=1):
        _check_fold(number, split, way_out)
    return splits


def _check_fold(number: int, split: Any, way_out: str) -> None:
    is_pair = isinstance(split, Sequence) and len(split) == 2
    if not is_pair or not all(isinstance(part, Interactions) for part in split):
        parts = f" of {len(split)} parts" if isinstance(split, Sequence) and not isinstance(split, str) else ""
        raise TypeError(
            f"{way_out}; fold {number} is a {type(split).__name__}{parts}: give the part to train on and the part to "
            "test on, (train, test)"
        )
    for name, part in zip(("train", "test"), split, strict=True):
        if not len(part):
            raise ValueError(f"fold {number} has no rows to {name} on: leave it out, or divide the data otherwise")


def _check_model(model: Any) -> None:
    if isinstance(model, type) or not (hasattr(model, "get_config") and hasattr(model, "fit")):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a tfrec Recommender, such as EASE(l2=200.0); got {got}")


def _checked(evaluation: dict[str, Any]) -> dict[str, Any]:
    """All options of every evaluation, defaults too; raises the errors of a wrong one before the first fit."""
    if wrong := [name for name in _OF_ONE_TEST_SET if evaluation.get(name) is not None]:
        raise TypeError(f"{wrong[0]} belongs to one test set, and cross_validate has one for each fold")
    options = complete_options({name: value for name, value in evaluation.items() if value is not None})
    options = {name: value for name, value in options.items() if name not in _OF_ONE_TEST_SET}
    if options["item_vectors"] is not None:
        options["item_vectors"] = _as_array(options["item_vectors"])
    return options


def _as_array(item_vectors: Any) -> Any:
    """One table, for all folds and for the settings; what is none is refused where the vectors are checked."""
    try:
        return np.asarray(item_vectors)
    except ValueError:  # rows of different lengths
        return item_vectors
