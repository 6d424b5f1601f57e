"""The splits of the LightGCN paper: Gowalla, Yelp2018 and Amazon-Book.

He, Deng, Wang, Li, Zhang and Wang (2020): LightGCN. SIGIR. First published with Wang, He, Wang, Feng and Chua (2019):
Neural graph collaborative filtering. SIGIR. Of each user's items a random fifth is the test. The tables of many later
papers refer to these files. https://github.com/kuandeng/LightGCN
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError
from tfrec.data.files.item_lists import ItemLists, read_item_lists
from tfrec.data.files.official_files import read_bytes
from tfrec.data.files.sources import Location, Source, fetch, opened
from tfrec.data.interactions import Interactions
from tfrec.data.malformed import MalformedRows, OnError
from tfrec.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd

_URL = "https://github.com/kuandeng/LightGCN/tree/master/Data"


@dataclass(frozen=True)
class LightGCNData:
    """One of the data sets, and its published size.

    Attributes:
        source: Where its files are.
        users: The number of users.
        items: The number of items.
        train: The number of training interactions.
        test: The number of test interactions.
    """

    source: Source
    users: int
    items: int
    train: int
    test: int


def _data(name: str, title: str, users: int, items: int, train: int, test: int) -> LightGCNData:  # noqa: PLR0917
    source = Source(title=f"LightGCN's split of {title}", folder=name, main_file="train.txt", url=f"{_URL}/{name}")
    return LightGCNData(source, users, items, train, test)


LIGHTGCN: Mapping[str, LightGCNData] = MappingProxyType(
    {
        "gowalla": _data("gowalla", "Gowalla", 29_858, 40_981, 810_128, 217_242),
        "yelp2018": _data("yelp2018", "Yelp2018", 31_668, 38_048, 1_237_259, 324_147),
        "amazon-book": _data("amazon-book", "Amazon-Book", 52_643, 91_599, 2_380_730, 603_378),
    }
)


def lightgcn_split(
    name: str = "gowalla",
    path: str | os.PathLike[str] | None = None,
    *,
    complete: bool = True,
    on_error: OnError = "raise",
) -> Split:
    """One of the splits of the LightGCN paper: implicit, without times.

    The files ``train.txt`` and ``test.txt`` are looked for in the folder of that name (or its zip) in the folder that
    TFREC_DATA names. A line is ``user item item …``. Ids are the files' numbers as strings, and the vocabularies all
    numbers from 0 on, so that an index is the number. Where ``user_list.txt`` or ``item_list.txt`` tell the ids of the
    source (``org_id remap_id`` a line), those are the column ``original_id`` of ``user_features`` or
    ``item_features``. A user may have no test items.

    Args:
        name: ``"gowalla"``, ``"yelp2018"`` or ``"amazon-book"``.
        path: A folder or zip with the files, to use instead of searching.
        complete: Insist on the published numbers of users, items and interactions. With False, files of any length
            are read as they are, such as data of your own in this layout.
        on_error: ``"raise"`` for the first malformed line; ``"skip"`` leaves malformed lines out and warns how many.

    Raises:
        DataNotFoundError: If the files are nowhere, or one of them is missing.
        DataError: If a line is malformed (``path:line:``) or a file is not complete.
        ValueError: If there is no such split.
    """
    published = LIGHTGCN.get(name)
    if published is None:
        raise ValueError(f"lightgcn_split: expected name to be one of {', '.join(LIGHTGCN)}, got {name!r}")
    with opened(fetch(published.source, path), published.source) as folder:
        train = read_item_lists(folder / "train.txt", on_error=on_error)
        test = read_item_lists(folder / "test.txt", on_error=on_error)
        if complete:
            _check_complete(folder, published, train, test)
        users = _original_ids(folder / "user_list.txt", on_error)
        items = _original_ids(folder / "item_list.txt", on_error)
    n_users = _size(train.listed, test.listed, users)
    n_items = _size(train.item, test.item, items)
    data = Interactions(
        user=np.concatenate([train.user, test.user]),
        item=np.concatenate([train.item, test.item]),
        user_ids=object_array(map(str, range(n_users))),
        item_ids=object_array(map(str, range(n_items))),
        user_features=_features(users, n_users),
        item_features=_features(items, n_items),
        name=published.source.folder,
    )
    in_test = np.arange(len(data)) >= len(train.user)
    return Split(data.select(~in_test), data.select(in_test))


def _check_complete(folder: Location, published: LightGCNData, train: ItemLists, test: ItemLists) -> None:
    remedy = "fetch the files again, or pass complete=False to read them as they are"
    for name, part, expected in (("train.txt", train, published.train), ("test.txt", test, published.test)):
        found = len(part.user)
        if found != expected and not part.skipped:
            raise DataError(
                f"{folder / name}: not the complete file: expected {expected:,} interactions, found {found:,}; {remedy}"
            )
        if not part.whole:
            raise DataError(f"{folder / name}: the last line is cut off: no line break at its end; {remedy}")
    for what, last, expected in (
        ("users", max(train.listed.max(), test.listed.max()), published.users),
        ("items", max(train.item.max(), test.item.max()), published.items),
    ):
        if last >= expected:
            raise DataError(f"{folder}: expected {what} in 0 … {expected - 1}, found {last}; {remedy}")


def _original_ids(file: Location, on_error: OnError) -> dict[int, str]:
    """The ids of the source by number, or none if there is no such file."""
    if not file.is_file():
        return {}
    malformed = MalformedRows(file, on_error)
    originals: dict[int, str] = {}
    for number, line in enumerate(read_bytes(file).decode("utf-8", errors="replace").split("\n"), start=1):
        fields = line.split()
        if not fields or (number == 1 and fields[:2] == ["org_id", "remap_id"]):
            continue
        if len(fields) < 2 or not (fields[1].isascii() and fields[1].isdigit() and len(fields[1]) < 10):
            malformed.add(number, f"expected an original id and a number, found {line[:80]!r}")
        elif int(fields[1]) in originals:
            malformed.add(number, f"number {fields[1]} was there already")
        else:
            originals[int(fields[1])] = fields[0]
    malformed.report()
    return originals


def _size(train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], originals: Mapping[int, str]) -> int:
    return int(max(train.max(), test.max(), max(originals, default=0))) + 1


def _features(originals: Mapping[int, str], size: int) -> "pd.DataFrame | None":
    import pandas as pd

    if not originals:
        return None
    return pd.DataFrame({"original_id": pd.array([originals.get(number) for number in range(size)], dtype="str")})
