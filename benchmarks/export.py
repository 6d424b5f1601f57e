"""The export of a large model: seconds, peak memory and size on disk; ALS of a million items, with a retrieval layer.

python benchmarks/export.py [--items 1000000] [--users 200000] [--interactions 20000000] [--retrieval faiss]
                            [--epochs 2] [--vectors FILE.npz] [--json FILE]

Made-up interactions are fitted by ALS with 64 factors, saved, and exported by a fresh process, whose seconds and
largest resident set (the loading of the model and the measure of recall included) are those of the bars. Exit code 1 if
an export of a million items takes more than 2 minutes or 6 GiB, or if its size is more than 1.2 times that of the
vectors, 4 bytes an interaction and the ids. `--vectors` keeps the vectors of users and items for
`retrieval_faiss.py` and `retrieval_scann.py`.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from common import machine, timed

import tfrec
from tfrec.models import ALS
from tfrec.retrieval import Exact, Faiss, ScaNN

MINUTES, GIB, SIZE = 2.0, 6.0, 1.2
N_FACTORS = 64
_ITEMS_OF_THE_BARS = 1_000_000
_UNITS_A_GIB = 2**20 if sys.platform == "linux" else 2**30  # ru_maxrss is in KiB on Linux, in bytes on macOS


def fit(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make the data, fit and save the model."""
    seconds, made = timed(
        lambda: tfrec.data.synthetic(arguments.users, arguments.items, arguments.interactions, n_tastes=64)
    )
    # For data so sparse the defaults, which are for MovieLens, would leave nothing of the vectors.
    model = ALS(n_factors=N_FACTORS, unobserved_weight=200 / arguments.items, l2=0.006)
    fitting, _ = timed(lambda: model.fit(made, epochs=arguments.epochs, verbose=2))
    model.save(folder / "model")
    if arguments.vectors:
        chosen = np.random.default_rng(0).choice(model.n_users, min(model.n_users, 2000), replace=False)
        queries = model.query(np.sort(chosen).astype(np.int32)).numpy()
        np.savez(arguments.vectors, items=model.candidates().numpy(), queries=queries)
    ids = sum(len(raw.encode()) for raw in (*model.user_ids.tolist(), *model.item_ids.tolist()))
    n_rows = int(model.history_items.shape[0])
    least = 4 * N_FACTORS * (model.n_users + model.n_items) + 4 * n_rows + ids
    return {"data": repr(made), "making_s": seconds, "fit_s": fitting, "least_bytes": least}


def export(folder: Path, retrieval: str) -> dict[str, Any]:
    """Load and export the model in this process."""
    started = perf_counter()
    model = tfrec.load(folder / "model")
    layer = {"exact": Exact, "faiss": Faiss, "scann": ScaNN}[retrieval]()
    version = model.export(folder / "als", retrieval=layer)
    seconds = perf_counter() - started
    about = json.loads((version / "assets.extra" / "tfrec.json").read_text(encoding="utf-8"))["retrieval"]
    size = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNITS_A_GIB
    return {"seconds": seconds, "GiB": peak, "bytes": size, "retrieval": about}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All the figures: the fit and the export each in a process of its own."""
    about = machine("tensorflow", "faiss-cpu")
    with tempfile.TemporaryDirectory() as folder:
        shared = [sys.executable, __file__, *sys.argv[1:], "--folder", folder]
        results = {}
        for part in ("fit", "export"):
            done = subprocess.run([*shared, "--part", part], stdout=subprocess.PIPE, text=True, check=True)
            results[part] = json.loads(done.stdout.splitlines()[-1])
    return results | {"machine": about}


def main() -> None:
    """Measure, show, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=_ITEMS_OF_THE_BARS)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--interactions", type=int, default=20_000_000)
    parser.add_argument("--retrieval", choices=["exact", "faiss", "scann"], default="faiss")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        folder = arguments.folder
        print(json.dumps(fit(arguments, folder) if arguments.part == "fit" else export(folder, arguments.retrieval)))
        return
    result = run(arguments)
    fitted, exported = result["fit"], result["export"]
    size = exported["bytes"] / fitted["least_bytes"]
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"{fitted['data']}: made in {fitted['making_s']:.0f} s, fitted in {fitted['fit_s']:.0f} s")
    print(f"exported in {exported['seconds']:.0f} s, at most {exported['GiB']:.2f} GiB")
    print(
        f"{exported['bytes'] / 2**20:.0f} MiB, {size:.2f} times vectors, interactions and ids; {exported['retrieval']}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    missed = exported["seconds"] > 60 * MINUTES or exported["GiB"] > GIB or size > SIZE
    if arguments.items == _ITEMS_OF_THE_BARS and missed:
        sys.exit(f"the bars of {MINUTES:g} minutes, {GIB:g} GiB and {SIZE:g} times the least size are missed")


if __name__ == "__main__":
    main()
