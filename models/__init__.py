"""The zoo: one file a model, imported as `tfrec.models`."""

from tfrec.models.als import ALS
from tfrec.models.ease import EASE
from tfrec.models.popularity import Popularity
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
}

__all__ = ["ALS", "EASE", "MODELS", "SLIM", "SVD", "Popularity", "SVDpp"]
