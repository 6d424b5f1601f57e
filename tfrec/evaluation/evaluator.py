"""Evaluation of a model on held-out interactions: the public function `evaluate`."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.data import Candidates, Interactions
from tfrec.evaluation.figures import Figures, figure_names
from tfrec.evaluation.held_out import HeldOut, hold_out
from tfrec.evaluation.item_statistics import item_statistics, vectors_for
from tfrec.evaluation.rankings import ranked_lists
from tfrec.evaluation.rating_figures import check_rating_metrics, rating_figures
from tfrec.evaluation.report import Report
from tfrec.evaluation.setting import Setting, as_batch_size, as_cutoffs, as_metrics, check_model_and_test
from tfrec.metrics import Metric


class RankingModel(Protocol):
    """What `evaluate` needs of a fitted model; every tfrec `Recommender` has it.

    Rankings of what is given of the users need `ranking_scores_from_histories` as well (ragged int32 [batch, None], and
    ragged float32 ratings or None), and metrics of ratings `predict_ratings` (users and items int32 [n], -1 for unknown
    ones, to float32 [n]); both traceable. A model that means to give everybody the same list has ``personalised =
    False``.
    """

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
    def item_counts(self) -> Any:
        """How many training users each item has: number [n_items], a tensor or variable."""

    @property
    def recommendable(self) -> Any:
        """Which items have training rows: bool [n_items], a tensor or variable. The others are never recommended."""

    def has_history(self, users: Any) -> Any:
        """Which users, int32 [batch], have training rows: bool [batch]; -1 has none."""

    def ranking_scores(self, users: Any) -> Any:
        """Scores float32 [batch, n_items] of users int32 [batch]; -1 is an unknown user. Traceable."""

    def seen_items(self, users: Any) -> Any:
        """The training items, ragged int32 [batch, None], of users int32 [batch]; -1 has none. Traceable."""


def evaluate(
    model: RankingModel,
    test: Interactions,
    *,
    k: int | Iterable[int] = (5, 10, 20),
    metrics: str | Metric | Iterable[str | Metric] = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map"),
    candidates: Candidates | None = None,
    given: Interactions | None = None,
    seen: Interactions | None = None,
    exclude_seen: bool = True,
    item_vectors: ArrayLike | None = None,
    batch_size: int | None = None,
    memory: int = 512 * 2**20,
) -> Report:
    """Measure how well a model ranks the items that users had in a test set, or how well it predicts their ratings.

    Every item in a user's test rows is relevant, once; a figure is the mean over the users with test rows, unless its
    metric is one of all lists together or of ratings. Users and items are matched by raw id. Users that the model
    doesn't know get its answer for unknown users; items that it doesn't know, or that it has no training rows of, are
    never recommended, count as relevant all the same, and are reported as `unreachable`. Items with equal scores are
    ranked in a random order, a fixed one for each user, so that a constant model scores at chance.

    Metrics of ratings are means over all test rows, repeated ones too.

    Args:
        model: a fitted model; see `RankingModel` for what is used of it.
        test: held-out interactions.
        k: the cutoffs.
        metrics: names out of `tfrec.metrics.METRICS`, or metrics of your own.
        candidates: None for the full ranking: all items compete. Else, for every user, the items that compete with the
            test items, as indices into the test set's vocabulary (the protocol of He et al. 2017, Neural Collaborative
            Filtering). An item in both counts once, as a test item. Seen items are not left out, and candidates of
            users without test rows are ignored.
        given: None to rank for users as the model knows them. Else what is given of the test users, who need not be
            known to the model: it ranks by these histories alone (strong generalisation: Marlin 2004; Liang et al.
            2018), and given items take the place of seen ones. A user with nothing in it is answered as an unknown one.
        seen: interactions whose items count as seen too, by user, such as the validation part in the final test.
        exclude_seen: in the full ranking, leave out what a user had in training, in `given` and in `seen`; a test item
            among it is unreachable.
        item_vectors: for the metric "diversity", what the items are like: float [test.n_items, d]. None takes the
            bool columns of ``test.item_features``, such as genres.
        batch_size: users that are scored at a time; None fits it to `memory`. The result is the same whatever it is,
            for every model whose scores of a user don't depend on who else is in the batch.
        memory: bytes that scoring and ranking a batch may take, roughly. On top comes what the result takes: 8 bytes
            for every figure of a user, and for every item and cutoff (three times that for "personalisation"); and
            what the model and the item vectors take, these four times in float64.

    Returns:
        The figures with what they were measured on; `print` shows them as a table. ``per_user`` has every user's
        values, ``exposure`` how often each item was recommended, ``rating_sums`` what RMSE and its kin are made of.

    Raises:
        NonFiniteScoresError: if the model gives a user a score that is NaN or infinite.
        ValueError: if `test` is empty or shares no item with the model; if a user has no candidates; if a metric is
            unknown or lacks what it needs, a metric or cutoff is repeated, a number is not positive, or arguments
            contradict each other.
        TypeError: if an argument is of another type.

    Warns:
        SameListWarning: if the model gives nearly everybody the same list.
    """
    setting = Setting(candidates, given, seen, exclude_seen)
    asked, cutoffs = as_metrics(metrics), as_cutoffs(k)
    check_model_and_test(model, test)
    getattr(model, "check_answers", lambda: None)()  # that it has been fitted
    vectors = check_needs(model, test, asked, item_vectors)
    batch_size = as_batch_size(batch_size, memory, model.n_items, max(cutoffs))
    held_out = hold_out(test, model)
    of_lists = [metric for metric in asked if metric.kind != "ratings"]
    figures, rating_sums = rating_figures(model, held_out, [metric for metric in asked if metric.kind == "ratings"])
    directions = {metric.name: metric.higher_is_better for metric in asked}
    if not of_lists:
        return Report(
            **_circumstances(model, held_out, _n_with_training_rows(model, held_out)),
            protocol="ratings of the test rows",
            k=(),
            metrics=figures,
            rating_sums=rating_sums,
            fingerprints={"test": test.fingerprint()},
            directions=directions,
        )
    statistics = item_statistics(model, test, vectors)
    gathered = Figures(
        of_lists,
        cutoffs,
        recommendable=np.asarray(model.recommendable),
        statistics=statistics,
        user_ids=held_out.user_ids,
    )
    n_reachable = 0
    longest = min(max(cutoffs), model.n_items)
    for lists, rows in ranked_lists(model, held_out, setting, k=longest, auc=gathered.auc, batch_size=batch_size):
        gathered.add(lists, held_out.n_relevant[rows])
        n_reachable += int(lists.n_reachable.sum())
    figures |= gathered.means()
    return Report(
        **_circumstances(model, held_out, n_reachable),
        protocol=str(setting),
        k=cutoffs,
        metrics={key: figures[key] for metric in asked for key in figure_names(metric, cutoffs)},
        per_user=gathered.per_user(),
        exposure=gathered.exposure(model.item_ids),
        rating_sums=rating_sums,
        fingerprints={"test": test.fingerprint(), **setting.fingerprints()},
        directions=directions,
    )


def complete_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of `evaluate`, its defaults where nothing is given, checked as far as they can be by themselves.

    Args:
        given: some of them, by name.

    Raises:
        TypeError, ValueError: as `evaluate` does; and if there is no such option.
    """
    parameters = inspect.signature(evaluate).parameters
    defaults = {name: known.default for name, known in parameters.items() if name not in ("model", "test")}
    if unknown := [name for name in given if name not in defaults]:
        raise TypeError(f"got {unknown[0]!r}, which is no argument of tfrec.evaluate; it takes {', '.join(defaults)}")
    options = defaults | dict(given)
    Setting(*(options[name] for name in ("candidates", "given", "seen", "exclude_seen")))
    options |= {"k": as_cutoffs(options["k"]), "metrics": as_metrics(options["metrics"])}
    as_batch_size(options["batch_size"], options["memory"], n_items=1, k=1)  # for any model
    return options


