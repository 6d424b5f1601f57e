"""Saving models as folders, and loading them.

A folder holds `model.json` (class, constructor arguments, version), `vocabulary.json` (raw ids and titles) and
`weights.npz` (the histories, and the other variables in Keras's order). Nothing is pickled.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfrec import files
from tfrec._version import __version__

_MODEL, _VOCABULARY, _WEIGHTS = "model.json", "vocabulary.json", "weights.npz"
_HISTORIES = ("history_splits", "history_items")


class _UnknownClassError(ValueError):
    """The folder is sound, and its class is somebody else's."""


def save(model: Any, path: str | Path, *, overwrite: bool = True) -> None:
    """Save an adapted model as the folder `path`; see `Recommender.save`."""
    path = Path(path).resolve()
    user_ids, item_ids = model.user_ids, model.item_ids  # a clear error for a model that knows no data
    if path.exists() and not (overwrite and (path / _MODEL).is_file()):
        why = "it is not a saved model of tfrec" if overwrite else "overwrite is False"
        raise FileExistsError(f"cannot save to {path}: it exists, and {why}; choose another place")
    titles = None if model.item_titles is None else model.item_titles.tolist()
    vocabulary = {"user_ids": user_ids.tolist(), "item_ids": item_ids.tolist(), "item_titles": titles}
    weights = _weights(model)
    about = {
        "class": type(model).__name__,
        "config": model.get_config(),
        "weights": [weight.name for weight in weights],
        "tfrec": __version__,
    }
    arrays = {name: getattr(model, name).numpy() for name in _HISTORIES}
    arrays |= {f"weight_{position:04d}": weight.numpy() for position, weight in enumerate(weights)}
    with files.new_folder(path, replace=True) as folder:
        (folder / _MODEL).write_text(json.dumps(about, indent=2), encoding="utf-8")
        (folder / _VOCABULARY).write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        np.savez(folder / _WEIGHTS, **arrays)


def load(path: str | Path, custom_objects: Mapping[str, type] | None = None) -> Any:
    """Load a model that `model.save(path)` wrote: the same scores, from the same data.

    Args:
        path: the folder.
        custom_objects: classes of models that are not of the zoo, by name.

    Raises:
        FileNotFoundError: `path` is not a saved model.
        ValueError: a file of it is damaged, or its class is not known.
    """
    path = Path(path)
    missing = [name for name in (_MODEL, _VOCABULARY, _WEIGHTS) if not (path / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{path} is not a saved model of tfrec: {', '.join(missing)} is missing")
    try:
        about = json.loads((path / _MODEL).read_text(encoding="utf-8"))
        kind = _class(about["class"], custom_objects)
        return _restore(path, kind(**about["config"]))
    except _UnknownClassError:
        raise
    except (ValueError, TypeError, LookupError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"the saved model {path} cannot be read, it may be damaged: {error}") from error


def _restore(path: Path, model: Any) -> Any:
    """Fill a new model from the folder's vocabulary and weights."""
    vocabulary = json.loads((path / _VOCABULARY).read_text(encoding="utf-8"))
    users, items, titles = (vocabulary[key] for key in ("user_ids", "item_ids", "item_titles"))
    with np.load(path / _WEIGHTS) as stored:
        arrays = dict(stored)
    splits, history_items = (arrays.pop(name) for name in _HISTORIES)
    if len(splits) != len(users) + 1 or (titles is not None and len(titles) != len(items)):
        raise ValueError("its vocabulary and its histories are not of the same size")
    model.restore_data(
        np.array(users, dtype=object),
        np.array(items, dtype=object),
        None if titles is None else np.array(titles, dtype=object),
        splits,
        history_items,
    )
    weights = _weights(model)
    if len(weights) != len(arrays):
        raise ValueError(f"it has {len(arrays)} arrays of weights where {len(weights)} are needed")
    for weight, name in zip(weights, sorted(arrays), strict=True):
        weight.assign(arrays[name])
    return model


def _weights(model: Any) -> list:
    """The variables in Keras's order, without the histories, which have their own names in the file."""
    histories = {id(getattr(model, name)) for name in _HISTORIES}
    return [weight for weight in model.weights if id(weight) not in histories]


def _class(name: str, custom_objects: Mapping[str, type] | None) -> type:
    if custom_objects and name in custom_objects:
        return custom_objects[name]
    from tfrec.models import MODELS

    known = {model.__name__: model for model in MODELS.values()}
    if name not in known:
        raise _UnknownClassError(
            f"the class {name!r} is not of the zoo ({', '.join(known)}): pass it in custom_objects"
        )
    return known[name]
