"""Folders that wait for the next call when they are interrupted."""

from contextlib import suppress

import pytest

from tfrec.unfinished import PROGRESS, unfinished_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupted(path, key, *, done="done", **options):
    """A call that is interrupted after it has written something."""
    with suppress(KeyboardInterrupt), unfinished_folder(path, key, **options) as folder:
        (folder / "half").write_text("written")
        (folder / "logs").mkdir()
        (folder / "logs" / "log").write_text("log")
        if done:
            (folder / PROGRESS / done).write_text("some")
        raise KeyboardInterrupt


def test_the_next_call_finds_the_progress_and_what_lasts(tmp_path):
    interrupted(tmp_path / "run", {"a": 1}, lasting=("logs",))
    assert not (tmp_path / "run").exists()
    with unfinished_folder(tmp_path / "run", {"a": 1}, lasting=("logs",)) as folder:
        assert names(folder) == ["logs", PROGRESS]
        assert names(folder / PROGRESS) == ["done"]
        (folder / "whole").write_text("written")
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["logs", "whole"]


def test_without_progress_nothing_is_left(tmp_path):
    interrupted(tmp_path / "run", {"a": 1}, done=None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("options", [{"key": {"a": 2}}, {"key": {"a": 1}, "fresh": True}])
def test_another_key_or_a_fresh_start_finds_nothing(tmp_path, options):
    interrupted(tmp_path / "run", {"a": 1})
    with unfinished_folder(tmp_path / "run", **options) as folder:
        assert names(folder / PROGRESS) == []
    assert names(tmp_path) == ["run"]


def test_another_key_does_no_harm_before_it_is_whole(tmp_path):
    interrupted(tmp_path / "run", {"a": 1})
    interrupted(tmp_path / "run", {"a": 2}, done="other")
    with unfinished_folder(tmp_path / "run", {"a": 1}) as folder:
        assert names(folder / PROGRESS) == ["done"]


def test_runs_with_longer_names_are_left_alone(tmp_path):
    interrupted(tmp_path / "run.b", {"a": 1})
    with unfinished_folder(tmp_path / "run", {"a": 1}):
        pass
    with unfinished_folder(tmp_path / "run.b", {"a": 1}) as folder:
        assert names(folder / PROGRESS) == ["done"]


def test_one_process_at_a_time(tmp_path):
    with unfinished_folder(tmp_path / "run", {"a": 1}) as folder:
        (folder / PROGRESS / "done").write_text("some")
        with (
            pytest.raises(RuntimeError, match=r"another process is filling .*: wait"),
            unfinished_folder(tmp_path / "run", {"a": 1}, fresh=True),
        ):
            pass
        with unfinished_folder(tmp_path / "run", {"a": 2}):  # which leaves the other's folder alone
            pass
        assert names(folder / PROGRESS) == ["done"]
        (tmp_path / "run").rmdir()
    assert names(tmp_path) == ["run"]


def test_what_is_there_is_replaced_by_the_whole(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").write_text("old")
    with (
        pytest.raises(FileExistsError, match="run exists already: remove it"),
        unfinished_folder(tmp_path / "run", {"a": 1}),
    ):
        pass
    interrupted(tmp_path / "run", {"a": 1}, replace=True)
    assert names(tmp_path / "run") == ["old"]
    with unfinished_folder(tmp_path / "run", {"a": 1}, replace=True) as folder:
        (folder / "new").write_text("new")
    assert names(tmp_path / "run") == ["new"]
    assert names(tmp_path) == ["run"]
