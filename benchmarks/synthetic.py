"""Made-up interactions: seconds and peak memory of `tfrec.data.synthetic_world`, in a fresh process.

python benchmarks/synthetic.py [--users 200000] [--items 50000] [--interactions 20000000] [--repeats 3] [--json FILE]

The bars are 60 seconds and 4 GiB for 20 million interactions on two cores: exit code 1 if the median of the repeats
misses one. The memory is the largest resident set of the whole process, imports included.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from common import machine

from tfrec.data import synthetic_world

SECONDS, GIB = 60.0, 4.0
_ROWS_OF_THE_BARS = 20_000_000
_UNITS_A_GIB = 2**20 if sys.platform == "linux" else 2**30  # ru_maxrss is in KiB on Linux, in bytes on macOS


def measure(users: int, items: int, interactions: int) -> dict[str, Any]:
    """Make the data in this process."""
    started = perf_counter()
    world = synthetic_world(users, items, interactions)
    seconds = perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_A_GIB
    return {"seconds": seconds, "GiB": peak, "data": repr(world.interactions)}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All the figures: each repeat in a process of its own."""
    sizes = [str(size) for size in (arguments.users, arguments.items, arguments.interactions)]
    about = machine("numpy")
    repeats = []
    for _ in range(arguments.repeats):
        command = [sys.executable, __file__, "--measure", *sizes]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        repeats.append(json.loads(done.stdout))
    return {
        "data": repeats[0]["data"],
        "median_seconds": statistics.median(repeat["seconds"] for repeat in repeats),
        "peak_GiB": max(repeat["GiB"] for repeat in repeats),
        "seconds": [repeat["seconds"] for repeat in repeats],
        "machine": about,
    }


def main() -> None:
    """Measure, show, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--interactions", type=int, default=_ROWS_OF_THE_BARS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    result = run(arguments)
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(result["data"])
    print(f"median of {arguments.repeats}: {result['median_seconds']:.1f} s, at most {result['peak_GiB']:.2f} GiB")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    missed = result["median_seconds"] > SECONDS or result["peak_GiB"] > GIB
    if arguments.interactions == _ROWS_OF_THE_BARS and missed:
        sys.exit(f"the bars of {SECONDS:g} s and {GIB:g} GiB are missed")


if __name__ == "__main__":
    main()
