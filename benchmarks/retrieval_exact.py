"""The exact retrieval layer beside the bare product and top-k that it cannot do without, MovieLens-1M.

python benchmarks/retrieval_exact.py [--users 1000] [--k 100] [--repeats 15] [--json FILE]

ALS with 64 factors, fitted to MovieLens-1M, gives vectors of users and films. `bare` is one matrix product and
`tf.math.top_k` in a tf.function, nothing excluded. The layer answers the same queries, and again with the films that
the users have rated excluded. Exit code 1 if it takes more than 1.5 times what `bare` takes, exclusions included.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import alternate, machine, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import tfrec  # noqa: E402
from tfrec.models import ALS  # noqa: E402
from tfrec.retrieval import Exact  # noqa: E402

BAR = 1.5


def _as_arrays(side: Callable[[], Any]) -> Any:
    return tf.nest.map_structure(np.asarray, side())


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All the figures."""
    about = machine("tensorflow")
    path = Path(os.environ["TFREC_DATA"]) / "ml-1m" if "TFREC_DATA" in os.environ else None
    model = ALS(n_factors=64)
    model.fit(tfrec.data.movielens("1m", path=path), epochs=3, verbose=0)
    users = tf.range(arguments.users)
    queries, candidates = model.query(users), tf.Variable(model.candidates())
    layer, seen, k = Exact().index(candidates), model.seen_items(users), tf.fill([arguments.users], arguments.k)
    bare = tf.function(lambda: tf.math.top_k(tf.matmul(queries, candidates, transpose_b=True), arguments.k))
    plain = tf.function(lambda: layer(queries, k), autograph=False)
    excluding = tf.function(lambda: layer(queries, k, seen), autograph=False)
    sides = {"bare": bare, "layer": plain, "layer, seen films excluded": excluding}
    seconds, results = alternate(
        {name: partial(_as_arrays, side) for name, side in sides.items()},
        arguments.repeats,
    )
    np.testing.assert_array_equal(results["layer"].item, results["bare"].indices)
    best = {name: min(times) for name, times in seconds.items()}
    return {
        "users": arguments.users,
        "candidates": int(candidates.shape[0]),
        "k": arguments.k,
        "best_ms": {name: 1000 * time for name, time in best.items()},
        "median_ms": {name: 1000 * statistics.median(times) for name, times in seconds.items()},
        "ratio": {name: time / best["bare"] for name, time in best.items()},
        "machine": about,
    }


def main() -> None:
    """Measure, show, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = run(arguments)
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"the best {result['k']} of {result['candidates']} films for {result['users']} users")
    for name, ratio in result["ratio"].items():
        print(f"{name:28} {result['best_ms'][name]:7.1f} ms  {ratio:5.2f} times bare")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if max(result["ratio"].values()) > BAR:
        sys.exit(f"the layer takes more than {BAR} times the bare product and top-k")


if __name__ == "__main__":
    main()
