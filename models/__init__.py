"""The zoo: one file a model, imported as `tfrec.models`."""

from tfrec.models.als import ALS
from tfrec.models.ease import EASE
from tfrec.models.lightgcn import LightGCN
from tfrec.models.ncf import NCF
from tfrec.models.popularity import Popularity
from tfrec.models.sasrec import SASRec
from tfrec.models.slim import SLIM
from tfrec.models.svd import SVD
from tfrec.models.svdpp import SVDpp
from tfrec.recommender import Recommender

MODELS: dict[str, type[Recommender]] = {
    "popularity": Popularity,
    "ease": EASE,
    "slim": SLIM,
    "svd": SVD,
    "svdpp": SVDpp,
    "als": ALS,
    "ncf": NCF,
    "lightgcn": LightGCN,
    "sasrec": SASRec,
}

__all__ = ["ALS", "EASE", "MODELS", "NCF", "SLIM", "SVD", "LightGCN", "Popularity", "SASRec", "SVDpp"]
