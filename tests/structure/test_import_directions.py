"""Imports go one way only: which room may import which, read off the syntax trees.

A room is a module or a package; a file belongs to the room with the longest name that fits. A new room is a new line.
"""

from graphlib import CycleError, TopologicalSorter

import pytest

TF = "tfrec._tf"
LEAVES = {"tfrec._version", "tfrec.checks", "tfrec.files"}  # small helpers, without TensorFlow: open to every room
RESULTS = {"tfrec.recommendations", "tfrec.vocabulary"}  # raw ids in and out, without TensorFlow
PUBLIC = {
    "tfrec",
    *(f"tfrec.{name}" for name in ("callbacks", "data", "evaluation", "metrics", "models", "retrieval", "serving")),
    "tfrec.data.samplers",
    "tfrec.optimizers",
}
CONTRACT = {
    "tfrec.batches", "tfrec.biased", "tfrec.closed_form", "tfrec.explanations", "tfrec.explicit", "tfrec.factors",
    "tfrec.pairwise", "tfrec.recommender", "tfrec.rescoring", "tfrec.sequences", "tfrec.two_sided",
}  # fmt: skip

# What a room may import from other rooms when it is itself imported.
ROOMS: dict[str, set[str]] = {
    "tfrec": set(),
    "tfrec._version": set(),
    "tfrec._versions": set(),
    TF: {"tfrec._versions"},
    "tfrec.checks": set(),
    "tfrec.files": set(),
    "tfrec.recommendations": set(),
    "tfrec.vocabulary": set(),
    "tfrec.data": set(),
    "tfrec.data.samplers": {TF, "tfrec.data"},
    "tfrec.metrics": {"tfrec.data"},
    "tfrec.evaluation": {TF, "tfrec.data", "tfrec.metrics"},
    "tfrec.linalg": {TF},
    "tfrec.ranking": {TF},
    "tfrec.layers": {TF, "tfrec.data.samplers"},
    "tfrec.losses": {TF},
    "tfrec.optimizers": {TF},
    "tfrec.callbacks": {TF, "tfrec.data", "tfrec.metrics"},
    "tfrec.inputs": {TF, "tfrec.data"},
    "tfrec.saving": RESULTS,
    "tfrec.answers": {TF, "tfrec.ranking", *RESULTS},
    "tfrec.scores": {TF, "tfrec.inputs", "tfrec.linalg", "tfrec.ranking"},
    "tfrec.recommender": {
        TF, "tfrec.answers", "tfrec.callbacks", "tfrec.data", "tfrec.inputs", "tfrec.saving", "tfrec.scores", *RESULTS,
    },
    "tfrec.batches": {TF},
    "tfrec.pairwise": {
        TF, "tfrec.batches", "tfrec.data", "tfrec.data.samplers", "tfrec.inputs", "tfrec.losses", "tfrec.recommender",
    },
    "tfrec.sequences": {
        TF, "tfrec.batches", "tfrec.data", "tfrec.data.samplers", "tfrec.factors", "tfrec.inputs",
    },
    "tfrec.explanations": {TF, "tfrec.recommender", *RESULTS},
    "tfrec.explicit": {TF, "tfrec.data", "tfrec.inputs", "tfrec.recommender"},
    "tfrec.factors": {TF, "tfrec.recommender"},
    "tfrec.biased": {TF, "tfrec.explicit", "tfrec.factors", "tfrec.linalg"},
    "tfrec.rescoring": {TF, "tfrec.linalg"},
    "tfrec.two_sided": {TF, "tfrec.recommender", "tfrec.rescoring"},
    "tfrec.closed_form": {TF, "tfrec.callbacks", "tfrec.data", "tfrec.linalg", "tfrec.recommender"},
    "tfrec.op_libraries": set(),
    "tfrec.retrieval": {TF, "tfrec.checks", "tfrec.linalg", "tfrec.op_libraries", "tfrec.ranking"},
    "tfrec.rankers": {TF, "tfrec.ranking", "tfrec.retrieval"},
    "tfrec.retrieving": {TF, "tfrec.rankers", "tfrec.ranking", "tfrec.retrieval"},
    "tfrec.signatures": {TF, "tfrec.ranking"},
    "tfrec.export": {
        TF, "tfrec.answers", "tfrec.data", "tfrec.recommender", "tfrec.retrieval", "tfrec.retrieving",
        "tfrec.signatures", *RESULTS,
    },
    "tfrec.inference": {TF, "tfrec.recommender"},
    "tfrec.inference.batching": set(),
    "tfrec.inference.cache": set(),
    "tfrec.models": {
        TF, "tfrec.data", "tfrec.data.samplers", "tfrec.inputs", "tfrec.layers", "tfrec.linalg", "tfrec.losses",
        "tfrec.optimizers", *CONTRACT,
    },
    "tfrec.configs": set(),
    "tfrec.serving": {TF, "tfrec.inference.batching", "tfrec.inference.cache", "tfrec.op_libraries"},
    "tfrec.exported": {TF, "tfrec.op_libraries", *RESULTS},
    "tfrec.config_sections": {"tfrec.metrics"},
    "tfrec.config": {"tfrec.config_sections"},
    "tfrec.experiments": {"tfrec.config", "tfrec.data"},
    "tfrec.unfinished": set(),
    "tfrec.resuming": {TF},
    "tfrec.hardware": {TF},
    "tfrec.runs": {"tfrec.config", "tfrec.experiments", "tfrec.unfinished"},
    "tfrec.result_tables": {"tfrec.config_sections"},
    "tfrec.reproduce": {"tfrec.config", "tfrec.result_tables", "tfrec.runs"},
    "tfrec.demo": {"tfrec.data"},
    "tfrec.cli": set(),
    "examples": PUBLIC,
    "benchmarks": PUBLIC,
}  # fmt: skip

