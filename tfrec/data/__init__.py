"""Interactions, the loaders that make them and the splits that divide them.

Everything a loader gives is an `Interactions`; everything a model, a split or an evaluator takes is one too. Importing
this package imports numpy only: pandas, scipy and pooch are imported by the functions that need them.
"""

from tfrec.data.candidates import Candidates
from tfrec.data.catalog import DatasetInfo, datasets
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.interactions import Interactions
from tfrec.data.movielens import movielens
from tfrec.data.published import NCFSplit, ncf_split
from tfrec.data.sequences import Sequences
from tfrec.data.splits import Split, random_split
from tfrec.data.synthetic import synthetic

__all__ = [
    "Candidates",
    "DataError",
    "DataNotFoundError",
    "DatasetInfo",
    "Interactions",
    "NCFSplit",
    "Sequences",
    "Split",
    "datasets",
    "movielens",
    "ncf_split",
    "random_split",
    "synthetic",
]
