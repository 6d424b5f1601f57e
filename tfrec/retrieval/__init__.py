"""Keras layers from query vectors to the best candidates."""

from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.exact import Exact

__all__ = ["Exact", "Retrieval"]
