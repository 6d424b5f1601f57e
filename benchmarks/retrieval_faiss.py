"""The compiled index beside faiss's own search of the same index, and beside exact search in TensorFlow.

python benchmarks/retrieval_faiss.py [--items 1000000] [--queries 200] [--k 100] [--factory IVF4000,Flat]
    [--probes 8 32 128] [--data clustered isotropic unequal] [--vectors FILE.npz] [--repeats 5] [--json FILE]

Made-up vectors of 64 dimensions three ways: in clusters; isotropic, in which no index finds its way; and of unequal
norms over a falling spectrum, as vectors of ALS are. An .npz with the arrays `items` and `queries` takes the place of
the last. Queries are not among the vectors that train the index, and are asked one by one. `exact` is a bare product
and `tf.math.top_k`, `compiled` the layer's search, both in a tf.function; `faiss` is its Python search in one thread
with the same probes (more threads wait for TensorFlow's); `call` is a tf.function that does nothing, which a model
server doesn't pay. Recall is the share of the best k by scoring every item. Exit code 1 if on clustered or unequal
vectors no number of probes reaches a recall of 0.95 at no more than 3 times faiss's time and an eighth of the exact
one, or if `compiled` and `faiss` differ in recall.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import alternate, machine, timed, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfrec.retrieval import Faiss, FaissIndex  # noqa: E402

DIMENSION = 64
RECALL = 0.95
SLOWER_THAN_FAISS = 3.0
FASTER_THAN_EXACT = 8.0
SAME_RECALL = 0.002


def clustered(n: int, generator: np.random.Generator) -> np.ndarray:
    """Around a thousand centres."""
    centres = generator.standard_normal((1000, DIMENSION), np.float32)
    spread = generator.standard_normal((n, DIMENSION), np.float32)
    return centres[generator.integers(len(centres), size=n)] + np.float32(0.5) * spread


def isotropic(n: int, generator: np.random.Generator) -> np.ndarray:
    """Normal, all dimensions alike."""
    return generator.standard_normal((n, DIMENSION), np.float32)


def unequal(n: int, generator: np.random.Generator) -> np.ndarray:
    """Of a falling spectrum, with norms that are log-normal."""
    spectrum = np.arange(1, DIMENSION + 1, dtype=np.float32) ** -0.5
    norms = generator.lognormal(sigma=0.7, size=(n, 1)).astype(np.float32)
    return norms * spectrum * generator.standard_normal((n, DIMENSION), np.float32)


KINDS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "clustered": clustered,
    "isotropic": isotropic,
    "unequal": unequal,
}


def vectors(kind: str, arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Items and queries, float32."""
    if kind == "unequal" and arguments.vectors:
        with np.load(arguments.vectors) as given:
            items, queries = given["items"].astype(np.float32), given["queries"].astype(np.float32)
        return items, queries[: arguments.queries]
    made = KINDS[kind](arguments.items + arguments.queries, np.random.default_rng(0))
    return made[: arguments.items], made[arguments.items :]


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    """The mean share of each wanted row that was found."""
    pairs = zip(found.tolist(), wanted.tolist(), strict=True)
    return float(np.mean([len(set(one) & set(other)) / len(other) for one, other in pairs]))


def graph(search: Callable, dimension: int, k: int) -> Callable[[np.ndarray], np.ndarray]:
    """A search in TensorFlow as a traced function of queries alone: their positions."""
    specs = [tf.TensorSpec([None, dimension]), tf.TensorSpec([], tf.int32)]
    answer = tf.function(search, input_signature=specs, autograph=False).get_concrete_function()
    wanted = tf.constant(k)
    return lambda queries: answer(tf.constant(queries), wanted).numpy()


