"""The ranked lists of all test users, batch by batch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfrec.evaluation.held_out import HeldOut, histories, items_of_users, items_to_rank, keys_of
from tfrec.evaluation.lists import Lists, Query, Ranker
from tfrec.evaluation.sameness import Sameness
from tfrec.evaluation.scoring import Scorer, history_scorer, user_scorer
from tfrec.evaluation.setting import Setting


def ranked_lists(
    model: Any, held_out: HeldOut, setting: Setting, *, k: int, auc: Callable[..., Any] | None, batch_size: int
) -> Iterator[tuple[Lists, slice]]:
    """Rank for all test users; each batch comes with the rows that it is of.

    Args:
        model: what `tfrec.evaluate` takes.
        held_out: the test users.
        setting: what is ranked and what is left out.
        k: length of the lists.
        auc: the metric of that name, if it is asked for.
        batch_size: users that are scored at a time.
    """
    sameness = Sameness(model)
    score, query = _scorer(model, held_out, setting), _queries(model, held_out, setting)
    with Ranker(np.asarray(model.recommendable), keys_of(model.item_ids), k, auc) as ranker:
        for start in range(0, len(held_out), batch_size):
            stop = min(start + batch_size, len(held_out))
            batch = score(start, stop)
            sameness.add(batch.scores)
            asked = query(start, stop)
            if setting.leaves_out:
                asked = asked._replace(hidden=(batch.seen, *asked.hidden))
            yield ranker.rank(batch.scores, asked), slice(start, stop)
    sameness.warn()


def _scorer(model: Any, held_out: HeldOut, setting: Setting) -> Scorer:
    if setting.given is None:
        return user_scorer(model, held_out, with_seen=setting.leaves_out)
    return history_scorer(model, held_out, histories(setting.given, held_out, model))


def _queries(model: Any, held_out: HeldOut, setting: Setting) -> Callable[[int, int], Query]:
    """What is asked of the rows from start to stop."""
    everything = Query(
        users=held_out.user_keys,
        relevant=held_out.relevant,
        n_relevant=held_out.n_relevant,
        hidden=() if setting.seen is None else (items_of_users(setting.seen, held_out, model),),
        given=None if setting.candidates is None else items_to_rank(setting.candidates, held_out, model.n_items),
    )
    return everything.of
