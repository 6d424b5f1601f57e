"""Interactions, the loaders that make them and the splits that divide them.

Everything a loader gives is an `Interactions`; everything a model, a split or an evaluator takes is one too. Importing
this package imports numpy only: pandas, scipy and pooch are imported by the functions that need them.
"""

from tfrec.data.candidates import Candidates
from tfrec.data.catalog import DatasetInfo, datasets
from tfrec.data.concatenation import concatenate
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.interactions import Interactions
from tfrec.data.loaders.amazon import amazon, amazon_split
from tfrec.data.loaders.book_crossing import book_crossing
from tfrec.data.loaders.lightgcn_split import lightgcn_split
from tfrec.data.loaders.movielens import movielens
from tfrec.data.loaders.ncf_split import NCFSplit, ncf_split
from tfrec.data.loaders.sequence_split import s3rec_sequences, sequence_split
from tfrec.data.loaders.three_way import ThreeWaySplit
from tfrec.data.malformed import MalformedRowsWarning
from tfrec.data.preprocessing.compaction import compact
from tfrec.data.preprocessing.duplicates import drop_duplicates
from tfrec.data.preprocessing.filters import binarise, k_core, minimum_rating, subsample
from tfrec.data.preprocessing.normalisation import RatingNormaliser, normalise_ratings
from tfrec.data.preprocessing.pipeline import preprocess
from tfrec.data.preprocessing.report import PipelineReport, PipelineResult, Preprocessed, StepReport
from tfrec.data.preprocessing.times import time_window
from tfrec.data.sequences import Sequences
from tfrec.data.splits import Folds, Split, StrongSplit, k_fold, leave_out, random_split, strong_split, temporal_split
from tfrec.data.synthetic.world import SyntheticWorld, synthetic, synthetic_world

__all__ = [
    "Candidates",
    "DataError",
    "DataNotFoundError",
    "DatasetInfo",
    "Folds",
    "Interactions",
    "MalformedRowsWarning",
    "NCFSplit",
    "PipelineReport",
    "PipelineResult",
    "Preprocessed",
    "RatingNormaliser",
    "Sequences",
    "Split",
    "StepReport",
    "StrongSplit",
    "SyntheticWorld",
    "ThreeWaySplit",
    "amazon",
    "amazon_split",
    "binarise",
    "book_crossing",
    "compact",
    "concatenate",
    "datasets",
    "drop_duplicates",
    "k_core",
    "k_fold",
    "leave_out",
    "lightgcn_split",
    "minimum_rating",
    "movielens",
    "ncf_split",
    "normalise_ratings",
    "preprocess",
    "random_split",
    "s3rec_sequences",
    "sequence_split",
    "strong_split",
    "subsample",
    "synthetic",
    "synthetic_world",
    "temporal_split",
    "time_window",
]