# Inside functions four rooms close the user's circle: fit validates, export exports, load finds the class, and the
# callback that validates checks its options by the rules of evaluate.
IN_FUNCTIONS = {
    "tfrec.callbacks": {"tfrec.evaluation"},
    "tfrec.recommender": {"tfrec.evaluation", "tfrec.export"},
    "tfrec.saving": {"tfrec.models"},
}
LATE = {TF}  # takes seconds: a room that may import it may do so late
# Commands import what they need when they run: everything.
LAZY = {"tfrec.cli", "tfrec.config", "tfrec.demo", "tfrec.reproduce", "tfrec.runs"}

TENSORFLOW = {"tensorflow", "tensorflow_recommenders", "keras", "tf_keras"}
IMPORTS_TENSORFLOW = {TF: {"tensorflow", "tensorflow_recommenders"}}
# The messages of a SavedModel have no public name in `tf`.
GENERATED = {"tfrec.serving.apis": "tensorflow.core.protobuf"}


def room_of(module: str) -> str:
    """The room a module is in, empty for none; ``tfrec`` itself is a room for its own file only."""
    if module in ROOMS:
        return module
    parents = [room for room in ROOMS if room != "tfrec" and module.startswith(f"{room}.")]
    return max(parents, key=len, default="")


def ours(module: str) -> bool:
    return module.partition(".")[0] in ("tfrec", "examples", "benchmarks")


def violations(imports) -> list[str]:
    """The imports that go the wrong way, in words."""
    wrong = []
    for found in imports:
        room, target = room_of(found.module), room_of(found.target)
        if not ours(found.target) or room == target:
            continue
        if found.function is None:
            allowed = ROOMS.get(room, set()) | LEAVES
        elif room in LAZY or found.function == "__getattr__":
            continue
        else:
            allowed = IN_FUNCTIONS.get(room, set()) | (ROOMS.get(room, set()) & LATE)
        if target not in allowed:
            wrong.append(str(found))
    return wrong


