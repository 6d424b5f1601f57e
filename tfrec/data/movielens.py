"""MovieLens-100K and -1M, from the official files.

F. Maxwell Harper and Joseph A. Konstan (2015): The MovieLens datasets: history and context. ACM Transactions on
Interactive Intelligent Systems 5(4). The licence forbids redistribution: the files are found or downloaded, never
packaged. https://grouplens.org/datasets/movielens/
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError
from tfrec.data.interactions import Interactions
from tfrec.data.official_files import Column, Line, TextFile, read_lines, read_numbers
from tfrec.data.sources import Location, Source, fetch, opened

if TYPE_CHECKING:
    import pandas as pd

_GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Film-Noir",
    "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


@dataclass(frozen=True)
class MovieLens:
    """One of the MovieLens data sets: its files and what is in them.

    Attributes:
        source: Where the files come from; its main file has the ratings.
        ratings: Layout of the ratings file.
        users: Layout of the users file.
        items: Layout of the movies file, which lists movies without ratings too.
        n_rated: The number of movies with ratings.
        user_fields: Names of the fields of a user, after the id.
        genres: Names of the genres; in the order of the flags if the movies file has flags.
    """

    source: Source
    ratings: TextFile
    users: TextFile
    items: TextFile
    n_rated: int
    user_fields: tuple[str, ...]
    genres: tuple[str, ...]


ML_100K = MovieLens(
    source=Source(
        title="MovieLens-100K",
        folder="ml-100k",
        main_file="u.data",
        url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        md5="0e33842e24a9c977be4e0107933c0723",
    ),
    ratings=TextFile("u.data", separator="\t", n_fields=4, n_rows=100_000),
    users=TextFile("u.user", separator="|", n_fields=5, n_rows=943),
    items=TextFile("u.item", separator="|", n_fields=24, n_rows=1_682),
    n_rated=1_682,
    user_fields=("age", "gender", "occupation", "zip_code"),
    genres=("unknown", *_GENRES),
)

ML_1M = MovieLens(
    source=Source(
        title="MovieLens-1M",
        folder="ml-1m",
        main_file="ratings.dat",
        url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        md5="c4d9eecfca2ab87c1945afe126590906",
    ),
    ratings=TextFile("ratings.dat", separator="::", n_fields=4, n_rows=1_000_209),
    users=TextFile("users.dat", separator="::", n_fields=5, n_rows=6_040),
    items=TextFile("movies.dat", separator="::", n_fields=3, n_rows=3_883),
    n_rated=3_706,
    user_fields=("gender", "age", "occupation", "zip_code"),
    genres=_GENRES,
)

MOVIELENS: Mapping[str, MovieLens] = MappingProxyType({"100k": ML_100K, "1m": ML_1M})

_RATINGS = (
    Column("user", 1, 2**31 - 1),
    Column("item", 1, 2**31 - 1),
    Column("rating", 1, 5),
    Column("timestamp", 0, 2**62),
)


def movielens(name: str = "100k", path: str | os.PathLike[str] | None = None, *, complete: bool = True) -> Interactions:
    """MovieLens-100K or -1M, with titles and features.

    The files are looked for in the folder that TFREC_DATA names (``ml-100k/`` or ``ml-100k.zip``), then in the cache
    (TFREC_CACHE, or the platform's cache folder), and at last downloaded into the cache, where the official checksum
    guards them. Ids are the official numbers, as strings, in the order of first appearance; rows are in the file's
    order. The vocabulary holds the rated movies only.

    Features: ``item_features`` has a bool column for each genre; ``user_features`` has ``age`` (int; in ML-1M the lower
    end of an age group), ``gender``, ``occupation`` (in ML-1M its code) and ``zip_code`` (str).

    Args:
        name: ``"100k"`` or ``"1m"``; ``"ml-100k"`` and ``"ml-1m"`` are the same.
        path: A folder or zip with the official files, to use instead of searching.
        complete: Insist on the official numbers of rows, so that a truncated file is refused. With False, files of any
            length are read as they are: a part of the data set, or one of your own in its layout.

    Returns:
        100,000 ratings of 943 users and 1,682 movies, or 1,000,209 of 6,040 and 3,706, with their times.

    Raises:
        DataNotFoundError: If the files are nowhere and can't be downloaded, or one of them is missing.
        DataError: If a file is malformed (``path:line:``) or incomplete.
    """
    layout = MOVIELENS.get(str(name).removeprefix("ml-"))
    if layout is None:
        raise ValueError(f'movielens: expected name to be "100k" or "1m", got {name!r}')
    with opened(fetch(layout.source, path), layout.source) as folder:
        ratings = read_numbers(folder / layout.ratings.name, layout.ratings, _RATINGS, complete=complete)
        data = Interactions.from_frame(ratings, name=layout.source.folder)
        titles, genres = _read_items(folder / layout.items.name, layout, data.item_ids, complete)
        users = _read_users(folder / layout.users.name, layout, data.user_ids, complete)
    return dataclasses.replace(data, item_titles=titles, item_features=genres, user_features=users)


def _read_items(
    file: Location, layout: MovieLens, ids: npt.NDArray[np.object_], complete: bool
) -> tuple[npt.NDArray[np.object_], "pd.DataFrame"]:
    """Titles, and a bool column for each genre, of the rated movies."""
    import pandas as pd

    lines = _lines_of(file, layout.items, ids, complete)
    genres = np.array([_genre_flags(file, line, layout.genres) for line in lines], dtype=bool)
    frame = pd.DataFrame(genres.reshape(len(ids), -1), columns=list(layout.genres))
    return object_array([line.fields[1] for line in lines]), frame


def _genre_flags(file: Location, line: Line, genres: Sequence[str]) -> list[bool]:
    flags = line.fields[-len(genres) :]
    if len(line.fields) == 3:
        present = line.fields[2].split("|")
        unknown = set(present).difference(genres)
        if unknown:
            raise DataError(f"{file}:{line.number}: unknown genres {sorted(unknown)}")
        return [genre in present for genre in genres]
    if not set(flags) <= {"0", "1"}:
        raise DataError(f"{file}:{line.number}: expected {len(genres)} genre flags, 0 or 1, found {flags}")
    return [flag == "1" for flag in flags]


def _read_users(file: Location, layout: MovieLens, ids: npt.NDArray[np.object_], complete: bool) -> "pd.DataFrame":
    import pandas as pd

    lines = _lines_of(file, layout.users, ids, complete)
    position = 1 + layout.user_fields.index("age")
    for line in lines:
        age = line.fields[position]
        if not (age.isascii() and age.isdigit()):
            raise DataError(f"{file}:{line.number}: expected an age, found {age!r}")
    frame = pd.DataFrame([line.fields[1:] for line in lines], columns=list(layout.user_fields))
    return frame.astype({"age": "int64"})


def _lines_of(file: Location, layout: TextFile, ids: npt.NDArray[np.object_], complete: bool) -> list[Line]:
    """The lines that describe the given ids, in their order."""
    lines: dict[str, Line] = {}
    for line in read_lines(file, layout, complete=complete, encoding="latin-1"):
        first = lines.setdefault(line.fields[0], line)
        if first is not line:
            raise DataError(f"{file}:{line.number}: id {line.fields[0]} was on line {first.number} already")
    absent = next((text for text in ids if text not in lines), None)
    if absent is not None:
        raise DataError(f"{file}: no line for id {absent}, which the ratings have")
    return [lines[text] for text in ids]
