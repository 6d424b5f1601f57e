"""Evaluation of a model's rankings on held-out interactions: the public function `evaluate`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tfrec.checks import check_integer
from tfrec.data import Candidates, Interactions
from tfrec.evaluation.held_out import HeldOut, ItemsOfRows, hold_out, items_to_rank
from tfrec.evaluation.report import Report
from tfrec.evaluation.scoring import NonFiniteScoresError, Ranked, ranking
from tfrec.metrics import get_metric


class RankingModel(Protocol):
    """What `evaluate` needs of a fitted model; every tfrec `Recommender` has it."""

    @property
    def name(self) -> str:
        """What reports and errors call it."""

    @property
    def n_items(self) -> int:
        """The size of the item vocabulary."""

    @property
    def user_ids(self) -> NDArray[Any]:
        """Raw user ids: object [n_users]."""

    @property
    def item_ids(self) -> NDArray[Any]:
        """Raw item ids: object [n_items]."""

    @property
    def recommendable(self) -> Any:
        """Which items have training rows: bool [n_items], a tensor or variable. The others are never recommended."""

    def ranking_scores(self, users: Any) -> Any:
        """Scores float32 [batch, n_items] of users int32 [batch]; -1 is an unknown user. Traceable."""

    def seen_items(self, users: Any) -> Any:
        """The training items, ragged int32 [batch, None], of users int32 [batch]; -1 has none. Traceable."""


def evaluate(
    model: RankingModel,
    test: Interactions,
    *,
    k: int | Iterable[int] = (5, 10, 20),
    metrics: str | Iterable[str] = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map"),
    candidates: Candidates | None = None,
    exclude_seen: bool = True,
    batch_size: int = 1024,
) -> Report:
    """Measure how well a model ranks the items that users had in a test set.

    Every item in a user's test rows is relevant, once; a figure is the mean over the users with test rows. Users and
    items are matched by raw id. Users that the model doesn't know get its answer for unknown users; items that it
    doesn't know, or that it has no training rows of, are never recommended, count as relevant all the same, and are
    reported as `unreachable`. Items with equal scores are ranked in a random order, a fixed one for each user, so that
    a constant model scores at chance.

    Args:
        model: a fitted model; see `RankingModel` for what is used of it.
        test: held-out interactions.
        k: the cutoffs.
        metrics: names out of `tfrec.metrics.METRICS`.
        candidates: None for the full ranking: all items compete. Else, for every user, the items that compete with the
            test items, as indices into the test set's vocabulary (the protocol of He et al. 2017, Neural Collaborative
            Filtering). An item in both counts once, as a test item. Seen items are not left out, and candidates of
            users without test rows are ignored.
        exclude_seen: in the full ranking, leave out what a user had in training; a test item among it is unreachable.
        batch_size: users that are scored at a time. It bounds the memory, about 12 · batch_size · n_items bytes and
            what the model itself needs. The result is the same whatever it is, for every model whose scores of a user
            don't depend on who else is in the batch.

    Returns:
        The figures with what they were measured on; `print` shows them as a table.

    Raises:
        NonFiniteScoresError: if the model gives a user a score that is NaN or infinite.
        ValueError: if `test` is empty or shares no item with the model; if a user has no candidates; if a metric is
            unknown, a metric or cutoff is repeated, or a cutoff or `batch_size` is not positive.
        TypeError: if an argument is of another type.
    """
    _check_types(model, test, candidates)
    cutoffs = _cutoffs(k)
    functions = {
        name: get_metric(name) for name in _distinct("metrics", [metrics] if isinstance(metrics, str) else metrics)
    }
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    held_out = hold_out(test, model)
    given = None if candidates is None else items_to_rank(candidates, held_out, model.n_items)
    rank = ranking(model, max(cutoffs), given_only=given is not None, exclude_seen=exclude_seen and given is None)
    batches = _ranked_batches(model, rank, held_out, given, batch_size)
    hits_of_batches, n_reachable = zip(*batches, strict=True)
    hits, n_test = np.concatenate(hits_of_batches), int(held_out.n_relevant.sum())
    return Report(
        model=model.name,
        dataset=test.name,
        protocol=_protocol(candidates, exclude_seen),
        n_users=len(held_out),
        n_test=n_test,
        unreachable=(n_test - sum(n_reachable)) / n_test,
        k=cutoffs,
        metrics={
            f"{name}@{cutoff}": float(function(hits, held_out.n_relevant, cutoff).mean())
            for name, function in functions.items()
            for cutoff in cutoffs
        },
    )


def _ranked_batches(
    model: Any, rank: Callable[..., Ranked], held_out: HeldOut, given: ItemsOfRows | None, batch_size: int
) -> Iterator[tuple[NDArray[np.bool_], int]]:
    """For each batch of users: the hits in their lists, bool [batch, K], and the number of test items in reach."""
    nothing_given = np.empty((0, 2), np.int32)
    for start in range(0, len(held_out), batch_size):
        stop = min(start + batch_size, len(held_out))
        ranked = rank(
            held_out.user[start:stop],
            held_out.test_user[start:stop].astype(np.int32),
            held_out.relevant.pairs(start, stop),
            nothing_given if given is None else given.pairs(start, stop),
        )
        if not ranked.finite:
            raise _non_finite(ranked, model, held_out.test.user_ids[held_out.test_user[start + int(ranked.row)]])
        hits = held_out.relevant.contain(start, ranked.items.numpy())
        yield hits, int(np.count_nonzero(ranked.reachable))


def _non_finite(ranked: Ranked, model: Any, user_id: Any) -> NonFiniteScoresError:
    score = float(ranked.score)
    what = "NaN" if np.isnan(score) else "infinity" if score > 0 else "minus infinity"
    return NonFiniteScoresError(
        f"model {model.name!r} gave {what} for user {str(user_id)!r} (item {str(model.item_ids[int(ranked.item)])!r}): "
        "such scores cannot be ranked. Has the training diverged? Look at its losses, and try a lower learning rate or "
        "more regularisation"
    )


def _protocol(candidates: Candidates | None, exclude_seen: bool) -> str:
    if candidates is not None:
        return f"ranking of given candidates (up to {candidates.item.shape[1]} a user) and test items"
    return f"full ranking, seen items {'excluded' if exclude_seen else 'included'}"


def _check_types(model: Any, test: Any, candidates: Any) -> None:
    if not hasattr(model, "ranking_scores"):
        raise TypeError(f"model must be a tfrec Recommender; got {type(model).__name__}")
    if not isinstance(test, Interactions):
        raise TypeError(f"test must be tfrec.data.Interactions; got {type(test).__name__}")
    if candidates is not None and not isinstance(candidates, Candidates):
        raise TypeError(f"candidates must be tfrec.data.Candidates or None; got {type(candidates).__name__}")
    if len(test.user) == 0:
        raise ValueError(f"the test set {test.name!r} is empty: there is nothing to evaluate on")


def _cutoffs(k: Any) -> tuple[int, ...]:
    return _distinct("k", [check_integer("k", cutoff, minimum=1) for cutoff in (k if isinstance(k, Iterable) else [k])])


def _distinct(what: str, values: Iterable[Any]) -> tuple[Any, ...]:
    values = tuple(values)
    if not values:
        raise ValueError(f"{what} must name at least one; got none")
    if len(set(values)) < len(values):
        raise ValueError(f"{what} must not repeat a value; got {values}")
    return values