def ask(
    sides: dict[str, Callable], queries: np.ndarray, repeats: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Milliseconds a query: the least of its repeats, the mean of all; and what was found, by side.

    Sides take turns at each query, so that what else the machine does meets all of them.
    """
    least = dict.fromkeys(sides, 0.0)
    found: dict[str, list[np.ndarray]] = {side: [] for side in sides}
    for query in queries[:, np.newaxis]:
        seconds, answers = alternate({side: partial(search, query) for side, search in sides.items()}, repeats)
        for side, taken in seconds.items():
            least[side] += 1000 * min(taken) / len(queries)
            found[side].append(answers[side])
    return least, {side: np.concatenate(rows) for side, rows in found.items()}


def exact_search(items: np.ndarray) -> Callable:
    """A bare product and top-k."""
    kept = tf.Variable(items, trainable=False)
    return lambda queries, k: tf.math.top_k(tf.matmul(queries, kept, transpose_b=True), k)[1]


def measure_kind(kind: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one kind of vectors, for each number of probes."""
    items, queries = vectors(kind, arguments)
    k = min(arguments.k, len(items))
    factory = arguments.factory or f"IVF{round(4 * np.sqrt(len(items)))},Flat"
    seconds, index = timed(lambda: FaissIndex(factory, n_probes=1).build(items))
    exact = graph(exact_search(items), items.shape[1], k)
    nothing = graph(lambda queries, k: tf.fill([1, 1], k), items.shape[1], k)
    rows = []
    for n_probes in arguments.probes:
        index.index.nprobe = n_probes
        search = partial(Faiss.from_index(index).search, thorough=False)
        sides = {
            "exact": exact,
            "compiled": graph(lambda queries, k, search=search: search(queries, k)[0], items.shape[1], k),
            "faiss": lambda query: index.search(query, k)[0],
            "call": nothing,
        }
        taken, found = ask(sides, queries, arguments.repeats)
        rows.append(
            {
                "n_probes": n_probes,
                "ms_a_query": taken,
                "recall": {side: recall(found[side], found["exact"]) for side in ("compiled", "faiss")},
                "compiled_to_faiss": taken["compiled"] / taken["faiss"],
                "exact_to_compiled": taken["exact"] / taken["compiled"],
            }
        )
    return {"items": len(items), "factory": factory, "seconds_to_build": seconds, "probes": rows}


def show(result: dict[str, Any]) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"ms a query, each the best of {result['repeats']}; recall@{result['k']}")
    for kind, figures in result["figures"].items():
        print(
            f"\n{kind}: {figures['items']:,} items, {figures['factory']}, built in {figures['seconds_to_build']:.0f} s"
        )
        columns = ("exact", "compiled", "faiss", "call", "c / f", "e / c", "recall", "of faiss")
        print(f"{'probes':>8}" + "".join(f"{column:>10}" for column in columns))
        for row in figures["probes"]:
            times, recalls = row["ms_a_query"], row["recall"]
            print(
                f"{row['n_probes']:8}" + "".join(f"{times[side]:10.3f}" for side in columns[:4]),
                f"{row['compiled_to_faiss']:9.2f}{row['exact_to_compiled']:10.1f}"
                f"{recalls['compiled']:10.3f}{recalls['faiss']:10.3f}",
            )


def problems(result: dict[str, Any]) -> list[str]:
    """What misses its bar, in words."""
    wrong = []
    for kind, figures in result["figures"].items():
        rows = figures["probes"]
        if any(abs(row["recall"]["compiled"] - row["recall"]["faiss"]) > SAME_RECALL for row in rows):
            wrong.append(f"{kind}: the compiled index and faiss find different items")
        good = any(
            row["recall"]["compiled"] >= RECALL
            and row["compiled_to_faiss"] <= SLOWER_THAN_FAISS
            and row["exact_to_compiled"] >= FASTER_THAN_EXACT
            for row in rows
        )
        if kind != "isotropic" and not good:
            wrong.append(
                f"{kind}: no number of probes reaches recall {RECALL} at {SLOWER_THAN_FAISS:g} times faiss's time and "
                f"1/{FASTER_THAN_EXACT:g} of the exact one"
            )
    return wrong


def main() -> None:
    """Measure, show, and write JSON if asked to; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--factory")
    parser.add_argument("--probes", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--data", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    about = machine("tensorflow", "faiss-cpu")
    result = {
        "k": arguments.k,
        "repeats": arguments.repeats,
        "figures": {kind: measure_kind(kind, arguments) for kind in arguments.data},
        "machine": about,
    }
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if wrong := problems(result):
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
