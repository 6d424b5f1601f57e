"""Fixtures of the packaging tests: new Python processes, free of what the test process has imported or set."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``run(command, ...)``: run a command outside the source tree, as from a fresh shell. Strings are Python code."""
    outside = tmp_path_factory.mktemp("outside")
    # The test process has set the Keras switch by importing tfrec; without cached bytecode no start is representative.
    left_out = {"TF_USE_LEGACY_KERAS", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    shell = {name: value for name, value in os.environ.items() if name not in left_out}

    def run(command: str | list[str], cwd: Path = outside, **environment: str) -> "subprocess.CompletedProcess[str]":
        if isinstance(command, str):
            command = [sys.executable, "-c", command]
        return subprocess.run(
            command, cwd=cwd, env=shell | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip

    return run
