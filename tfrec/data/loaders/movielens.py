"""MovieLens, from the official files.

F. Maxwell Harper and Joseph A. Konstan (2015): The MovieLens datasets: history and context. ACM Transactions on
Interactive Intelligent Systems 5(4). The licence forbids redistribution: the files are found or downloaded, never
packaged. https://grouplens.org/datasets/movielens/
"""

import os

from tfrec.data.encoding import encode_whole_numbers
from tfrec.data.files.official_files import read_numbers
from tfrec.data.files.sources import fetch, opened
from tfrec.data.interactions import Interactions
from tfrec.data.loaders.movielens_items import read_items, read_users
from tfrec.data.loaders.movielens_layouts import MOVIELENS
from tfrec.data.malformed import OnError


def movielens(
    name: str = "100k",
    path: str | os.PathLike[str] | None = None,
    *,
    complete: bool = True,
    features: bool = True,
    on_error: OnError = "raise",
) -> Interactions:
    """A MovieLens data set, with titles and features.

    The files are looked for in the folder that TFREC_DATA names (``ml-100k/`` or ``ml-100k.zip``), then in the cache
    (TFREC_CACHE, or the platform's cache folder), and at last downloaded into the cache, where the official checksum
    guards them. Ids are the official numbers, as strings, in the order of first appearance; rows are in the file's
    order. The vocabulary holds the rated movies only.

    | name | ratings | users | rated movies | stars |
    |---|---|---|---|---|
    | ``"100k"`` | 100,000 | 943 | 1,682 | 1, 2, … 5 |
    | ``"1m"`` | 1,000,209 | 6,040 | 3,706 | 1, 2, … 5 |
    | ``"10m"`` | 10,000,054 | 69,878 | 10,677 | 0.5, 1, … 5 |
    | ``"20m"`` | 20,000,263 | 138,493 | 26,744 | 0.5, 1, … 5 |
    | ``"25m"`` | 25,000,095 | 162,541 | 59,047 | 0.5, 1, … 5 |
    | ``"32m"`` | 32,000,204 | 200,948 | 84,432 | 0.5, 1, … 5 |
    | ``"latest-small"`` | 100,836 in 2018; it may change | 610 | 9,724 | 0.5, 1, … 5 |

    Features: ``item_features`` has a bool column for each genre, and where the data set tells them (20M and later)
    ``imdb_id`` and ``tmdb_id`` (str, "" where there is none). In 100K and 1M ``user_features`` has ``age`` (int; in 1M
    the lower end of an age group), ``gender``, ``occupation`` (in 1M its code) and ``zip_code`` (str).

    Args:
        name: A name of the table, or the same with ``ml-`` before it.
        path: A folder or zip with the official files, to use instead of searching.
        complete: Insist on the official numbers of rows, so that a truncated file is refused. With False, files of any
            length are read as they are: a part of the data set, or one of your own in its layout. Ids in these files
            are numbers: 007 and 7 in the ratings are the same user or movie, whose id is "7"; the other files have to
            write it so.
        features: Read titles and features; with False the file of ratings is enough.
        on_error: What to do with a malformed row: ``"raise"``, or ``"skip"`` it, count it and warn. A movie whose line
            was skipped has the title "" and no genre, and a user has missing features. One that the file says nothing
            of counts as a malformed row if a skipped one may have been its own, and else is an error even so.

    Raises:
        DataNotFoundError: If the files are nowhere and can't be downloaded, or one of them is missing.
        DataError: If a file is malformed (``path:line:``) or incomplete.

    Warns:
        MalformedRowsWarning: If rows were skipped; with their number, and file and line of the first few.
    """
    layout = MOVIELENS.get(str(name).removeprefix("ml-"))
    if layout is None:
        raise ValueError(f"movielens: expected name to be one of {', '.join(MOVIELENS)}; got {name!r}")
    titles, genres, people = None, None, None
    with opened(fetch(layout.source, path), layout.source) as folder:
        file = folder / layout.ratings.name
        ratings = read_numbers(file, layout.ratings, layout.columns, complete=complete, on_error=on_error)
        user, user_ids = encode_whole_numbers(ratings.pop("user").to_numpy())
        item, item_ids = encode_whole_numbers(ratings.pop("item").to_numpy())
        if features:
            titles, genres = read_items(folder, layout, item_ids, complete=complete, on_error=on_error)
            people = read_users(folder, layout, user_ids, complete=complete, on_error=on_error)
    return Interactions(
        user,
        item,
        ratings["rating"].to_numpy(),
        ratings["timestamp"].to_numpy(),
        user_ids=user_ids,  # type: ignore[arg-type]  # any iterable of strings will do
        item_ids=item_ids,  # type: ignore[arg-type]
        item_titles=titles,
        user_features=people,
        item_features=genres,
        name=layout.source.folder,
    )
