"""From an index that faiss has built to its parts in TensorFlow."""

from typing import Any

import numpy as np

from tfrec.retrieval.faiss_building import describe, import_faiss
from tfrec.retrieval.faiss_codes import Codes, Floats, ProductCodes, ScaledBytes
from tfrec.retrieval.faiss_lists import AllVectors, InvertedLists

COMPILED = '"Flat", "IVF…,Flat", "IVF…,PQ…" of 8 bits, "IVF…,SQ8" and "IVF…,SQfp16", each by inner product'


def read(index: Any) -> AllVectors:
    """The parts of a faiss index by inner product, copied, with the probes that are set in it.

    Raises:
        ValueError: it is of a kind that can't be compiled, or empty, or its ids aren't 0, 1, 2, ….
    """
    faiss = import_faiss()
    index = faiss.downcast_index(index)
    if type(index) in (faiss.IndexFlat, faiss.IndexFlatIP):
        _check_filled(index)
        return AllVectors(Floats(index.reconstruct_n(0, index.ntotal)))
    _check_kind(faiss, index)
    _check_filled(index)
    lists = [_list(faiss, index, number) for number in range(index.nlist)]
    positions = np.concatenate([ids for ids, _ in lists])
    if not np.array_equal(np.sort(positions), np.arange(index.ntotal)):
        raise ValueError(
            f"the index must hold the vectors 0 to {index.ntotal - 1}, each once, as add(vectors) numbers them; it has "
            "other ids"
        )
    codes = np.concatenate([codes for _, codes in lists])
    return InvertedLists(
        _codes(faiss, index, codes),
        positions.astype(np.int32),
        np.array([len(ids) for ids, _ in lists], np.int32),
        index.quantizer.reconstruct_n(0, index.nlist),
        residual=type(index) is not faiss.IndexIVFFlat and bool(index.by_residual),
        n_probes=min(index.nprobe, index.nlist),
    )


def _list(faiss: Any, index: Any, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids, int64 [size], and codes, uint8 [size, width], of an inverted list."""
    size = index.invlists.list_size(number)
    if not size:
        return np.zeros(0, np.int64), np.zeros((0, index.code_size), np.uint8)
    ids = faiss.rev_swig_ptr(index.invlists.get_ids(number), size).copy()
    codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.code_size)
    return ids, codes.reshape(size, index.code_size).copy()


def _check_filled(index: Any) -> None:
    if not index.ntotal:
        raise ValueError("the index has no vectors: add some before it is compiled")


def _check_kind(faiss: Any, index: Any) -> None:
    quantizer: Any = faiss.downcast_index(index.quantizer) if hasattr(index, "quantizer") else None
    problem = None
    if not describe(index).startswith("IVF"):
        problem = f"it is of faiss's kind {type(index).__name__}"
    elif type(index) is faiss.IndexIVFPQ and index.pq.nbits != 8:
        problem = f"its codes have {index.pq.nbits} bits"
    elif type(index) is faiss.IndexIVFPQ and index.polysemous_ht:
        problem = "it filters by polysemous codes (polysemous_ht)"
    elif quantizer.metric_type != faiss.METRIC_INNER_PRODUCT:
        problem = "its lists are chosen by another metric than the inner product"
    elif type(quantizer) not in (faiss.IndexFlat, faiss.IndexFlatIP):
        problem = f"its lists are chosen by its {type(quantizer).__name__}, not by all centroids"
    elif index.max_codes:
        problem = f"it searches at most {index.max_codes} codes (max_codes)"
    if problem:
        raise ValueError(
            f"this index can't be compiled into TensorFlow: {problem}. What can: {COMPILED}. "
            "Any other serves in Python, by FaissIndex"
        )


def _codes(faiss: Any, index: Any, codes: np.ndarray) -> Codes:
    if type(index) is faiss.IndexIVFFlat:
        return Floats(codes.view(np.float32))
    if type(index) is faiss.IndexIVFPQ:
        words = faiss.vector_to_array(index.pq.centroids)
        return ProductCodes(codes, words.reshape(index.pq.M, index.pq.ksub, index.pq.dsub))
    if index.sq.qtype == faiss.ScalarQuantizer.QT_fp16:
        return Floats(codes.view(np.float16))
    low, extent = faiss.vector_to_array(index.sq.trained).reshape(2, index.d)
    return ScaledBytes(codes, low, extent)
