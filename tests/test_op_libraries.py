"""Loading the packages that register ops, and what is said where that fails."""

import sys

import pytest

from tfrec import op_libraries

MODULE = "scann.scann_ops.py.scann_ops"


def test_nothing_to_load():
    op_libraries.load([])


def test_scann():
    pytest.importorskip("scann", reason="scann has no wheel for this platform")
    op_libraries.load(["scann"])
    assert MODULE in sys.modules


@pytest.fixture
def fails(monkeypatch):
    """Makes the import of scann's ops fail with an error."""

    def with_error(error):
        def refuse(name):
            assert name == MODULE
            raise error

        monkeypatch.setattr(op_libraries.importlib, "import_module", refuse)

    return with_error


@pytest.mark.parametrize("name", ["scann", "scann.scann_ops"])
def test_not_installed(fails, name):
    fails(ModuleNotFoundError(f"No module named {name!r}", name=name))
    with pytest.raises(
        ImportError, match=r"scann, which is not installed: pip install 'scann>=1\.4\.1,<1\.4\.3'"
    ) as caught:
        op_libraries.load(["scann"])
    assert "Linux on x86-64 only" in str(caught.value)
    assert "stock tensorflow_model_server cannot load ScaNN's ops" in str(caught.value)


def test_blocked_as_if_it_were_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(ImportError, match="which is not installed"):
        op_libraries.load(["scann"])


def test_something_that_it_needs_is_missing(fails):
    fails(ModuleNotFoundError("No module named 'google.protobuf'", name="google.protobuf"))
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'google\.protobuf'"):
        op_libraries.load(["scann"])


@pytest.mark.parametrize(
    "error", [RuntimeError("undefined symbol: _ZN10\nmore"), ImportError("undefined symbol: _ZN10")]
)
def test_made_for_another_tensorflow(fails, error):
    fails(error)
    with pytest.raises(ImportError, match=r"cannot be loaded \(undefined symbol: _ZN10\); it is made for one version"):
        op_libraries.load(["scann"])


def test_unknown():
    with pytest.raises(ImportError, match="ops of 'magic', which this tfrec doesn't know"):
        op_libraries.load(["magic"])
