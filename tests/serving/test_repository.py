"""How versions come, go and fail, with a loader that loads nothing: no server and no TensorFlow."""

import itertools
import logging
import os
import threading
from pathlib import Path

import pytest

from tfrec.serving.errors import LoadError, StatusError
from tfrec.serving.folders import check_export_dir, find_models
from tfrec.serving.repository import Repository, State


class Loader:
    """Loads what a version folder says; ``broken`` in the file fails."""

    def __init__(self):
        self.loaded = []
        self.gate = None

    def __call__(self, name, version, path):
        self.loaded.append((name, version))
        if self.gate is not None:
            self.gate.wait(10)
        text = (path / "saved_model.pb").read_text()
        if text == "broken":
            raise LoadError("the file is broken")
        if text == "crash":
            raise ZeroDivisionError("secret details")
        return text


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture(autouse=True)
def collections(monkeypatch):
    """Counts garbage collections; a real one takes half a second with TensorFlow in memory, and here are many."""
    calls = []
    monkeypatch.setattr("gc.collect", lambda: calls.append(1))
    return calls


@pytest.fixture
def put(tmp_path):
    clock = itertools.count(10**18, 10**9)

    def put(model, version, text="good"):
        folder = tmp_path / model / str(version)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / "aside"
        aside.write_text(text)
        # Two writes within one tick of the file system's clock would look alike.
        now = next(clock)
        os.utime(aside, ns=(now, now))
        aside.rename(folder / "saved_model.pb")
        return folder

    return put


@pytest.fixture
def repository(tmp_path, loader):
    return Repository(tmp_path, loader)


def remove(folder):
    (folder / "saved_model.pb").unlink()
    folder.rmdir()


def states(repository, model="m"):
    return {status.version: status.state for status in repository.status(model)}


def answer(repository, model="m", **asked):
    with repository.borrow(model, **asked) as servable:
        return servable


def test_the_newest_version_is_served(put, repository):
    put("m", 2, "two")
    put("m", 10, "ten")
    repository.scan()
    assert answer(repository) == "ten"
    assert states(repository) == {10: State.AVAILABLE}


def test_a_new_version_replaces_the_old(put, repository):
    put("m", 1, "one")
    repository.scan()
    put("m", 2, "two")
    repository.scan()
    assert answer(repository) == "two"
    assert states(repository) == {2: State.AVAILABLE, 1: State.END}
    with pytest.raises(StatusError, match=r"Servable not found for request: Specific\(m, 1\)"):
        answer(repository, version=1)


def test_the_memory_of_an_old_version_is_given_back(put, repository, collections):
    """A loaded SavedModel is full of reference cycles: without a collection both versions stay in memory."""
    put("m", 1)
    repository.scan()
    put("m", 2)
    repository.scan()
    repository.scan()
    assert len(collections) == 1


def test_a_version_is_loaded_once(put, repository, loader):
    put("m", 1)
    for _ in range(3):
        repository.scan()
    assert loader.loaded == [("m", 1)]


def test_removing_the_newest_version_goes_back(put, repository, loader):
    put("m", 1, "one")
    newest = put("m", 2, "two")
    repository.scan()
    remove(newest)
    repository.scan()
    assert answer(repository) == "one"
    assert states(repository) == {2: State.END, 1: State.AVAILABLE}
    put("m", 2, "two again")
    repository.scan()
    assert answer(repository) == "two again"


def test_removing_a_model_ends_it_and_only_it(put, repository):
    put("m", 1)
    folder = put("n", 1)
    repository.scan()
    remove(folder)
    repository.scan()
    assert states(repository, "n") == {1: State.END}
    with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(n\)"):
        answer(repository, "n")
    assert answer(repository) == "good"


def test_an_export_folder_that_goes_away_takes_nothing_down(put, repository, tmp_path, caplog):
    put("m", 1)
    repository.scan()
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    repository.scan()
    assert answer(repository) == "good"
    assert "serving on as before" in caplog.text


