"""The zoo: one file a model, imported as `tfrec.models`."""

from tfrec.models.ease import EASE
from tfrec.models.popularity import Popularity

MODELS = {
    "popularity": Popularity,
    "ease": EASE,
}

__all__ = ["EASE", "MODELS", "Popularity"]
