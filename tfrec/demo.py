"""`tfrec demo`: the whole way of the data, from a raw file to a person's recommendations, in under a minute."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tfrec import files
from tfrec.data import DataNotFoundError, Interactions, movielens, random_split, synthetic

_L2 = 200.0
_K = 10
_MADE_UP = ("Star Wars (1977)", "Empire Strikes Back, The (1980)", "Return of the Jedi (1983)")


def run(json_file: Path | None = None) -> None:
    """Show the demo on the terminal, and write what it shows as JSON if asked to."""
    if json_file is not None and not json_file.resolve().parent.is_dir():
        raise FileNotFoundError(f"cannot write {json_file}: there is no folder {json_file.resolve().parent}")
    console = Console(highlight=False)
    shown: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tfrec-demo-") as folder:
        data = _data(console, shown)
        model = _fit(console, shown, data)
        _export(console, shown, model, Path(folder) / "exports")
        _serve(console, shown, data, Path(folder) / "exports")
    if json_file is not None:
        files.write_text(json_file, json.dumps(shown, indent=2, ensure_ascii=False))
        console.print(f"\nThe same as JSON: {json_file}")


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    console.rule(f"[bold]{title}", align="left")
    started = perf_counter()
    yield
    console.print(f"[dim]{perf_counter() - started:.1f} s[/dim]\n")


def _data(console: Console, shown: dict) -> Interactions:
    with _step(console, "1. Data"):
        try:
            data = movielens("100k")
        except DataNotFoundError as error:
            console.print(f"MovieLens-100K is not to be had here: {error}\n")
            console.print("[bold]This demo goes on with synthetic data of the same size.[/bold]")
            data = synthetic()
        console.print(repr(data), markup=False, soft_wrap=True)
    shown["data"] = data.describe()
    return data


def _fit(console: Console, shown: dict, data: Interactions) -> Any:
    from tfrec.evaluation import side_by_side
    from tfrec.models import EASE, Popularity

    train, test = random_split(data, test=0.2, by="user", seed=42)
    models = {"Popularity": Popularity(), "EASE": EASE(l2=_L2)}
    with _step(console, "2. Fit: a fifth of each user's ratings held out"):
        for name, model in models.items():
            started = perf_counter()
            model.fit(train, verbose=0)
            console.print(f"{name:10} fitted to {len(train):,} interactions in {perf_counter() - started:.2f} s")
    with _step(console, "3. Evaluation: all items ranked, seen ones left out"):
        reports = {name: model.evaluate(test) for name, model in models.items()}
        at_k = [f"{name}@{_K}" for name in ("ndcg", "recall", "precision", "hit_rate", "mrr")]
        console.print(side_by_side(reports, at_k))
    shown["metrics"] = {name: report.to_dict() for name, report in reports.items()}
    return models["EASE"]


def _export(console: Console, shown: dict, model: Any, exports: Path) -> None:
    with _step(console, "4. Export: a SavedModel with exact retrieval"):
        version = model.export(exports / "ease", metrics=shown["metrics"]["EASE"])
        size = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
        console.print(f"ease/{version.name}: {size / 2**20:.1f} MiB, loads with plain TensorFlow")
    shown["export"] = {"model": "ease", "version": int(version.name), "bytes": size}


def _serve(console: Console, shown: dict, data: Interactions, exports: Path) -> None:
    from tfrec.serving import launch

    with _step(console, "5. Serve, and ask over gRPC and REST"):
        with launch.start(exports, grpc_port=0, rest_port=0) as server:
            server.wait_ready()
            console.print(f"{server.kind}: gRPC on {server.grpc_address}, REST on {server.rest_url}\n")
            shown["server"] = {"kind": server.kind, "grpc": server.grpc_address, "rest": server.rest_url}
            shown["recommendations"] = _ask(console, data, server)
        console.print("The server is stopped; nothing is left running, and nothing on the disk.")


def _ask(console: Console, data: Interactions, server: Any) -> dict:
    """Recommendations for one known user and one made-up history, over both protocols."""
    from tfrec.serving import Client

    titles = _titles(data)
    user = "196" if "196" in data.user_ids else str(data.user_ids[0])
    history = _history(data)
    answers: dict[str, dict] = {"user": {"user_id": user}, "history": {"items": [titles[item] for item in history]}}
    clients = {"grpc": Client(grpc=server.grpc_address), "rest": Client(rest=server.rest_url)}
    for protocol, client in clients.items():
        with client:
            answers["user"][protocol] = _titled(client.recommend("ease", [user], k=_K)[0], titles)
            answers["history"][protocol] = _titled(client.recommend_from_history("ease", [history], k=_K)[0], titles)
    _show(console, f"For user {user}", answers["user"])
    liked = ", ".join(answers["history"]["items"])
    _show(console, f"For somebody who liked {liked}", answers["history"])
    return answers


def _history(data: Interactions) -> list[str]:
    """A history that nobody in the data has: three films, or the three most popular items of other data."""
    index = {title: item for item, title in _titles(data).items()}
    if all(title in index for title in _MADE_UP):
        return [index[title] for title in _MADE_UP]
    popular = np.argsort(-np.bincount(data.item, minlength=data.n_items), kind="stable")[:3]
    return data.item_ids[popular].tolist()


def _titles(data: Interactions) -> dict[str, str]:
    """Titles by raw item id; the id where there is no title."""
    titles = data.item_ids if data.item_titles is None else data.item_titles
    return dict(zip(data.item_ids, titles, strict=True))


def _titled(answer: Sequence, titles: dict) -> list[dict]:
    return [{"item_id": item, "title": titles[item], "score": score} for item, score in answer]


def _show(console: Console, heading: str, answer: dict) -> None:
    same = [row["item_id"] for row in answer["grpc"]] == [row["item_id"] for row in answer["rest"]]
    note = "gRPC and REST agree" if same else "gRPC and REST differ: this is a bug, please report it"
    table = Table("", "title", "score", title=f"{heading} ({note})", title_justify="left", box=None)
    for rank, row in enumerate(answer["grpc"], start=1):
        table.add_row(str(rank), row["title"], f"{row['score']:.3f}")
    console.print(table)
    console.print()
