"""The leave-one-out splits of the NCF paper, so that published figures can be compared with.

He, Liao, Zhang, Nie, Hu and Chua (2017): Neural collaborative filtering. WWW. Each user's last interaction is the test,
ranked against 99 items that the user has no interaction with, drawn once and published with the code.
https://github.com/hexiangnan/neural_collaborative_filtering
"""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from tfrec.data.candidates import Candidates
from tfrec.data.columns import object_array
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.line_blocks import first_lines
from tfrec.data.files.number_blocks import Column
from tfrec.data.files.official_files import TextFile, read_bytes, read_lines, read_numbers
from tfrec.data.files.sources import Location, Source, fetch, opened
from tfrec.data.interactions import Interactions
from tfrec.data.malformed import MalformedRows, OnError

if TYPE_CHECKING:
    import pandas as pd

_URL = "https://github.com/hexiangnan/neural_collaborative_filtering/tree/master/Data"
_N_CANDIDATES = 100


@dataclass(frozen=True)
class NCFData:
    """One of the data sets.

    Attributes:
        name: What its files' names start with.
        source: Where they are.
        users: The number of users, who have a test row each.
        items: The number of items.
        train: The number of training rows.
        explicit: Whether it has ratings and times.
    """

    name: str
    source: Source
    users: int
    items: int
    train: int
    explicit: bool

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the files of rows."""
        return (
            Column("user", 0, self.users - 1),
            Column("item", 0, self.items - 1),
            Column("rating", 1, 5),
            Column("timestamp", 0, 2**62),
        )


def _data(name: str, folder: str, title: str, sizes: tuple[int, int, int], explicit: bool) -> NCFData:
    source = Source(title=f"The NCF paper's split of {title}", folder=folder, main_file=f"{name}.test.rating", url=_URL)
    return NCFData(name, source, *sizes, explicit)


NCF: Mapping[str, NCFData] = MappingProxyType(
    {
        "ml-1m": _data("ml-1m", "ml-1m-ncf", "MovieLens-1M", (6_040, 3_706, 994_169), explicit=True),
        "pinterest-20": _data("pinterest-20", "pinterest-20", "Pinterest", (55_187, 9_916, 1_445_622), explicit=False),
    }
)


class NCFSplit(NamedTuple):
    """Training rows, one test row a user, and the items to rank for each; all three share the vocabularies."""

    train: Interactions
    test: Interactions
    candidates: Candidates


def ncf_split(
    name: str = "ml-1m",
    path: str | os.PathLike[str] | None = None,
    *,
    complete: bool = True,
    on_error: OnError = "raise",
) -> NCFSplit:
    """A leave-one-out split of the NCF paper, with its 99 sampled negatives a user.

    The files are looked for in ``ml-1m-ncf/`` or ``pinterest-20/`` (or its zip) in the folder that TFREC_DATA names:
    ``ml-1m.test.rating`` and ``ml-1m.test.negative``, and the training rows as published, ``ml-1m.train.rating``, or as
    arrays (user, item, rating and optionally ncf_item_to_movie_id), ``ml-1m.train.npz``. Ids are the paper's numbers as
    strings, from "0" on; ``item_features`` has the ``movie_id`` of ML-1M where the arrays tell it. Pinterest has
    neither ratings nor times: what its files have in their place is passed over.

    A row of ``candidates.item`` starts with the user's test item; the negatives follow. For 156 users of ML-1M the
    published negatives have the test item too: it stays a candidate once, as in the paper's own evaluation, and their
    rows end in -1.

    Args:
        name: ``"ml-1m"`` or ``"pinterest-20"``.
        path: A folder or zip with the files, to use instead of searching.
        complete: Insist on the published numbers of rows. With False, files of any length are read as they are.
        on_error: ``"raise"`` for the first malformed row; ``"skip"`` leaves malformed rows out and warns how many. A
            test row whose line of negatives is malformed is left out with it.

    Raises:
        DataNotFoundError: If the files are nowhere, or one of them is missing.
        DataError: If a row is malformed (``path:line:``) or a file is not complete.
        ValueError: If there is no such split.
    """
    published = NCF.get(name)
    if published is None:
        raise ValueError(f"ncf_split: expected name to be one of {', '.join(NCF)}, got {name!r}")
    with opened(fetch(published.source, path), published.source) as folder:
        train_columns, movie_ids = _read_train(folder, published, complete, on_error)
        test_rows = _read_rows(folder / f"{name}.test.rating", published, published.users, complete, on_error)
        negatives = folder / f"{name}.test.negative"
        candidates, kept = _read_candidates(negatives, published, test_rows, complete, on_error)
    train = Interactions(
        **train_columns,
        user_ids=object_array(map(str, range(published.users))),
        item_ids=object_array(map(str, range(published.items))),
        item_features=movie_ids,
        name=published.source.folder,
    )
    test = Interactions(
        **_arrays(test_rows[kept]),
        user_ids=train.user_ids,
        item_ids=train.item_ids,
        item_features=train.item_features,
        name=train.name,
    )
    return NCFSplit(train, test, candidates)


def _read_rows(file: Location, published: NCFData, n_rows: int, complete: bool, on_error: OnError) -> "pd.DataFrame":
    """The columns that a file of rows has; without times a line may end after the rating."""
    columns = published.columns
    if not published.explicit and first_lines(file, 1)[0].count("\t") == 2:
        columns = columns[:3]
    layout = TextFile(file.name, separator="\t", n_fields=len(columns), n_rows=n_rows)
    frame = read_numbers(file, layout, columns, complete=complete, on_error=on_error)
    return frame if published.explicit else frame[["user", "item"]]


def _arrays(frame: "pd.DataFrame") -> dict[str, Any]:
    return {name: frame[name].to_numpy() for name in frame.columns}


def _read_train(
    folder: Location, published: NCFData, complete: bool, on_error: OnError
) -> tuple[dict[str, Any], "pd.DataFrame | None"]:
    """The columns of the training rows, and the movie ids where they are known."""
    text, file = folder / f"{published.name}.train.rating", folder / f"{published.name}.train.npz"
    if text.is_file():
        return _arrays(_read_rows(text, published, published.train, complete, on_error)), None
    if not file.is_file():
        raise DataNotFoundError(f"{folder}: neither {text.name} nor {file.name} is in it")
    content = _read_arrays(file)
    return _train_columns(file, content, published, complete), _movie_ids(file, content, published.items)


def _read_arrays(file: Location) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file."""
    try:
        loaded = np.load(BytesIO(read_bytes(file)), allow_pickle=False)
        if not isinstance(loaded, NpzFile):
            raise DataError(f"{file}: expected several arrays with names (.npz), found one without a name (.npy)")
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, BadZipFile, zlib.error, RuntimeError) as error:
        # RuntimeError: encrypted, or packed in a way that Python doesn't know
        raise DataError(f"{file}: not a file of numpy arrays, or damaged ({error})") from None


