"""Steps a second of row-sparse Adam beside Keras's Adam and Adagrad, on embedding tables large and small.

python benchmarks/optimizers.py [--steps 10] [--repeats 5] [--json FILE]

A step is that of matrix factorisation by BPR: a batch of users, an item that each had and one that they didn't, vectors
of 64 dimensions, the gradients of both tables and the optimizer's part. Users and items are drawn uniformly, which is
what touches most rows. Keras's Adam moves every row of both tables in every step; Adagrad, which has one moment that
doesn't decay, touches a batch's rows alone. As no moment is anything but zero before it, the first step of both Adams
is the same: that is checked.
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

from tfrec.optimizers import RowSparseAdam  # noqa: E402

DIMENSION = 64
# Users, items and batch: a large shop's tables, and those of MovieLens-1M.
SHAPES = ((500_000, 100_000, 1024), (500_000, 100_000, 8192), (6040, 3706, 8192))
OPTIMIZERS = {
    "row-sparse Adam": RowSparseAdam,
    "Keras's Adam": tf.keras.optimizers.Adam,
    "Keras's Adagrad": tf.keras.optimizers.Adagrad,
}


class Factors:
    """Two tables, learned by one optimizer from batches that are the same for all of them."""

    def __init__(self, optimizer: Any, n_users: int, n_items: int, batch: int, steps: int) -> None:
        generator = np.random.default_rng(0)
        self.tables = [
            tf.Variable(tf.random.stateless_normal([rows, DIMENSION], [rows, 0], stddev=0.1))
            for rows in (n_users, n_items)
        ]
        self.users = tf.constant(generator.integers(0, n_users, (steps, batch)), tf.int32)
        self.items = tf.constant(generator.integers(0, n_items, (steps, 2 * batch)), tf.int32)
        self.optimizer = optimizer
        self.step = tf.function(self._step, autograph=False)

    def _step(self, number: Any) -> Any:
        with tf.GradientTape() as tape:
            users = tf.gather(self.tables[0], self.users[number])
            liked, other = tf.split(tf.gather(self.tables[1], self.items[number]), 2)
            loss = tf.reduce_mean(tf.nn.softplus(tf.reduce_sum(users * (other - liked), axis=1)))
        self.optimizer.minimize(loss, self.tables, tape=tape)
        return loss

    def learn(self) -> float:
        """All the batches; the loss of the last."""
        return [float(self.step(tf.constant(number))) for number in range(len(self.users))][-1]


def largest_difference(shape: tuple[int, int, int]) -> float:
    """Between the tables of both Adams after one step, in learning rates."""
    rate = 0.01
    adams = [Factors(kind(rate), *shape, steps=1) for kind in (RowSparseAdam, tf.keras.optimizers.Adam)]
    for factors in adams:
        factors.learn()
    pairs = zip(adams[0].tables, adams[1].tables, strict=True)
    return max(float(tf.reduce_max(tf.abs(one - other))) for one, other in pairs) / rate


def measure(arguments: argparse.Namespace) -> dict:
    """All the figures of one run."""
    about = machine("tensorflow", "tf-keras", "numpy")
    rates: dict[str, dict[str, float]] = {}
    for shape in SHAPES:
        sides: dict[str, Callable[[], float]] = {
            name: Factors(kind(), *shape, steps=arguments.steps).learn for name, kind in OPTIMIZERS.items()
        }
        seconds, _ = alternate(sides, arguments.repeats)
        users, items, batch = shape
        rates[f"{users:,} + {items:,} rows, batch {batch:,}"] = {
            name: arguments.steps / float(np.median(taken)) for name, taken in seconds.items()
        }
    return {
        "steps": arguments.steps,
        "repeats": arguments.repeats,
        "steps_per_second": rates,
        "difference": max(largest_difference(shape) for shape in SHAPES),
        "machine": about,
    }


def show(result: dict) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"steps a second, median of {result['repeats']} × {result['steps']}; vectors of {DIMENSION} dimensions\n")
    print(f"{'':40}" + "".join(f"{name:>18}" for name in OPTIMIZERS))
    for shape, table in result["steps_per_second"].items():
        print(f"{shape:40}" + "".join(f"{table[name]:18.1f}" for name in OPTIMIZERS))


def main() -> None:
    """Measure, show, and write JSON if asked to; exit code 1 if the first step is not that of Keras's Adam."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if result["difference"] > 1e-3:
        sys.exit(
            f"the two Adams are {result['difference']:.2g} learning rates apart after a step: one of them is wrong"
        )


if __name__ == "__main__":
    main()
