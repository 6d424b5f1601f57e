"""Ask a model server for recommendations, over gRPC or REST: raw ids in, raw ids out.

Works with any TensorFlow Serving that holds models exported by tfrec, and, through `Client.predict`, with any other
SavedModel.
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from tfrec.serving.client_inputs import check_list, id_array, k_array, padded_ids, padded_ratings
from tfrec.serving.client_types import ModelMetadata, ModelSpec, Transport, VersionState
from tfrec.serving.errors import ServingError

__all__ = ["Client", "Recommendation", "ServingError"]


class Recommendation(NamedTuple):
    """One recommended item and the model's score for it."""

    item_id: str
    score: float


class Client:
    """A client of one model server. Threads may share it; close it, or use it in a ``with`` block.

    Every method takes ``version=`` or ``label=`` to ask for a certain version of the model; without, the newest
    answers. Every method raises `ServingError`, whose `code` says which case it is: ``"UNAVAILABLE"`` (no server
    there), ``"DEADLINE_EXCEEDED"``, ``"NOT_FOUND"`` (no such model or version), ``"INVALID_ARGUMENT"``, …; and
    `ValueError` or `TypeError` for arguments that no server needs to see.

    Args:
        grpc: ``host:port`` of the gRPC API. The first use imports TensorFlow, whose messages it speaks.
        rest: ``http://host:port`` of the REST API. Needs no TensorFlow.
        timeout: seconds to wait for an answer.

    Raises:
        ValueError: unless exactly one address of the right form is given.

    Example:
        >>> client = Client(grpc="127.0.0.1:8500")  # doctest: +SKIP
        >>> client.recommend("ease", ["196"], k=2)  # doctest: +SKIP
        [[Recommendation(item_id='50', score=0.93), Recommendation(item_id='181', score=0.88)]]
    """

    def __init__(self, grpc: str | None = None, rest: str | None = None, *, timeout: float = 10.0) -> None:
        if (grpc is None) == (rest is None):
            raise ValueError('give one address: Client(grpc="host:port") or Client(rest="http://host:port")')
        if not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, and {timeout!r} came")
        self._transport: Transport
        if grpc is not None:
            if "://" in grpc or not grpc.rpartition(":")[2].isdigit():
                raise ValueError(f'grpc= takes "host:port", as in "127.0.0.1:8500", and {grpc!r} came')
            from tfrec.serving.client_grpc import GrpcTransport

            self._transport = GrpcTransport(grpc, timeout)
        elif rest is not None:
            if not rest.startswith(("http://", "https://")):
                raise ValueError(f'rest= takes a URL, as in "http://127.0.0.1:8501", and {rest!r} came')
            from tfrec.serving.client_rest import RestTransport

            self._transport = RestTransport(rest, timeout)

    def recommend(
        self,
        model: str,
        user_ids: Sequence[str],
        k: int | Sequence[int] = 10,
        *,
        exclude: Sequence[Sequence[str]] | None = None,
        version: int | None = None,
        label: str | None = None,
    ) -> list[list[Recommendation]]:
        """The best items for each user.

        Args:
            model: the name it is served under.
            user_ids: raw ids, one a row of the answer; an unknown user gets the model's answer for unknown users.
            k: how many items, for all users or one number for each. Rows are shorter where the model has no more.
            exclude: for each user, the item ids that must not come back.
            version: of the model.
            label: of a version.
        """
        users = id_array("user_ids", user_ids)
        inputs = {"user_id": users, "k": k_array(k, len(users)), "exclude": padded_ids("exclude", exclude, len(users))}
        return self._lists(_spec(model, version, label), "recommend", inputs)

    def recommend_from_history(
        self,
        model: str,
        histories: Sequence[Sequence[str]],
        k: int | Sequence[int] = 10,
        *,
        ratings: Sequence[Sequence[float]] | None = None,
        exclude: Sequence[Sequence[str]] | None = None,
        version: int | None = None,
        label: str | None = None,
    ) -> list[list[Recommendation]]:
        """The best items for people known only by what they have had.

        Args:
            model: the name it is served under.
            histories: for each person the item ids, oldest first; unknown items are ignored by the model.
            k: how many items, for all or one number for each.
            ratings: for each person a rating for every item of the history; for models of ratings only.
            exclude: for each person, the item ids that must not come back.
            version: of the model.
            label: of a version.
        """
        check_list("histories", histories)
        n_rows = len(histories)
        inputs = {
            "history": padded_ids("histories", histories, n_rows),
            "k": k_array(k, n_rows),
            "exclude": padded_ids("exclude", exclude, n_rows),
        }
        if ratings is None:
            return self._lists(_spec(model, version, label), "recommend_from_history", inputs)
        inputs["rating"] = padded_ratings(ratings, histories)
        return self._lists(_spec(model, version, label), "rate_from_history", inputs)

    def similar_items(
        self,
        model: str,
        item_ids: Sequence[str],
        k: int | Sequence[int] = 10,
        *,
        version: int | None = None,
        label: str | None = None,
    ) -> list[list[Recommendation]]:
        """The items most like each item; an empty row for an unknown one."""
        items = id_array("item_ids", item_ids)
        inputs = {"item_id": items, "k": k_array(k, len(items))}
        return self._lists(_spec(model, version, label), "similar_items", inputs)

    def score(
        self,
        model: str,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        *,
        version: int | None = None,
        label: str | None = None,
    ) -> list[float]:
        """The model's score for each pair of a user and an item: a rating, if it is a model of ratings."""
        users, items = id_array("user_ids", user_ids), id_array("item_ids", item_ids)
        if len(users) != len(items):
            raise ValueError(f"user_ids and item_ids go in pairs, and {len(users)} and {len(items)} came")
        if not len(users):
            return []
        inputs = {"user_id": users, "item_id": items}
        scores = self._transport.predict(_spec(model, version, label), "score", inputs)["score"]
        return [float(score) for score in scores]

    def predict(
        self,
        model: str,
        signature: str = "serving_default",
        inputs: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Run any signature of any SavedModel.

        Args:
            model: the name it is served under.
            signature: the name of the signature.
            inputs: name → array or nested lists. Arrays keep their type over gRPC; of Python numbers, whole ones
                become int32 and others float32.
            version: of the model.
            label: of a version.

        Returns:
            Output name → array; text as `str` in arrays of objects.
        """
        return self._transport.predict(_spec(model, version, label), signature, inputs or {})

    def metadata(self, model: str, *, version: int | None = None, label: str | None = None) -> ModelMetadata:
        """The version that would answer, and its signatures with types and shapes."""
        return self._transport.metadata(_spec(model, version, label))

    def status(self, model: str, *, version: int | None = None, label: str | None = None) -> list[VersionState]:
        """The state of each of the model's versions, newest first."""
        return self._transport.status(_spec(model, version, label))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lists(self, spec: ModelSpec, signature: str, inputs: dict[str, np.ndarray]) -> list[list[Recommendation]]:
        if not len(inputs["k"]):
            return []
        outputs = self._transport.predict(spec, signature, inputs)
        rows = zip(outputs["item_id"], outputs["score"], inputs["k"], strict=True)
        return [_cut(item_ids, scores, int(k)) for item_ids, scores, k in rows]


def _cut(item_ids: np.ndarray, scores: np.ndarray, k: int) -> list[Recommendation]:
    """A row ends at its own k (a batch comes back as wide as its largest), and at the padding ""."""
    row = []
    for item_id, score in zip(item_ids[:k], scores[:k], strict=True):
        if item_id == "":
            break
        row.append(Recommendation(str(item_id), float(score)))
    return row


def _spec(model: str, version: int | None, label: str | None) -> ModelSpec:
    if not isinstance(model, str) or not model:
        raise ValueError(f"model must be the name of a served model, and {model!r} came")
    if version is not None and label is not None:
        raise ValueError("give a version or a label, not both")
    return ModelSpec(model, version, label)
