"""Area under the ROC curve: how well scores tell a user's relevant items from the others."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfrec.metrics.lists import PerUser


def auc(scores: ArrayLike, relevant: ArrayLike, candidates: ArrayLike | None = None) -> PerUser:
    """Area under the ROC curve of each user: how probable it is that a relevant item scores above an irrelevant one.

    (Number of pairs of a relevant and an irrelevant item in the right order + half the number of ties) / number of
    pairs: the Mann-Whitney statistic (Hanley & McNeil 1982), scikit-learn's `roc_auc_score` of the user's row. It has
    no cutoff. A figure of a whole test set is the mean over its users, as in Rendle et al. 2009 (BPR); RecBole's gauc
    weights users by their relevant items, and its auc pools all users' scores.

    Args:
        scores: float [n_users, n_items]; -inf, which is below all others, for an item that is never recommended.
        relevant: bool [n_users, n_items], at least one for each user.
        candidates: bool [n_users, n_items], the irrelevant items that compete with the relevant ones; None for all. It
            doesn't matter whether it has the relevant ones too.

    Returns:
        float64 [n_users]; 0.5 where nothing competes, so that there are no pairs.

    Raises:
        ValueError: if the shapes or types don't fit, a score that counts is NaN, or a user has no relevant item.
    """
    scores, relevant, others = _checked(scores, relevant, candidates)
    values = np.empty(len(scores))
    for user, row in enumerate(scores):
        wanted, unwanted = row[relevant[user]], np.sort(row[others[user]])
        # How many of the unwanted are below each, plus how many are not above it: ties count half of the two.
        twice_below = np.searchsorted(unwanted, wanted, "left") + np.searchsorted(unwanted, wanted, "right")
        n_pairs = len(wanted) * len(unwanted)
        values[user] = int(twice_below.sum()) / (2 * n_pairs) if n_pairs else 0.5
    return values


def _checked(
    scores: ArrayLike, relevant: ArrayLike, candidates: ArrayLike | None
) -> tuple[NDArray[np.floating], NDArray[np.bool_], NDArray[np.bool_]]:
    """Scores, which items are relevant, and which are not and compete."""
    scores, relevant = np.asarray(scores), np.asarray(relevant)
    candidates = np.ones(scores.shape, bool) if candidates is None else np.asarray(candidates)
    if scores.ndim != 2 or scores.dtype.kind != "f":
        raise ValueError(f"scores must be a float array [n_users, n_items]; got {scores.dtype} {list(scores.shape)}")
    for name, mask in (("relevant", relevant), ("candidates", candidates)):
        if mask.shape != scores.shape or mask.dtype != np.bool_:
            raise ValueError(
                f"{name} must be a bool array of the shape of scores, {list(scores.shape)}; "
                f"got {mask.dtype} {list(mask.shape)}"
            )
    if not relevant.any(axis=1).all():
        raise ValueError("relevant must have an item for each user; leave users without relevant items out")
    if (np.isnan(scores) & (relevant | candidates)).any():
        raise ValueError("scores of items that compete must be numbers; some are NaN")
    return scores, relevant, candidates & ~relevant
