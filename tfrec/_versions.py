"""Which versions of TensorFlow's family belong together, checked from metadata before anything foreign is imported.

A mismatched scann, tf-keras or protobuf crashes inside somebody's import, with an undefined symbol or an unrelated
message; pip does not prevent it, for it lets a later installation break an earlier one. Reading the installed metadata
takes milliseconds and allows an error that names the fix.
"""

import shlex
import sys
from importlib import metadata

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

# The distributions that break `import tensorflow` or `import tensorflow_recommenders` when they don't fit; setup.cfg
# holds the same ranges. tensorflow-recommenders imports scann whenever it finds it, so a scann nobody asked for counts.
RANGES = {
    "tensorflow": ">=2.20,<2.21",
    "tf-keras": ">=2.20.1,<2.21",
    "tensorflow-recommenders": ">=0.7.7,<0.8",
    "scann": ">=1.4.1,<1.4.3",
    "numpy": ">=2.0,<3",
    "protobuf": ">=5.28.3,<8",
}
OPTIONAL = frozenset({"scann"})  # it has wheels for Linux on x86-64 only

# The same package under other names: builds for one kind of hardware.
BUILDS = {"tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-rocm")}


def _installed(distribution: str) -> tuple[str, Version | None]:
    """The name and the version of an installed distribution; None for a version that is absent or unreadable."""
    for name in BUILDS.get(distribution, (distribution,)):
        try:
            return name, Version(metadata.version(name))
        except (metadata.PackageNotFoundError, InvalidVersion, TypeError, KeyError):
            continue  # an interrupted installation leaves metadata without a version
    return distribution, None


def _misfits() -> dict[str, str]:
    """What doesn't fit: the requirement that would mend it, and the problem in words."""
    misfits = {}
    for distribution, wanted in RANGES.items():
        name, version = _installed(distribution)
        requirement = f"{name}{wanted}"
        if version is None:
            if distribution not in OPTIONAL:
                misfits[requirement] = f"{requirement} is needed, and it is not installed"
        elif not SpecifierSet(wanted).contains(version, prereleases=True):
            misfits[requirement] = f"{requirement} is needed, and {version} is installed"
    return misfits


def _stale() -> str | None:
    """What to say where another TensorFlow was installed after this process had imported one, as in a notebook."""
    loaded = getattr(sys.modules.get("tensorflow"), "__version__", None)
    _, installed = _installed("tensorflow")
    # The release only: a vendor's build may carry a local version in its metadata and none in the module.
    if loaded is None or installed is None or Version(loaded).release == installed.release:
        return None
    return f"TensorFlow {loaded} is loaded in this process, and {installed} has been installed since"


def check() -> None:
    """Check that the installed versions work together.

    Raises:
        ImportError: If they don't. The message lists what is wrong and names the command that mends it.
    """
    misfits = _misfits()
    if misfits:
        command = shlex.join([sys.executable, "-m", "pip", "install", *misfits])
        raise ImportError(f"tfrec cannot start: {'; '.join(misfits.values())}. To mend it: {command}")
    stale = _stale()
    if stale:
        raise ImportError(f"tfrec cannot start: {stale}. To mend it: restart Python (in a notebook, the runtime)")
