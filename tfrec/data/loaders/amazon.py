"""Amazon reviews by category: the editions of 2014, 2018 and 2023.

R. He, J. McAuley (2016): Ups and downs. WWW (2014's edition, https://jmcauley.ucsd.edu/data/amazon). J. Ni, J. Li, J.
McAuley (2019): Justifying recommendations using distantly-labeled reviews and fine-grained aspects. EMNLP (2018's,
https://nijianmo.github.io/amazon). Y. Hou, J. Li, Z. He, A. Yan, X. Chen, J. McAuley (2024): Bridging language and
items for retrieval and recommendation. arXiv 2403.03952 (2023's, https://amazon-reviews-2023.github.io).
"""

import json
import os
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from tfrec.data.errors import DataError
from tfrec.data.files.line_blocks import first_lines
from tfrec.data.files.rating_blocks import read_csv_ratings, read_json_ratings
from tfrec.data.files.sources import Location
from tfrec.data.interactions import Interactions
from tfrec.data.loaders.amazon_files import LAYOUTS, TELLTALE, Layout, Part, found, split_part
from tfrec.data.loaders.three_way import ThreeWaySplit, join_parts
from tfrec.data.malformed import OnError

_CATEGORY = re.compile(r"[A-Za-z0-9]+(?:[ _&,'-]+[A-Za-z0-9]+)*")
_ASIN = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_SAMPLE = 1000  # lines that are looked at before the whole file is read
_PARTS: tuple[Part, ...] = ("train", "valid", "test")


def amazon(
    category: str,
    year: Literal[2014, 2018, 2023] = 2018,
    kind: Literal["5-core", "ratings", "reviews"] = "5-core",
    path: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "raise",
) -> Interactions:
    """The ratings of one category of the Amazon review data.

    The layout of a file follows from its edition and kind, and is never guessed; but a file that has plainly another
    one (columns the other way round, a header too many, reviews of another edition) is refused with the way out.

    ======  ===========  ==========================================  ==========================================
    year    kind         official file of a category C               what is in it
    ======  ===========  ==========================================  ==========================================
    2014    "5-core"     reviews_C_5.json.gz                         reviews, JSON lines; users and items with
                                                                     at least five
    2014    "ratings"    ratings_C.csv                               user, item, rating, time
    2014    "reviews"    reviews_C.json.gz                           all reviews, JSON lines
    2018    "5-core"     C_5.json.gz                                 reviews, JSON lines
    2018    "ratings"    C.csv                                       **item, user**, rating, time
    2018    "reviews"    C.json.gz                                   all reviews, JSON lines
    2023    "5-core"     5core/rating_only/C.csv.gz                  header, user, item, rating, milliseconds
    2023    "ratings"    0core/rating_only/C.csv.gz, or C.csv.gz     the same, of all users and items
    2023    "reviews"    C.jsonl.gz                                  all reviews, JSON lines
    ======  ===========  ==========================================  ==========================================

    Files may be unpacked, and are looked for in the folder that TFREC_DATA names: in ``amazon/2018/`` (the year), then
    in ``amazon/``, or in ``amazon.zip``; a plain ``C.json`` is taken for 2014's 5-core reviews if its content is that.
    Otherwise the file is downloaded into the cache; its publishers give no checksums, so its length is checked, and a
    gzip checks itself. A CSV whose last line has no line break counts as cut off there.

    Every row of the file is a row, in its order: 2018's files have reviews more than once. Ids are the file's, of items
    the ASIN (in 2023 the ``parent_asin``); ratings are 1 to 5 (in 2023 one is 0); times are rounded down to seconds.
    Review texts are passed over, so memory goes to the columns alone; a long file shows its progress.

    Args:
        category: As in the file's name, such as ``"Musical_Instruments"``; spaces stand for underscores.
        year: The edition.
        kind: Which of its files.
        path: The file, or a folder or a zip that holds it, to use instead of searching.
        on_error: ``"raise"`` for the first malformed row; ``"skip"`` leaves malformed rows out and warns how many.

    Raises:
        DataNotFoundError: If the file is nowhere and can't be downloaded.
        DataError: If a row is malformed (``path:line:``), or the file has another layout.
        ValueError: If there is no such edition or kind.
    """
    category = _checked_category("amazon", category)
    layout = LAYOUTS.get((year, kind))
    if layout is None:
        known = ", ".join(f"year={year}, kind={kind!r}" for year, kind in LAYOUTS)
        raise ValueError(f"amazon: expected one of {known}; got year={year!r}, kind={kind!r}")
    with found(category, layout, path) as file:
        fields = _read(file, layout, on_error)
        if layout.unofficial is not None and file.name.replace(" ", "_") == layout.unofficial.format(category):
            _check_core(file, fields)
    return Interactions(**fields, name=f"amazon-{year}-{category}" + ("" if kind == "reviews" else f"-{kind}"))


