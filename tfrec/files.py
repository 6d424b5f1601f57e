"""Writes that are either whole or not there: aside first, then renamed."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _aside(path: Path) -> Path:
    """A name in the same folder (so that renaming is atomic) that servers and listings ignore."""
    return path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder to write into, which becomes `path` at the end, or is removed if anything fails.

    Args:
        path: the folder to make; its parents are made too.
        replace: put it in the place of an existing folder, which stays until the new one is whole.

    Raises:
        FileExistsError: `path` is there already, and `replace` is False.
    """
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists already: remove it, or choose another place")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    aside.mkdir()
    try:
        yield aside
        if path.exists() and replace:
            _replace(path, aside)
        else:
            os.rename(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _replace(path: Path, aside: Path) -> None:
    # Two renames: for the moment between them there is no `path`, and if the second fails, the old one comes back.
    retired = _aside(path)
    os.rename(path, retired)
    try:
        os.rename(aside, path)
    except BaseException:
        os.rename(retired, path)
        raise
    shutil.rmtree(retired)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file to write, which becomes `path` at the end, in the place of an earlier one, or is removed if that fails."""
    aside = _aside(path)
    try:
        yield aside
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file, or replace it."""
    with new_file(path) as aside:
        aside.write_text(text, encoding="utf-8")
