"""The check of installed versions: what doesn't fit is named before it crashes, with the command that mends it."""

import configparser
import shlex
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tfrec import _versions

ROOT = Path(__file__).parents[2]
FITTING = {
    "tensorflow": "2.20.0",
    "tf-keras": "2.20.1",
    "tensorflow-recommenders": "0.7.7",
    "scann": "1.4.2",
    "numpy": "2.4.6",
    "protobuf": "7.36.2",
}


@pytest.fixture
def installed(monkeypatch):
    """``installed(scann="1.4.0", ...)``: pretend these versions are installed; None for one that isn't."""

    def pretend(**changes: str | None) -> None:
        versions = FITTING | {name.replace("_", "-"): version for name, version in changes.items()}

        def version(name: str) -> str:
            found = versions.get(name)
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return found

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)

    return pretend


def error() -> tuple[str, list[str]]:
    """The error's text and the arguments of the command it names."""
    with pytest.raises(ImportError) as caught:
        _versions.check()
    problem, _, command = str(caught.value).partition(" To mend it: ")
    return problem, shlex.split(command)


def test_what_is_installed_here_fits():
    _versions.check()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="all of it"),
        pytest.param({"scann": None}, id="scann is optional"),
        pytest.param({"tensorflow": None, "tensorflow_cpu": "2.20.1"}, id="a build under another name"),
        pytest.param({"tensorflow": "2.20.0+vendor.1"}, id="a vendor's build"),
    ],
)
def test_fits(installed, changes):
    installed(**changes)
    _versions.check()


@pytest.mark.parametrize(
    ("changes", "said", "requirement"),
    [
        ({"tf_keras": None}, "is not installed", "tf-keras>=2.20.1,<2.21"),
        ({"tf_keras": "2.19.0"}, "2.19.0 is installed", "tf-keras>=2.20.1,<2.21"),
        ({"tf_keras": "garbage"}, "is not installed", "tf-keras>=2.20.1,<2.21"),
        ({"scann": "1.4.0"}, "1.4.0 is installed", "scann>=1.4.1,<1.4.3"),
        ({"tensorflow": "2.21.0rc1"}, "2.21.0rc1 is installed", "tensorflow>=2.20,<2.21"),
        ({"tensorflow": None}, "is not installed", "tensorflow>=2.20,<2.21"),
        ({"tensorflow": None, "tensorflow_cpu": "2.19.0"}, "2.19.0 is installed", "tensorflow-cpu>=2.20,<2.21"),
        ({"tensorflow_recommenders": None}, "is not installed", "tensorflow-recommenders>=0.7.7,<0.8"),
        ({"protobuf": "4.25.3"}, "4.25.3 is installed", "protobuf>=5.28.3,<8"),
        ({"numpy": "1.26.4"}, "1.26.4 is installed", "numpy>=2.0,<3"),
    ],
)
def test_misfit_names_the_fix(installed, changes, said, requirement):
    installed(**changes)
    problem, command = error()
    assert f"{requirement} is needed" in problem
    assert said in problem
    assert command == [sys.executable, "-m", "pip", "install", requirement]


def test_all_misfits_are_mended_by_one_command(installed):
    installed(scann="1.3.0", tf_keras=None)
    problem, command = error()
    assert "1.3.0" in problem
    assert command[4:] == ["tf-keras>=2.20.1,<2.21", "scann>=1.4.1,<1.4.3"]


def test_tensorflow_replaced_after_its_import(installed, monkeypatch):
    installed()
    loaded = ModuleType("tensorflow")
    monkeypatch.setattr(loaded, "__version__", "2.19.0", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow", loaded)
    with pytest.raises(ImportError, match=r"2\.19\.0 is loaded .* 2\.20\.0 has been installed since.*restart"):
        _versions.check()


@pytest.fixture(scope="module")
def requirements() -> dict[str, Requirement]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].strip().splitlines()
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def test_ranges_are_those_of_setup_cfg(requirements):
    declared = {name: requirements[name].specifier for name in _versions.RANGES}
    assert declared == {name: SpecifierSet(wanted) for name, wanted in _versions.RANGES.items()}


def test_optional_is_what_setup_cfg_installs_on_some_machines_only(requirements):
    assert {name for name, requirement in requirements.items() if requirement.marker} == _versions.OPTIONAL


def test_constraints_fit_the_requirements(requirements):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().replace("_", "-").split("==") for line in lines if line and not line.startswith("#"))
    outside = {
        name: pins.get(name.lower())
        for name, requirement in requirements.items()
        if not requirement.specifier.contains(pins.get(name.lower(), "0"))
    }
    assert outside == {}
