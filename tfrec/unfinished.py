"""Folders that take long to fill: what an interrupted process has done is there for the next one."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tfrec import files

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two processes from filling one folder
    fcntl = None  # type: ignore[assignment]

PROGRESS = "progress"
"""The part of the folder to go on from; it is gone at the end."""

_DIGITS = 12  # of the key, in the folder's name


@contextmanager
def unfinished_folder(
    path: Path, key: Mapping[str, Any], *, fresh: bool = False, replace: bool = False, lasting: tuple[str, ...] = ()
) -> Iterator[Path]:
    """A folder to fill, which becomes `path` at the end; if that is interrupted, the next call goes on with it.

    It stands beside `path`, under a name that belongs to `key`, and holds the empty folder `PROGRESS`, for all that the
    next call is to find if this one is interrupted. As long as nothing is in there, there is nothing to go on from, and
    the folder is removed. At the end what was left of other keys is removed too.

    Args:
        path: the folder to make; its parents are made too.
        key: all that the content depends on, as JSON: only a call with an equal one goes on with what is there.
        fresh: start with an empty folder all the same.
        replace: put it in the place of an existing folder, which stays until the new one is whole.
        lasting: what the next call is to find besides, if there is progress.

    Raises:
        FileExistsError: `path` is there already, and `replace` is False.
        RuntimeError: another process is filling the folder.
    """
    check_free(path, replace=replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    aside = path.parent / f".{path.name}.{digest}.partial"
    aside.mkdir(exist_ok=True)
    progress = aside / PROGRESS
    with _locked(aside):
        _keep_only(aside, () if fresh or not _has_entries(progress) else (PROGRESS, *lasting))
        progress.mkdir(exist_ok=True)
        try:
            yield aside
        except BaseException:
            if not _has_entries(progress):
                shutil.rmtree(aside)
            raise
        with files.new_folder(path, replace=replace) as place:
            shutil.rmtree(progress)
            place.rmdir()  # Windows renames to new names only
            os.rename(aside, place)
    _remove_leftovers(path)


def check_free(path: Path, *, replace: bool = False) -> None:
    """Raise a `FileExistsError` if something is in the place of a folder to make."""
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists already: remove it, or choose another place")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system lets them in when this one ends, however it ends."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat())
        except BlockingIOError:
            is_there = False
        if not is_there:  # or was there, and is finished by now
            raise RuntimeError(f"another process is filling {folder}: wait until it has finished, or end it")
        yield
    finally:
        os.close(descriptor)


def _has_entries(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _keep_only(folder: Path, names: tuple[str, ...]) -> None:
    for entry in folder.iterdir():
        if entry.name not in names:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _remove_leftovers(path: Path) -> None:
    """Remove what other calls with this path have left, unless one is at it."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{_DIGITS}}}\.partial")
    for entry in path.parent.iterdir():
        if name.fullmatch(entry.name):
            with suppress(OSError, RuntimeError), _locked(entry):
                shutil.rmtree(entry)
