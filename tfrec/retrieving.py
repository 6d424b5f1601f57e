"""The choice of how an exported model ranks, and the measure of what that choice overlooks."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfrec import ranking
from tfrec._tf import Tensor, tf
from tfrec.rankers import OwnScores, Searched
from tfrec.retrieval import Exact, Retrieval

# People whose answers are compared; the first half chooses, the second measures.
_PEOPLE = 500
# Scores that are compared at once: a quarter of a gigabyte.
_SCORES = 2**26
# So many times the items that are wanted are few candidates: no higher rank is tried.
_FEW = 4


@dataclass(frozen=True)
class Choice:
    """How an exported model ranks.

    Attributes:
        ranker: `OwnScores` or `Searched`.
        about: the layer, its settings and what it finds, for the metadata.
    """

    ranker: Any
    about: dict = field(default_factory=dict)


def choose(
    model: Any, layer: Retrieval, *, k: int, limit: int, exclude_seen: bool, users: bool, min_recall: float
) -> Choice:
    """Index a model's items by a layer, and see that it finds what the model itself ranks first.

    A layer that searches vectors which only approximate the model's scores finds candidates for the model to score. The
    rank of the approximation and the number of candidates are those of the least work with which the answers of one
    half of some people are good enough, every vector being looked at. Those of the other half say what the layer finds;
    a layer that was told nothing of how much to look at looks at more until that is enough.

    Args:
        model: a fitted `Recommender`.
        layer: what searches.
        k: how many of the best items should be found.
        limit: the largest k that is answered.
        exclude_seen: leave out what a user (or history) has had.
        users: whether users are answered too, or only histories.
        min_recall: how many of the best k the layer must find, from 0 to 1.

    Raises:
        TypeError: the model has no vectors that a layer could search.
        ValueError: the layer finds less than `min_recall`.
    """
    answering: dict[str, Any] = {"exclude_seen": exclude_seen, "limit": limit}
    about: dict[str, Any] = {"layer": type(layer).__name__, "settings": layer.settings()}
    exact = OwnScores(model, **answering)
    products = model.scores_are_products
    if layer.is_exact and isinstance(layer, Exact) and not products:
        return Choice(exact, about | {"recall": 1.0})
    people = _Sample(model, exact, k)
    rank, n_candidates = (0, 0) if products else _least_work(model, people, answering, min_recall)
    ranker = Searched(model, model.search_model(rank), layer, n_candidates=n_candidates, **answering)
    about["settings"] = layer.settings()
    if not products:
        about |= {"rank": rank, "n_candidates": n_candidates}
    if layer.is_exact and products:
        return Choice(ranker, about | {"recall": 1.0})
    found = _recall(people, ranker, users)
    while min(found.values()) < min_recall and layer.widen():
        found = _recall(people, ranker, users)
    about["settings"] = layer.settings()
    about |= {"recall": min(found.values()), "recall_at": k, "recall_of": found, "people": people.n_measured}
    if about["recall"] < min_recall:
        raise ValueError(_too_few(model, about, min_recall))
    return Choice(ranker, about)


def _recall(people: "_Sample", ranker: Searched, users: bool) -> dict[str, float]:
    """What a ranker finds, for people by their histories, and as users where there are any."""
    with ranker.tracing():
        found = {"histories": people.recall_of_histories(ranker)}
        if users:
            found["users"] = people.recall_of_users(ranker)
    return found


def _too_few(model: Any, about: dict, min_recall: float) -> str:
    """What to say where a layer overlooks too much."""
    return (
        f"{about['layer']} finds {about['recall']:.3f} of the {about['recall_at']} items that {type(model).__name__} "
        f"ranks first, and min_recall is {min_recall:g}. It was made with {about['settings']}: let it look at more "
        "(probes, leaves, reordering candidates, a finer quantiser), export with Exact(), or lower min_recall"
    )


def _least_work(model: Any, people: "_Sample", answering: dict, min_recall: float) -> tuple[int, int]:
    """The rank of an approximation and the number of candidates with which a search overlooks little enough.

    Half of what may be overlooked is left to the layer. Ranks are tried in turn until one needs few candidates. Work is
    counted in products of two numbers: of the vectors of all items, and of each candidate with each item of a history.
    If nothing is good enough, it is what overlooks least.
    """
    if not model.search_ranks:
        model.search_model(0)  # says why there is none
    target = 1.0 - (1.0 - min_recall) / 2
    mean_history = float(model.history_items.shape[0]) / max(1, int(np.count_nonzero(np.diff(model.history_splits))))
    good, best = [], (-1.0, 0, 0)
    for rank in model.search_ranks:
        approximation = model.search_model(rank)
        search = Searched(model, approximation, Exact(), n_candidates=0, **(answering | {"limit": None}))
        for n_candidates, recall in people.recall_by_length(search):
            best = max(best, (recall, rank, n_candidates))
            if recall >= target:
                width = int(approximation.candidates().shape[1])
                good.append((width * model.n_items + n_candidates * mean_history, rank, n_candidates))
                break
        if good and good[-1][2] <= _FEW * people.k:
            break
    return min(good)[1:] if good else best[1:]


class _Sample:
    """People with training rows, and the items that a model ranks first for them.

    Args:
        model: a fitted `Recommender`.
        exact: `OwnScores` of the model.
        k: how many items.

    Attributes:
        k: how many items are compared, at most as many as can be recommended.
    """

    def __init__(self, model: Any, exact: OwnScores, k: int) -> None:
        self.k = min(k, int(np.count_nonzero(model.recommendable)))
        active = np.flatnonzero(np.diff(model.history_splits.numpy()) > 0).astype(np.int32)
        size = int(np.clip(200_000_000 // model.n_items, 100, _PEOPLE))
        chosen = np.random.default_rng(0).permutation(active)[:size]
        self._choosing, self._measuring = chosen[::2], chosen[1::2] if len(chosen) > 1 else chosen
        self._model, self._exact = model, exact
        self._at_once = int(np.clip(_SCORES // model.n_items, 1, 64))

    @property
    def n_measured(self) -> int:
        """How many people the figures are of."""
        return len(self._measuring)

    def recall_of_users(self, ranker: Any) -> float:
        """The share of the best items that a ranker finds for users."""
        return self._recall(lambda ranks, users, k: ranks.users(users, k, None), ranker)

    def recall_of_histories(self, ranker: Any) -> float:
        """The share of the best items that a ranker finds for the same people as strangers, by their histories."""
        return self._recall(self._as_strangers, ranker)

    def recall_by_length(self, ranker: Any) -> Iterator[tuple[int, float]]:
        """The share of the best items among the first 2k, 4k, … that a ranker finds, up to a half of all."""
        longest = max(self.k, self._model.n_items // 2)
        places = np.concatenate([
            _places(wanted, found)
            for wanted, found in zip(
                self._lists(self._as_strangers, self._exact, self._choosing, self.k),
                self._lists(self._as_strangers, ranker, self._choosing, longest),
                strict=True,
            )
        ])  # fmt: skip
        length = self.k
        while length < longest:
            length = min(2 * length, longest)
            yield length, float(np.mean(places < length))

    def _as_strangers(self, ranker: Any, users: Tensor, k: Tensor) -> ranking.Ranked:
        return ranker.histories(self._model.seen_items(users), None, k, None)

    def _recall(self, ask: Callable, ranker: Any) -> float:
        wanted = self._lists(ask, self._exact, self._measuring, self.k)
        found = self._lists(ask, ranker, self._measuring, self.k)
        places = [_places(one, other) for one, other in zip(wanted, found, strict=True)]
        return float(np.mean(np.isfinite(np.concatenate(places))))

    def _lists(self, ask: Callable, ranker: Any, users: np.ndarray, k: int) -> Iterator[np.ndarray]:
        """The answers for users, a batch at a time: int32 [batch, k], -1 where there are no more."""
        for start in range(0, len(users), self._at_once):
            part = tf.constant(users[start : start + self._at_once])
            yield ask(ranker, part, tf.fill(tf.shape(part), k)).item.numpy()


def _places(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Where each wanted item stands in its row of what was found: float64 [n_wanted], infinite where it doesn't."""
    places = []
    for wanted_row, found_row in zip(wanted, found, strict=True):
        at = {item: place for place, item in enumerate(found_row.tolist()) if item >= 0}
        places += [at.get(item, math.inf) for item in wanted_row.tolist() if item >= 0]
    return np.array(places)
