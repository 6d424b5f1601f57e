"""The wheel and the sdist: built from what git holds, installed in a clean environment outside the tree.

The environment sees the dependencies of this one, so that nothing is downloaded, but not its tfrec: a path in a .pth
file is searched for packages, while the .pth files in it (an editable tfrec's among them) are not read.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tfrec._version import __version__

ROOT = Path(__file__).parents[2]
ROOMS = ("models", "configs", "serving")  # linked into tfrec/
NOT_DISTRIBUTED = {".gitignore", ".gitattributes"}


def python(*arguments: str, cwd: Path) -> None:
    """Run Python; on failure say what it said."""
    result = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"python {' '.join(arguments)} failed:\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The files of the tree: those git has, and those it would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, and git")
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip(f"git ls-files failed: {result.stderr.strip()}")
    return sorted(name for name in result.stdout.split("\0") if name and os.path.lexists(ROOT / name))


@pytest.fixture(scope="session")
def packed(tracked: list[str]) -> dict[str, Path]:
    """Where every tracked file belongs in a distribution, links resolved: {path there: file here}."""
    files = {name: ROOT / name for name in tracked if not (ROOT / name).is_symlink()}
    return {f"tfrec/{name}" if name.split("/")[0] in ROOMS else name: file for name, file in files.items()}


@pytest.fixture(scope="session")
def checkout(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree as a fresh clone has it, links included."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@dataclass(frozen=True)
class Distributions:
    """Paths of what was built."""

    wheel: Path
    sdist: Path
    wheel_from_sdist: Path


@pytest.fixture(scope="session")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    dist, again, unpacked = (tmp_path_factory.mktemp(name) for name in ("dist", "again", "unpacked"))
    python("-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", str(dist), cwd=checkout)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    python("-m", "build", "--no-isolation", "--wheel", "--outdir", str(again), cwd=source)
    (wheel_from_sdist,) = again.glob("*.whl")
    return Distributions(wheel, sdist, wheel_from_sdist)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_links_are_links(tracked):
    links = {name: os.readlink(ROOT / name) for name in tracked if (ROOT / name).is_symlink()}
    assert links == {f"tfrec/{room}": f"../{room}" for room in ROOMS}


def test_wheel_holds_the_packages_and_nothing_else(distributions, packed):
    expected = {name: file.read_bytes() for name, file in packed.items() if name.startswith("tfrec/")}
    wheel = contents(distributions.wheel)
    metadata = f"tfrec-{__version__}.dist-info/"
    assert {name for name in wheel if not name.startswith(metadata)} == set(expected)
    assert [name for name, data in expected.items() if wheel[name] != data] == []


def test_wheel_has_licence_and_command(distributions):
    wheel = contents(distributions.wheel)
    metadata = f"tfrec-{__version__}.dist-info"
    assert wheel[f"{metadata}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"tfrec = tfrec.cli:main" in wheel[f"{metadata}/entry_points.txt"]
    assert b"\nLicense-Expression: Apache-2.0\n" in wheel[f"{metadata}/METADATA"]


def test_sdist_holds_the_tree(distributions, packed):
    with tarfile.open(distributions.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    generated = {name for name in names if name == "PKG-INFO" or name.startswith("tfrec.egg-info/")}
    assert names - generated == set(packed) - NOT_DISTRIBUTED


def test_sdist_builds_the_same_wheel(distributions):
    assert contents(distributions.wheel_from_sdist) == contents(distributions.wheel)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the wheel in it."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def tfrec(self) -> str:
        return str(self.folder / "bin" / "tfrec")


@pytest.fixture(scope="session")
def environment(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    python("-m", "venv", "--without-pip", str(made.folder), cwd=made.folder.parent)
    options = ["--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check"]
    wheel = str(distributions.wheel)
    python("-m", "pip", "--python", made.python, "install", *options, wheel, cwd=made.folder.parent)
    (packages,) = made.folder.glob("lib/python*/site-packages")
    dependencies = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (packages / "dependencies.pth").write_text("\n".join(dependencies) + "\n")
    return made


def test_installed_wheel_gives_the_models(run, environment):
    code = """
import json, tfrec.models, tfrec.serving
files = [module.__file__ for module in (tfrec, tfrec.models, tfrec.serving)]
models = {name: type(model()).__name__ for name, model in tfrec.models.MODELS.items()}
print(json.dumps([files, models]))
"""
    result = run([environment.python, "-c", code])
    assert result.returncode == 0, result.stderr
    files, models = json.loads(result.stdout)
    assert all(Path(file).is_relative_to(environment.folder) for file in files), files
    assert models["ease"] == "EASE"


def test_installed_wheel_finds_its_configs(run, environment, packed):
    code = """
import json
from importlib.resources import files
print(json.dumps([f"{folder.name}/{file.name}" for folder in files("tfrec.configs").iterdir() if folder.is_dir()
                  for file in folder.iterdir() if file.name.endswith(".yaml") and file.read_text(encoding="utf-8")]))
"""
    result = run([environment.python, "-c", code])
    assert result.returncode == 0, result.stderr
    expected = {name.removeprefix("tfrec/configs/") for name in packed if name.endswith(".yaml") and "configs/" in name}
    assert expected
    assert set(json.loads(result.stdout)) == expected


def test_installed_wheel_has_a_command(run, environment):
    result = run([environment.tfrec, "--version"])
    assert result.returncode == 0, result.stderr
    assert __version__ in result.stdout
    result = run([environment.tfrec, "--help"])
    assert result.returncode == 0, result.stderr
    assert {"train", "evaluate", "export", "serve", "recommend", "demo"} <= set(result.stdout.split())
