"""Negatives a second, of every sampler, in a function and in a tf.data pipeline, beside rejection sampling in numpy.

python benchmarks/samplers.py [--data ml-1m] [--steps 100] [--repeats 5] [--json FILE]

A step is a batch of training rows in random order, so that users come in proportion to their interactions, and a few
negatives for each. "function" is a loop of steps inside one tf.function, as in a train_step; "tf.data" is a map over
the steps with `num_parallel_calls=AUTOTUNE`. What counts is what comes out: items that are no
positives of their users, which is checked. The peer draws uniformly with numpy until nothing is left that a table of
all pairs says is a positive: what most libraries do, and here without any loop over users. Dynamic hard sampling scores
its candidates by vectors of 64 dimensions.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import alternate, machine, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import tfrec  # noqa: E402
from tfrec.data import Interactions  # noqa: E402
from tfrec.data.samplers import (  # noqa: E402
    DynamicHard,
    InBatch,
    KnownPositives,
    Mixed,
    NegativeSampler,
    Popularity,
    Uniform,
)

SHAPES = ((4096, 4), (8192, 1))
N_CANDIDATES = 8
_AHEAD = 8  # more steps than the pipeline holds ready


def samplers(known: KnownPositives) -> dict[str, NegativeSampler]:
    """One of each kind."""
    vectors = tf.random.stateless_normal([known.n_users + known.n_items, 64], [1, 2])
    of_users, of_items = vectors[: known.n_users], vectors[known.n_users :]

    def score(users: Any, candidates: Any) -> Any:
        return tf.einsum("bd,bnmd->bnm", tf.gather(of_users, users), tf.gather(of_items, candidates))

    uniform, popularity = Uniform(known), Popularity(known)
    return {
        "uniform": uniform,
        "popularity": popularity,
        "in batch": InBatch(known),
        "dynamic hard": DynamicHard(uniform, score, n_candidates=N_CANDIDATES),
        "mixed": Mixed([popularity, uniform], [0.5, 0.5]),
    }


def batches(train: Interactions, size: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of training rows in random order: int32 [steps, size] each."""
    rows = np.random.default_rng(0).integers(0, len(train), (steps, size))
    return train.user[rows], train.item[rows]


def by_function(sampler: NegativeSampler, users: Any, items: Any, n: int) -> Callable[[], int]:
    """A loop within one function; its result is the number of negatives."""
    users, items = tf.constant(users), tf.constant(items)

    @tf.function(autograph=False)
    def loop() -> Any:
        def step(i: Any, count: Any) -> tuple:
            drawn = sampler.sample(users[i], n, seed=0, epoch=0, step=i, items=items[i])
            return i + 1, count + tf.math.count_nonzero(drawn >= 0)

        zero = tf.constant(0, tf.int64)
        return tf.while_loop(lambda i, _: i < len(users), step, [zero, zero], parallel_iterations=1)[1]

    return lambda: int(loop())


def by_pipeline(sampler: NegativeSampler, users: Any, items: Any, n: int) -> Callable[[], int]:
    """A mapped data set that goes on and on; its start, a fraction of a second, is in no figure."""
    users, items = tf.constant(users), tf.constant(items)

    def draw(step: Any) -> Any:
        drawn = sampler.sample(users[step], n, seed=0, epoch=0, step=step, items=items[step])
        return tf.math.count_nonzero(drawn >= 0)

    steps = tf.data.Dataset.range(len(users)).repeat().map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    iterator = steps.prefetch(2).as_numpy_iterator()

    def read() -> int:
        for _ in range(_AHEAD):  # what was drawn while the others had their turn doesn't count
            next(iterator)
        return sum(int(next(iterator)) for _ in range(len(users)))

    return read


def by_numpy(liked: np.ndarray, users: np.ndarray, n: int) -> Callable[[], int]:
    """Uniform by rejection, whole batches at once."""

    def loop() -> int:
        generator = np.random.default_rng(0)
        count = 0
        for batch in users:
            owners = np.repeat(batch, n)
            drawn = generator.integers(0, liked.shape[1], len(owners), dtype=np.int32)
            rest = np.flatnonzero(liked[owners, drawn])
            while len(rest):
                drawn[rest] = generator.integers(0, liked.shape[1], len(rest), dtype=np.int32)
                rest = rest[liked[owners[rest], drawn[rest]]]
            count += len(drawn)
        return count

    return loop


def positives_drawn(sampler: NegativeSampler, liked: np.ndarray, users: np.ndarray, items: np.ndarray, n: int) -> int:
    """How many known positives, and places without an item, are among what one step gives."""
    drawn = sampler.sample(users, n, seed=0, epoch=0, step=0, items=items).numpy()
    return int((drawn < 0).sum() + liked[users[:, np.newaxis], np.maximum(drawn, 0)].sum())


def measure(arguments: argparse.Namespace) -> dict:
    """All the figures of one run."""
    figures = machine("tensorflow", "numpy")
    data = tfrec.data.synthetic() if arguments.data == "synthetic" else tfrec.data.movielens(arguments.data[3:])
    liked = data.to_csr().toarray() > 0
    known = KnownPositives.of(data)
    rates: dict[str, dict[str, dict[str, float]]] = {}
    wrong = 0
    for size, n in SHAPES:
        users, items = batches(data, size, arguments.steps)
        sides: dict[tuple[str, str], Callable[[], int]] = {("numpy, uniform", "loop"): by_numpy(liked, users, n)}
        for name, sampler in samplers(known).items():
            wrong += positives_drawn(sampler, liked, users[0], items[0], n)
            for way, make in {"function": by_function, "tf.data": by_pipeline}.items():
                sides[name, way] = make(sampler, users, items, n)
        names = {f"{name}/{way}": side for (name, way), side in sides.items()}
        seconds, counts = alternate(names, arguments.repeats)
        table = rates.setdefault(f"{size:,} × {n}", {})
        for name, way in sides:
            key = f"{name}/{way}"
            table.setdefault(name, {})[way] = counts[key] / float(np.median(seconds[key]))
    return {
        "data": repr(data),
        "steps": arguments.steps,
        "negatives_per_second": rates,
        "wrong": wrong,
        "machine": figures,
    }


def show(result: dict) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"training data: {result['data']}; millions of accepted negatives a second, median")
    for shape, table in result["negatives_per_second"].items():
        print(f"\n{shape:20}{'function':>12}{'tf.data':>12}")
        for name, ways in table.items():
            cells = [ways.get("function", ways.get("loop")), ways.get("tf.data")]
            print(f"{name:20}" + "".join(f"{'-' if cell is None else f'{cell / 1e6:.1f}':>12}" for cell in cells))


def main() -> None:
    """Measure, show, and write JSON if asked to; exit code 1 if a negative is a positive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-100k", "synthetic"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if result["wrong"]:
        sys.exit(f"{result['wrong']} draws of the first steps are no negatives")


if __name__ == "__main__":
    main()
