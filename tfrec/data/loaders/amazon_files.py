"""The files of the Amazon review data sets: their official names, layouts and places."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.rating_blocks import RatingFields
from tfrec.data.files.sources import FileSource, Location, data_folder, fetch_file, open_zip

_FOLDER = "amazon"

_CSV = RatingFields("user_id", "item_id", "rating", "timestamp")
_REVIEWS = RatingFields("reviewerID", "asin", "overall", "unixReviewTime")
# In 2023's files one review in Grocery_and_Gourmet_Food has a rating of zero.
_2023 = RatingFields("user_id", "parent_asin", "rating", "timestamp", lowest=0.0)
_COLUMNS_2023 = ("user_id", "parent_asin", "rating", "timestamp")

TELLTALE = MappingProxyType({"helpful": 2014, "verified": 2018, "parent_asin": 2023})
"""Fields of reviews that only one edition has."""

_USER_FIRST = ("user_id", "item_id", "rating", "timestamp")
_ITEM_FIRST = ("item_id", "user_id", "rating", "timestamp")


@dataclass(frozen=True)
class Layout:
    """What the files of one edition and kind look like.

    Attributes:
        year: The edition.
        names: What the file of a category may be called, the official name first.
        url: Where it can be downloaded; ``{}`` is the category.
        fields: The names of its fields, and which ratings there are.
        columns: The columns of a CSV in their order; none for JSON lines.
        header: Whether a first line names the columns.
        milliseconds: Whether times are in milliseconds, not seconds.
        folder: Where a download is kept, below ``amazon/<year>/``, and looked for first.
        unofficial: A further name, which doesn't tell the kind: the content must.
    """

    year: int
    names: tuple[str, ...]
    url: str
    fields: RatingFields
    columns: tuple[str, ...] = ()
    header: bool = False
    milliseconds: bool = False
    folder: str = ""
    unofficial: str | None = None

    @property
    def official(self) -> str:
        """The name of the file that is downloaded."""
        return self.url.rpartition("/")[2]


_SNAP = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
_UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"


def _both(*names: str) -> tuple[str, ...]:
    """Each name with ``.gz`` and without."""
    return tuple(name + ending for name in names for ending in (".gz", ""))


def _rating_only(core: str) -> Layout:
    folders = (f"benchmark/{core}/rating_only", f"{core}/rating_only")
    return Layout(
        2023,
        _both(*(f"{folder}/{{}}.csv" for folder in folders), *(["{}.csv"] if core == "0core" else [])),
        f"{_UCSD}/amazon_2023/benchmark/{core}/rating_only/{{}}.csv.gz",
        _2023,
        columns=_COLUMNS_2023,
        header=True,
        milliseconds=True,
        folder=f"{core}/rating_only",
    )


LAYOUTS: Mapping[tuple[int, str], Layout] = MappingProxyType(
    {
        (2014, "5-core"): Layout(
            2014,
            _both("reviews_{}_5.json", "{}_5.json"),
            f"{_SNAP}/reviews_{{}}_5.json.gz",
            _REVIEWS,
            unofficial="{}.json",
        ),
        (2014, "ratings"): Layout(
            2014,
            _both("ratings_{}.csv"),
            f"{_SNAP}/ratings_{{}}.csv",
            _CSV,
            columns=_USER_FIRST,
        ),
        (2014, "reviews"): Layout(2014, _both("reviews_{}.json"), f"{_SNAP}/reviews_{{}}.json.gz", _REVIEWS),
        (2018, "5-core"): Layout(
            2018,
            _both("{}_5.json"),
            f"{_UCSD}/amazon_v2/categoryFilesSmall/{{}}_5.json.gz",
            _REVIEWS,
        ),
        (2018, "ratings"): Layout(
            2018, _both("{}.csv"), f"{_UCSD}/amazon_v2/categoryFilesSmall/{{}}.csv", _CSV, columns=_ITEM_FIRST
        ),
        (2018, "reviews"): Layout(
            2018,
            _both("{}.json"),
            f"{_UCSD}/amazon_v2/categoryFiles/{{}}.json.gz",
            _REVIEWS,
        ),
        (2023, "5-core"): _rating_only("5core"),
        (2023, "ratings"): _rating_only("0core"),
        (2023, "reviews"): Layout(
            2023,
            _both("raw/review_categories/{}.jsonl", "{}.jsonl"),
            f"{_UCSD}/amazon_2023/raw/review_categories/{{}}.jsonl.gz",
            _2023,
            milliseconds=True,
        ),
    }
)

Part = Literal["train", "valid", "test"]


def split_part(core: str, by: str, part: Part) -> Layout:
    """The layout of a part of 2023's ready splits, with or without the history that repeats the earlier rows."""
    names = tuple(
        f"{above}{core}/{by}{ending}/{{}}.{part}.csv{packed}"
        for ending in ("", "_w_his")
        for above in ("benchmark/", "")
        for packed in (".gz", "")
    )
    return Layout(
        2023,
        names,
        f"{_UCSD}/amazon_2023/benchmark/{core}/{by}/{{}}.{part}.csv.gz",
        _2023,
        columns=_COLUMNS_2023,
        header=True,
        milliseconds=True,
        folder=f"{core}/{by}",
    )


