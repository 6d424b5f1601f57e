"""What all tests share. The environment is set here, before any test module imports TensorFlow."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # test processes share a GPU

# pytest-xdist's processes share the cores; the variable is not there when it doesn't run.
if _workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    _threads = max(1, (os.cpu_count() or 1) // int(_workers))
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(_threads))

# The first call of a TensorFlow function traces it: no single example says how fast the code is. Where there is nobody
# to look into a rare failure the examples are the same in every run.
settings.register_profile(
    "tfrec", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("tfrec")


@pytest.fixture(scope="session")
def tfrec_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    name = os.environ.get("TFREC_DATA")
    if not name:
        pytest.skip("needs real data: set TFREC_DATA to a folder with ml-100k, ml-1m and so on")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"TFREC_DATA should name a folder, and {name!r} isn't one")
    return folder
