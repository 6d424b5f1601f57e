"""Splits as published, so that published figures can be compared with.

He, Liao, Zhang, Nie, Hu and Chua (2017): Neural collaborative filtering. WWW. Leave one out: each user's last rating is
the test, ranked against 99 items the user has not rated, drawn once and published with the code.
https://github.com/hexiangnan/neural_collaborative_filtering
"""

import os
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from tfrec.data.candidates import Candidates
from tfrec.data.columns import object_array
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.interactions import Interactions
from tfrec.data.official_files import Column, Line, TextFile, read_bytes, read_lines, read_numbers
from tfrec.data.sources import Location, Source, fetch, opened

if TYPE_CHECKING:
    import pandas as pd

ML_1M_NCF = Source(
    title="The NCF paper's split of MovieLens-1M",
    folder="ml-1m-ncf",
    main_file="ml-1m.test.rating",
    url="https://github.com/hexiangnan/neural_collaborative_filtering/tree/master/Data",
)
N_USERS, N_ITEMS, N_TRAIN = 6_040, 3_706, 994_169
_TRAIN = TextFile("ml-1m.train.rating", separator="\t", n_fields=4, n_rows=N_TRAIN)
_TRAIN_ARRAYS = "ml-1m.train.npz"
_TEST = TextFile("ml-1m.test.rating", separator="\t", n_fields=4, n_rows=N_USERS)
_NEGATIVES = TextFile("ml-1m.test.negative", separator="\t", n_fields=100, n_rows=N_USERS)
_COLUMNS = (
    Column("user", 0, N_USERS - 1),
    Column("item", 0, N_ITEMS - 1),
    Column("rating", 1, 5),
    Column("timestamp", 0, 2**62),
)


class NCFSplit(NamedTuple):
    """Training rows, one test row a user, and the items to rank for each; all three share the vocabularies."""

    train: Interactions
    test: Interactions
    candidates: Candidates


def ncf_split(name: str = "ml-1m", path: str | os.PathLike[str] | None = None, *, complete: bool = True) -> NCFSplit:
    """The leave-one-out split of the NCF paper, with its 99 sampled negatives a user.

    The files are looked for in ``ml-1m-ncf/`` in the folder that TFREC_DATA names: ``ml-1m.test.rating`` and
    ``ml-1m.test.negative``, and the training rows as published, ``ml-1m.train.rating``, or as arrays (user, item,
    rating and optionally ncf_item_to_movie_id), ``ml-1m.train.npz``. Ids are the paper's numbers as strings, "0" to
    "6039" and "0" to "3705"; ``item_features`` has the ``movie_id`` of ML-1M where the arrays tell it.

    A row of ``candidates.item`` starts with the user's test item; the negatives follow. For 156 users the published
    negatives have the test item too: it stays a candidate once, as in the paper's own evaluation, and their rows end in
    -1.

    Args:
        name: ``"ml-1m"``, the one split there is.
        path: A folder or zip with the files, to use instead of searching.
        complete: Insist on the published numbers of rows. With False, files of any length are read as they are.

    Raises:
        DataNotFoundError: If the files are nowhere, or one of them is missing.
        DataError: If a file is malformed (``path:line:``) or incomplete.
    """
    if name != "ml-1m":
        raise ValueError(f'ncf_split: expected name to be "ml-1m", got {name!r}')
    with opened(fetch(ML_1M_NCF, path), ML_1M_NCF) as folder:
        train_columns, movie_ids = _read_train(folder, complete)
        test_columns = read_numbers(folder / _TEST.name, _TEST, _COLUMNS, complete=complete)
        candidates = _read_candidates(folder / _NEGATIVES.name, test_columns, complete)
    train = Interactions(
        **train_columns,
        user_ids=object_array(map(str, range(N_USERS))),
        item_ids=object_array(map(str, range(N_ITEMS))),
        item_features=movie_ids,
        name=ML_1M_NCF.folder,
    )
    test = Interactions(
        **_arrays(test_columns),
        user_ids=train.user_ids,
        item_ids=train.item_ids,
        item_features=train.item_features,
        name=train.name,
    )
    return NCFSplit(train, test, candidates)


