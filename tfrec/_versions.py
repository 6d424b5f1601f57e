"""Which versions of TensorFlow's family belong together, checked from metadata before anything foreign is imported.

A mismatched scann or tf-keras crashes inside its own import, with an undefined symbol or an unrelated message; pip does
not prevent it. Reading the installed metadata costs a millisecond and allows an error that names the fix.
"""

import sys
from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import Version

# For each supported TensorFlow release, what belongs beside it. setup.cfg holds the same ranges.
TENSORFLOW = ">=2.20,<2.21"
COMPANIONS = {
    "tf-keras": ">=2.20,<2.21",
    "tensorflow-recommenders": ">=0.7.7,<0.8",
    "scann": ">=1.4.1,<1.4.3",
}
OPTIONAL = frozenset({"scann"})


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _tensorflow_version() -> str | None:
    """TensorFlow's version, under any of the names its builds are distributed by."""
    names = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-rocm", "tf-nightly")
    return next((version for name in names if (version := _installed(name))), None)


def problems() -> list[str]:
    """One line for each installed (or missing) distribution that doesn't fit."""
    found = {"tensorflow": _tensorflow_version(), **{name: _installed(name) for name in COMPANIONS}}
    wanted = {"tensorflow": TENSORFLOW, **COMPANIONS}
    lines = []
    for name, version in found.items():
        if version is None and name not in OPTIONAL:
            lines.append(f"{name} {wanted[name]} is needed, and it is not installed")
        elif version is not None and not SpecifierSet(wanted[name]).contains(Version(version), prereleases=True):
            lines.append(f"{name} {wanted[name]} is needed, and {version} is installed")
    return lines


def check() -> None:
    """Raise an `ImportError` that names the fix if the installed versions don't work together."""
    lines = problems()
    if not lines:
        return
    names = [line.split(" ", 1)[0] for line in lines]
    wanted = {"tensorflow": TENSORFLOW, **COMPANIONS}
    requirements = " ".join(f'"{name}{wanted[name]}"' for name in names)
    raise ImportError(
        "tfrec cannot start: " + "; ".join(lines) + f". To mend it: {sys.executable} -m pip install {requirements}"
    )
