"""The ScaNN layer beside scann used directly, with one configuration.

python benchmarks/retrieval_scann.py [--items 1000000] [--queries 200] [--batch 256] [--k 100] [--repeats 5]
    [--json FILE]

Made-up vectors of 64 dimensions in a thousand clusters; queries are drawn alike and are no candidates. `scann` is its
Python searcher, built with the settings that the layer chose; the layer is called in a tf.function, with a k for each
query and the guarantees of `tfrec.retrieval.Retrieval`; `call` is what calling a tf.function takes that does nothing,
which a model server doesn't pay and which dominates small catalogues. Queries are asked one by one and in batches.
Recall is the share of the best k by scoring every item. Exit code 1 if the layer takes more than 1.3 times what scann
takes, or finds less by more than 0.01.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import alternate, machine, timed, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfrec.retrieval import Exact, ScaNN  # noqa: E402

DIMENSION = 64
N_CLUSTERS = 1000
BAR = 1.3
LOST_RECALL = 0.01


def vectors(n_items: int, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidates and queries, float32, in the same clusters."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(N_CLUSTERS, DIMENSION)).astype(np.float32)
    chosen = centres[generator.integers(N_CLUSTERS, size=n_items + n_queries)]
    chosen += 0.5 * generator.standard_normal(size=chosen.shape, dtype=np.float32)
    return chosen[:n_items], chosen[n_items:]


def direct(candidates: np.ndarray, made: dict[str, Any], k: int) -> tuple[Callable, Callable]:
    """A searcher of scann's own with the layer's settings: its searches of a query and of a batch, to positions."""
    import scann

    builder = scann.scann_ops_pybind.builder(candidates, k, "dot_product")
    if made["n_leaves"] > 1:
        builder = builder.tree(
            made["n_leaves"],
            made["n_leaves_to_search"],
            training_iterations=made["training_iterations"],
            random_init=False,
        )
    if made["n_leaves"]:
        builder = builder.score_ah(made["dimensions_per_block"]).reorder(made["n_reordering_candidates"])
    else:
        builder = builder.score_brute_force()
    searcher = builder.build()
    return (lambda query: searcher.search(query)[0]), (lambda queries: searcher.search_batched_parallel(queries)[0])


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """The mean share of each wanted row that was found."""
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in pairs]))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All the figures."""
    about, k = machine("tensorflow", "scann"), arguments.k
    candidates, queries = vectors(arguments.items, max(arguments.queries, arguments.batch))
    seconds_to_index, layer = timed(lambda: ScaNN().index(candidates))
    by_query, by_batch = direct(candidates, layer.settings(), k)
    exact = Exact().index(candidates)
    wanted = np.concatenate([exact(part, k).item for part in np.array_split(queries, len(queries) // 50 + 1)])
    specs = [tf.TensorSpec([None, DIMENSION]), tf.TensorSpec([None], tf.int32)]
    answer = tf.function(lambda queries, k: layer(queries, k).item, input_signature=specs, autograph=False)
    nothing = tf.function(lambda queries, k: k[:, tf.newaxis], input_signature=specs, autograph=False)

    def ask(function: Any, part: np.ndarray) -> np.ndarray:
        return function(tf.constant(part), tf.fill([len(part)], k)).numpy()

    singles, batch = queries[: arguments.queries], queries[: arguments.batch]
    sides: dict[str, dict[str, Callable[[], np.ndarray]]] = {
        "one by one": {
            "scann": lambda: np.stack([by_query(query) for query in singles]),
            "layer": lambda: np.concatenate([ask(answer, query[np.newaxis]) for query in singles]),
            "call": lambda: np.concatenate([ask(nothing, query[np.newaxis]) for query in singles]),
        },
        "in a batch": {
            "scann": lambda: by_batch(batch),
            "layer": lambda: ask(answer, batch),
            "call": lambda: ask(nothing, batch),
        },
    }
    figures = {}
    for name, its_sides in sides.items():
        seconds, found = alternate(its_sides, arguments.repeats)
        best = {side: min(times) for side, times in seconds.items()}
        figures[name] = {
            "ms_a_query": {side: 1000 * time / len(found[side]) for side, time in best.items()},
            "ratio": best["layer"] / best["scann"],
            "recall": {side: recall(found[side], wanted[: len(found[side])]) for side in ("scann", "layer")},
        }
    return {
        "items": arguments.items,
        "k": k,
        "repeats": arguments.repeats,
        "settings": layer.settings(),
        "seconds_to_index": seconds_to_index,
        "figures": figures,
        "machine": about,
    }


def show(result: dict[str, Any]) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(
        f"{result['items']:,} items of {DIMENSION} dimensions, indexed in {result['seconds_to_index']:.0f} s;", end=" "
    )
    print(", ".join(f"{name} {value}" for name, value in result["settings"].items()))
    print(f"ms a query, the best of {result['repeats']}; recall@{result['k']}\n")
    print(f"{'':12}{'scann':>9}{'layer':>9}{'call':>9}{'ratio':>8}{'scann':>9}{'layer':>9}")
    for name, figures in result["figures"].items():
        times, recalls = figures["ms_a_query"], figures["recall"]
        print(
            f"{name:12}{times['scann']:9.3f}{times['layer']:9.3f}{times['call']:9.3f}{figures['ratio']:8.2f}"
            f"{recalls['scann']:9.3f}{recalls['layer']:9.3f}"
        )


def problems(result: dict[str, Any]) -> list[str]:
    """What misses its bar, in words."""
    wrong = []
    for name, figures in result["figures"].items():
        if figures["ratio"] > BAR:
            wrong.append(f"{name} the layer takes {figures['ratio']:.2f} times what scann takes: the bar is {BAR}")
        if figures["recall"]["layer"] < figures["recall"]["scann"] - LOST_RECALL:
            wrong.append(f"{name} the layer's recall is more than {LOST_RECALL} below scann's")
    return wrong


def main() -> None:
    """Measure, show, and write JSON if asked to; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if wrong := problems(result):
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
