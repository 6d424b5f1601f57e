"""The data sets that tfrec knows by name."""

from dataclasses import dataclass
from pathlib import Path

from tfrec.data.movielens import MOVIELENS
from tfrec.data.published import ML_1M_NCF, N_ITEMS, N_TRAIN, N_USERS
from tfrec.data.sources import locate


@dataclass(frozen=True)
class DatasetInfo:
    """A data set that tfrec knows by name.

    Attributes:
        name: Its name, which is its folder's too.
        description: What it is, and the call that loads it.
        users: The number of users.
        items: The number of items with interactions.
        interactions: The number of interactions.
        path: The folder or zip it was found as, or None.
    """

    name: str
    description: str
    users: int
    items: int
    interactions: int
    path: Path | None


def datasets() -> list[DatasetInfo]:
    """The data sets that tfrec knows, and where on this machine they are; nothing is downloaded."""
    known = [
        DatasetInfo(
            name=layout.source.folder,
            description=f'{layout.source.title}: ratings, 1 to 5, with times; tfrec.data.movielens("{name}")',
            users=layout.users.n_rows,
            items=layout.n_rated,
            interactions=layout.ratings.n_rows,
            path=locate(layout.source),
        )
        for name, layout in MOVIELENS.items()
    ]
    split = DatasetInfo(
        name=ML_1M_NCF.folder,
        description=f"{ML_1M_NCF.title}, leave one out with 99 negatives; tfrec.data.ncf_split()",
        users=N_USERS,
        items=N_ITEMS,
        interactions=N_TRAIN + N_USERS,
        path=locate(ML_1M_NCF),
    )
    return [*known, split]
