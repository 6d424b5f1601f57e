"""The sequences of the S3-Rec paper: Beauty, Sports and Outdoors, Toys and Games, Yelp.

Zhou, Wang, Zhao, Zhu, Wang, Zhang, Wang and Wen (2020): S³-Rec. CIKM. Amazon reviews of 2014 and Yelp reviews of 2019,
5-core, each user's items in the order of time. The split is that of Kang and McAuley (2018): Self-attentive sequential
recommendation. ICDM. https://github.com/RUCAIBox/CIKM2020-S3Rec
"""

import os
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError
from tfrec.data.files.item_lists import ItemLists, read_item_lists
from tfrec.data.files.sources import Location, Source, fetch, opened
from tfrec.data.grouping import group_rows, ranks_in_groups
from tfrec.data.interactions import Interactions
from tfrec.data.loaders.three_way import ThreeWaySplit
from tfrec.data.malformed import OnError

_URL = "https://github.com/RUCAIBox/CIKM2020-S3Rec/tree/master/data"


@dataclass(frozen=True)
class SequenceData:
    """One of the data sets, and its published size.

    Attributes:
        source: Where its file is.
        users: The number of users.
        items: The number of items.
        interactions: The number of interactions.
    """

    source: Source
    users: int
    items: int
    interactions: int


def _data(folder: str, file: str, users: int, items: int, interactions: int) -> SequenceData:
    title = f"S3-Rec's sequences of {file.removesuffix('.txt').replace('_', ' ')}"
    return SequenceData(Source(title=title, folder=folder, main_file=file, url=_URL), users, items, interactions)


SEQUENCES: Mapping[str, SequenceData] = MappingProxyType(
    {
        "beauty": _data("beauty", "Beauty.txt", 22_363, 12_101, 198_502),
        "sports": _data("sports", "Sports_and_Outdoors.txt", 35_598, 18_357, 296_337),
        "toys": _data("toys", "Toys_and_Games.txt", 19_412, 11_924, 167_597),
        "yelp": _data("yelp", "Yelp.txt", 30_431, 20_033, 316_354),
    }
)


def s3rec_sequences(
    name: str = "beauty",
    path: str | os.PathLike[str] | None = None,
    *,
    complete: bool = True,
    on_error: OnError = "raise",
) -> Interactions:
    """One of the data sets of the S3-Rec paper: sequences of items, without ratings and without times.

    The file, such as ``Beauty.txt``, is looked for in the folder of that name (``beauty/``, or its zip) in the folder
    that TFREC_DATA names. A line is ``user item item …``, the items in the order of time; so is the order of rows, and
    `Interactions.sequences` gives it back. Ids are the file's numbers as strings, in numerical order.

    Args:
        name: ``"beauty"``, ``"sports"``, ``"toys"`` or ``"yelp"``.
        path: The file, or a folder or zip that holds it, to use instead of searching.
        complete: Insist on the published numbers of users, items and interactions; a line that was skipped counts as
            a user, with any items. With False, a file of any length is read as it is, such as data of your own in this
            layout.
        on_error: ``"raise"`` for the first malformed line; ``"skip"`` leaves malformed lines out and warns how many.

    Raises:
        DataNotFoundError: If the file is nowhere.
        DataError: If a line is malformed (``path:line:``) or the file is not complete.
        ValueError: If there is no such data set.
    """
    return _sequences("s3rec_sequences", name, path, complete, on_error)


def sequence_split(
    name: str = "beauty",
    path: str | os.PathLike[str] | None = None,
    *,
    complete: bool = True,
    on_error: OnError = "raise",
) -> ThreeWaySplit:
    """The split of `s3rec_sequences` that SASRec, BERT4Rec and S3-Rec are compared on.

    Each user's last item is the test, the one before it the validation, and the rest the training; users with fewer
    than three items have training rows only.

    Args:
        name: As for `s3rec_sequences`.
        path: Likewise.
        complete: Likewise.
        on_error: Likewise.

    Returns:
        Training, validation and test rows that share the vocabularies.

    Raises:
        DataNotFoundError: If the file is nowhere.
        DataError: If a line is malformed (``path:line:``) or the file is not complete.
        ValueError: If there is no such data set.
    """
    data = _sequences("sequence_split", name, path, complete, on_error)
    splits, rows = group_rows(data.user, data.n_users)
    sizes = np.diff(splits)
    from_end = np.empty(len(data), np.int64)
    from_end[rows] = np.repeat(sizes, sizes) - ranks_in_groups(splits)
    divided = sizes[data.user] >= 3
    in_test, in_validation = divided & (from_end == 1), divided & (from_end == 2)
    return ThreeWaySplit(data.select(~in_test & ~in_validation), data.select(in_validation), data.select(in_test))


def _sequences(
    caller: str, name: str, path: str | os.PathLike[str] | None, complete: bool, on_error: OnError
) -> Interactions:
    published = SEQUENCES.get(name)
    if published is None:
        raise ValueError(f"{caller}: expected name to be one of {', '.join(SEQUENCES)}, got {name!r}")
    with ExitStack() as stack:
        file = _find(published.source, path, stack)
        lists = read_item_lists(file, on_error=on_error)
        if complete:
            _check_complete(file, published, lists)
    users, user = np.unique(np.concatenate([lists.listed, lists.user]), return_inverse=True)
    items, item = np.unique(lists.item, return_inverse=True)
    return Interactions(
        user=user[len(lists.listed) :].astype(np.int32),
        item=item.astype(np.int32),
        user_ids=object_array(map(str, users.tolist())),
        item_ids=object_array(map(str, items.tolist())),
        name=f"s3rec-{name}",
    )


def _find(source: Source, path: str | os.PathLike[str] | None, stack: ExitStack) -> Location:
    if path is not None and os.path.isfile(path) and not zipfile.is_zipfile(path):
        return Path(path)
    return stack.enter_context(opened(fetch(source, path), source)) / source.main_file


def _check_complete(file: Location, published: SequenceData, lists: ItemLists) -> None:
    """Refuse a file of another size. A line that was skipped counts as a user, whose items aren't known."""
    remedy = "fetch it again, or pass complete=False to read it as it is"
    for what, found, expected in (
        ("users", len(lists.listed) + lists.skipped, published.users),
        ("items", len(np.unique(lists.item)), published.items),
        ("interactions", len(lists.item), published.interactions),
    ):
        may_be_fewer = lists.skipped and what != "users"
        if found > expected or (found < expected and not may_be_fewer):
            raise DataError(f"{file}: not the complete file: expected {expected:,} {what}, found {found:,}; {remedy}")
    if not lists.whole:
        raise DataError(f"{file}: the last line is cut off: no line break at its end; {remedy}")
