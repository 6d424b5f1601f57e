"""SavedModels that an unmodified TensorFlow Serving serves.

Every id is a string, every input and output has the batch on axis 0, and the ops are TensorFlow's own. Ids live in
lookup tables and variables, so that no graph constant grows with the data. Beside the SavedModel, `assets.extra` holds
`tfrec.json` (what this is), `item_titles.json` (if the data had titles) and the warm-up requests that TensorFlow
Serving replays before it lets a version answer.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfrec import files, retrieving
from tfrec._tf import tf
from tfrec._version import __version__
from tfrec.answers import MAX_K, MIN_RECALL
from tfrec.checks import check_between, check_flag, check_integer
from tfrec.retrieval import Exact, Retrieval
from tfrec.signatures import Served

METADATA = "tfrec.json"
TITLES = "item_titles.json"
_EXTRA = "assets.extra"
_WARMUP = "tf_serving_warmup_requests"


def export(
    model: Any,
    path: str | Path,
    *,
    retrieval: Any = None,
    k: int = 100,
    max_k: int = MAX_K,
    exclude_seen: bool = True,
    version: int | None = None,
    users: bool = True,
    min_recall: float = MIN_RECALL,
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a fitted model as the SavedModel `path/<version>`; see `Recommender.export` for the arguments.

    The folder is written aside and renamed, so that a running server meets it whole.

    Raises:
        FileExistsError: the version is there already.
        TypeError, ValueError: an argument doesn't fit, the model is not fitted, or the retrieval layer finds less than
            `min_recall` of the k best items.
    """
    path = Path(path)
    name = path.resolve().name
    exclude_seen, users = check_flag("exclude_seen", exclude_seen), check_flag("users", users)
    k, max_k = check_integer("k", k, minimum=1), check_integer("max_k", max_k, minimum=1)
    _check_ready(model)
    if max_k > max(MAX_K, model.n_items):
        raise ValueError(f"max_k is at most {max(MAX_K, model.n_items)} here; got {max_k}")
    if k > max_k:
        raise ValueError(f"k, the length of the default answer, is {k}, and max_k only {max_k}: raise max_k or lower k")
    retrieval = Exact() if retrieval is None else retrieval
    if not isinstance(retrieval, Retrieval):
        raise TypeError(f"retrieval takes a layer of tfrec.retrieval: Exact(), Faiss() or ScaNN(); got {retrieval!r}")
    min_recall = check_between("min_recall", min_recall, 0.0, 1.0)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"cannot export to {path}: it is a file; give the model's folder")
    version = _next_version(path) if version is None else check_integer("version", version, minimum=1)
    if version >= 2**63:
        raise ValueError(f"version is a number below 2⁶³, as TensorFlow Serving counts; got {version}")
    figures = {name: float(value) for name, value in (metrics or {}).items()}
    if not all(map(math.isfinite, figures.values())):
        raise ValueError(f"metrics must be finite numbers by name; got {figures}")
    choice = retrieving.choose(
        model, retrieval, k=k, limit=max_k, exclude_seen=exclude_seen, users=users, min_recall=min_recall
    )
    served = Served(model, choice.ranker, k=k, users=users)
    about = _metadata(model, name, served, k=k, max_k=max_k, exclude_seen=exclude_seen)
    about |= {"retrieval": choice.about, "required_ops": list(retrieval.requires_ops), "metrics": figures}
    # TensorFlow saves ops of other libraries where their names are listed.
    options = tf.saved_model.SaveOptions(namespace_whitelist=list(retrieval.op_namespaces) or None)
    with files.new_folder(path / str(version)) as folder:
        tf.saved_model.save(served, str(folder), signatures=served.traced, options=options)
        extra = folder / _EXTRA
        extra.mkdir()
        (extra / METADATA).write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
        if model.item_titles is not None:
            titles = dict(zip(model.item_ids.tolist(), model.item_titles.tolist(), strict=True))
            (extra / TITLES).write_text(json.dumps(titles, ensure_ascii=False), encoding="utf-8")
        _write_warmup(extra / _WARMUP, name, about["signatures"], model)
    return path / str(version)


def _check_ready(model: Any) -> None:
    """Raise a `ValueError` if the model cannot answer, or would answer nonsense."""
    model.check_answers()
    for variable in model.weights:
        if variable.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(variable)):
            raise ValueError(
                f"{type(model).__name__} has weights that are not finite, in {variable.name}: its fit has diverged; a "
                "model that cannot rank is not exported"
            )


def _next_version(path: Path) -> int:
    versions = [int(folder.name) for folder in path.glob("*") if folder.name.isdecimal()]
    return max(versions, default=0) + 1


def _metadata(model: Any, name: str, served: Served, **answering: Any) -> dict:
    return {
        "name": name,
        "model": type(model).__name__,
        "config": model.get_config(),
        "data": {
            "fingerprint": _fingerprint(model),
            "n_users": model.n_users,
            "n_items": model.n_items,
            "n_interactions": int(model.history_items.shape[0]),
        },
        "signatures": {name: _describe(function) for name, function in served.traced.items()},
        **answering,
        "users": served.users is not None,
        "versions": {"tfrec": __version__, "tensorflow": tf.__version__},
    }


def _describe(function: Any) -> dict:
    """Names, types and shapes (-1: any) of a signature."""

    def described(specs: dict) -> dict:
        return {
            name: {"dtype": spec.dtype.name, "shape": [-1 if size is None else size for size in spec.shape]}
            for name, spec in specs.items()
        }

    return {
        "inputs": described({spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}),
        "outputs": described(function.structured_outputs),
    }


def _fingerprint(model: Any) -> str:
    """SHA-256 of the training histories and their vocabularies."""
    digest = hashlib.sha256()
    for array in (model.history_splits.numpy(), model.history_items.numpy()):
        digest.update(array.tobytes())
    for ids in (model.user_ids, model.item_ids):
        digest.update(json.dumps(ids.tolist()).encode())
    return digest.hexdigest()


def _write_warmup(path: Path, name: str, signatures: dict, model: Any) -> None:
    """A request for each signature, about the most popular item and the first user with a history."""
    from tensorflow_serving.apis import prediction_log_pb2

    examples = {
        "user_id": [model.user_ids[int(np.argmax(np.diff(model.history_splits.numpy()) > 0))]],
        "item_id": [model.item_ids[int(np.argmax(model.item_counts.numpy()))]],
        "history": [["", model.item_ids[int(np.argmax(model.item_counts.numpy()))]]],
        "exclude": [[""]],
        "k": np.array([10], np.int32),
    }
    if getattr(model, "predicts_ratings", False):
        examples["rating"] = np.full([1, 2], model.rating_mean.numpy(), np.float32)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, about in signatures.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for tensor in about["inputs"]:
                request.inputs[tensor].CopyFrom(tf.make_tensor_proto(examples[tensor]))
            writer.write(log.SerializeToString())