def check_needs(
    model: Any, test: Interactions, metrics: Iterable[str | Metric], item_vectors: ArrayLike | None = None
) -> NDArray[np.float32] | None:
    """Whether there is what the metrics need, which is known before the model is fitted.

    Args:
        model: the model, fitted or not.
        test: the test set.
        metrics: as for `evaluate`.
        item_vectors: as for `evaluate`.

    Returns:
        The vectors of the test set's items, float32 [test.n_items, d], if a metric needs them.

    Raises:
        ValueError: if something is missing; the message says what to give.
    """
    asked = as_metrics(metrics)
    check_rating_metrics(model, test, asked)
    return vectors_for(asked, test, item_vectors)


def _circumstances(model: Any, held_out: HeldOut, n_reachable: int) -> dict[str, Any]:
    """What a report says apart from the figures."""
    n_test = int(held_out.n_relevant.sum())
    return {
        "model": model.name,
        "dataset": held_out.test.name,
        "n_users": len(held_out),
        "n_test": n_test,
        "unreachable": (n_test - n_reachable) / n_test,
    }


def _n_with_training_rows(model: Any, held_out: HeldOut) -> int:
    """How many of the test items the model has training rows of."""
    return int(np.count_nonzero(np.asarray(model.recommendable)[held_out.relevant.item]))