def test_while_the_new_version_loads_the_old_one_answers(put, repository, loader, eventually):
    put("m", 1, "one")
    repository.scan()
    put("m", 2, "two")
    loader.gate = threading.Event()
    scan = threading.Thread(target=repository.scan)
    scan.start()
    eventually(lambda: states(repository).get(2) is State.LOADING)
    assert answer(repository) == "one"
    loader.gate.set()
    scan.join()
    assert answer(repository) == "two"


def test_an_old_version_is_kept_until_its_last_request_is_done(put, repository):
    put("m", 1, "one")
    repository.scan()
    with repository.borrow("m") as first, repository.borrow("m") as second:
        put("m", 2, "two")
        repository.scan()
        assert (first, second) == ("one", "one")
        assert states(repository) == {2: State.AVAILABLE, 1: State.UNLOADING}
        assert answer(repository) == "two"
    assert states(repository) == {2: State.AVAILABLE, 1: State.END}


def test_a_request_that_fails_still_gives_its_model_back(put, repository):
    put("m", 1)
    repository.scan()
    with pytest.raises(ZeroDivisionError), repository.borrow("m"):
        raise ZeroDivisionError
    put("m", 2)
    repository.scan()
    assert states(repository)[1] is State.END


def test_a_broken_version_leaves_the_old_one_serving(put, repository, loader, caplog):
    put("m", 1, "one")
    repository.scan()
    put("m", 2, "broken")
    repository.scan()
    repository.scan()
    assert answer(repository) == "one"
    newest, oldest = repository.status("m")
    assert (newest.version, newest.state, newest.message) == (2, State.END, "the file is broken")
    assert (oldest.version, oldest.state, oldest.message) == (1, State.AVAILABLE, "")
    assert loader.loaded.count(("m", 2)) == 1, "tried again though nothing changed"
    assert "model m version 2 failed to load: the file is broken" in caplog.text


def test_a_broken_version_is_tried_again_when_it_changes(put, repository, loader):
    put("m", 1, "one")
    put("m", 2, "broken")
    repository.scan()
    put("m", 2, "mended")
    repository.scan()
    assert answer(repository) == "mended"
    assert repository.status("m")[0].message == ""


def test_a_file_that_arrives_late_counts_as_a_change(put, repository, loader):
    folder = put("m", 1, "broken")
    repository.scan()
    (folder / "variables").mkdir()
    (folder / "variables" / "variables.index").write_text("…")
    repository.scan()
    assert loader.loaded == [("m", 1)] * 2


def test_an_unforeseen_failure_keeps_its_details_to_the_log(put, repository, caplog):
    put("m", 1, "crash")
    repository.scan()
    assert repository.status("m")[0].message == "ZeroDivisionError while loading: see the server's log"
    assert "secret details" in caplog.text


def test_one_broken_model_does_not_stop_the_others(put, repository):
    put("a", 1, "broken")
    put("m", 1)
    repository.start()
    try:
        assert answer(repository) == "good"
    finally:
        repository.stop()
    assert states(repository) == {1: State.END}


def test_starting_without_one_model_that_loads(put, repository):
    put("m", 3, "broken")
    with pytest.raises(LoadError, match="m version 3: the file is broken"):
        repository.start()


def test_the_watcher_finds_new_versions_and_models(put, tmp_path, loader, eventually):
    put("m", 1, "one")
    repository = Repository(tmp_path, loader, poll_seconds=0.01)
    repository.start()
    try:
        put("m", 2, "two")
        put("n", 1, "new")
        eventually(lambda: answer(repository) == "two")
        eventually(lambda: "n" in repository.models() and answer(repository, "n") == "new")
    finally:
        repository.stop()


def test_all_versions(put, tmp_path, loader):
    for version in (1, 2, 3):
        put("m", version, str(version))
    repository = Repository(tmp_path, loader, versions={"m": "all"})
    repository.scan()
    assert answer(repository) == "3"
    assert [answer(repository, version=version) for version in (1, 2, 3)] == ["1", "2", "3"]