def model_to_model(imports) -> list[str]:
    """The imports of one model by another; the registry, ``tfrec.models`` itself, imports them all."""
    return [
        str(found)
        for found in imports
        if found.module.startswith("tfrec.models.") and found.target.split(".")[:2] == ["tfrec", "models"]
    ]


def tensorflow_outside(imports) -> list[str]:
    """The imports of TensorFlow's family that don't go through ``tfrec._tf``."""
    return [
        str(found)
        for found in imports
        if (package := found.target.split(".")[0]) in TENSORFLOW
        and package not in IMPORTS_TENSORFLOW.get(found.module, set())
        and not found.target.startswith(GENERATED.get(found.module, "nothing"))
        and found.module.split(".")[0] == "tfrec"
    ]


def cycle(imports) -> list[str]:
    """A cycle of modules that import each other when they are imported; empty where there is none."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        if found.function is None and ours(found.target) and found.target != found.module:
            graph.setdefault(found.module, set()).add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_file_is_in_a_room(imports):
    assert {found.module for found in imports if not room_of(found.module)} == set()


def test_imports_go_one_way(imports):
    assert violations(imports) == []


def test_models_do_not_import_each_other(imports):
    assert model_to_model(imports) == []


def test_tensorflow_is_imported_in_one_place(imports):
    assert tensorflow_outside(imports) == []


def test_no_cycles(imports):
    assert cycle(imports) == []


MODULES = {
    "tfrec": "",
    "tfrec._tf": "import tensorflow",
    "tfrec.data": "",
    "tfrec.data.frames": "",
    "tfrec.evaluation": "",
    "tfrec.models": "from tfrec.models.ease import EASE",
    "tfrec.models.ease": "from tfrec._tf import tf",
    "tfrec.recommender": "def evaluate():\n    from tfrec.evaluation import evaluate",
}
PACKAGES = {"tfrec", "tfrec.data", "tfrec.evaluation", "tfrec.models"}


@pytest.mark.parametrize("check", [violations, model_to_model, tensorflow_outside, cycle])
def test_nothing_is_found_in_a_good_tree(imports_of, check):
    assert check(imports_of(MODULES, PACKAGES)) == []


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (violations, "tfrec.data.frames", "from tfrec.models import EASE"),
        (violations, "tfrec.data.frames", "import tfrec.models.ease"),
        (violations, "tfrec.data.frames", "from ..models import EASE"),
        (violations, "tfrec.data.frames", "from tfrec import models"),
        (violations, "tfrec.data.frames", "if True:\n    from tfrec.models import EASE"),
        (violations, "tfrec.data.frames", "try:\n    import tfrec\nexcept ImportError:\n    pass"),
        (violations, "tfrec.data.frames", "def f():\n    from tfrec._tf import tf"),
        (violations, "tfrec.data.frames", "class C:\n    def f(self):\n        from tfrec.models import EASE"),
        (violations, "tfrec.models.ease", "from tfrec.evaluation import evaluate"),
        (violations, "tfrec.serving.gateway", "from tfrec.models import EASE"),
        (model_to_model, "tfrec.models.slim", "from tfrec.models.ease import EASE"),
        (model_to_model, "tfrec.models.slim", "from .ease import EASE"),
        (model_to_model, "tfrec.models.slim", "def f():\n    from tfrec.models import MODELS"),
        (tensorflow_outside, "tfrec.models.slim", "import tensorflow as tf"),
        (tensorflow_outside, "tfrec.models.slim", "def f():\n    from tensorflow.python.ops import math_ops"),
        (tensorflow_outside, "tfrec.models.slim", "import keras"),
        (cycle, "tfrec.models.ease", "import tfrec.models"),
        (cycle, "tfrec._tf", "from tfrec.models.ease import EASE"),
    ],
)
def test_what_is_wrong_is_found(imports_of, check, module, source):
    assert check(imports_of(MODULES | {module: source}, PACKAGES)) != []


def test_imports_for_type_checkers_do_not_count(imports_of):
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tfrec.models import EASE"
    assert violations(imports_of(MODULES | {"tfrec.data.frames": source}, PACKAGES)) == []
