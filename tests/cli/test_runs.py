"""Experiments with every kind of split, from a configuration to a run directory."""

import json
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from tfrec import experiments, runs
from tfrec.config import ConfigError, parse_config
from tfrec.data import Candidates
from tfrec.models import EASE

SMALL = {"name": "synthetic", "n_users": 120, "n_items": 80, "n_interactions": 2_400}


def config(**sections):
    return parse_config({"name": "run", "data": SMALL, "model": {"name": "ease", "l2": 50}} | sections)


def prepare(chosen):
    experiment = experiments.prepare(chosen)
    assert isinstance(experiment, experiments.Experiment)
    return experiment


def users_of(data):
    return set(data.user_ids[data.user])


@pytest.mark.parametrize(
    "split",
    [
        {"method": "random", "by": "global"},
        {"method": "leave_out", "n": 2},
        {"method": "temporal", "test": 0.3},
        {"method": "temporal", "test": 0.3, "by": "user"},
        {"method": "temporal", "date": "2020-10-01"},
        {"method": "strong", "test_users": 30},
    ],
)
def test_every_split_gives_a_report(split, tmp_path):
    folder, report = runs.train(config(split=split), tmp_path, verbose=0)
    assert 0 < report["ndcg@10"] < 1
    assert json.loads((folder / "metrics.json").read_text()) == report.to_dict()
    loaded, model = runs.load(folder)
    experiment = prepare(loaded)
    runs.check_data(folder, experiment)
    assert runs.evaluate(loaded, model, experiment) == report


def test_strong_generalisation_tests_users_without_training_rows(tmp_path):
    experiment = prepare(config(split={"method": "strong", "test_users": 30}))
    assert len(users_of(experiment.test)) == 30
    assert users_of(experiment.given) == users_of(experiment.test)
    assert not users_of(experiment.test) & users_of(experiment.train)


class TestValidation:
    SPLIT: ClassVar = {"method": "leave_out", "validation": True}

    def test_it_is_split_off_in_the_same_way(self):
        experiment = prepare(config(split=self.SPLIT))
        assert experiment.validation is not None
        assert np.bincount(experiment.validation.user).max() == 1
        assert len(experiment.train) + len(experiment.validation) + len(experiment.test) == 2_400

    def test_it_is_evaluated_on_every_epoch_by_the_same_metrics(self, tmp_path):
        folder, _ = runs.train(
            config(split=self.SPLIT, evaluation={"k": 3, "metrics": ["coverage"]}), tmp_path, verbose=0
        )
        assert [name for name in map(str, pd.read_csv(folder / "history.csv")) if name.startswith("val_")] == [
            "val_coverage@3"
        ]

    def test_it_counts_as_seen_unless_told_otherwise(self, tmp_path):
        _, seen = runs.train(config(split=self.SPLIT), tmp_path / "a", verbose=0)
        _, kept = runs.train(config(split=self.SPLIT, evaluation={"validation_seen": False}), tmp_path / "b", verbose=0)
        assert "with those of synthetic" in seen.protocol
        assert kept.protocol == "full ranking, seen items excluded"
        assert seen["recall@20"] >= kept["recall@20"]

    def test_it_is_given_with_the_training_rows(self, tmp_path):
        """The test is ranked from both, of which neither comes back: hits beside those of a naive ranking."""
        chosen = config(split=self.SPLIT, evaluation={"k": [5, 10], "metrics": "hit_rate", "validation_given": True})
        folder, report = runs.train(chosen, tmp_path, verbose=0)
        loaded, model = runs.load(folder)
        assert loaded.evaluation.validation_given
        experiment = prepare(loaded)
        assert experiment.validation is not None
        had = (experiment.train.to_csr().toarray() > 0) | (experiment.validation.to_csr().toarray() > 0)
        weights = model.item_weights.numpy()
        places = []
        for user, item in zip(experiment.test.user, experiment.test.item, strict=True):
            scores = had[user] @ weights
            scores[had[user]] = -np.inf
            reachable = had[user].any() and not had[user, item] and model.recommendable[item]
            places.append((scores > scores[item]).sum() if reachable else np.inf)
        for k in (5, 10):
            assert report[f"hit_rate@{k}"] == pytest.approx(np.mean(np.array(places) < k))
        assert runs.evaluate(loaded, model, experiment) == report
        usual = config(split=self.SPLIT, evaluation={"k": [5, 10], "metrics": "hit_rate"})
        assert runs.evaluate(usual, model, experiment) != report

    def test_what_a_published_split_does_not_have_cannot_be_given(self, tmp_path):
        for name in ("train.txt", "test.txt"):
            (tmp_path / name).write_text("0 1 2\n1 0 2\n")
        data = {"name": "gowalla", "path": str(tmp_path), "complete": False}
        chosen = config(data=data, split={"method": "published"}, evaluation={"validation_given": True})
        with pytest.raises(ConfigError, match=r"evaluation\.validation_given: .* gowalla has no validation part"):
            experiments.prepare(chosen)


def test_several_steps_in_one_call_give_the_same_figures(tmp_path):
    model = {"name": "ncf", "architecture": "gmf", "n_factors": 4, "batch_size": 300}
    plain, together = (
        runs.train(
            config(model=model, fit={"epochs": 2, "steps_per_execution": steps}), tmp_path / f"{steps}", verbose=0
        )[1]
        for steps in (1, 3)
    )
    assert together == plain


def test_data_are_preprocessed():
    steps = [{"step": "minimum_rating", "rating": 4}, {"step": "k_core", "user": 5, "item": 5}]
    data = experiments.load_data(config(data={**SMALL, "preprocess": steps}).data)
    assert data.rating.min() >= 4
    counts = np.bincount(data.user), np.bincount(data.item)
    assert min(count[count > 0].min() for count in counts) >= 5


def test_a_published_split_in_three_parts(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{user} " + " ".join(map(str, rng.permutation(12)[:6] + 1)) for user in range(1, 31)]
    (tmp_path / "Beauty.txt").write_text("\n".join(lines) + "\n")
    data = {"name": "beauty", "path": str(tmp_path), "complete": False}
    experiment = prepare(config(data=data, split={"method": "published"}))
    assert [len(part or ()) for part in (experiment.train, experiment.validation, experiment.test)] == [120, 30, 30]
    assert len(experiments.load_data(config(data=data).data)) == 180


@pytest.mark.parametrize(("metric", "message"), [("diversity", "give item_vectors"), ("rmse", "predicts none")])
def test_what_cannot_be_measured_is_known_before_the_fit(metric, message, tmp_path, monkeypatch):
    monkeypatch.setattr(EASE, "fit", lambda *_, **__: pytest.fail("it was fitted"))
    with pytest.raises(ValueError, match=message):
        runs.train(config(evaluation={"metrics": metric}), tmp_path, verbose=0)


def test_other_candidates_are_other_data():
    train, test = prepare(config()).train, prepare(config()).test
    one, other = (
        experiments.Experiment(
            train,
            test,
            candidates=Candidates(np.arange(3, dtype=np.int32), np.array([[0, 1], [2, 3], [4, 5]], np.int32) + shift),
        )
        for shift in (0, 1)
    )
    assert one.fingerprints() != other.fingerprints()


def test_a_run_directory_without_fingerprints(tmp_path):
    folder, _ = runs.train(config(), tmp_path, verbose=0)
    (folder / "data.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"not a whole run directory: it has no data\.json"):
        runs.check_data(folder, prepare(config()))


def test_nothing_to_test_on():
    with pytest.raises(ConfigError, match="leaves nothing to test on"):
        prepare(config(split={"method": "random", "test": 1e-6}))
