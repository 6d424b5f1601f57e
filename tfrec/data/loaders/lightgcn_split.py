"""The splits of the LightGCN paper: Gowalla, Yelp2018 and Amazon-Book.

He, Deng, Wang, Li, Zhang and Wang (2020): LightGCN. SIGIR. First published with Wang, He, Wang, Feng and Chua (2019):
Neural graph collaborative filtering. SIGIR. Of each user's items a random fifth is the test. The tables of many later
papers refer to these files. https://github.com/kuandeng/LightGCN
"""

import codecs
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError
from tfrec.data.files.item_lists import ItemLists, find_line, read_item_lists
from tfrec.data.files.official_files import read_bytes
from tfrec.data.files.sources import Location, Source, fetch, opened
from tfrec.data.interactions import Interactions
from tfrec.data.malformed import MalformedRows, OnError
from tfrec.data.splits import Split

if TYPE_CHECKING:
    import pandas as pd

_URL = "https://github.com/kuandeng/LightGCN/tree/master/Data"
_ALWAYS_FINE = 1_000_000  # numbers below this cost little, even if most of them never occur
_SPARSEST = 10  # of a larger vocabulary, at least one id in ten occurs


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
    numbers from 0 on, so that an index is the number; with ``complete=False``, a number of a million or more is refused
    if less than a tenth of those up to it occur. Where ``user_list.txt`` or ``item_list.txt`` tell the ids of the
    source (``org_id remap_id`` a line), those are the column ``original_id`` of ``user_features`` or
    ``item_features``. A user may have no test items.

    Args:
        name: ``"gowalla"``, ``"yelp2018"`` or ``"amazon-book"``.
        path: A folder or zip with the files, to use instead of searching.
        complete: Insist on the published numbers of users, items and interactions; a line that was skipped counts as
            a user, with any items. With False, files of any length are read as they are, such as data of your own in
            this layout.
        on_error: ``"raise"`` for the first malformed line; ``"skip"`` leaves malformed lines out and warns how many.

    Raises:
        DataNotFoundError: If the files are nowhere, or one of them is missing.
        DataError: If a line is malformed (``path:line:``), a file is not complete, or a number is far beyond what the
            files fill (``path:line:``).
        ValueError: If there is no such split.
    """
    published = LIGHTGCN.get(name)
    if published is None:
        raise ValueError(f"lightgcn_split: expected name to be one of {', '.join(LIGHTGCN)}, got {name!r}")
    with opened(fetch(published.source, path), published.source) as folder:
        parts = _Parts(
            train=read_item_lists(folder / "train.txt", on_error=on_error),
            test=read_item_lists(folder / "test.txt", on_error=on_error),
            users=_original_ids(folder / "user_list.txt", on_error),
            items=_original_ids(folder / "item_list.txt", on_error),
        )
        if complete:
            _check_complete(folder, published, parts)
        else:
            _check_filled(folder, "user", parts.user_numbers(), slice(1))
            _check_filled(folder, "item", parts.item_numbers(), slice(1, None))
    n_users = published.users if complete else _size(parts.user_numbers())
    n_items = published.items if complete else _size(parts.item_numbers())
    train, test = parts.train, parts.test
    data = Interactions(
        user=np.concatenate([train.user, test.user]),
        item=np.concatenate([train.item, test.item]),
        user_ids=object_array(map(str, range(n_users))),
        item_ids=object_array(map(str, range(n_items))),
        user_features=_features(parts.users, n_users),
        item_features=_features(parts.items, n_items),
        name=published.source.folder,
    )
    in_test = np.arange(len(data)) >= len(train.user)
    return Split(data.select(~in_test), data.select(in_test))


@dataclass(frozen=True)
class _Parts:
    """What the files say; users and items: the ids of the source by number."""

    train: ItemLists
    test: ItemLists
    users: Mapping[int, str]
    items: Mapping[int, str]

    def user_numbers(self) -> dict[str, npt.NDArray[np.int64]]:
        """The users of each file."""
        return _numbers("user_list.txt", self.train.listed, self.test.listed, self.users)

    def item_numbers(self) -> dict[str, npt.NDArray[np.int64]]:
        """The items of each file."""
        return _numbers("item_list.txt", self.train.item, self.test.item, self.items)


def _numbers(
    list_file: str, train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], originals: Mapping[int, str]
) -> dict[str, npt.NDArray[np.int64]]:
    return {"train.txt": train, "test.txt": test, list_file: np.fromiter(originals, np.int64, len(originals))}


def _size(numbers: Mapping[str, npt.NDArray[np.int64]]) -> int:
    return int(max(each.max(initial=0) for each in numbers.values())) + 1


def _check_complete(folder: Location, published: LightGCNData, parts: _Parts) -> None:
    """Refuse files of another size. Where lines were skipped, they count as users, whose items aren't known."""
    remedy = "fetch the files again, or pass complete=False to read them as they are"
    for name, part, expected in (
        ("train.txt", parts.train, published.train),
        ("test.txt", parts.test, published.test),
    ):
        file, found, lines = folder / name, len(part.user), len(part.listed) + part.skipped
        if found > expected or (found < expected and not part.skipped):
            raise DataError(
                f"{file}: not the complete file: expected {expected:,} interactions, found {found:,}; {remedy}"
            )
        if lines != published.users and (part.skipped or part is parts.train):
            raise DataError(
                f"{file}: not the complete file: expected {published.users:,} users, found {lines:,} lines; {remedy}"
            )
        if not part.whole:
            raise DataError(f"{file}: the last line is cut off: no line break at its end; {remedy}")
    skipped = parts.train.skipped + parts.test.skipped
    for what, numbers, expected in (
        ("users", parts.user_numbers(), published.users),
        ("items", parts.item_numbers(), published.items),
    ):
        found = _size(numbers)
        if found > expected or (found < expected and not skipped):
            raise DataError(f"{folder}: expected {what} in 0 … {expected - 1}, found 0 … {found - 1}; {remedy}")


