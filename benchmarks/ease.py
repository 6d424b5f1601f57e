"""EASE's `fit` against the best route of numpy, scipy and LAPACK: from Interactions in memory to a model that answers.

python benchmarks/ease.py [--data ml-1m] [--l2 500] [--repeats 5] [--json FILE]

The peer's Gram matrix is computed both ways, dense (ssyrk) and sparse (scipy), and the faster of the two counts; its
inverse is LAPACK's (spotrf, spotri). Both sides alternate, and both models are evaluated. OPENBLAS_CORETYPE and
OPENBLAS_L2_SIZE are unset for both: preset, they slow LAPACK down.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import machine, timed, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import threadpoolctl  # noqa: E402
from scipy.linalg import blas, lapack  # noqa: E402

import tfrec  # noqa: E402
from tfrec.data import Interactions  # noqa: E402
from tfrec.models import EASE  # noqa: E402


def dense_gram(train: Interactions) -> np.ndarray:
    """The lower triangle of XᵀX by BLAS."""
    return blas.ssyrk(1.0, train.to_csr().toarray().T, lower=1)


def sparse_gram(train: Interactions) -> np.ndarray:
    """XᵀX by scipy's sparse product."""
    matrix = train.to_csr()
    return np.asfortranarray((matrix.T @ matrix).toarray())


def peer_weights(gram: np.ndarray, l2: float) -> np.ndarray:
    """B from the Gram matrix, in place as far as it goes."""
    gram[np.diag_indices_from(gram)] += l2
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, failed_too = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise RuntimeError("LAPACK could not invert the Gram matrix")
    diagonal = np.diag(inverse).copy()
    weights = np.tril(inverse, -1)
    weights += weights.T
    weights /= -diagonal
    return weights


def fit(train: Interactions, l2: float) -> EASE:
    """A fresh model, fitted."""
    model = EASE(l2=l2)
    model.fit(train, verbose=0)
    return model


def cold_seconds(side: str, arguments: argparse.Namespace) -> float:
    """The first fit of a fresh process, imports excluded."""
    command = [sys.executable, __file__, "--cold", side, "--data", arguments.data, "--l2", str(arguments.l2)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def split(name: str) -> tuple[Interactions, Interactions]:
    """Training and test part: a fifth of each user's ratings held out."""
    data = tfrec.data.synthetic() if name == "synthetic" else tfrec.data.movielens(name.removeprefix("ml-"))
    train, test = tfrec.data.random_split(data, test=0.2, by="user", seed=42)
    return train, test


def compare(arguments: argparse.Namespace) -> dict:
    """All the figures of one run."""
    about = machine("tensorflow", "numpy", "scipy")
    train, test = split(arguments.data)
    cold = {side: cold_seconds(side, arguments) for side in ("tfrec", "dense", "sparse")}
    cold["peer"] = min(cold["dense"], cold["sparse"])
    fit(train, arguments.l2)
    peer_weights(dense_gram(train), arguments.l2)
    seconds: dict[str, list[float]] = {"tfrec": [], "peer, dense Gram": [], "peer, sparse Gram": []}
    for _ in range(arguments.repeats):
        ours, model = timed(lambda: fit(train, arguments.l2))
        by_dense, gram = timed(lambda: dense_gram(train))
        by_sparse, _ = timed(lambda: sparse_gram(train))
        solve, weights = timed(partial(peer_weights, gram, arguments.l2))
        seconds["tfrec"].append(ours)
        seconds["peer, dense Gram"].append(by_dense + solve)
        seconds["peer, sparse Gram"].append(by_sparse + solve)
    quality = {"tfrec": model.evaluate(test, k=[10])["ndcg@10"]}
    model.item_weights.assign(weights)
    quality["peer"] = model.evaluate(test, k=[10])["ndcg@10"]
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    median["peer"] = min(median["peer, dense Gram"], median["peer, sparse Gram"])
    return {
        "data": repr(train),
        "l2": arguments.l2,
        "median_seconds": median,
        "ratio": median["tfrec"] / median["peer"],
        "seconds": seconds,
        "cold_seconds": cold,
        "ndcg@10": quality,
        "machine": about | {"BLAS threads": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())},
    }


def show(result: dict) -> None:
    """The figures as text."""
    median, quality, cold = result["median_seconds"], result["ndcg@10"], result["cold_seconds"]
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"training data: {result['data']}; λ = {result['l2']:g}\n")
    print(f"{'':28}{'tfrec':>10}{'peer':>10}{'ratio':>8}")
    print(f"{'fit, median, seconds':28}{median['tfrec']:10.3f}{median['peer']:10.3f}{result['ratio']:8.2f}")
    first = cold["tfrec"] / cold["peer"]
    print(f"{'first fit of a process':28}{cold['tfrec']:10.3f}{cold['peer']:10.3f}{first:8.2f}")
    print(f"{'nDCG@10':28}{quality['tfrec']:10.4f}{quality['peer']:10.4f}")
    dense, sparse = median["peer, dense Gram"], median["peer, sparse Gram"]
    print(f"\nthe peer with a dense Gram matrix: {dense:.3f} s, with a sparse one: {sparse:.3f} s")


def main() -> None:
    """Compare, show, and write JSON if asked to; exit code 1 if the two sides differ in quality."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-100k", "synthetic"])
    parser.add_argument("--l2", type=float, default=500.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cold", choices=["tfrec", "dense", "sparse"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cold:
        train, _ = split(arguments.data)
        sides: dict[str, Callable[[], Any]] = {
            "tfrec": lambda: fit(train, arguments.l2),
            "dense": lambda: peer_weights(dense_gram(train), arguments.l2),
            "sparse": lambda: peer_weights(sparse_gram(train), arguments.l2),
        }
        print(timed(sides[arguments.cold])[0])
        return
    result = compare(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if abs(result["ndcg@10"]["tfrec"] - result["ndcg@10"]["peer"]) > 5e-4:
        sys.exit("the two models differ in quality: the comparison is void")


if __name__ == "__main__":
    main()
