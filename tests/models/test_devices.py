"""The contract on two devices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def on_two_devices(request, tmp_path_factory) -> dict:
    """What the script found of every class that is asked about in this session, in one process for all."""
    chosen = [item.callspec.params for item in request.session.items if "on_two_devices" in item.fixturenames]
    script, folder = Path(__file__).parent / "two_devices.py", tmp_path_factory.mktemp("two_devices")
    names = [params["model_class"].__name__ for params in chosen]
    command = [sys.executable, str(script), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_two_logical_devices_give_the_model_of_one(model_class, on_two_devices):
    found = on_two_devices[model_class.__name__]
    assert "error" not in found, found["error"]
    assert found["replicas"] == 2
    assert found["scores"] < 1e-4
    assert found["recommended"] < 1e-4
    assert found.get("served", True)  # there for those that are exported
