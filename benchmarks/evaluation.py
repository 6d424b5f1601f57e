"""tfrec's evaluator against ranx and irspack: eight metrics at six cutoffs, full ranking, from the same scores.

python benchmarks/evaluation.py [--data ml-1m] [--l2 500] [--repeats 5] [--json FILE]

The scores are EASE's, computed beforehand: tfrec and irspack get them from a model that looks them up, and what looking
them up takes is subtracted from both. tfrec's time holds everything else, from the test set to the report: masking, top
k, metrics, values by user. irspack's holds masking, top k and its own eight metrics. ranx begins with the ranked lists:
its objects are built, and its functions compiled, before the clock starts. The figures must agree, where the peer
defines them alike.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import alternate, machine, unset_openblas_presets

unset_openblas_presets()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from irspack import Evaluator  # noqa: E402
from numba.core.errors import NumbaTypeSafetyWarning  # noqa: E402
from ranx import Qrels, Run  # noqa: E402
from ranx import evaluate as ranx_evaluate  # noqa: E402
from scipy import sparse  # noqa: E402

import tfrec  # noqa: E402
from tfrec.data import Interactions  # noqa: E402
from tfrec.models import EASE  # noqa: E402

BATCH = 1024
CUTOFFS = (1, 5, 10, 20, 50, 100)
METRICS = ("precision", "recall", "f1", "hit_rate", "ndcg", "map_full", "mrr", "r_precision")
RANX = [f"{name}@{k}" for name in ("precision", "recall", "f1", "hit_rate", "ndcg", "map", "mrr") for k in CUTOFFS]
IRSPACK = {"precision": "precision", "recall": "recall", "hit_rate": "hit", "ndcg": "ndcg"}


class Scored:
    """Scores that are there already, as the evaluators of both sides take them."""

    name = "scored"

    def __init__(self, train: Interactions, scores: np.ndarray) -> None:
        self.user_ids, self.item_ids, self.n_users, self.n_items = train.user_ids, train.item_ids, *scores.shape
        self.scores, self.matrix = tf.constant(scores), sparse.csr_matrix(train.to_csr())
        self.histories = tf.RaggedTensor.from_row_splits(self.matrix.indices, self.matrix.indptr)
        self.item_counts = tf.constant(np.bincount(self.matrix.indices, minlength=self.n_items), tf.float32)
        self.recommendable = self.item_counts > 0
        # irspack leaves out what is "seen": the items without training rows too, as tfrec does.
        unseen = np.flatnonzero(~self.recommendable.numpy())
        masked = self.matrix.tolil()
        masked[:, unseen] = 1
        self.X_train_all = sparse.csr_matrix(masked)

    def ranking_scores(self, users: Any) -> Any:
        """float32 [batch, n_items]."""
        return tf.gather(self.scores, users)

    def seen_items(self, users: Any) -> Any:
        """Ragged int32 [batch, None]."""
        return tf.gather(self.histories, users)

    def has_history(self, users: Any) -> Any:
        """Which users have training rows: bool [batch]."""
        return self.seen_items(users).row_lengths() > 0

    def get_score_block(self, begin: int, end: int) -> np.ndarray:
        """Scores of some users, by irspack's name for it; it overwrites them."""
        return self.scores.numpy()[begin:end].copy()


