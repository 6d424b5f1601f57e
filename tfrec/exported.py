"""Exported models in Python: what `tfrec recommend` answers from, with nothing of tfrec's models loaded."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tfrec import op_libraries
from tfrec.checks import check_integer
from tfrec.recommendations import Recommendations
from tfrec.vocabulary import Ids, check_id_lists, check_ids

_EXTRA = "assets.extra"


def find_export(path: str | Path, model: str | None = None) -> Path:
    """The folder of the newest version of a model.

    Args:
        path: an export folder (`<path>/<model>/<version>`), a model's folder, or a version's folder.
        model: which model, if `path` holds several.

    Raises:
        FileNotFoundError: there is no such export.
        ValueError: several models are there, and `model` chooses none of them.
    """
    path = Path(path)
    if model is not None and ((path / "saved_model.pb").is_file() or _versions(path)):
        raise ValueError(f"{path} is one model's folder: leave --model out, or give the folder that holds the models")
    if (path / "saved_model.pb").is_file():
        return path
    if _versions(path):
        return path / str(_versions(path)[-1])
    models = sorted(folder.name for folder in path.glob("*") if _versions(folder)) if path.is_dir() else []
    if not models:
        raise FileNotFoundError(
            f"{path} holds no exported model: expected <model>/<version>/saved_model.pb there, as `tfrec export` writes"
        )
    if model is None and len(models) > 1:
        raise ValueError(f"{path} holds several models, {', '.join(models)}: choose one with --model")
    if model is not None and model not in models:
        raise ValueError(f"{path} holds no model {model!r}, only {', '.join(models)}")
    chosen = path / (model or models[0])
    return chosen / str(_versions(chosen)[-1])


def _versions(folder: Path) -> list[int]:
    found = folder.glob("*/saved_model.pb")
    return sorted(int(file.parent.name) for file in found if file.parent.name.isdecimal())


class Exported:
    """A model that `export` wrote, loaded with plain TensorFlow; answers by raw id as the model itself does.

    Args:
        folder: the version's folder (see `find_export`).

    Attributes:
        about: the content of `tfrec.json`.

    Raises:
        ValueError: the export is damaged, or tfrec did not write it.
        ImportError: it needs the ops of a package that is not there, such as scann.
    """

    def __init__(self, folder: str | Path):
        from tfrec._tf import tf

        self._folder = Path(folder)
        try:
            about: dict = json.loads((self._folder / _EXTRA / "tfrec.json").read_text(encoding="utf-8"))
            self._max_k = int(about["max_k"])
            op_libraries.load(about["required_ops"])
            loaded = tf.saved_model.load(str(self._folder))
        except (OSError, ValueError, TypeError, LookupError, RuntimeError, tf.errors.OpError) as error:
            raise ValueError(f"{folder} cannot be read as an export of tfrec: {error}") from error
        self.about, self._tf, self._loaded = about, tf, loaded

    @cached_property
    def titles(self) -> dict[str, str]:
        """Titles by raw item id; empty if the data had none."""
        path = self._folder / _EXTRA / "item_titles.json"
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def recommend(self, users: Ids, k: int = 10, *, exclude: Ids = ()) -> Recommendations:
        """The best items for users; unknown ones get the most popular items. `exclude` is for all of them."""
        users = check_ids("user", users)
        answer = self._call("recommend", k, len(users), exclude, user_id=self._strings(users))
        return self._answer(answer, users)

    def recommend_from_history(self, histories: Sequence[Ids], k: int = 10, *, exclude: Ids = ()) -> Recommendations:
        """The best items for people the model has never seen; `exclude` is for all of them."""
        rows = check_id_lists("histories", histories)
        width = max((len(row) for row in rows), default=0)
        padded = [["", *row, *[""] * (width - len(row))] for row in rows]
        answer = self._call("recommend_from_history", k, len(rows), exclude, history=self._matrix(padded))
        return self._answer(answer, None)

    def _strings(self, values: list[str]) -> Any:
        return self._tf.constant(values, self._tf.string)

    def _matrix(self, rows: list[list[str]]) -> Any:
        width = len(rows[0]) if rows else 1
        return self._tf.reshape(self._strings([value for row in rows for value in row]), [len(rows), width])

    def _call(self, signature: str, k: int, n_rows: int, exclude: Ids, **inputs: Any) -> dict:
        k = check_integer("k", k, minimum=1)
        if k > self._max_k:
            raise ValueError(f"k is at most {self._max_k}, the max_k of this export; got {k}")
        if signature not in self._loaded.signatures:
            raise ValueError(f"this export has no signature {signature!r}: it was made without the users (users=False)")
        left_out = [["", *check_ids("item", exclude)]] * n_rows
        return self._loaded.signatures[signature](
            **inputs, k=self._tf.fill([n_rows], k), exclude=self._matrix(left_out)
        )

    def _answer(self, answer: dict, query: list[str] | None) -> Recommendations:
        raw = answer["item_id"].numpy()
        items = np.array([item.decode("utf-8") for item in raw.flat], dtype=object).reshape(raw.shape)
        title = None
        if self.titles:
            title = np.array([self.titles.get(item, "") for item in items.flat], dtype=object).reshape(raw.shape)
        return Recommendations(items, answer["score"].numpy(), query, title)
