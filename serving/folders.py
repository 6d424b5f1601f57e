"""Finding models and their versions in an export folder: ``EXPORT_DIR/<model>/<version>/saved_model.pb``.

Nothing here depends on TensorFlow, and nothing a request says ever reaches this module: folders are listed, and
requests are looked up by name in what was listed.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

SAVED_MODEL = "saved_model.pb"
LARGEST_VERSION = 2**63 - 1  # versions travel as int64

# Which of a model's version folders are served: the newest (as TensorFlow Serving does by default), all, or these.
Versions = Literal["latest", "all"] | Collection[int]


def choose_versions(policy: Versions, found: Collection[int]) -> set[int]:
    """The versions that should be served, of those found on disk."""
    if policy == "latest":
        return {max(found)} if found else set()
    if policy == "all":
        return set(found)
    return set(found) & set(policy)


def check_policies(policies: Mapping[str, Versions]) -> None:
    """Refuse a version policy that is none.

    Raises:
        ValueError: if a policy is neither ``"latest"``, nor ``"all"``, nor a collection of version numbers.
    """
    for model, policy in policies.items():
        if isinstance(policy, str):
            valid = policy in ("latest", "all")
        else:
            valid = isinstance(policy, Collection) and all(isinstance(version, int) for version in policy)
        if not valid:
            raise ValueError(
                f"versions of {model!r} must be 'latest', 'all' or a list of version numbers, and came as {policy!r}"
            )


def check_labels(labels: Mapping[str, Mapping[str, int]]) -> None:
    """Refuse labels that name no version.

    Raises:
        ValueError: if a label is no text, or its version no whole number.
    """
    for model, of_model in labels.items():
        for label, version in of_model.items():
            if not isinstance(label, str) or not label or not isinstance(version, int):
                raise ValueError(
                    f"labels of {model!r} must give names a version number, and {label!r}: {version!r} came"
                )


def find_models(export_dir: Path) -> dict[str, dict[int, Path]]:
    """Every model with at least one version: name → version → folder.

    Folders whose name begins with ``.`` or ``_`` are passed over: that is where writers put what isn't finished.

    Raises:
        OSError: if `export_dir` cannot be listed.
    """
    models = {}
    with os.scandir(export_dir) as entries:
        for entry in entries:
            if not entry.name.startswith((".", "_")) and (versions := find_versions(Path(entry.path))):
                models[entry.name] = versions
    return models


def find_versions(model_dir: Path) -> dict[int, Path]:
    """A model's version folders: those with a number for a name and a SavedModel inside."""
    try:
        names = sorted(os.listdir(model_dir))
    except OSError:  # a plain file, or a folder that has just been removed
        return {}
    return {
        int(name): model_dir / name
        for name in names
        if name.isascii() and name.isdigit() and int(name) <= LARGEST_VERSION
        if (model_dir / name / SAVED_MODEL).is_file()
    }


def fingerprint(folder: Path) -> frozenset[tuple[str, int, int]]:
    """The files of a folder with their sizes and times: differs when anything in it was written again."""
    return frozenset(_files(folder))


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                stat = os.stat(path)
            except OSError:  # removed since it was listed
                continue
            yield path, stat.st_size, stat.st_mtime_ns


def check_export_dir(export_dir: Path) -> None:
    """Refuse a folder that holds no model, and say what is wrong with it.

    Raises:
        FileNotFoundError: if it does not exist or holds no model.
        NotADirectoryError: if it is a file.
    """
    expected = "expected <export folder>/<model>/<version number>/saved_model.pb, as `tfrec export` writes it"
    if not export_dir.exists():
        raise FileNotFoundError(f"the export folder {export_dir} does not exist: {expected}")
    if not export_dir.is_dir():
        raise NotADirectoryError(f"{export_dir} is a file, not an export folder: {expected}")
    if (export_dir / SAVED_MODEL).is_file():
        parent = export_dir.resolve().parent.parent
        raise FileNotFoundError(f"{export_dir} is one version of a model, not an export folder; did you mean {parent}?")
    if find_versions(export_dir):
        parent = export_dir.resolve().parent
        raise FileNotFoundError(f"{export_dir} is one model, not an export folder; did you mean {parent}?")
    if not find_models(export_dir):
        raise FileNotFoundError(f"the export folder {export_dir} holds no model: {expected}")
