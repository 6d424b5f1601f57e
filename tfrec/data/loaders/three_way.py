"""Published splits into three parts."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.interactions import Interactions


class ThreeWaySplit(NamedTuple):
    """Training, validation and test rows of one data set, with the same vocabularies."""

    train: Interactions
    validation: Interactions
    test: Interactions


def join_parts(parts: Sequence[Mapping[str, Any]], name: str) -> ThreeWaySplit:
    """One split from three parts that were read by themselves: arguments of `Interactions`, each with its own ids."""
    users, items = (_positions([part[ids] for part in parts]) for ids in ("user_ids", "item_ids"))
    data = Interactions(
        user=np.concatenate([_recoded(part["user"], part["user_ids"], users) for part in parts]),
        item=np.concatenate([_recoded(part["item"], part["item_ids"], items) for part in parts]),
        rating=np.concatenate([part["rating"] for part in parts]),
        timestamp=np.concatenate([part["timestamp"] for part in parts]),
        user_ids=object_array(list(users)),
        item_ids=object_array(list(items)),
        name=name,
    )
    ends = np.cumsum([len(part["user"]) for part in parts])
    train, validation, test = (
        data.select(np.arange(end - len(part["user"]), end)) for part, end in zip(parts, ends, strict=True)
    )
    return ThreeWaySplit(train, validation, test)


def _positions(vocabularies: Iterable[Sequence[str]]) -> dict[str, int]:
    """The joint code of each id, in the order of first appearance."""
    position: dict[str, int] = {}
    for text in chain.from_iterable(vocabularies):
        position.setdefault(text, len(position))
    return position


def _recoded(codes: npt.NDArray[np.int32], ids: Sequence[str], position: Mapping[str, int]) -> npt.NDArray[np.int32]:
    return np.fromiter(map(position.__getitem__, ids), np.int32, len(ids))[codes]
