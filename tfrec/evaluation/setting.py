"""What is asked of an evaluation: the arguments of `evaluate`, checked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tfrec.checks import check_flag, check_integer
from tfrec.data import Candidates, Interactions
from tfrec.metrics import Metric, auc, get_metric

_MOST_USERS_AT_A_TIME = 1024
# What a score takes: the model's own work on it, some float32 tables of the batch, and the evaluator's.
_BYTES_PER_SCORE = 20
_BYTES_PER_PLACE = 64  # of a list: items, hits and what the metrics make of them


@dataclass(frozen=True)
class Setting:
    """What is ranked for the test users, and what is left out; see `tfrec.evaluate`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if they contradict each other.
    """

    candidates: Candidates | None
    given: Interactions | None
    seen: Interactions | None
    exclude_seen: bool

    def __post_init__(self) -> None:
        check_flag("exclude_seen", self.exclude_seen)
        for name, kind in (("candidates", Candidates), ("given", Interactions), ("seen", Interactions)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} must be tfrec.data.{kind.__name__} or None; got {type(value).__name__}")
        if self.seen is not None and not len(self.seen):
            object.__setattr__(self, "seen", None)  # nothing to leave out
        if self.seen is not None and (self.candidates is not None or not self.exclude_seen):
            other = "exclude_seen=False" if self.candidates is None else "candidates, which are ranked seen or not"
            raise ValueError(f"seen= names items to leave out; it was given together with {other}: choose one")

    @property
    def leaves_out(self) -> bool:
        """Whether seen items are left out."""
        return self.exclude_seen and self.candidates is None

    def fingerprints(self) -> dict[str, str]:
        """What tells the data of the setting from any others."""
        parts = {"candidates": self.candidates, "given": self.given, "seen": self.seen}
        return {name: part.fingerprint() for name, part in parts.items() if part is not None}

    def __str__(self) -> str:
        """The setting in the words of a report."""
        people = "" if self.given is None else f", users known by the given part of {self.given.name}"
        if self.candidates is not None:
            n_candidates = self.candidates.item.shape[1]
            return f"ranking of given candidates (up to {n_candidates} a user) and test items{people}"
        if not self.exclude_seen:
            return f"full ranking, seen items included{people}"
        also = "" if self.seen is None else f" (with those of {self.seen.name}, {len(self.seen)} rows)"
        return f"full ranking, seen items{also} excluded{people}"


def check_model_and_test(model: Any, test: Any) -> None:
    """Refuse what is neither.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the test set is empty.
    """
    if isinstance(model, type) or not hasattr(model, "ranking_scores"):
        got = f"the class {model.__name__}: make one, and fit it" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a tfrec Recommender; got {got}")
    if not isinstance(test, Interactions):
        raise TypeError(f"test must be tfrec.data.Interactions; got {type(test).__name__}")
    if len(test.user) == 0:
        raise ValueError(f"the test set {test.name!r} is empty: there is nothing to evaluate on")


def as_metrics(metrics: str | Metric | Iterable[str | Metric]) -> tuple[Metric, ...]:
    """Metrics by name, or as they are.

    Raises:
        TypeError: if they are something else.
        ValueError: if there are none, one of them is unknown, or a name comes twice.
    """
    named = [metrics] if isinstance(metrics, str | Metric) else metrics
    if not isinstance(named, Iterable):
        raise TypeError(f'metrics must be names such as ["ndcg", "recall"]; got {metrics!r}')
    found = [metric if isinstance(metric, Metric) else get_metric(metric) for metric in named]
    _check_distinct("metrics", [metric.name for metric in found])
    for metric in found:
        if metric.kind == "scores" and metric.function is not auc:
            raise ValueError(
                f"the metric {metric.name!r} is of kind 'scores', which only 'auc' is: metrics of your own are of the "
                "kinds 'hits', 'items', 'catalogue' and 'ratings'"
            )
    return tuple(found)


def as_cutoffs(k: int | Iterable[int]) -> tuple[int, ...]:
    """Cutoffs in the order given.

    Raises:
        TypeError: if one is not an integer.
        ValueError: if there are none, or one is not positive or comes twice.
    """
    cutoffs = tuple(check_integer("k", cutoff, minimum=1) for cutoff in (k if isinstance(k, Iterable) else [k]))
    _check_distinct("k", cutoffs)
    return cutoffs


def as_batch_size(batch_size: int | None, memory: int, n_items: int, k: int) -> int:
    """How many users to score at a time: what was asked for, or what fits into that many bytes.

    Raises:
        TypeError: if a number is not an integer.
        ValueError: if a number is not positive, or not a single user fits into the memory.
    """
    memory = check_integer("memory", memory, minimum=1)
    if batch_size is not None:
        return check_integer("batch_size", batch_size, minimum=1)
    needed = _BYTES_PER_SCORE * n_items + _BYTES_PER_PLACE * min(k, n_items)
    if memory < needed:
        raise ValueError(
            f"memory is {memory:,} bytes, and to rank {n_items:,} items for a single user takes about {needed:,}: "
            "allow more"
        )
    return min(memory // needed, _MOST_USERS_AT_A_TIME)


def _check_distinct(what: str, values: Any) -> None:
    if not values:
        raise ValueError(f"{what} must name at least one; got none")
    if len(set(values)) < len(values):
        raise ValueError(f"{what} must not repeat a value; got {tuple(values)}")