def amazon_split(
    category: str,
    by: Literal["last_out", "timestamp"] = "last_out",
    kind: Literal["5-core", "ratings"] = "5-core",
    path: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "raise",
) -> ThreeWaySplit:
    """One of the ready splits of 2023's Amazon review data.

    The files are ``5core/last_out/C.train.csv.gz``, ``C.valid.csv.gz`` and ``C.test.csv.gz`` (``0core/`` for all users
    and items; ``timestamp/`` for a split by time), looked for and downloaded as `amazon` does. Those of
    ``last_out_w_his/`` and ``timestamp_w_his/`` will do as well: their column ``history`` repeats a user's earlier
    items, and is passed over.

    Args:
        category: As in the files' names.
        by: ``"last_out"``: each user's last item is the test, the one before the validation. ``"timestamp"``: the same
            two moments divide all users' rows.
        kind: ``"5-core"``: users and items with at least five ratings; ``"ratings"``: all.
        path: A folder or a zip that holds the files, to use instead of searching.
        on_error: As for `amazon`.

    Returns:
        Training, validation and test rows that share the vocabularies, which are in the order of first appearance.

    Raises:
        DataNotFoundError: If a file is nowhere and can't be downloaded.
        DataError: If a row is malformed (``path:line:``), or a file has another layout.
        ValueError: If ``by`` or ``kind`` is something else.
    """
    category = _checked_category("amazon_split", category)
    core = {"5-core": "5core", "ratings": "0core"}.get(kind)
    if core is None or by not in ("last_out", "timestamp"):
        raise ValueError(
            'amazon_split: expected by to be "last_out" or "timestamp" and kind to be "5-core" or "ratings", '
            f"got by={by!r}, kind={kind!r}"
        )
    if path is not None and os.path.isfile(path) and not os.fspath(path).endswith(".zip"):
        raise ValueError(f"amazon_split: expected path to be the folder or zip of three files, got the file {path}")
    parts = []
    for part in _PARTS:
        layout = split_part(core, by, part)
        with found(category, layout, path) as file:
            parts.append(_read(file, layout, on_error))
    return join_parts(parts, f"amazon-2023-{category}-{kind}-{by}")


def _checked_category(caller: str, category: str) -> str:
    if not (isinstance(category, str) and _CATEGORY.fullmatch(category)):
        raise ValueError(f'{caller}: expected a category such as "Musical_Instruments", got {category!r}')
    return category.replace(" ", "_")


def _read(file: Location, layout: Layout, on_error: OnError) -> dict[str, Any]:
    """The columns of `Interactions` from a file whose beginning has the layout that it should have."""
    beginning = first_lines(file, _SAMPLE)
    if layout.columns:
        columns = _check_csv(file, layout, beginning)
        fields = read_csv_ratings(file, columns, layout.fields, header=layout.header, on_error=on_error)
    else:
        _check_json(file, layout, beginning[0])
        fields = read_json_ratings(file, layout.fields, on_error=on_error)
    if layout.milliseconds:
        fields["timestamp"] //= 1000
    return fields


def _check_json(file: Location, layout: Layout, line: str) -> None:
    """Refuse a CSV, and reviews of another edition."""
    if not line.lstrip().startswith("{"):
        raise DataError(
            f'{file}:1: expected reviews as JSON lines, found {line[:80]!r}; for a CSV of ratings pass kind="ratings"'
        )
    try:
        record = json.loads(line)
    except ValueError:
        return  # a malformed row like any other
    for name, year in TELLTALE.items():
        if isinstance(record, dict) and name in record and year != layout.year:
            raise DataError(
                f"{file}:1: the field {name!r} is of the edition of {year}, not of {layout.year}: pass {year=}"
            )


def _check_csv(file: Location, layout: Layout, lines: Sequence[str]) -> list[str]:
    """The names of all columns; refuse JSON lines, a header too many or missing, and items in the users' place."""
    if lines[0].startswith("{"):
        raise DataError(
            f'{file}:1: expected ratings as CSV, found JSON: its kind is another one, such as "5-core" or "reviews"'
        )
    columns = list(layout.columns)
    names = lines[0].rstrip("\r").split(",")
    if layout.header:
        if names not in (columns, [*columns, "history"]):
            raise DataError(
                f"{file}:1: expected the header {','.join(columns)}, found {lines[0][:80]!r}; ratings-only files of "
                "2014 and 2018 have none: pass their year"
            )
        return names
    if names[0] == "user_id":
        raise DataError(f"{file}:1: the header {lines[0][:80]!r} is of the edition of 2023: pass year=2023")
    _check_order(file, columns, [line.replace('"', "").split(",") for line in lines])
    return columns


def _check_order(file: Location, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """ASINs have a shape of their own, which ids of users don't have."""
    shares = {}
    for name in ("user_id", "item_id"):
        position = columns.index(name)
        values = {row[position] for row in rows if len(row) == len(columns)}
        shares[name] = np.mean([_ASIN.fullmatch(value) is not None for value in values]) if values else 0.0
    if shares["user_id"] > 0.5 > shares["item_id"]:
        order = " and ".join("first" if columns[0] == name else "second" for name in ("user_id", "item_id"))
        raise DataError(
            f"{file}:1: expected users and items in the {order} column, but they are the other way round: ratings-only "
            "files of 2014 have the user first, those of 2018 the item; pass the year that the file is of"
        )


def _check_core(file: Location, fields: dict[str, Any]) -> None:
    """A file whose name doesn't tell its kind has to be what it is taken for."""
    for name in ("user", "item"):
        counts = np.bincount(fields[name])
        if counts.min() < 5:
            fewest = fields[f"{name}_ids"][int(counts.argmin())]
            raise DataError(
                f"{file}: not the 5-core reviews of 2014: {name} {fewest} has {counts.min()} of them; name the file as "
                'its publishers did (reviews_C_5.json, or reviews_C.json for kind="reviews")'
            )
