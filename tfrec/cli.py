"""The command line: thin commands over what the library does.

Nothing heavy is imported before a command runs, so that `tfrec --help` answers at once.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tfrec._version import __version__


class _Commands(click.Group):
    """A group that lists its commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _plain_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """An error is one line and exit code 1; the traceback is for `--debug`."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            click.echo("\ninterrupted", err=True)
            raise click.exceptions.Exit(130) from None  # as shells have it
        except Exception as error:
            if "--debug" in sys.argv:
                raise
            expected = isinstance(error, (ImportError, OSError, RuntimeError, TypeError, ValueError))
            message = str(error) if expected else f"{type(error).__name__}: {error} (tfrec --debug … shows where)"
            raise click.ClickException(message) from error

    return run


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tfrec")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Recommender models for TensorFlow: train, evaluate, export, serve."""
    if not debug:
        # What goes wrong reaches a person as an exception; what TensorFlow's libraries log besides is for developers.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@main.command()
@click.argument("name", required=False)
@click.option("--set", "arguments", multiple=True, metavar="KEY=VALUE", help="An argument of the loader.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_plain_errors
def datasets(name: str | None, arguments: tuple[str, ...], as_json: bool) -> None:
    """List the data sets, or fetch and describe one.

    \b
    Example: tfrec datasets ml-100k
             tfrec datasets amazon-2014 --set category=Musical_Instruments
    """
    from tfrec.data import datasets as known

    if name is not None:
        from tfrec.config import parse_data
        from tfrec.experiments import load_data

        described = load_data(parse_data(name, arguments)).describe()
        lines = [f"{key:13} {value}" for key, value in described.items() if value is not None]
        click.echo(json.dumps(described, indent=2) if as_json else "\n".join(lines))
        return
    if as_json:
        records = [{**vars(dataset), "path": dataset.path and str(dataset.path)} for dataset in known()]
        click.echo(json.dumps(records, indent=2))
        return
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("name", "users", "items", "interactions", Column("where", overflow="fold"), box=None)
    for dataset in known():
        counts = ["" if n is None else f"{n:,}" for n in (dataset.users, dataset.items, dataset.interactions)]
        table.add_row(dataset.name, *counts, str(dataset.path or "not here yet"))
    Console().print(table)


@main.command()
@click.argument("config")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: --set model.l2=300.")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs go.")
@click.option("--fresh", is_flag=True, help="Start over where an interrupted run could be gone on with.")
@_plain_errors
def train(config: str, overrides: tuple[str, ...], runs: Path, fresh: bool) -> None:
    """Fit and evaluate what a configuration says, into RUNS/<name>.

    CONFIG is a YAML file, or the name of one that comes with tfrec. Interrupted, the same command goes on after the
    last epoch (of a cross-validation: in the fold) that was kept, to the same result.

    \b
    Example: tfrec train configs/ml-100k/ease.yaml --set model.l2=300 --set name=ease-300
    """
    from tfrec.config import load_config
    from tfrec.runs import shortfalls
    from tfrec.runs import train as train_run

    loaded = load_config(config, overrides)
    folder, report = train_run(loaded, runs, fresh=fresh, say=click.echo)
    report.show()
    click.echo(f"\nwritten to {folder}")
    for line in shortfalls(loaded, report):
        click.echo(f"note: {line}", err=True)


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_plain_errors
def evaluate(run_dir: Path, as_json: bool) -> None:
    """Evaluate the model of a run directory again, on the test part of its configuration.

    Of a cross-validation, which keeps no models, the figures are those that were found when it ran.

    Exit code 1 if a figure is not what the configuration expects, within its tolerance.

    \b
    Example: tfrec evaluate runs/ml-100k-ease
    """
    from tfrec import runs

    config, report = runs.evaluate_again(run_dir)
    if as_json:
        click.echo(report.to_json())
    else:
        report.show()
    shortfalls = runs.shortfalls(config, report)
    if shortfalls:
        raise ValueError("; ".join(shortfalls))