def _check_filled(folder: Location, what: str, numbers: Mapping[str, npt.NDArray[np.int64]], place: slice) -> None:
    """Refuse a number that would make a vocabulary of little else than ids that never occur."""
    largest = _size(numbers) - 1
    if largest < _ALWAYS_FINE:
        return
    n_different = len(np.unique(np.concatenate(list(numbers.values()))))
    if largest < _SPARSEST * n_different:
        return
    name = next(name for name, each in numbers.items() if largest in each)
    line = find_line(folder / name, largest, slice(1, 2) if name.endswith("_list.txt") else place)
    raise DataError(
        f"{folder / name}:{line}: expected {what}s numbered from 0 on, found {what} {largest}, and no more than "
        f"{n_different:,} different ones: all numbers up to the largest are ids, so number the {what}s anew"
    )


def _original_ids(file: Location, on_error: OnError) -> dict[int, str]:
    """The ids of the source by number, or none if there is no such file."""
    if not file.is_file():
        return {}
    malformed = MalformedRows(file, on_error)
    originals: dict[int, str] = {}
    for number, line in enumerate(read_bytes(file).removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        fields = line.split()
        if not fields or (number == 1 and fields[:2] == [b"org_id", b"remap_id"]):
            continue
        shown = line[:80].decode("utf-8", errors="replace").rstrip("\r")
        if len(fields) < 2 or not (fields[1].isdigit() and len(fields[1]) < 10):
            malformed.add(number, f"expected an original id and a number, found {shown!r}")
        elif not _is_utf8(fields[0]):
            malformed.add(number, f"not utf-8 text: {shown!r}")
        elif int(fields[1]) in originals:
            malformed.add(number, f"number {int(fields[1])} was there already")
        else:
            originals[int(fields[1])] = fields[0].decode()
    malformed.report()
    return originals


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _features(originals: Mapping[int, str], size: int) -> "pd.DataFrame | None":
    import pandas as pd

    if not originals:
        return None
    return pd.DataFrame({"original_id": pd.array([originals.get(number) for number in range(size)], dtype="str")})