def look_up(model: Scored, test: Interactions) -> Callable[[], None]:
    """The way in which tfrec gets the scores: in a graph, batch by batch."""
    users = np.unique(test.user).astype(np.int32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def scores(some: Any) -> Any:
        return model.ranking_scores(some)

    def run() -> None:
        for start in range(0, len(users), BATCH):
            scores(users[start : start + BATCH])

    return run


def ranked(model: Scored, test: Interactions) -> tuple[Any, Any]:
    """The same lists as objects of ranx."""
    scores = np.where(model.X_train_all.toarray() > 0, -np.inf, model.scores.numpy())
    lists = np.argsort(-scores, axis=1, kind="stable")[:, : max(CUTOFFS)]
    relevant = test.to_csr()
    tested = np.flatnonzero(np.diff(relevant.indptr))
    rows = {u: relevant.indices[relevant.indptr[u] : relevant.indptr[u + 1]] for u in tested}
    qrels = {f"u{u}": {f"i{i}": 1 for i in rows[u]} for u in tested}
    run = {f"u{u}": {f"i{i}": float(scores[u, i]) for i in lists[u]} for u in tested}
    return Qrels(qrels), Run(run)


def compare(arguments: argparse.Namespace) -> dict:
    """All the figures of one run."""
    about = machine("tensorflow", "numpy", "ranx", "irspack")
    data = tfrec.data.movielens(arguments.data.removeprefix("ml-"))
    train, test = tfrec.data.random_split(data, test=0.2, by="user", seed=42)
    ease = EASE(l2=arguments.l2)
    ease.fit(train, verbose=0)
    model = Scored(train, ease.score(np.arange(train.n_users, dtype=np.int32)).numpy())
    evaluator = Evaluator(sparse.csr_matrix(test.to_csr(), dtype=np.float64), 0, n_threads=os.cpu_count())
    print("building and compiling ranx, which takes a minute or two …", file=sys.stderr)
    qrels, run = ranked(model, test)
    sides: dict[str, Callable[[], Any]] = {
        "tfrec": lambda: tfrec.evaluate(model, test, k=CUTOFFS, metrics=METRICS, batch_size=BATCH),
        "tfrec, scores": look_up(model, test),
        "irspack": lambda: evaluator.get_scores(model, list(CUTOFFS)),
        "irspack, scores": lambda: [
            model.get_score_block(i, min(i + 1024, model.n_users)) for i in range(0, model.n_users, 1024)
        ],
        "ranx": lambda: ranx_evaluate(qrels, run, [*RANX, "r-precision"], make_comparable=False),
    }
    warnings.simplefilter("ignore", NumbaTypeSafetyWarning)
    seconds, results = alternate(sides, arguments.repeats)
    for side in ("tfrec", "irspack"):
        seconds[side] = [
            whole - scoring for whole, scoring in zip(seconds[side], seconds[f"{side}, scores"], strict=True)
        ]
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    return {
        "machine": about,
        "data": repr(data),
        "seconds": seconds,
        "median_seconds": median,
        "ratio": {"ranx": median["tfrec"] / median["ranx"], "irspack": median["tfrec"] / median["irspack"]},
        "difference": differences(*(results[side] for side in ("tfrec", "irspack", "ranx"))),
    }


def differences(ours: Any, irspack: Any, ranx: Any) -> dict[str, float]:
    """The largest difference of a figure that both sides define alike."""
    by_irspack = [abs(ours[f"{o}@{k}"] - irspack[f"{t}@{k}"]) for o, t in IRSPACK.items() for k in CUTOFFS]
    # What ranx calls MAP divides by the number of relevant items, which is our map_full.
    by_ranx = [abs(ours[name.replace("map@", "map_full@")] - ranx[name]) for name in RANX]
    return {"irspack": max(by_irspack), "ranx": max(by_ranx)}


def show(result: dict) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"{result['data']}; {len(METRICS)} metrics at {CUTOFFS}\n")
    print(f"{'beyond scoring':24}{'median, s':>12}{'tfrec is':>12}{'largest difference':>22}")
    print(f"{'tfrec':24}{result['median_seconds']['tfrec']:12.3f}")
    for peer in ("irspack", "ranx"):
        ratio, difference = result["ratio"][peer], result["difference"][peer]
        print(f"{peer:24}{result['median_seconds'][peer]:12.3f}{f'{ratio:.2f} of it':>12}{difference:22.1e}")


def main() -> None:
    """Compare, show, and write JSON if asked to; exit code 1 if the sides' figures differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ml-1m", choices=["ml-1m", "ml-100k"])
    parser.add_argument("--l2", type=float, default=500.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = compare(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if max(result["difference"].values()) > 1e-4:
        sys.exit("the sides' figures differ: the comparison is void")


if __name__ == "__main__":
    main()