@main.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("export_dir", type=click.Path(path_type=Path))
@click.option(
    "--retrieval",
    type=click.Choice(["exact", "faiss", "scann"]),
    default="exact",
    show_default=True,
    help="What finds the best items; scann needs a model server with ScaNN's ops.",
)
@click.option("--factory", help="Of faiss: its name of the index, such as IVF1024,Flat; by the catalogue's size else.")
@click.option("--probes", type=int, help="Of faiss and scann: how many lists or leaves are searched for a query.")
@click.option("--quantize", type=click.Choice(["bfloat16", "int8"]), help="Of exact: keep the candidates in less.")
@click.option("--min-recall", type=float, help="Refuse a layer that finds less of the best items; .95 by default.")
@click.option("--name", help="The name to serve it under; the model's own by default.")
@click.option("-k", default=100, show_default=True, help="How many items the default signature answers.")
@click.option("--max-k", default=1000, show_default=True, help="The most that a request may ask for.")
@click.option("--version", type=int, help="The version's number; one more than the highest by default.")
@click.option("--no-users", is_flag=True, help="Leave the users and their histories out.")
@_plain_errors
def export(
    run_dir: Path,
    export_dir: Path,
    name: str,
    k: int,
    max_k: int,
    version: int,
    no_users: bool,
    min_recall: float | None,
    **retrieval: Any,
) -> None:
    """Write the model of a run directory as a SavedModel, EXPORT_DIR/<model>/<version>.

    \b
    Examples: tfrec export runs/ml-100k-ease exports
              tfrec export runs/gowalla-lightgcn exports --retrieval faiss --probes 32
    """
    from tfrec import runs
    from tfrec.answers import MIN_RECALL

    layer = _layer(**retrieval)
    _, model = runs.load(run_dir)
    if name is not None and (not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.isdecimal()):
        raise ValueError(f"--name takes letters, digits, '.', '_' and '-', and not digits alone; got {name!r}")
    metrics_file = run_dir / "metrics.json"
    if not metrics_file.is_file():
        raise FileNotFoundError(f"{run_dir} is not a whole run directory: {metrics_file.name} is missing; train again")
    metrics = json.loads(metrics_file.read_text(encoding="utf-8"))
    folder = model.export(
        export_dir / (name or model.name),
        retrieval=layer,
        k=k,
        max_k=max_k,
        version=version,
        users=not no_users,
        min_recall=MIN_RECALL if min_recall is None else min_recall,
        metrics=metrics,
    )
    _show_recall(json.loads((folder / "assets.extra" / "tfrec.json").read_text(encoding="utf-8"))["retrieval"])
    click.echo(f"exported to {folder}")


def _layer(retrieval: str, factory: str | None, probes: int | None, quantize: Any) -> Any:
    """The retrieval layer that options ask for; an option of another layer is an error."""
    from tfrec.retrieval import Exact, Faiss, ScaNN

    takes = {"exact": {"--quantize"}, "faiss": {"--factory", "--probes"}, "scann": {"--probes"}}[retrieval]
    given = {"--factory": factory, "--probes": probes, "--quantize": quantize}
    wrong = [option for option, value in given.items() if value is not None and option not in takes]
    if wrong:
        raise ValueError(f"--retrieval {retrieval} takes {' and '.join(sorted(takes))}, not {' or '.join(wrong)}")
    if retrieval == "faiss":
        return Faiss(factory=factory, n_probes=probes)
    if retrieval == "scann":
        return ScaNN(n_leaves_to_search=probes)
    return Exact(precision=quantize or "float32")


def _show_recall(about: dict) -> None:
    """Say what a retrieval layer was made with, and what it finds."""
    settings = ", ".join(f"{name} {value}" for name, value in about["settings"].items())
    if "n_candidates" in about:
        settings += f"; {about['n_candidates']} candidates of rank {about['rank']} are scored by the model"
    click.echo(f"{about['layer']}: {settings}")
    if about["recall"] < 1.0 or "people" in about:
        click.echo(f"finds {about['recall']:.3f} of the {about['recall_at']} best items, for {about['people']} people")


