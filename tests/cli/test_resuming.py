"""Runs that are interrupted, and gone on with: the same result, to the last bit."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from tfrec import resuming, runs
from tfrec._tf import tf
from tfrec.cli import main
from tfrec.config import ConfigError, parse_config

SMALL = {"name": "synthetic", "n_users": 60, "n_items": 40, "n_interactions": 900}
EVALUATION = {"k": 5, "metrics": ["ndcg", "recall"]}
STOPPING = {"monitor": "val_ndcg@5", "patience": 2}


def config(**sections):
    start = {"name": "run", "data": SMALL, "model": {"name": "tiny"}, "evaluation": EVALUATION}
    return parse_config(start | sections)


@pytest.fixture
def train(tiny, tmp_path):
    """Trains into one folder, by default; answers the run directory and what was said."""

    def run(chosen, folder="runs", killed_in=None, **options):
        said: list[str] = []
        tiny.killed_in = killed_in
        if killed_in is None:
            return runs.train(chosen, tmp_path / folder, verbose=0, say=said.append, **options)[0], said
        with pytest.raises(KeyboardInterrupt):
            runs.train(chosen, tmp_path / folder, verbose=0, say=said.append, **options)
        return tmp_path / folder / chosen.name, said

    return run


@pytest.fixture(scope="module")
def finished():
    """What runs hold that were not interrupted, by configuration."""
    return {}


@pytest.fixture
def whole(train, finished):
    """What a run holds that is not interrupted."""

    def run(chosen):
        key = chosen.to_yaml()
        if key not in finished:
            finished[key] = contents(train(chosen, "whole")[0])
        return finished[key]

    return run


def contents(run_dir):
    """What two runs of one configuration have in common."""
    texts = {name: (run_dir / name).read_text() for name in ("config.yaml", "data.json", "history.csv", "metrics.json")}
    if (run_dir / "model").exists():
        with np.load(run_dir / "model" / "weights.npz") as stored:
            texts |= {name: stored[name].tobytes() for name in stored}
    return texts


class TestOneSplit:
    @pytest.mark.parametrize(
        "sections",
        [
            pytest.param({}, id="plain"),
            pytest.param(
                {"split": {"method": "leave_out", "validation": True}}, id="validation", marks=pytest.mark.slow
            ),
            pytest.param(
                {
                    "split": {"method": "leave_out", "validation": True},
                    "fit": {"epochs": 40, "early_stopping": STOPPING},
                    "model": {"name": "tiny", "rate": 0.3},
                },
                id="early stopping",
            ),
        ],
    )
    def test_it_ends_as_one_that_was_not_interrupted(self, train, whole, tmp_path, sections):
        for epoch in (2, 3):
            interrupted, _ = train(config(**sections), killed_in=epoch)
            assert not interrupted.exists()
        resumed, said = train(config(**sections))
        assert "has done 3 of" in said[0]
        assert contents(resumed) == whole(config(**sections))
        history = pd.read_csv(resumed / "history.csv")
        assert history["epoch"].tolist() == list(range(len(history)))
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run"]
        assert "progress" not in {path.name for path in resumed.iterdir()}

    @pytest.mark.parametrize("model", [{"name": "slim", "tolerance": 1e-12}, {"name": "als"}], ids=["slim", "als"])
    def test_a_solver_goes_on_where_it_was(self, train, whole, tmp_path, model):
        """SLIM, too, whose weights are of no known number, and whose iterate is none of them."""

        class Interrupt(tf.keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    raise KeyboardInterrupt

        chosen = config(model=model, fit={"epochs": 4})
        with pytest.raises(KeyboardInterrupt):
            runs.train(chosen, tmp_path / "runs", verbose=0, callbacks=[Interrupt()])
        resumed, said = train(chosen)
        assert "of 4 epochs" in said[0]
        assert contents(resumed) == whole(chosen)

    def test_a_process_that_is_killed(self, train, whole, tmp_path):
        """By a signal that no process can catch, in the middle of an epoch."""
        script = f"""
            import importlib.util, os, signal, sys
            spec = importlib.util.spec_from_file_location("cli_conftest", sys.argv[2])
            conftest = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(conftest)
            from tfrec import resuming, runs
            from tfrec.config import parse_config
            from tfrec.models import MODELS

            class Tiny(conftest.Tiny):
                def begin_epoch(self, epoch):
                    if epoch == 4:
                        os.kill(os.getpid(), signal.SIGKILL)

            MODELS["tiny"], resuming.SHARE = Tiny, float("inf")
            runs.train(parse_config({config().model_dump(mode="json")!r}), sys.argv[1], verbose=0)
        """
        conftest = Path(__file__).parent / "conftest.py"
        command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "runs", conftest]
        done = subprocess.run(command, env=os.environ, check=False, timeout=200)
        assert done.returncode == -signal.SIGKILL
        resumed, said = train(config())
        assert said == ["an interrupted run has done 4 of 6 epochs: going on from there"]
        assert contents(resumed) == whole(config())

    def test_one_that_was_stopped_early_does_not_go_on(self, train, whole, monkeypatch):
        sections = {
            "split": {"method": "leave_out", "validation": True},
            "fit": {"epochs": 40, "early_stopping": STOPPING},
            "model": {"name": "tiny", "rate": 0.3},
        }
        n_epochs = whole(config(**sections))["history.csv"].count("\n") - 1
        assert n_epochs < 40

        def fail(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(runs, "evaluate", fail)
            with pytest.raises(KeyboardInterrupt):
                train(config(**sections))
        resumed, said = train(config(**sections))
        assert said == [f"an interrupted run has done {n_epochs} of 40 epochs: going on from there"]
        assert contents(resumed) == whole(config(**sections))

    def test_early_stopping_ends_with_the_best_epoch(self, train):
        stopping = {"split": {"method": "leave_out", "validation": True}, "model": {"name": "tiny", "rate": 0.3}}
        run_dir, _ = train(config(**stopping, fit={"epochs": 40, "early_stopping": STOPPING}))
        figures = pd.read_csv(run_dir / "history.csv")["val_ndcg@5"].to_numpy()
        n_best = int(figures.argmax()) + 1
        assert len(figures) == n_best + 2  # the patience
        best, _ = train(config(**stopping, fit={"epochs": n_best}), "best")
        assert (best / "metrics.json").read_text() == (run_dir / "metrics.json").read_text()

    def test_starting_over(self, train, whole):
        train(config(), killed_in=3)
        run_dir, said = train(config(), fresh=True)
        assert said == []
        assert contents(run_dir) == whole(config())

    def test_another_configuration_starts_over(self, train, tmp_path):
        train(config(), killed_in=3)
        _, said = train(config(model={"name": "tiny", "rate": 0.1}))
        assert said == []
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run"]

    def test_other_words_do_not(self, train):
        train(config(), killed_in=3)
        run_dir, said = train(config(protocol="in other words", published={"metrics": {"ndcg@5": 1}, "source": "a"}))
        assert "has done 3 of 6" in said[0]
        assert "in other words" in (run_dir / "config.yaml").read_text()

    def test_nothing_is_left_where_nothing_was_done(self, train, tmp_path):
        train(config(), killed_in=0)
        assert list((tmp_path / "runs").iterdir()) == []

    def test_a_single_epoch_is_not_kept(self, train, tmp_path, monkeypatch):
        monkeypatch.setattr(runs, "evaluate", lambda *_: pytest.fail("an error"))
        with pytest.raises(pytest.fail.Exception):
            train(config(fit={"epochs": 1}))
        assert list((tmp_path / "runs").iterdir()) == []

    def test_a_large_model_is_not_kept(self, train, tmp_path, monkeypatch):
        monkeypatch.setattr(resuming, "MOST_BYTES", 1000)
        train(config(), killed_in=3)
        assert list((tmp_path / "runs").iterdir()) == []

    def test_writing_takes_a_share_of_the_time_only(self, train, monkeypatch):
        monkeypatch.setattr(resuming, "SHARE", 0.0)
        train(config(), killed_in=3)
        _, said = train(config())
        assert "has done 1 of 6" in said[0]

    def test_what_is_kept_is_damaged(self, train, tmp_path):
        train(config(), killed_in=3)
        for path in (tmp_path / "runs").rglob("*.index"):
            path.write_bytes(b"damaged")
        with pytest.raises(ValueError, match=r"is damaged, .* start afresh"):
            train(config())
        train(config(), fresh=True)

    def test_two_processes_at_one_run(self, train, tiny, tmp_path, monkeypatch):
        def again(model, epoch):
            monkeypatch.setattr(tiny, "begin_epoch", lambda *_: None)
            with pytest.raises(RuntimeError, match="another process is filling"):
                train(config())

        monkeypatch.setattr(tiny, "begin_epoch", again)
        assert train(config())[0].is_dir()

    def test_the_published_split_has_no_validation_part(self, train, tmp_path):
        (tmp_path / "gowalla").mkdir()
        for part in ("train", "test"):
            lines = "".join(f"{user} {user % 7} {7 + user % 3}\n" for user in range(20))
            (tmp_path / "gowalla" / f"{part}.txt").write_text(lines)
        data = {"name": "gowalla", "path": str(tmp_path / "gowalla"), "complete": False}
        with pytest.raises(ConfigError, match="gowalla has no validation part"):
            train(config(data=data, split={"method": "published"}, fit={"early_stopping": STOPPING}))


class TestFolds:
    SPLIT = {"method": "k_fold", "n_folds": 3}  # noqa: RUF012

    def test_a_run_directory(self, train):
        run_dir, _ = train(config(split=self.SPLIT))
        metrics = json.loads((run_dir / "metrics.json").read_text())
        report = runs.load_report(run_dir)
        assert [len(report.reports), metrics["ndcg@5"]] == [3, np.mean([one["ndcg@5"] for one in report.reports])]
        assert metrics["ndcg@5_std"] == pytest.approx(np.std([one["ndcg@5"] for one in report.reports], ddof=1))
        history = pd.read_csv(run_dir / "history.csv")
        assert history[["fold", "epoch"]].to_numpy().tolist() == [[f, e] for f in (1, 2, 3) for e in range(6)]
        assert {path.name for path in run_dir.iterdir()} == {
            "about.json", "config.yaml", "data.json", "history.csv", "logs", "metrics.json", "plots", "report",
        }  # fmt: skip

    def test_the_figures_are_those_of_cross_validate(self, train):
        import tfrec
        from tfrec.experiments import load_data

        run_dir, _ = train(config(split=self.SPLIT, model={"name": "ease", "l2": 50}))
        model = tfrec.models.EASE(l2=50)
        expected = tfrec.cross_validate(
            model, load_data(config().data), n_folds=3, progress=False, k=5, metrics=["ndcg", "recall"]
        )
        assert runs.load_report(run_dir).reports == expected.reports

    @pytest.mark.parametrize("killed_in", [pytest.param(2, marks=pytest.mark.slow), 0])
    def test_it_ends_as_one_that_was_not_interrupted(self, train, whole, tiny, monkeypatch, killed_in):
        begun = []

        def begin_epoch(model, epoch):
            begun.append(epoch)
            if len(begun) == 6 + killed_in + 1:  # in the second fold
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(tiny, "begin_epoch", begin_epoch)
            with pytest.raises(KeyboardInterrupt):
                train(config(split=self.SPLIT))
        resumed, said = train(config(split=self.SPLIT))
        assert said[0].startswith("fold 1 of 3 is there already")
        assert [line for line in said[1:] if "has done" in line] == (
            ["an interrupted run has done 2 of 6 epochs: going on from there"] if killed_in else []
        )
        assert contents(resumed) == whole(config(split=self.SPLIT))

    def test_evaluate_and_export(self, train, tmp_path):
        run_dir, _ = train(config(split=self.SPLIT, expected={"metrics": {"ndcg@5": 0.99}}))
        done = CliRunner().invoke(main, ["evaluate", str(run_dir), "--json"])
        assert done.exit_code == 1
        assert "ndcg@5 is 0." in done.output
        done = CliRunner().invoke(main, ["export", str(run_dir), str(tmp_path / "exports")])
        assert "is a cross-validation, which keeps no model" in done.output


def test_the_command_says_that_it_was_interrupted(tiny, tmp_path):
    (tmp_path / "tiny.yaml").write_text(config().to_yaml())
    arguments = ["train", str(tmp_path / "tiny.yaml"), "--runs", str(tmp_path / "runs")]
    tiny.killed_in = 3
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.output[-12:]) == (130, "interrupted\n")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0
    assert "has done 3 of 6 epochs" in done.output
