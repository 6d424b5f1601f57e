"""Why a model recommends an item: what each item of the history says for it, or against it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.recommender import Recommender
from tfrec.vocabulary import Ids, check_ids


@dataclass(frozen=True)
class Explanation:
    """What the items of a history say of one item: those that matter most first, whether they speak for or against.

    Items that say nothing, whose contribution is exactly 0, are not listed.

    Attributes:
        item: the raw id of the item that is explained.
        score: the model's score of it: the sum of the contributions of the whole history, listed or not.
        item_id: object [n], raw ids of items of the history, by falling size of their contribution; at most k.
        contribution: float32 [n], what each adds to the score; negative if it speaks against the item.
        n_history: how many items of the history the model knows.
        user: the raw id of the user, or None for a history.
        item_title: the title of the item, if the data had any.
        title: object [n], titles of `item_id`, if the data had any.
    """

    item: str
    score: float
    item_id: np.ndarray
    contribution: np.ndarray
    n_history: int
    user: str | None = None
    item_title: str | None = None
    title: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.item_id)

    def to_frame(self) -> pd.DataFrame:
        """One row for each listed item of the history: `rank` (from 1), `item`, `contribution` and, if known, `title`.

        What they leave of the score is `score - frame["contribution"].sum()`.
        """
        frame = pd.DataFrame(
            {"rank": np.arange(1, len(self) + 1), "item": self.item_id, "contribution": self.contribution}
        )
        if self.title is not None:
            frame["title"] = self.title
        return frame

    def __str__(self) -> str:
        """The score, and a line for each listed item."""
        whose = "a history" if self.user is None else f"user {self.user}"
        lines = [f"{_named(self.item, self.item_title)} for {whose}: score {self.score:.4f}"]
        titles = [None] * len(self) if self.title is None else self.title
        for item, title, contribution in zip(self.item_id, titles, self.contribution, strict=True):
            lines.append(f"  {contribution:+.4f}  {_named(item, title)}")
        others = self.n_history - len(self)
        if others:
            rest = self.score - float(self.contribution.sum(dtype=np.float64))
            lines.append(f"  {rest:+.4f}  {others} other item{'s' if others > 1 else ''} of the history")
        return "\n".join(lines)


def _named(item: str, title: str | None) -> str:
    return f"{title} ({item})" if title else item


class ExplainsByHistory(Recommender):
    """A model whose score is a sum over the items of the history, so that each item's share says why.

    A subclass implements `history_contributions`.
    """

    def history_contributions(self, history: Tensor, item: Tensor) -> Tensor:
        """What each item of a history adds to the score of an item.

        Args:
            history: int32 [n], distinct items.
            item: int32 [], the item that is scored.

        Returns:
            float32 [n], which sum to the score.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement history_contributions")

    def explain(self, user: str, item: str, k: int | None = 10) -> Explanation:
        """Which items of a user's training history speak for an item, which against it, and by how much.

        Args:
            user: a raw user id.
            item: a raw item id.
            k: how many items of the history to list at most; None: all.

        Returns:
            `Explanation`, the largest contributions first, whatever their sign.

        Raises:
            TypeError: an id is not a string, or k not an integer.
            ValueError: the user or the item is unknown or has no training rows, or k is not positive.
        """
        target = self._explained(item, k)
        check_ids("user", [user])
        index = tf.constant(self._vocabulary("user").encode([user]))
        if not bool(self.has_history(index)[0]):
            known = "has no training rows" if int(index[0]) >= 0 else "is unknown"
            raise ValueError(
                f"user {user!r} {known}: what is recommended then is what is popular, which no history explains. For a "
                "person the model has never seen use explain_from_history"
            )
        return self._explanation(self.seen_items(index).values.numpy(), target, k, user)

    def explain_from_history(self, history: Ids, item: str, k: int | None = 10) -> Explanation:
        """`explain` for a person the model has never seen.

        Args:
            history: raw item ids. Unknown items are ignored, and an item counts once however often it stands there.
            item: a raw item id.
            k: as in `explain`.

        Raises:
            TypeError: an id is not a string, or k not an integer.
            ValueError: the item, or every item of the history, is unknown or has no training rows; k is not positive.
        """
        target = self._explained(item, k)
        indices = np.array(list(dict.fromkeys(self._vocabulary("item").encode(history))), np.int32)
        indices = indices[self._has_rows(indices)]
        if not len(indices):
            raise ValueError(
                "the history has no item that the model learned from: what is recommended then is what is popular, "
                "which no history explains"
            )
        return self._explanation(indices, target, k, None)

    def _explained(self, item: str, k: int | None) -> int:
        """The index of the item to explain."""
        self.check_answers()
        if k is not None:
            check_integer("k", k, minimum=1)
        index = self._vocabulary("item").encode(check_ids("item", [item]))
        if not self._has_rows(index)[0]:
            known = "has no training rows, so that it is never recommended" if index[0] >= 0 else "is unknown"
            raise ValueError(f"item {item!r} {known}: there is no score to explain")
        return int(index[0])

    def _has_rows(self, items: np.ndarray) -> np.ndarray:
        """Which items, -1 for unknown ones, have training rows: bool [n]."""
        return (items >= 0) & self.recommendable.numpy()[np.maximum(items, 0)]

    def _explanation(self, history: np.ndarray, item: int, k: int | None, user: str | None) -> Explanation:
        contributions = self.history_contributions(tf.constant(history), tf.constant(item)).numpy()
        if not np.isfinite(contributions).all():
            raise ValueError(
                f"{type(self).__name__} gives contributions that are not finite: its fit diverged, or its weights are "
                "damaged"
            )
        largest = np.argsort(-np.abs(contributions), kind="stable")[: np.count_nonzero(contributions)][:k]
        ids, titles = self.item_ids, self.item_titles
        return Explanation(
            item=ids[item],
            score=float(contributions.sum(dtype=np.float64)),
            item_id=ids[history[largest]],
            contribution=contributions[largest],
            n_history=len(history),
            user=user,
            item_title=None if titles is None else titles[item],
            title=None if titles is None else titles[history[largest]],
        )
