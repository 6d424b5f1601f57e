"""Cross-validation: the folds by hand, an interrupted run taken up again, and runs that must not be mixed."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tfrec
from tfrec.data import Split, ThreeWaySplit, k_fold, strong_split
from tfrec.evaluation import cross_validate
from tfrec.metrics import METRICS, Metric
from tfrec.models import EASE, Popularity

OPTIONS: dict[str, Any] = {"k": (3, 5), "metrics": ("ndcg", "coverage"), "progress": False}


class StoppedError(Exception):
    pass


def check_frames(left, right):
    pd.testing.assert_frame_equal(left.per_user, right.per_user)
    pd.testing.assert_frame_equal(left.exposure, right.exposure)


@pytest.fixture(scope="module")
def data():
    return tfrec.data.synthetic(n_users=60, n_items=30, n_interactions=700, seed=1)


@pytest.fixture(scope="module")
def found(data):
    return cross_validate(EASE(l2=20.0), data, n_folds=3, **OPTIONS)


@pytest.fixture
def stopping(monkeypatch):
    """A function after which the fit with this number is interrupted."""
    original, fits = EASE.fit, []

    def stop_at(number):
        def fit(self, *arguments, **options):
            fits.append(1)
            if len(fits) == number:
                raise StoppedError
            return original(self, *arguments, **options)

        monkeypatch.setattr(EASE, "fit", fit)
        fits.clear()
        return fits

    return stop_at


class TestFigures:
    def test_each_fold_as_by_hand(self, data, found):
        for number, (train, test) in enumerate(k_fold(data, 3)):
            model = EASE(l2=20.0)
            model.fit(train, verbose=0)
            assert found.reports[number] == tfrec.evaluate(model, test, k=(3, 5), metrics=("ndcg", "coverage"))

    def test_mean_and_deviation(self, found):
        values = np.array([[report[key] for key in found.mean] for report in found.reports])
        assert list(found.mean) == ["ndcg@3", "ndcg@5", "coverage@3", "coverage@5"]
        np.testing.assert_allclose(list(found.mean.values()), values.mean(axis=0))
        np.testing.assert_allclose(list(found.std.values()), values.std(axis=0, ddof=1))

    def test_frame(self, found):
        frame = found.to_frame()
        assert frame.columns.tolist() == [1, 2, 3, "mean", "std"]
        assert frame.index.name == "metric"
        assert frame.loc["ndcg@3", 2] == found.reports[1]["ndcg@3"]
        assert frame["mean"].to_dict() == found.mean

    def test_text(self, found):
        lines = str(found).splitlines()
        assert lines[0].startswith("ease on ")
        assert lines[1] == "3 folds"
        assert lines[3].split() == ["fold", "1", "fold", "2", "fold", "3", "mean", "std"]
        assert lines[4].split() == ["ndcg@3", *(f"{value:.4f}" for value in found.to_frame().loc["ndcg@3"])]
        assert repr(found).startswith("CrossValidation('ease', 3 folds: ndcg@3=")

    def test_json(self, found, tmp_path):
        record = json.loads(found.to_json(tmp_path / "folds.json"))
        assert json.loads((tmp_path / "folds.json").read_text()) == record
        assert record["mean"] == found.mean
        assert [fold["metrics"] for fold in record["folds"]] == [report.to_dict() for report in found.reports]

    def test_the_model_that_is_given_stays_as_it_is(self, data):
        model = EASE(l2=20.0)
        model.fit(data, verbose=0)
        before = [variable.numpy() for variable in model.weights]
        cross_validate(model, data, n_folds=2, **OPTIONS)
        for variable, value in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(variable, value)

    def test_splits_of_ones_own(self, data, found):
        by_hand = (split for split in k_fold(data, 3))
        again = cross_validate(EASE(l2=20.0), folds=by_hand, **OPTIONS)
        assert again.reports == found.reports

    def test_by_user_and_seed(self, data, found):
        other = cross_validate(EASE(l2=20.0), data, n_folds=3, by="user", seed=7, **OPTIONS)
        assert other.reports != found.reports

    def test_iterators_of_options_serve_all_folds(self, data, found):
        options: dict[str, Any] = {"k": iter([3, 5]), "metrics": iter(["ndcg", "coverage"]), "progress": False}
        assert cross_validate(EASE(l2=20.0), data, n_folds=3, **options).reports == found.reports

    def test_progress_is_shown_on_the_standard_error(self, data, capfd):
        cross_validate(Popularity(), data, n_folds=2, k=3, metrics="ndcg")
        shown = capfd.readouterr()
        assert "2/2" in shown.err
        assert shown.out == ""


class TestResume:
    def test_an_interrupted_run_goes_on_where_it_was(self, data, found, tmp_path, stopping):
        stopping(3)
        with pytest.raises(StoppedError):
            cross_validate(EASE(l2=20.0), data, n_folds=3, path=tmp_path / "run", **OPTIONS)
        fits = stopping(99)
        resumed = cross_validate(EASE(l2=20.0), data, n_folds=3, path=tmp_path / "run", **OPTIONS)
        assert len(fits) == 1
        assert resumed.reports == found.reports
        for mine, its in zip(resumed.reports, found.reports, strict=True):
            check_frames(mine, its)

    def test_of_items_with_features(self, data, tmp_path, stopping):
        genres = pd.DataFrame({"drama": np.arange(data.n_items) % 2 == 0}, index=data.item_ids)
        described = dataclasses.replace(data, item_features=genres)
        options = OPTIONS | {"metrics": ("ndcg", "diversity")}
        first = cross_validate(Popularity(), described, n_folds=2, path=tmp_path, **options)
        stopping(1)
        assert cross_validate(Popularity(), described, n_folds=2, path=tmp_path, **options).reports == first.reports

    def test_a_finished_run_is_read_only(self, data, found, tmp_path, stopping):
        cross_validate(EASE(l2=20.0), data, n_folds=3, path=tmp_path, **OPTIONS)
        stopping(1)
        assert cross_validate(EASE(l2=20.0), data, n_folds=3, path=tmp_path, **OPTIONS).reports == found.reports

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"model": EASE(l2=21.0)}, "arguments of the model"),
            ({"model": Popularity()}, "model"),
            ({"n_folds": 4}, "number of folds"),
            ({"seed": 43}, "division of the data"),
            ({"by": "user"}, "division of the data"),
            ({"epochs": 2}, "epochs"),
            ({"k": (3, 6)}, "evaluation"),
            ({"exclude_seen": False}, "evaluation"),
        ],
    )
    def test_another_run_is_refused(self, data, tmp_path, changes, named):
        options = {"model": EASE(l2=20.0), "data": data, "n_folds": 2, "path": tmp_path, **OPTIONS}
        first = cross_validate(**options)
        with pytest.raises(ValueError, match=rf"with other settings \(.*{named}.*choose another path"):
            cross_validate(**{**options, **changes})
        assert cross_validate(**options).reports == first.reports

    def test_other_data_are_refused(self, data, tmp_path):
        cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)
        other = data.select(np.arange(len(data)) > 0)
        with pytest.raises(ValueError, match="other settings"):
            cross_validate(Popularity(), other, n_folds=2, path=tmp_path, **OPTIONS)

    def test_other_splits_are_refused(self, data, tmp_path):
        cross_validate(Popularity(), folds=k_fold(data, 2, seed=1), path=tmp_path, **OPTIONS)
        with pytest.raises(ValueError, match="of another split"):
            cross_validate(Popularity(), folds=k_fold(data, 2, seed=2), path=tmp_path, **OPTIONS)

    def test_how_much_memory_is_used_may_change(self, data, tmp_path, stopping):
        first = cross_validate(EASE(), data, n_folds=2, path=tmp_path, **OPTIONS)
        stopping(1)
        again = cross_validate(EASE(), data, n_folds=2, path=tmp_path, batch_size=7, **OPTIONS)
        assert again.reports == first.reports

    def test_spelling_a_default_out_changes_nothing(self, data, tmp_path, stopping):
        options: dict[str, Any] = {"n_folds": 2, "path": tmp_path, "progress": False}
        cross_validate(EASE(), data, **options)
        stopping(1)
        spelt: dict[str, Any] = {"k": [5, 10, 20], "exclude_seen": True, "item_vectors": None, "epochs": 1}
        cross_validate(EASE(), data, **options, **spelt)

    @pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, lambda table: table.tolist()])
    def test_item_vectors_are_told_apart_by_content(self, data, tmp_path, kind):
        options: dict[str, Any] = {"n_folds": 2, "path": tmp_path, "k": 3, "metrics": "diversity", "progress": False}
        vectors = np.random.default_rng(0).random((data.n_items, 2000))  # too many for a repr to show
        cross_validate(Popularity(), data, item_vectors=vectors, **options)
        cross_validate(Popularity(), data, item_vectors=kind(vectors), **options)
        vectors[7, 1000] += 0.5
        with pytest.raises(ValueError, match=r"other settings \(evaluation\)"):
            cross_validate(Popularity(), data, item_vectors=kind(vectors), **options)

    def test_metrics_of_ones_own_are_not_kept(self, data, tmp_path, stopping):
        own = Metric("ndcg", "hits", lambda lists, k: 1 - METRICS["ndcg"].function(lists, k))
        options: dict[str, Any] = {"n_folds": 2, "k": 3, "progress": False}
        assert len(cross_validate(EASE(), data, metrics=own, **options).reports) == 2
        stopping(1)
        with pytest.raises(TypeError, match=r"'ndcg' is one of your own.*Leave out path="):
            cross_validate(EASE(), data, metrics=own, path=tmp_path / "run", **options)
        assert not (tmp_path / "run").exists()

    def test_arguments_that_no_file_can_tell_are_not_kept(self, data, tmp_path):
        class Odd(Popularity):
            def get_config(self):
                return {**super().get_config(), "name": object()}

        with pytest.raises(TypeError, match="folds that depend on a object"):
            cross_validate(Odd(), data, n_folds=2, path=tmp_path, **OPTIONS)

    @pytest.mark.parametrize(
        "damaged", ["cross_validation.json", "fold_1/split.json", "fold_1/report.json", "fold_1/per_user.npz"]
    )
    @pytest.mark.parametrize("content", ["", "{", "[]"])
    def test_damaged_files(self, data, tmp_path, damaged, content):
        cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)
        (tmp_path / damaged).write_text(content)
        with pytest.raises(ValueError, match=r"damaged|another split"):
            cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)

    def test_a_missing_file_of_a_fold(self, data, tmp_path):
        cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)
        (tmp_path / "fold_2" / "report.json").unlink()
        with pytest.raises(ValueError, match=r"Remove .*fold_2 to have this fold fitted again"):
            cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)

    def test_a_file_is_no_folder(self, data, tmp_path):
        file: Path = tmp_path / "file"
        file.write_text("dear")
        with pytest.raises(ValueError, match="path must be a folder"):
            cross_validate(Popularity(), data, n_folds=2, path=file, **OPTIONS)

    def test_what_a_killed_process_left_is_no_obstacle(self, data, tmp_path):
        (tmp_path / ".cross_validation.json.01234567.partial").write_text("{")
        cross_validate(Popularity(), data, n_folds=2, path=tmp_path, **OPTIONS)

    def test_a_folder_of_something_else_is_refused(self, data, tmp_path):
        (tmp_path / "letter.txt").write_text("dear")
        with pytest.raises(ValueError, match="holds something else"):
            cross_validate(Popularity(), data, path=tmp_path, **OPTIONS)
        assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"metrics": "ndgc"}, ValueError, "unknown metric 'ndgc'"),
            ({"k": 0}, ValueError, "k must be"),
            ({"metric": "ndcg"}, TypeError, "'metric', which is no argument"),
            ({"n_folds": 1}, ValueError, "n_folds must be an integer of at least 2"),
            ({"by": "item"}, ValueError, "by"),
            ({"epochs": 0}, ValueError, "epochs must be"),
            ({"memory": 0}, ValueError, "memory must be"),
            ({"memory": 9}, ValueError, "memory is 9 bytes"),
            ({"batch_size": 0}, ValueError, "batch_size must be"),
            ({"exclude_seen": "no"}, TypeError, "exclude_seen must be True or False"),
            ({"progress": 1}, TypeError, "progress must be True or False"),
            ({"metrics": []}, ValueError, "metrics must name at least one"),
            ({"k": (5, 5)}, ValueError, "k must not repeat"),
            ({"metrics": "diversity"}, ValueError, "item_vectors"),
            ({"metrics": "diversity", "item_vectors": [[1.0]]}, ValueError, "item_vectors must be"),
            ({"metrics": "diversity", "item_vectors": [[1.0], [1.0, 2.0]]}, ValueError, "different lengths"),
            ({"metrics": "rmse"}, ValueError, "rat"),
        ],
    )
    def test_before_any_fit(self, data, stopping, options, error, message):
        stopping(1)
        with pytest.raises(error, match=message):
            cross_validate(EASE(), data, **options)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda data: 5, "got 5: for a number of folds, give data and n_folds"),
            (lambda data: data, "got Interactions: to have them divided, give them as the data"),
            (lambda data: Split(data, data), "got a single Split: give a list"),
            (strong_split, "got a single StrongSplit"),
            (lambda data: [Split(data, data), strong_split(data)], "fold 2 is a StrongSplit of 3 parts"),
            (lambda data: [ThreeWaySplit(data, data, data)] * 2, "fold 1 is a ThreeWaySplit"),
            (lambda data: [(data, data), data], "fold 2 is a Interactions"),
            (lambda data: [(data, data), (data, data.to_frame())], "fold 2 is a tuple"),
            (lambda data: "ab", "fold 1 is a str"),
        ],
    )
    def test_what_are_no_folds(self, data, stopping, make, message):
        stopping(1)
        with pytest.raises(TypeError, match=rf"folds takes pairs \(train, test\).*{message}"):
            cross_validate(EASE(), folds=make(data), progress=False)

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_a_fold_without_rows(self, data, stopping, part):
        stopping(1)
        nothing = data.select(np.zeros(len(data), bool))
        with pytest.raises(ValueError, match=f"fold 2 has no rows to {part} on"):
            cross_validate(EASE(), folds=[Split(data, data), Split(data, data)._replace(**{part: nothing})])

    def test_a_test_set_is_no_option(self, data):
        with pytest.raises(TypeError, match="test belongs to one test set"):
            cross_validate(EASE(), data, test=data)

    def test_what_belongs_to_one_test_set(self, data):
        with pytest.raises(TypeError, match="seen belongs to one test set"):
            cross_validate(EASE(), data, seen=data)

    def test_data_and_folds(self, data):
        with pytest.raises(ValueError, match="either data, to be divided into folds, or folds="):
            cross_validate(EASE(), data, folds=k_fold(data, 2))
        with pytest.raises(ValueError, match="either data"):
            cross_validate(EASE())
        with pytest.raises(ValueError, match="the number of folds must be an integer of at least 2; got 1"):
            cross_validate(EASE(), folds=[Split(data, data)])

    @pytest.mark.parametrize(("model", "got"), [(EASE, "the class EASE"), ("ease", "str"), (None, "NoneType")])
    def test_no_model(self, data, model, got):
        with pytest.raises(TypeError, match=f"model must be a tfrec Recommender.*got {got}"):
            cross_validate(model, data)