def _arrays(frame: "pd.DataFrame") -> dict[str, Any]:
    return {column.name: frame[column.name].to_numpy() for column in _COLUMNS}


def _read_train(folder: Location, complete: bool) -> tuple[dict[str, Any], "pd.DataFrame | None"]:
    """The columns of the training rows, and the movie ids where they are known."""
    if (folder / _TRAIN.name).is_file():
        return _arrays(read_numbers(folder / _TRAIN.name, _TRAIN, _COLUMNS, complete=complete)), None
    file = folder / _TRAIN_ARRAYS
    if not file.is_file():
        raise DataNotFoundError(f"{folder}: neither {_TRAIN.name} nor {_TRAIN_ARRAYS} is in it")
    try:
        with np.load(BytesIO(read_bytes(file)), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, OSError, BadZipFile) as error:
        raise DataError(f"{file}: not a file of numpy arrays, or damaged ({error})") from None
    return _train_columns(file, content, complete), _movie_ids(file, content)


def _train_columns(file: Location, content: dict[str, npt.NDArray[Any]], complete: bool) -> dict[str, Any]:
    missing = {"user", "item", "rating"}.difference(content)
    if missing:
        raise DataError(f"{file}: expected the arrays user, item and rating, found {', '.join(content) or 'none'}")
    columns = {}
    for name, lowest, highest in _COLUMNS[:3]:
        values = content[name]
        if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != len(content["user"]):
            raise DataError(f"{file}: expected {name} to be one whole number a row, got {values.dtype} {values.shape}")
        wrong = (values < lowest) | (values > highest)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{file}: expected {name} in {lowest} … {highest}, found {values[row]} in row {row}")
        columns[name] = values
    if complete and len(content["user"]) != N_TRAIN:
        raise DataError(f"{file}: not the complete split: expected {N_TRAIN:,} rows, found {len(content['user']):,}")
    return columns


def _movie_ids(file: Location, content: dict[str, npt.NDArray[Any]]) -> "pd.DataFrame | None":
    import pandas as pd

    movie_ids = content.get("ncf_item_to_movie_id")
    if movie_ids is None:
        return None
    if movie_ids.shape != (N_ITEMS,):
        raise DataError(f"{file}: expected {N_ITEMS} values in ncf_item_to_movie_id, got shape {movie_ids.shape}")
    return pd.DataFrame({"movie_id": [str(movie) for movie in movie_ids.tolist()]})


def _read_candidates(file: Location, test: "pd.DataFrame", complete: bool) -> Candidates:
    lines = read_lines(file, _NEGATIVES, complete=complete)
    if len(lines) != len(test):
        raise DataError(f"{file}: expected a line for each of {len(test):,} test rows, found {len(lines):,}")
    item = np.full((len(lines), _NEGATIVES.n_fields), -1, np.int32)
    pairs = zip(test["user"].tolist(), test["item"].tolist(), strict=True)
    for row, (line, (user, positive)) in enumerate(zip(lines, pairs, strict=True)):
        if line.fields[0] != f"({user},{positive})":
            raise DataError(f"{file}:{line.number}: expected ({user},{positive}) as in the test, got {line.fields[0]}")
        distinct = dict.fromkeys([positive, *_negatives(file, line)])
        item[row, : len(distinct)] = list(distinct)
    return Candidates(test["user"].to_numpy(), item)


def _negatives(file: Location, line: Line) -> list[int]:
    fields = [field.strip() for field in line.fields[1:]]
    wrong = next((text for text in fields if not (text.isascii() and text.isdigit() and int(text) < N_ITEMS)), None)
    if wrong is not None:
        raise DataError(f"{file}:{line.number}: expected items in 0 … {N_ITEMS - 1}, found {wrong!r}")
    return [int(text) for text in fields]
