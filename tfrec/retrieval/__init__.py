"""Keras layers from query vectors to the best candidates."""

from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.exact import Exact
from tfrec.retrieval.scann import ScaNN

__all__ = ["Exact", "Retrieval", "ScaNN"]
