"""The data sets that tfrec knows by name."""

from dataclasses import dataclass
from pathlib import Path

from tfrec.data.files.sources import cache_folder, data_folder, locate
from tfrec.data.loaders.amazon_files import LAYOUTS
from tfrec.data.loaders.book_crossing import BOOK_CROSSING
from tfrec.data.loaders.lightgcn_split import LIGHTGCN, LightGCNData
from tfrec.data.loaders.movielens_layouts import MOVIELENS
from tfrec.data.loaders.ncf_split import NCF, NCFData
from tfrec.data.loaders.sequence_split import SEQUENCES, SequenceData


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that tfrec knows by name, or a family of them.

    Attributes:
        name: Its name, which is its folder's too.
        description: What it is.
        call: The call that loads it.
        users: The number of users; None for a family.
        items: The number of items with interactions, likewise.
        interactions: The number of interactions, likewise.
        path: The file, folder or zip it was found as, or None.
    """

    name: str
    description: str
    call: str
    users: int | None
    items: int | None
    interactions: int | None
    path: Path | None


def datasets() -> list[DatasetInfo]:
    """The data sets that tfrec knows, and where on this machine they are; nothing is downloaded."""
    return [*_movielens(), *_amazon(), _book_crossing(), *_published_splits()]


def _movielens() -> list[DatasetInfo]:
    return [
        DatasetInfo(
            name=known.source.folder,
            description=f"{known.source.title}: ratings, {known.columns[2].lowest} to 5, with times, titles and genres",
            call=f'tfrec.data.movielens("{name}")',
            users=known.n_users,
            items=known.n_rated,
            interactions=known.n_ratings,
            path=locate(known.source),
        )
        for name, known in MOVIELENS.items()
    ]


def _amazon() -> list[DatasetInfo]:
    return [
        DatasetInfo(
            name=f"amazon-{year}",
            description=f"Amazon reviews up to {year}, a data set a category: ratings, 1 to 5, with times",
            call=f"tfrec.data.amazon(category, {year})",
            users=None,
            items=None,
            interactions=None,
            path=_amazon_folder(year),
        )
        for year in sorted({year for year, _ in LAYOUTS})
    ]


def _amazon_folder(year: int) -> Path | None:
    roots = [root / "amazon" for root in (data_folder(), cache_folder()) if root is not None]
    return next((folder for root in roots for folder in (root / str(year), root) if folder.is_dir()), None)


def _book_crossing() -> DatasetInfo:
    return DatasetInfo(
        name=BOOK_CROSSING.source.folder,
        description="Book-Crossing: ratings of books, 1 to 10, and zeros for books that were read; with titles",
        call="tfrec.data.book_crossing()",
        users=105_283,
        items=340_556,
        interactions=BOOK_CROSSING.ratings.n_rows,
        path=locate(BOOK_CROSSING.source),
    )


def _published_splits() -> list[DatasetInfo]:
    ncf = [
        _published("ncf_split", name, known, "leave one out, with 99 sampled negatives", known.train + known.users)
        for name, known in NCF.items()
    ]
    lightgcn = [
        _published(
            "lightgcn_split", name, known, "training and test part, without ratings and times", known.train + known.test
        )
        for name, known in LIGHTGCN.items()
    ]
    sequences = [
        _published("sequence_split", name, known, "items in the order of time", known.interactions)
        for name, known in SEQUENCES.items()
    ]
    return [*ncf, *lightgcn, *sequences]


def _published(
    loader: str, name: str, known: NCFData | LightGCNData | SequenceData, what: str, interactions: int
) -> DatasetInfo:
    return DatasetInfo(
        name=known.source.folder,
        description=f"{known.source.title}: {what}",
        call=f'tfrec.data.{loader}("{name}")',
        users=known.users,
        items=known.items,
        interactions=interactions,
        path=locate(known.source),
    )
