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

from tfrec import files, ranking
from tfrec._tf import Tensor, tf
from tfrec._version import __version__
from tfrec.answers import MAX_K
from tfrec.checks import check_flag, check_integer
from tfrec.retrieval import Exact

METADATA = "tfrec.json"
TITLES = "item_titles.json"
_EXTRA = "assets.extra"
_WARMUP = "tf_serving_warmup_requests"

_IDS = tf.TensorSpec([None], tf.string)
_ID_LISTS = tf.TensorSpec([None, None], tf.string)
_COUNTS = tf.TensorSpec([None], tf.int32)
_RATING_LISTS = tf.TensorSpec([None, None], tf.float32)


class _Ids(tf.Module):
    """Raw ids ↔ indices, in a table and a variable."""

    def __init__(self, ids: np.ndarray) -> None:
        super().__init__()
        raw = tf.constant(ids.tolist(), tf.string)
        # A table that is filled from a file would break ids at line breaks; one filled from a constant would put them
        # into the graph. This one keeps its content among the SavedModel's variables.
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int32, default_value=-1)
        self.table.insert(raw, tf.range(len(ids)))
        self.raw = tf.Variable(raw, trainable=False)

    def encode(self, ids: Tensor) -> Tensor:
        """Indices of raw ids, of any shape; -1 for unknown ones and for the padding ""."""
        return tf.ensure_shape(self.table.lookup(ids), ids.shape)

    def encode_lists(self, ids: Tensor) -> Tensor:
        """Ragged indices [batch, None] of padded lists [batch, width]."""
        return tf.RaggedTensor.from_tensor(self.encode(ids))

    def decode(self, indices: Tensor) -> Tensor:
        """Raw ids of indices, of any shape; "" where an index is negative."""
        return tf.where(indices >= 0, tf.gather(self.raw, tf.maximum(indices, 0)), "")


