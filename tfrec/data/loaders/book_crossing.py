"""Book-Crossing: ratings of books, with the quirks of the official dump.

Cai-Nicolas Ziegler, Sean M. McNee, Joseph A. Konstan and Georg Lausen (2005): Improving recommendation lists through
topic diversification. WWW. Collected in four weeks of 2004: 1,149,780 ratings, explicit and implicit, by 105,283 of
278,858 listed users; 271,379 books are described, many of those that are rated are not.
"""

import dataclasses
import html
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.quoted_files import Dialect, read_records
from tfrec.data.files.sources import Location, Source, fetch, opened
from tfrec.data.interactions import Interactions
from tfrec.data.malformed import MalformedRows, OnError

if TYPE_CHECKING:
    import pandas as pd

_RATINGS = ("User-ID", "ISBN", "Book-Rating")
_USERS = ("User-ID", "Location", "Age")
_BOOKS = (
    "ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher",
    "Image-URL-S", "Image-URL-M", "Image-URL-L",
)  # fmt: skip
_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
_VALUES = frozenset(map(str, range(11)))
_WHOLE = re.compile(r"[0-9]{1,9}(?:\.0)?")


@dataclass(frozen=True)
class _File:
    """A file of the dump: its name, the columns, and the official number of rows."""

    name: str
    header: tuple[str, ...]
    n_rows: int


@dataclass(frozen=True)
class _Dump:
    """A form in which the data set is passed on."""

    source: Source
    dialect: Dialect
    ratings: _File
    books: _File
    users: _File


def _dump(names: Sequence[str], dialect: Dialect) -> _Dump:
    ratings, books, users = names
    return _Dump(
        source=Source(
            title="Book-Crossing",
            folder="book-crossing",
            main_file=ratings,
            url="http://www2.informatik.uni-freiburg.de/~cziegler/BX/ (BX-CSV-Dump.zip; or a copy: that site is gone)",
            inner_folder="BX-CSV-Dump",
        ),
        dialect=dialect,
        ratings=_File(ratings, _RATINGS, 1_149_780),
        books=_File(books, _BOOKS, 271_379),
        users=_File(users, _USERS, 278_858),
    )


BOOK_CROSSING = _dump(
    ("BX-Book-Ratings.csv", "BX-Books.csv", "BX-Users.csv"), Dialect(";", encoding="latin-1", backslash=True)
)
_WITH_COMMAS = _dump(("Ratings.csv", "Books.csv", "Users.csv"), Dialect(",", encoding="utf-8", backslash=False))


def book_crossing(
    path: str | os.PathLike[str] | None = None,
    *,
    ratings: Literal["all", "explicit", "implicit"] = "all",
    complete: bool = False,
    on_error: OnError = "raise",
) -> Interactions:
    r"""Book-Crossing, with titles and features.

    The files ``BX-Book-Ratings.csv``, ``BX-Books.csv`` and ``BX-Users.csv`` are looked for in ``book-crossing/``, or
    ``book-crossing.zip``, in the folder that TFREC_DATA names; so are ``Ratings.csv``, ``Books.csv`` and ``Users.csv``,
    the form with commas and UTF-8 in which the data are also passed on.

    Every row of ratings is a row, in the file's order. Ids are text as it stands: ISBNs keep their zeros, and odd ones
    (``2.02.032126.2``, ``"8804501367"`` with its quotes) are items of their own. A rating of zero is not a bad one, but
    says that somebody read the book: see ``ratings``.

    ``item_titles`` has ``""`` for a book that the books file doesn't describe. ``item_features`` has ``author``,
    ``year`` (float; 0 in the file where it is unknown) and ``publisher``; ``user_features`` has ``location`` and
    ``age`` (float, with improbable ones as they are). What is NULL, or not described, is NaN; so is a year or an age
    that is no whole number, such as a publisher's name where a year should be. Entities such as ``&amp;`` are resolved
    and ``\"`` is a quote; letters that the dump itself has spoilt (``ErzÃ?¤hlungen``) stay so.

    Args:
        path: A folder or zip with the files, to use instead of searching.
        ratings: ``"all"``: all rows, with zero for implicit ones. ``"explicit"``: rows with ratings from 1 to 10.
            ``"implicit"``: rows with zero, as data without ratings.
        complete: Insist on the official numbers of rows: 1,149,780 ratings, 271,379 books, 278,858 users.
        on_error: ``"raise"`` for the first malformed row; ``"skip"`` leaves malformed rows out and warns how many.

    Raises:
        DataNotFoundError: If the files are nowhere, or one of them is missing.
        DataError: If a row is malformed (``path:line:``), a file is not complete, or no row is left.
        ValueError: If ``ratings`` is something else.
    """
    if ratings not in ("all", "explicit", "implicit"):
        raise ValueError(f'book_crossing: expected ratings to be "all", "explicit" or "implicit", got {ratings!r}')
    with ExitStack() as stack:
        folder, dump = _open(path, stack)
        frame = _read_ratings(folder / dump.ratings.name, dump, complete, on_error)
        kept = {"all": frame["rating"] >= 0, "explicit": frame["rating"] > 0, "implicit": frame["rating"] == 0}[ratings]
        if not kept.any():
            raise DataError(f"{folder / dump.ratings.name}: expected ratings, found no {ratings} one")
        rating = None if ratings == "implicit" else "rating"
        data = Interactions.from_frame(frame[kept], rating=rating, name=dump.source.folder)
        books = _read_table(folder / dump.books.name, dump, dump.books, complete, on_error)
        users = _read_table(folder / dump.users.name, dump, dump.users, complete, on_error)
    titles, item_features = _book_features(books, data.item_ids)
    user_features = _user_features(users, data.user_ids)
    return dataclasses.replace(data, item_titles=titles, item_features=item_features, user_features=user_features)


