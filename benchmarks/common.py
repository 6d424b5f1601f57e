"""What the comparisons share: clean settings, alternating repeats, and what the machine is."""

import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

_PRESETS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def unset_openblas_presets() -> None:
    """Start the script again without settings that slow LAPACK down, which OpenBLAS reads when it is loaded."""
    if any(name in os.environ for name in _PRESETS):
        clean = {name: value for name, value in os.environ.items() if name not in _PRESETS}
        os.execve(sys.executable, [sys.executable, *sys.argv], clean)  # noqa: S606


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    started = perf_counter()
    result = function()
    return perf_counter() - started, result


def alternate(sides: Mapping[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Run every side once to warm up, then all of them in turn.

    Returns:
        The seconds of every repeat, and the last result, by side.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    results = {name: function() for name, function in sides.items()}
    for _ in range(repeats):
        for name, function in sides.items():
            elapsed, results[name] = timed(function)
            seconds[name].append(elapsed)
    return seconds, results


def machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, load and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load before": round(os.getloadavg()[0], 2),
        **{name: metadata.version(name) for name in packages},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
