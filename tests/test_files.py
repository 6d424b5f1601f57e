"""Writes that are either whole or not there."""

import os

import pytest

from tfrec import files


def fill(folder, text: str) -> None:
    (folder / "content").write_text(text)


def test_a_new_folder_appears_whole(tmp_path):
    with files.new_folder(tmp_path / "deep" / "new") as folder:
        fill(folder, "new")
        assert not (tmp_path / "deep" / "new").exists()
    assert (tmp_path / "deep" / "new" / "content").read_text() == "new"


def test_a_failure_leaves_nothing(tmp_path):
    def interrupted():
        with files.new_folder(tmp_path / "new") as folder:
            fill(folder, "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    with files.new_folder(tmp_path / "it") as folder:
        fill(folder, "old")
    rename, calls = os.rename, []

    def fail_once(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise OSError("Input/output error")
        rename(source, target)

    monkeypatch.setattr("tfrec.files.os.rename", fail_once)
    with pytest.raises(OSError, match="Input/output"), files.new_folder(tmp_path / "it", replace=True) as folder:
        fill(folder, "new")
    assert (tmp_path / "it" / "content").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_text_is_replaced_whole(tmp_path, monkeypatch):
    files.write_text(tmp_path / "a.json", "old")
    monkeypatch.setattr("tfrec.files.os.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        files.write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
