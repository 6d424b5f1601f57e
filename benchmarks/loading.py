"""Loading MovieLens' ratings against `pandas.read_csv` of the same four columns with its C engine.

python benchmarks/loading.py [--name 1m] [--path FOLDER] [--repeats 15] [--json FILE]

tfrec goes from the file to `Interactions`: ids encoded, every line and value checked, the number of rows compared with
the official one. The bar, 1.5 times the peer, is for the ratings alone: exit code 1 if the medians miss it, or if both
sides don't hold the same numbers. Reported besides: the same with titles, genres and users; and `from_csv` of the same
ratings as a CSV with a header, beside pandas reading that file. FOLDER holds the unpacked official files; by default it
is the data set's folder in TFREC_DATA.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import alternate, machine

from tfrec.data import Interactions, movielens
from tfrec.data.files.sources import fetch
from tfrec.data.loaders.movielens_layouts import MOVIELENS, MovieLens

BAR = 1.5
_NAMES = ["user", "item", "rating", "timestamp"]


def by_pandas(file: Path, layout: MovieLens) -> pd.DataFrame:
    """The four columns as pandas reads them; ``::`` is two separators with an empty column between them."""
    width = len(layout.ratings.separator)
    return pd.read_csv(
        file,
        sep=layout.ratings.separator[0],
        header=None,
        skiprows=0 if layout.ratings.header is None else 1,
        usecols=list(range(0, 4 * width, width)),
        engine="c",
    )


def same(data: Interactions, frame: pd.DataFrame) -> bool:
    """Whether both hold the same ids, ratings and times."""
    user, item, rating, timestamp = (frame[column].to_numpy() for column in frame)
    assert data.timestamp is not None
    return (
        np.array_equal(data.user_ids.astype(np.int64)[data.user], user)
        and np.array_equal(data.item_ids.astype(np.int64)[data.item], item)
        and np.array_equal(data.rating, rating.astype(np.float32))
        and np.array_equal(data.timestamp, timestamp)
    )


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """All the figures of one run."""
    about = machine("pandas", "numpy")
    layout = MOVIELENS[arguments.name]
    folder = fetch(layout.source, arguments.path)
    if not folder.is_dir():
        sys.exit(f"{folder} is not a folder: unpack it, or give the folder with --path")
    file = folder / layout.ratings.name
    with tempfile.TemporaryDirectory() as temporary:
        csv = Path(temporary) / "ratings.csv"
        by_pandas(file, layout).set_axis(_NAMES, axis=1).to_csv(csv, index=False)
        sides: dict[str, Callable[[], Any]] = {
            "pandas": lambda: by_pandas(file, layout),
            "ratings": lambda: movielens(arguments.name, folder, features=False),
            "complete": lambda: movielens(arguments.name, folder),
            "pandas, CSV": lambda: pd.read_csv(csv, engine="c"),
            "from_csv": lambda: Interactions.from_csv(csv),
        }
        seconds, results = alternate(sides, arguments.repeats)
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    peers = {"ratings": "pandas", "complete": "pandas", "from_csv": "pandas, CSV"}
    return {
        "data": repr(results["complete"]),
        "median_seconds": median,
        "ratios": {name: median[name] / median[peer] for name, peer in peers.items()},
        "ratios_of_the_fastest": {name: min(seconds[name]) / min(seconds[peer]) for name, peer in peers.items()},
        "bar": BAR,
        "same": all(same(results[name], results[peer]) for name, peer in peers.items()),
        "seconds": seconds,
        "machine": about,
    }


def show(result: dict[str, Any]) -> None:
    """The figures as text."""
    print(", ".join(f"{name} {value}" for name, value in result["machine"].items()))
    print(f"{result['data']}\n")
    median, ratios, fastest = result["median_seconds"], result["ratios"], result["ratios_of_the_fastest"]
    print(f"{'':28}{'seconds':>9}{'ratio':>8}{'of the fastest':>16}")
    for name, title in [
        ("pandas", "pandas.read_csv"),
        ("ratings", "movielens, ratings alone"),
        ("complete", "movielens, complete"),
        ("pandas, CSV", "pandas.read_csv of a CSV"),
        ("from_csv", "Interactions.from_csv"),
    ]:
        shown = f"{ratios[name]:8.2f}{fastest[name]:16.2f}" if name in ratios else ""
        print(f"{title:28}{median[name]:9.3f}{shown}")


def main() -> None:
    """Compare, show, and write JSON if asked to; exit code 1 if the bar is missed or the two sides differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="1m", choices=list(MOVIELENS))
    parser.add_argument("--path", type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = compare(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    if not result["same"]:
        sys.exit("the two sides hold different numbers: the comparison is void")
    if result["ratios"]["ratings"] > BAR:
        sys.exit(f"the bar is missed: {result['ratios']['ratings']:.2f} times pandas, and {BAR} were allowed")


if __name__ == "__main__":
    main()