@main.command()
@click.argument("table", required=False)
@click.option("--only", multiple=True, metavar="NAME", help="Train one row: ml-1m/svd, or svd for all of that model.")
@click.option("--fresh", is_flag=True, help="Train anew where a finished or interrupted run could be used.")
@click.option("--runs", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs go.")
@click.option(
    "--output", default="docs/results", show_default=True, type=click.Path(path_type=Path), help="Where pages go."
)
@click.option("--readme", type=click.Path(path_type=Path, exists=True), help="A file to put the figures into, too.")
@_plain_errors
def reproduce(
    table: str | None, only: tuple[str, ...], fresh: bool, runs: Path, output: Path, readme: Path | None
) -> None:
    """Train the models of a table of results, and write their figures beside those in print.

    Interrupted, the same command goes on where it was; what is finished is used again. Without a table, list them.
    Exit code 1 if a figure is not what its configuration expects, within its tolerance.

    \b
    Example: tfrec reproduce ncf
             tfrec reproduce ratings --only ml-100k/svd
    """
    from tfrec import reproduce as tables

    if table is None:
        tables.list_tables(runs, output)
        return
    if missed := tables.reproduce(table, runs, output, only=only, fresh=fresh, readme=readme):
        raise ValueError("; ".join(missed))


@main.command()
@click.argument("export_dir", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address the stand-in listens on.")
@click.option("--port", default=8500, show_default=True, help="The gRPC port; 0 takes any free one.")
@click.option("--rest-api-port", default=8501, show_default=True, help="The REST port; 0 takes any free one.")
@_plain_errors
def serve(export_dir: Path, host: str, port: int, rest_api_port: int) -> None:
    """Serve the models of an export folder until interrupted.

    Starts tensorflow_model_server if it is on the PATH, else tfrec's stand-in, which speaks the same gRPC and REST.

    \b
    Example: tfrec serve exports
    """
    from tfrec.serving import launch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being told to stop is being interrupted
    with launch.start(export_dir, host=host, grpc_port=port, rest_port=rest_api_port) as server:
        server.wait_ready()
        click.echo(f"{server.kind}: gRPC on {server.grpc_address}, REST on {server.rest_url}; Ctrl-C stops it")
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("stopping")


@main.command()
@click.argument("export_dir", type=click.Path(path_type=Path))
@click.option("--user", help="A raw user id.")
@click.option("--history", help="Raw item ids, separated by commas: for a person the model has never seen.")
@click.option("--exclude", default="", help="Raw item ids to leave out, separated by commas.")
@click.option("-k", default=10, show_default=True, help="How many items.")
@click.option("--model", help="Which model, if EXPORT_DIR holds several.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_plain_errors
def recommend(
    export_dir: Path, user: str | None, history: str | None, exclude: str, k: int, model: str | None, as_json: bool
) -> None:
    """Recommend from an exported model, without a server.

    \b
    Example: tfrec recommend exports --user 196 -k 10
             tfrec recommend exports --history 50,181
    """
    from tfrec.exported import Exported, find_export

    if (user is None) == (history is None):
        raise click.UsageError("give either --user or --history")
    exported = Exported(find_export(export_dir, model))
    left_out = _ids(exclude)
    if user is not None:
        answer = exported.recommend([user], k, exclude=left_out)
    else:
        answer = exported.recommend_from_history([_ids(history or "")], k, exclude=left_out)
    frame = answer.to_frame().drop(columns="query")
    click.echo(frame.to_json(orient="records", force_ascii=False) if as_json else frame.to_string(index=False))


def _ids(listed: str) -> list[str]:
    return [item.strip() for item in listed.split(",") if item.strip()]


@main.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write what is shown as JSON, too.")
@_plain_errors
def demo(json_file: Path | None) -> None:
    """Show the whole way on MovieLens-100K: data, fit, metrics, export, server, recommendations."""
    from tfrec.demo import run

    run(json_file)


if __name__ == "__main__":
    main()