@contextmanager
def found(category: str, layout: Layout, path: str | os.PathLike[str] | None) -> Iterator[Location]:
    """The file of a category: given, found or downloaded.

    Args:
        category: The category, as in the file's name.
        layout: What is looked for.
        path: The file; or a folder or a zip that holds it.

    Raises:
        DataNotFoundError: If it is nowhere; the message says what to put where.
        DataError: If a zip can't be read; and in place of one that is raised while a downloaded file is in use, to say
            that this may be removed.
    """
    with ExitStack() as opened:
        if path is None:
            root = data_folder()
            file = None if root is None else _in_folder(root, category, layout, opened)
            if file is not None:
                yield file
                return
            cached = _downloaded(category, layout)
            try:
                yield cached
            except DataError as error:  # no checksum is known, so this may be the first to see that it is another file
                raise DataError(f"{error}; to have {cached} downloaded again, remove it") from None
        else:
            yield _given(Path(path).expanduser(), category, layout, opened)


def _given(path: Path, category: str, layout: Layout, opened: ExitStack) -> Location:
    if path.is_file() and path.suffix != ".zip":
        return path
    file = (_in_zip if path.is_file() else _in_folder)(path, category, layout, opened)
    if file is None and path.exists():
        raise DataNotFoundError(f"{path}: none of {', '.join(_names(category, layout))} is in it")
    if file is None:
        raise DataNotFoundError(f"{path}: there is no such file or folder")
    return file


def _in_folder(root: Path, category: str, layout: Layout, opened: ExitStack) -> Location | None:
    return _search(root, category, layout) or _in_zip(root / f"{_FOLDER}.zip", category, layout, opened)


def _in_zip(path: Path, category: str, layout: Layout, opened: ExitStack) -> Location | None:
    if not path.is_file():
        return None
    return _search(zipfile.Path(opened.enter_context(open_zip(path))), category, layout)


def _names(category: str, layout: Layout) -> list[str]:
    names = [*layout.names, *([layout.unofficial] if layout.unofficial else [])]
    spellings = dict.fromkeys((category, category.replace("_", " ")))
    return [name.format(spelling) for name in names for spelling in spellings]


def _search(root: Location, category: str, layout: Layout) -> Location | None:
    above = (f"{_FOLDER}/{layout.year}", _FOLDER, str(layout.year), "")
    names = dict.fromkeys(f"{folder}/{name}".removeprefix("/") for folder in above for name in _names(category, layout))
    return next((root / name for name in names if (root / name).is_file()), None)


def _downloaded(category: str, layout: Layout) -> Path:
    return fetch_file(
        FileSource(
            title=f"Amazon {layout.year}, {category}",
            folder="/".join(filter(None, (_FOLDER, str(layout.year), layout.folder))),
            name=layout.official.format(category),
            url=layout.url.format(category),
            md5=None,  # none are published; a gzip has its own
            downloadable=True,
        )
    )
