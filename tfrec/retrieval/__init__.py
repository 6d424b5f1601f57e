"""Keras layers from query vectors to the best candidates."""

from tfrec.retrieval.base import Retrieval
from tfrec.retrieval.exact import Exact
from tfrec.retrieval.faiss import Faiss
from tfrec.retrieval.faiss_index import FaissIndex
from tfrec.retrieval.scann import ScaNN

__all__ = ["Exact", "Faiss", "FaissIndex", "Retrieval", "ScaNN"]