class _Served(tf.Module):
    """What a SavedModel holds: tables, the model's variables, and the signatures."""

    def __init__(self, model: Any, *, k: int, max_k: int, exclude_seen: bool, users: bool) -> None:
        super().__init__()
        self._model = _Hidden(model)
        self._k, self._max_k, self._exclude_seen = k, max_k, exclude_seen
        self.items = _Ids(model.item_ids)
        self.users: Any = _Ids(model.user_ids) if users else None
        self.traced = self._trace_all()
        # The graphs read these; whatever else the model has (an optimizer, users that are left out) stays behind.
        captured = [variable for function in self.traced.values() for variable in function.graph.variables]
        self.captured = list({id(variable): variable for variable in captured}.values())

    def _trace_all(self) -> dict:
        inputs = {
            "recommend_from_history": {"history": _ID_LISTS, "k": _COUNTS, "exclude": _ID_LISTS},
            "similar_items": {"item_id": _IDS, "k": _COUNTS},
        }
        if getattr(self._model.it, "predicts_ratings", False):
            inputs["rate_from_history"] = inputs["recommend_from_history"] | {"rating": _RATING_LISTS}
        if self.users is not None:
            inputs |= {
                "serving_default": {"user_id": _IDS},
                "recommend": {"user_id": _IDS, "k": _COUNTS, "exclude": _ID_LISTS},
                "score": {"user_id": _IDS, "item_id": _IDS},
            }
        return {name: self._trace(name, specs) for name, specs in inputs.items()}

    def _trace(self, signature: str, specs: dict) -> Tensor:
        named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]
        return tf.function(getattr(self, signature), input_signature=named, autograph=False).get_concrete_function()

    def _ranked(self, ranked: ranking.Ranked) -> dict:
        return {"item_id": self.items.decode(ranked.item), "score": ranked.score}

    def serving_default(self, user_id: Tensor) -> Tensor:
        k = tf.fill(tf.shape(user_id), self._k)
        users = self.users.encode(user_id)
        return self._ranked(
            ranking.rank_users(self._model.it, users, k, None, exclude_seen=self._exclude_seen, limit=self._max_k)
        )

    def recommend(self, user_id: Tensor, k: Tensor, exclude: Tensor) -> Tensor:
        users, exclude = self.users.encode(user_id), self.items.encode_lists(exclude)
        return self._ranked(
            ranking.rank_users(self._model.it, users, k, exclude, exclude_seen=self._exclude_seen, limit=self._max_k)
        )

    def recommend_from_history(self, history: Any, k: Tensor, exclude: Tensor) -> Tensor:
        return self._rank_histories(self.items.encode(history), None, k, self.items.encode(exclude))

    def rate_from_history(self, history: Tensor, k: Tensor, exclude: Tensor, rating: Tensor) -> Tensor:
        shapes = "rate_from_history takes a rating for each item of history: both of one shape [batch, length]"
        with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(rating), tf.shape(history), shapes)]):
            items, exclude = self.items.encode(history), self.items.encode(exclude)
        # An error would be one for everybody whose requests were merged into the batch. So an item whose rating is no
        # number says nothing; that the person has had it stays true.
        is_number = tf.math.is_finite(rating)
        if self._exclude_seen:
            exclude = tf.concat([exclude, tf.where(is_number, -1, items)], axis=1)
        return self._rank_histories(tf.where(is_number, items, -1), rating, k, exclude)

    def _rank_histories(self, items: Tensor, ratings: Tensor, k: Tensor, exclude: Tensor) -> dict:
        histories = tf.RaggedTensor.from_tensor(items)
        ratings = None if ratings is None else histories.with_values(tf.reshape(ratings, [-1]))
        exclude = tf.RaggedTensor.from_tensor(exclude)
        return self._ranked(
            ranking.rank_histories(
                self._model.it, histories, ratings, k, exclude, exclude_seen=self._exclude_seen, limit=self._max_k
            )
        )

    def similar_items(self, item_id: Tensor, k: Tensor) -> Tensor:
        return self._ranked(ranking.rank_similar(self._model.it, self.items.encode(item_id), k, limit=self._max_k))

    def score(self, user_id: Tensor, item_id: Tensor) -> Tensor:
        users, items = self.users.encode(user_id), self.items.encode(item_id)
        return {"score": self._model.it.answer_pairs(users, items)}


class _Hidden:
    """Holds the Keras model without TensorFlow tracking (and so saving) it."""

    def __init__(self, it: Any) -> None:
        self.it = it


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
    metrics: Mapping[str, float] | None = None,
) -> Path:
    """Write a fitted model as the SavedModel `path/<version>`; see `Recommender.export` for the arguments.

    The folder is written aside and renamed, so that a running server meets it whole.

    Raises:
        FileExistsError: the version is there already.
        TypeError, ValueError: an argument doesn't fit, or the model is not fitted.
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
    if not isinstance(retrieval, Exact):
        raise TypeError(f"retrieval takes a layer of tfrec.retrieval (there is Exact so far); got {retrieval!r}")
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"cannot export to {path}: it is a file; give the model's folder")
    version = _next_version(path) if version is None else check_integer("version", version, minimum=1)
    if version >= 2**63:
        raise ValueError(f"version is a number below 2⁶³, as TensorFlow Serving counts; got {version}")
    figures = {name: float(value) for name, value in (metrics or {}).items()}
    if not all(map(math.isfinite, figures.values())):
        raise ValueError(f"metrics must be finite numbers by name; got {figures}")
    served = _Served(model, k=k, max_k=max_k, exclude_seen=exclude_seen, users=users)
    about = _metadata(model, name, retrieval, served, k=k, max_k=max_k, exclude_seen=exclude_seen)
    about["metrics"] = figures
    with files.new_folder(path / str(version)) as folder:
        tf.saved_model.save(served, str(folder), signatures=served.traced)
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


def _metadata(model: Any, name: str, retrieval: Any, served: _Served, **answering: Any) -> dict:
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
        "retrieval": {"layer": type(retrieval).__name__, "recall": 1.0},
        "required_ops": [],
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