def _open(path: str | os.PathLike[str] | None, stack: ExitStack) -> tuple[Location, _Dump]:
    """The folder with the files, and which form of the data set they are."""
    try:
        return stack.enter_context(opened(fetch(BOOK_CROSSING.source, path), BOOK_CROSSING.source)), BOOK_CROSSING
    except DataNotFoundError as problem:
        try:
            return stack.enter_context(opened(fetch(_WITH_COMMAS.source, path), _WITH_COMMAS.source)), _WITH_COMMAS
        except DataNotFoundError:
            raise problem from None


def _read_ratings(file: Location, dump: _Dump, complete: bool, on_error: OnError) -> "pd.DataFrame":
    import pandas as pd

    malformed = MalformedRows(file, on_error)
    rows = []
    for line, fields in read_records(file, dump.dialect, dump.ratings.header, malformed):
        user, book, rating = fields
        if user and book and rating in _VALUES:
            rows.append(fields)
        else:
            malformed.add(line, _problem(user, book, rating))
    malformed.report()
    _check(file, dump.ratings, len(rows) + malformed.count, complete)
    return pd.DataFrame(rows, columns=["user", "item", "rating"], dtype=object).astype({"rating": "int64"})


def _problem(user: str | None, book: str | None, rating: str | None) -> str:
    """What is wrong with a row of ratings."""
    for name, value in zip(_RATINGS, (user, book), strict=False):
        if not value:
            return f"a missing id as {name}"
    return f"expected Book-Rating to be in 0 … 10, found {rating!r}"


def _read_table(
    file: Location, dump: _Dump, table: _File, complete: bool, on_error: OnError
) -> dict[str, list[str | None]]:
    """What stands after the id, by id."""
    malformed = MalformedRows(file, on_error)
    lines: dict[str | None, int] = {}
    described: dict[str, list[str | None]] = {}
    for line, (name, *fields) in read_records(file, dump.dialect, table.header, malformed):
        first = lines.setdefault(name, line)
        if not name:
            malformed.add(line, f"a missing id as {table.header[0]}")
        elif first != line:
            malformed.add(line, f"id {name} was on line {first} already")
        else:
            described[name] = fields
    malformed.report()
    _check(file, table, len(described) + malformed.count, complete)
    return described


def _check(file: Location, table: _File, found: int, complete: bool) -> None:
    if not found:
        raise DataError(f"{file}: expected rows below the header, found none")
    if complete and found != table.n_rows:
        raise DataError(f"{file}: not the complete file: expected {table.n_rows:,} rows, found {found:,}")


def _book_features(
    books: Mapping[str, list[str | None]], ids: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.object_], "pd.DataFrame"]:
    """Titles, and the features of the rated books."""
    import pandas as pd

    nothing: list[str | None] = [None] * (len(_BOOKS) - 1)
    title, author, year, publisher = zip(*(books.get(text, nothing)[:4] for text in ids), strict=True)
    frame = pd.DataFrame({"author": _texts(author), "year": _numbers(year), "publisher": _texts(publisher)})
    return object_array([_resolved(text) or "" for text in title]), frame


def _user_features(users: Mapping[str, list[str | None]], ids: npt.NDArray[np.object_]) -> "pd.DataFrame":
    import pandas as pd

    location, age = zip(*(users.get(text, [None, None]) for text in ids), strict=True)
    return pd.DataFrame({"location": _texts(location), "age": _numbers(age)})


def _texts(values: Sequence[str | None]) -> Any:
    import pandas as pd

    return pd.array([_resolved(text) for text in values], dtype="str")


def _numbers(values: Sequence[str | None]) -> npt.NDArray[np.float64]:
    """Whole numbers, as floats because some are missing."""
    return np.array([float(text) if text is not None and _WHOLE.fullmatch(text) else np.nan for text in values])


def _resolved(text: str | None) -> str | None:
    """Entities as the characters that they stand for; only whole ones, so that ``AT&T`` stays."""
    if text is None or "&" not in text:
        return text
    return _ENTITY.sub(lambda found: html.unescape(found.group()), text)
