"""What `recommend` answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Recommendations:
    """Ranked lists, one a row, best first.

    Attributes:
        item_id: object [batch, k] of raw item ids; "" where a list is shorter than k.
        score: float32 [batch, k]; 0 where `item_id` is "".
        query: what each row answers (raw user or item ids), or None for histories.
        title: object [batch, k] of item titles, if the data had any.
    """

    item_id: np.ndarray
    score: np.ndarray
    query: Sequence[str] | None = None
    title: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.item_id)

    def to_frame(self) -> pd.DataFrame:
        """One row for each recommended item: `query`, `rank` (from 1), `item`, `score` and, if known, `title`."""
        row, column = np.nonzero(self.item_id != "")
        queries = np.arange(len(self)) if self.query is None else np.asarray(self.query, dtype=object)
        frame = pd.DataFrame(
            {
                "query": queries[row],
                "rank": column + 1,
                "item": self.item_id[row, column],
                "score": self.score[row, column],
            }
        )
        if self.title is not None:
            frame["title"] = self.title[row, column]
        return frame
