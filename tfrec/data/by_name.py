"""Loaders and splits by the names that configurations and the command line have for them."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import MappingProxyType
from typing import Any, Literal

from tfrec.data.interactions import Interactions
from tfrec.data.loaders.amazon import amazon, amazon_split
from tfrec.data.loaders.book_crossing import book_crossing
from tfrec.data.loaders.lightgcn_split import LIGHTGCN, lightgcn_split
from tfrec.data.loaders.movielens import movielens
from tfrec.data.loaders.movielens_layouts import MOVIELENS
from tfrec.data.loaders.ncf_split import NCF, ncf_split
from tfrec.data.loaders.sequence_split import SEQUENCES, s3rec_sequences, sequence_split
from tfrec.data.malformed import OnError
from tfrec.data.splits import k_fold, leave_out, random_split, strong_split, temporal_split
from tfrec.data.synthetic.world import synthetic_world


@wraps(synthetic_world)  # for the signature, which `synthetic` doesn't spell out
def _synthetic(**arguments: Any) -> Interactions:
    return synthetic_world(**arguments).interactions


def _amazon(year: Literal[2014, 2018, 2023]) -> Callable[..., Interactions]:
    """The loader of one edition."""

    def load(
        category: str,
        kind: Literal["5-core", "ratings", "reviews"] = "5-core",
        path: str | None = None,
        *,
        on_error: OnError = "raise",
    ) -> Interactions:
        return amazon(category, year, kind, path, on_error=on_error)

    return load


LOADERS: Mapping[str, Callable[..., Interactions]] = MappingProxyType(
    {
        **{f"ml-{name}": partial(movielens, name) for name in MOVIELENS},
        **{f"amazon-{year}": _amazon(year) for year in (2014, 2018, 2023)},
        "book-crossing": book_crossing,
        **{name: partial(s3rec_sequences, name) for name in SEQUENCES},
        "synthetic": _synthetic,
        "csv": Interactions.from_csv,
        "parquet": Interactions.from_parquet,
    }
)
"""What loads a data set as one whole."""

PUBLISHED_SPLITS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        **{known.source.folder: partial(ncf_split, name) for name, known in NCF.items()},
        **{name: partial(lightgcn_split, name) for name in LIGHTGCN},
        **{name: partial(sequence_split, name) for name in SEQUENCES},
        "amazon-2023": amazon_split,
    }
)
"""What loads a data set as its published split, a tuple with fields out of train, validation, test and candidates."""

SPLITS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "random": random_split,
        "leave_out": leave_out,
        "temporal": temporal_split,
        "strong": strong_split,
        "k_fold": k_fold,
    }
)
"""What splits a data set: a tuple of train and test, or of train, given and hidden, or a sequence of such tuples."""
