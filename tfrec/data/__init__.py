"""Interactions, the loaders that make them and the splits that divide them.

Everything a loader gives is an `Interactions`; everything a model, a split or an evaluator takes is one too. Importing
this package imports numpy only: pandas, scipy and pooch are imported by the functions that need them.
"""

from tfrec.data.amazon import amazon, amazon_split
from tfrec.data.book_crossing import book_crossing
from tfrec.data.candidates import Candidates
from tfrec.data.catalog import DatasetInfo, datasets
from tfrec.data.compaction import compact
from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.interactions import Interactions
from tfrec.data.lightgcn_split import lightgcn_split
from tfrec.data.malformed import MalformedRowsWarning
from tfrec.data.movielens import movielens
from tfrec.data.normalisation import RatingNormaliser, normalise_ratings
from tfrec.data.preprocessing import binarise, k_core, minimum_rating, subsample
from tfrec.data.preprocessing_duplicates import drop_duplicates
from tfrec.data.preprocessing_pipeline import preprocess
from tfrec.data.preprocessing_report import PipelineReport, PipelineResult, Preprocessed, StepReport
from tfrec.data.preprocessing_time import time_window
from tfrec.data.published import NCFSplit, ncf_split
from tfrec.data.sequence_split import s3rec_sequences, sequence_split
from tfrec.data.sequences import Sequences
from tfrec.data.splits import Folds, Split, StrongSplit, k_fold, leave_out, random_split, strong_split, temporal_split
from tfrec.data.synthetic import SyntheticWorld, synthetic, synthetic_world
from tfrec.data.three_way import ThreeWaySplit

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