def _train_columns(
    file: Location, content: dict[str, npt.NDArray[Any]], published: NCFData, complete: bool
) -> dict[str, Any]:
    wanted = published.columns[: 3 if published.explicit else 2]
    missing = {column.name for column in wanted}.difference(content)
    if missing:
        names = " and ".join([", ".join(column.name for column in wanted[:-1]), wanted[-1].name])
        raise DataError(f"{file}: expected the arrays {names}, found {', '.join(content) or 'none'}")
    columns = {}
    for name, lowest, highest, *_ in wanted:
        values = content[name]
        if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != len(content["user"]):
            raise DataError(f"{file}: expected {name} to be one whole number a row, got {values.dtype} {values.shape}")
        wrong = (values < lowest) | (values > highest)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{file}: expected {name} in {lowest} … {highest}, found {values[row]} in row {row}")
        columns[name] = values
    if complete and len(content["user"]) != published.train:
        found = len(content["user"])
        raise DataError(f"{file}: not the complete split: expected {published.train:,} rows, found {found:,}")
    return columns


def _movie_ids(file: Location, content: dict[str, npt.NDArray[Any]], n_items: int) -> "pd.DataFrame | None":
    import pandas as pd

    movie_ids = content.get("ncf_item_to_movie_id")
    if movie_ids is None:
        return None
    if movie_ids.shape != (n_items,):
        raise DataError(f"{file}: expected {n_items} values in ncf_item_to_movie_id, got shape {movie_ids.shape}")
    return pd.DataFrame({"movie_id": [str(movie) for movie in movie_ids.tolist()]})


def _read_candidates(
    file: Location, published: NCFData, test: "pd.DataFrame", complete: bool, on_error: OnError
) -> tuple[Candidates, npt.NDArray[np.bool_]]:
    """The candidates of the test rows, and which test rows have some."""
    malformed = MalformedRows(file, on_error)
    layout = TextFile(file.name, separator="\t", n_fields=_N_CANDIDATES, n_rows=published.users)
    pairs = zip(test["user"].tolist(), test["item"].tolist(), strict=True)
    waiting = {f"({user},{item})": (row, item) for row, (user, item) in enumerate(pairs)}
    item = np.full((len(test), _N_CANDIDATES), -1, np.int32)
    kept = np.zeros(len(test), np.bool_)
    for number, (pair, *fields) in read_lines(file, layout, complete=complete, malformed=malformed):
        if pair not in waiting:
            malformed.add(number, f"expected a pair of the test, each once, got {pair}")
            continue
        row, positive = waiting.pop(pair)
        wrong = next((text for text in fields if not _is_item(text, published.items)), None)
        if wrong is not None:
            malformed.add(number, f"expected items in 0 … {published.items - 1}, found {wrong!r}")
            continue
        distinct = dict.fromkeys([positive, *map(int, fields)])
        item[row, : len(distinct)] = list(distinct)
        kept[row] = True
    malformed.report()
    if not malformed.skip and waiting:
        raise DataError(f"{file}: expected a line for each test row, found none for {next(iter(waiting))}")
    return Candidates(test["user"].to_numpy()[kept], item[kept]), kept


def _is_item(text: str, n_items: int) -> bool:
    text = text.strip()
    return text.isascii() and text.isdigit() and int(text) < n_items
