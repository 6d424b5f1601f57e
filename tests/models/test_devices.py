"""The contract on two devices."""

import json
import subprocess
import sys
from pathlib import Path

from tfrec.models import MODELS


def test_two_logical_devices_give_the_model_of_one(tmp_path):
    script = Path(__file__).parent / "two_devices.py"
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    differences = json.loads(done.stdout.splitlines()[-1])
    assert set(differences) == {*MODELS, "tiny_factors"}
    for difference in differences.values():
        assert difference["replicas"] == 2
        assert difference["weights"] < 1e-4
        assert difference["served"]
