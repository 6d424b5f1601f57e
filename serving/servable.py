"""A SavedModel in memory, ready to answer: `load` reads one version folder and warms it up.

Only what TensorFlow Serving itself could run is run: TensorFlow ops. A SavedModel can name Python functions too
(`tf.py_function`); those work in the process that exported it and fail on any real server, so they are refused here.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec import op_libraries
from tfrec._tf import tf
from tfrec.serving import predict
from tfrec.serving.apis import prediction_log_pb2, saved_model_pb2
from tfrec.serving.errors import LoadError, StatusError
from tfrec.serving.folders import SAVED_MODEL
from tfrec.serving.tensors import tensors_from_protos

log = logging.getLogger("tfrec.serving")

SERVE = "serve"  # the tag of the graph that is meant for serving
WARM_UP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
METADATA_FILE = Path("assets.extra", "tfrec.json")
MOST_WARM_UP_REQUESTS = 1000  # TensorFlow Serving's own bound
PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


@dataclass(frozen=True)
class Signature:
    """One signature of a servable.

    Attributes:
        function: the `tf.types.experimental.ConcreteFunction` behind it; takes tensors by name.
        inputs: name → `tf.TensorSpec`.
        outputs: the names of what it returns.
        python_ops: whether it calls into Python, which no model server can.
    """

    function: Any
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]
    python_ops: bool


class Servable:
    """One loaded version of a model.

    Attributes:
        name, version: what it is served as.
        signatures: name → `Signature`.
        signature_defs: name → `SignatureDef`, as the SavedModel describes itself.
    """

    def __init__(self, name: str, version: int, loaded: Any, meta_graph: Any) -> None:
        self.name = name
        self.version = version
        self.signature_defs: dict[str, Any] = dict(meta_graph.signature_def)
        self._loaded = loaded  # owns the variables and tables that the signatures read
        self.signatures = {
            key: Signature(
                function=loaded.signatures[key],
                inputs={name: _spec(name, info) for name, info in sorted(definition.inputs.items())},
                outputs=tuple(sorted(definition.outputs)),
                python_ops=_reaches_python(meta_graph.graph_def, definition),
            )
            for key, definition in self.signature_defs.items()
            if key in loaded.signatures
        }


def load(name: str, version: int, path: Path) -> Servable:
    """Read a version folder and replay its warm-up requests.

    Raises:
        LoadError: if the SavedModel cannot be read, lacks the tag "serve", needs ops that are not registered, or fails
            on one of its own warm-up requests.
    """
    meta_graph = _meta_graph(path)
    try:
        op_libraries.load(_required_ops(path))
    except ImportError as error:
        raise LoadError(f"the SavedModel cannot be loaded: {error}") from error
    try:
        loaded = tf.saved_model.load(str(path), tags=[SERVE])
    except Exception as error:
        raise LoadError(_explain(str(error))) from error
    servable = Servable(name, version, loaded, meta_graph)
    _warm_up(servable, path)
    return servable


def _meta_graph(path: Path) -> Any:
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((path / SAVED_MODEL).read_bytes())
    except OSError as error:
        raise LoadError(f"{SAVED_MODEL} cannot be read: {error.strerror}") from error
    except Exception as error:  # the protocol-buffer runtimes raise classes of their own
        raise LoadError(f"{SAVED_MODEL} is damaged or incomplete; export the model again") from error
    for meta_graph in saved_model.meta_graphs:
        if SERVE in meta_graph.meta_info_def.tags:
            return meta_graph
    raise LoadError(f"{SAVED_MODEL} holds no graph with the tag {SERVE!r}; write it with tf.saved_model.save")


def _explain(message: str) -> str:
    if "Op type not registered" not in message:
        return f"the SavedModel cannot be loaded: {_first_line(message)}"
    missing = message.split("'")[1] if "'" in message else "?"
    if "Scann" not in missing:
        return (
            f"the op {missing} is not part of TensorFlow; import the package that registers it before the server starts"
        )
    return (
        f"the op {missing} comes from the package scann, which is not loaded: pip install scann, and `import scann` "
        "before the server starts (a stock tensorflow_model_server cannot load it: export with exact or faiss "
        "retrieval instead)"
    )


def _required_ops(path: Path) -> list[str]:
    try:
        ops = json.loads((path / METADATA_FILE).read_text(encoding="utf-8"))["required_ops"]
    except (OSError, ValueError, KeyError, TypeError):  # a SavedModel from elsewhere need not have it
        return []
    return [str(op) for op in ops] if isinstance(ops, list) else []


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")


def _spec(name: str, info: Any) -> Any:
    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)


def _reaches_python(graph: Any, definition: Any) -> bool:
    """Whether a signature's outputs depend on an op that calls into Python."""
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    pending = _ancestors(graph, definition)
    seen: set[str] = set()
    while pending:
        node = pending.pop()
        if node.op in PYTHON_OPS:
            return True
        for name in {name for attr in node.attr.values() for name in _functions_in(attr)} - seen:
            seen.add(name)
            pending.extend(functions.get(name, ()))
    return False


def _ancestors(graph: Any, definition: Any) -> list[Any]:
    """The nodes of the main graph that a signature's outputs are computed from."""
    nodes = {node.name: node for node in graph.node}
    pending = [info.name.split(":")[0] for info in definition.outputs.values()]
    found: dict[str, Any] = {}
    while pending:
        name = pending.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            pending.extend(source.lstrip("^").split(":")[0] for source in nodes[name].input)
    return list(found.values())


def _functions_in(attr: Any) -> Iterator[str]:
    if attr.HasField("func"):
        yield attr.func.name
    for function in attr.list.func:
        yield function.name


def _warm_up(servable: Servable, path: Path) -> None:
    """Run the requests recorded beside the model, so that tracing and allocation aren't left to the first caller."""
    file = path / WARM_UP_FILE
    if not file.is_file():
        return
    replayed = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            if replayed == MOST_WARM_UP_REQUESTS:
                raise LoadError(f"{WARM_UP_FILE} holds more than {MOST_WARM_UP_REQUESTS} requests")
            _replay(servable, prediction_log_pb2.PredictionLog.FromString(record))
            replayed += 1
    except StatusError as error:
        raise LoadError(f"warm-up request {replayed + 1} failed: {error.message}") from error
    except tf.errors.OpError as error:
        raise LoadError(f"{WARM_UP_FILE} cannot be read: {_first_line(error.message)}") from error
    log.info("warmed up model %s version %d with %d requests", servable.name, servable.version, replayed)


def _replay(servable: Servable, record: Any) -> None:
    kind = record.WhichOneof("log_type")
    if kind != "predict_log":
        log.warning("model %s: a warm-up request of the kind %s is not supported and was skipped", servable.name, kind)
        return
    request = record.predict_log.request
    inputs = tensors_from_protos(request.inputs)
    predict.run(servable, request.model_spec.signature_name, inputs, list(request.output_filter))