def test_certain_versions(put, tmp_path, loader):
    for version in (1, 2, 3):
        put("m", version, str(version))
    repository = Repository(tmp_path, loader, versions={"m": [1, 2, 8]})
    repository.scan()
    assert states(repository) == {2: State.AVAILABLE, 1: State.AVAILABLE}
    assert answer(repository) == "2"


def test_labels(put, tmp_path, loader):
    put("m", 1, "one")
    put("m", 2, "two")
    repository = Repository(tmp_path, loader, versions={"m": "all"}, labels={"m": {"stable": 1, "gone": 4}})
    repository.scan()
    assert answer(repository, label="stable") == "one"
    assert [status.version for status in repository.status("m", label="stable")] == [1]
    with pytest.raises(StatusError, match="Unrecognized servable version label: canary"):
        answer(repository, label="canary")
    with pytest.raises(StatusError, match=r"Specific\(m, 4\)"):
        answer(repository, label="gone")


def test_settings_for_a_model_that_is_not_there(put, tmp_path, loader, caplog):
    put("m", 1)
    repository = Repository(tmp_path, loader, labels={"n": {"stable": 1}})
    repository.start()
    repository.stop()
    assert "versions or labels are set for model n" in caplog.text


@pytest.mark.parametrize("policy", ["newest", "1", 3, [1, "2"], None])
def test_a_policy_that_is_none(tmp_path, loader, policy):
    with pytest.raises(ValueError, match="must be 'latest', 'all' or a list of version numbers"):
        Repository(tmp_path, loader, versions={"m": policy})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": {"m": {"stable": "1"}}}, "labels of 'm' must give names a version number, and 'stable': '1' came"),
        ({"labels": {"m": {"": 1}}}, "must give names"),
        ({"poll_seconds": 0}, "must be a positive number"),
        ({"poll_seconds": float("nan")}, "must be a positive number"),
    ],
)
def test_settings_that_are_none(tmp_path, loader, options, words):
    with pytest.raises(ValueError, match=words):
        Repository(tmp_path, loader, **options)


def test_swapping_under_load(put, tmp_path, loader, eventually, keep_asking, caplog):
    """Versions replace each other as fast as they can, and no request ever meets a gap or an old model."""
    caplog.set_level(logging.WARNING)
    put("m", 1, "1")
    repository = Repository(tmp_path, loader, poll_seconds=0.001)
    repository.start()
    try:
        with keep_asking(lambda: int(answer(repository))) as asking:
            for version in range(2, 30):
                folder = put("m", version, str(version))
                eventually(lambda: int(answer(repository)) == version)  # noqa: B023
                if version > 3:
                    remove(folder.with_name(str(version - 2)))
    finally:
        repository.stop()
    assert asking.errors == []
    assert set(asking.answers) <= set(range(1, 30))
    assert len(set(asking.answers)) > 5


def test_what_counts_as_a_model(put, tmp_path):
    good = put("m", 1)
    put("m", 20)
    put(".tmp-m", 1)
    put("_m", 1)
    put("m", "v2")
    put("m", "-3")
    put("m", "٣")
    put("m", 2**63)
    (tmp_path / "m" / "4").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert find_models(tmp_path) == {"m": {1: good, 20: tmp_path / "m" / "20"}}


def test_what_is_no_export_folder(put, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"does not exist.*<model>/<version number>/saved_model.pb"):
        check_export_dir(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no model"):
        check_export_dir(tmp_path)
    version_dir = put("m", 1)
    with pytest.raises(FileNotFoundError, match=f"is one model, not an export folder; did you mean {tmp_path}"):
        check_export_dir(version_dir.parent)
    with pytest.raises(FileNotFoundError, match=f"one version of a model.*did you mean {tmp_path}"):
        check_export_dir(version_dir)
    with pytest.raises(NotADirectoryError, match="is a file"):
        check_export_dir(version_dir / "saved_model.pb")
    check_export_dir(Path(tmp_path))
