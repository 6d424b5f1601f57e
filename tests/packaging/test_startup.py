"""`import tfrec` and `tfrec --help` are light: they answer at once, without TensorFlow."""

import sys
import sysconfig
import time
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "tensorflow_recommenders", "keras", "tf_keras", "scann", "numpy", "pandas", "scipy", "sklearn")
LIMIT = 0.5  # seconds
TRIES = 5  # on a busy machine only the fastest says how long it takes

IMPORT = [sys.executable, "-c", "import tfrec"]
HELP = [str(Path(sysconfig.get_path("scripts")) / "tfrec"), "--help"]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import tfrec; dir(tfrec)", id="import tfrec"),
        pytest.param("from tfrec.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass", id="tfrec --help"),
    ],
)
def test_nothing_heavy_is_imported(run, code):
    result = run(f"{code}\nimport sys; print('IMPORTED', *sys.modules)")
    assert result.returncode == 0, result.stderr
    imported = result.stdout.split("IMPORTED ")[1].split()
    assert "tfrec" in imported
    assert set(imported) & set(HEAVY) == set()


@pytest.mark.parametrize("command", [pytest.param(IMPORT, id="import tfrec"), pytest.param(HELP, id="tfrec --help")])
def test_answers_at_once(run, command):
    seconds = []
    for _ in range(TRIES):
        start = time.perf_counter()
        result = run(command)
        seconds.append(time.perf_counter() - start)
        assert result.returncode == 0, result.stderr
        if seconds[-1] < LIMIT:
            return
    pytest.fail(f"took {min(seconds):.2f} s at best, and {LIMIT} s is the limit: see `python -X importtime`")


def test_attributes_are_there_without_being_imported(run):
    result = run(
        """
import sys, tfrec
assert {"data", "evaluate", "load", "models", "__version__"} <= set(dir(tfrec))
tfrec.metrics
assert "tfrec.metrics" in sys.modules and "tensorflow" not in sys.modules
try:
    tfrec.modles
except AttributeError as error:
    print(error)
"""
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "module 'tfrec' has no attribute 'modles'"
