"""Parts of a data set, put together again."""

from typing import Any

import numpy as np

from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions

_OPTIONAL = ("timestamp", "weight")


def concatenate(first: Interactions, *others: Interactions) -> Interactions:
    """The rows of several parts of one data set, one part after the other, such as training and validation.

    Args:
        first: whose name, titles and features the result has.
        others: with the same vocabularies, as the parts of a split have.

    Raises:
        TypeError: If a part is not `Interactions`.
        DataError: If the parts have different vocabularies, or a column that others lack.
    """
    parts = [first, *others]
    for part in parts:
        if not isinstance(part, Interactions):
            raise TypeError(f"concatenate: expected tfrec.data.Interactions, got {type(part).__name__}")
        for name in ("user_ids", "item_ids"):
            known, given = getattr(first, name), getattr(part, name)
            if known is not given and not np.array_equal(known, given):
                raise DataError(
                    f"concatenate: expected parts of one data set, and {part!r} has other {name} than {first!r}"
                )
        for name in _OPTIONAL:
            if (getattr(first, name) is None) != (getattr(part, name) is None):
                raise DataError(
                    f"concatenate: expected a {name} in all parts or in none: {first!r} and {part!r} differ"
                )
        if first.has_ratings != part.has_ratings:
            raise DataError(f"concatenate: expected ratings in all parts or in none: {first!r} and {part!r} differ")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("user", "item", "rating", *_OPTIONAL)
        if getattr(first, name) is not None
    }
    return Interactions(
        **columns,
        user_ids=first.user_ids,
        item_ids=first.item_ids,
        item_titles=first.item_titles,
        user_features=first.user_features,
        item_features=first.item_features,
        name=first.name,
        has_ratings=first.has_ratings,
    )
