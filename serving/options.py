"""The command-line options of the stand-in model server."""

import argparse
from collections.abc import Sequence

from tfrec.serving.folders import Versions


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m tfrec.serving.model_server`."""
    options = argparse.ArgumentParser(
        prog="python -m tfrec.serving.model_server",
        description="Serve SavedModels with TensorFlow Serving's gRPC and REST APIs: for laptops and tests.",
    )
    options.add_argument("export_dir", help="holds <model>/<version>/saved_model.pb")
    options.add_argument("--port", type=int, default=8500, help="of gRPC; 0 takes any free one (default: 8500)")
    options.add_argument("--rest-api-port", type=int, default=8501, help="0 takes any free one (default: 8501)")
    options.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    options.add_argument(
        "--versions",
        type=parse_versions,
        action="append",
        default=[],
        metavar="MODEL=latest|all|1,2",
        help="which versions of a model to serve (default: the latest); may be repeated",
    )
    options.add_argument(
        "--label",
        type=parse_label,
        action="append",
        default=[],
        metavar="MODEL/LABEL=VERSION",
        help="another name for a version; may be repeated",
    )
    options.add_argument(
        "--poll-seconds", type=float, default=1.0, help="how often to look for new versions (default: 1)"
    )
    return options


def parse_versions(text: str) -> tuple[str, Versions]:
    """``ease=all`` or ``ease=1,2`` as a model and its version policy.

    Raises:
        argparse.ArgumentTypeError: for anything else.
    """
    model, _, policy = text.partition("=")
    names: dict[str, Versions] = {"latest": "latest", "all": "all"}
    if model and policy in names:
        return model, names[policy]
    numbers = policy.split(",")
    if not model or not all(number.isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(f"expected MODEL=latest, MODEL=all or MODEL=1,2, and {text!r} came")
    return model, tuple(int(number) for number in numbers)


def parse_label(text: str) -> tuple[str, str, int]:
    """``ease/stable=3`` as a model, a label and a version.

    Raises:
        argparse.ArgumentTypeError: for anything else.
    """
    name, _, version = text.partition("=")
    model, _, label = name.partition("/")
    if not model or not label or not version.isdigit():
        raise argparse.ArgumentTypeError(f"expected MODEL/LABEL=VERSION, as in ease/stable=3, and {text!r} came")
    return model, label, int(version)


def by_model(labels: Sequence[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    """Parsed labels as model → label → version."""
    grouped: dict[str, dict[str, int]] = {}
    for model, label, version in labels:
        grouped.setdefault(model, {})[label] = version
    return grouped
