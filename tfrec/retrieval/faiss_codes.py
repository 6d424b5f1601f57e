"""How an inverted file keeps vectors, in stock TensorFlow ops: as they are, or as codes from which they are decoded.

Source: Jégou, Douze & Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011.
"""

from typing import Any

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf


class Codes(tf.Module):
    """A row of codes for each vector.

    Args:
        kept: the codes, [n, width].
    """

    def __init__(self, kept: np.ndarray) -> None:
        super().__init__()
        self.kept = tf.Variable(kept, trainable=False, name="codes")

    def decode(self, codes: Tensor) -> Tensor:
        """Vectors of codes: [..., width] → float32 [..., dimension]."""
        raise NotImplementedError(f"{type(self).__name__} must implement decode")

    def products(self, codes: Tensor, query: Tensor) -> Tensor:
        """Inner products of a query, float32 [dimension], with the vectors of codes, [n, width]: float32 [n]."""
        raise NotImplementedError(f"{type(self).__name__} must implement products")


class Floats(Codes):
    """Vectors as they are, in float32 or float16."""

    def decode(self, codes: Tensor) -> Tensor:
        """The numbers themselves."""
        return tf.cast(codes, tf.float32)

    def products(self, codes: Tensor, query: Tensor) -> Tensor:
        """Products with the numbers themselves."""
        return _times(self.decode(codes), query)


class ScaledBytes(Codes):
    """A byte for each dimension: x = low + range (byte + ½) / 255, faiss's 8-bit scalar quantiser.

    Args:
        kept: uint8 [n, dimension].
        low, extent: of each dimension, float32 [dimension].
    """

    def __init__(self, kept: np.ndarray, low: np.ndarray, extent: np.ndarray) -> None:
        super().__init__(kept)
        self.step = tf.Variable(extent / np.float32(255), trainable=False, name="step")
        self.first = tf.Variable(low + extent * np.float32(0.5 / 255), trainable=False, name="first")

    def decode(self, codes: Tensor) -> Tensor:
        """The middle of each byte's interval."""
        return self.first + self.step * tf.cast(codes, tf.float32)

    def products(self, codes: Tensor, query: Tensor) -> Tensor:
        """The query takes the scale, so that bytes are multiplied as they are."""
        return _times(tf.cast(codes, tf.float32), query * self.step) + tf.reduce_sum(query * self.first)


class ProductCodes(Codes):
    """A byte for each of M equal parts of a vector: which of the part's 256 codewords is nearest.

    Args:
        kept: uint8 [n, M].
        codewords: float32 [M, 256, dimension / M].
    """

    def __init__(self, kept: np.ndarray, codewords: np.ndarray) -> None:
        super().__init__(kept)
        self.n_parts, self.n_words, self.part_width = codewords.shape
        self.codewords = tf.Variable(codewords, trainable=False, name="codewords")

    def _places(self, codes: Tensor) -> Tensor:
        """Where the codewords of codes stand if those of all parts are one list: int32 [..., M]."""
        return tf.cast(codes, tf.int32) + self.n_words * tf.range(self.n_parts)

    def decode(self, codes: Tensor) -> Tensor:
        """Codewords side by side."""
        words = tf.reshape(linalg.whole(self.codewords), [-1, self.part_width])
        parts = tf.gather(words, self._places(codes))
        return tf.reshape(parts, tf.concat([tf.shape(codes)[:-1], [self.n_parts * self.part_width]], axis=0))

    def products(self, codes: Tensor, query: Tensor) -> Tensor:
        """From a table of the products of the query's parts with all codewords."""
        parts = tf.reshape(query, [self.n_parts, self.part_width, 1])
        table = tf.reshape(tf.matmul(linalg.whole(self.codewords), parts), [-1])
        return tf.reduce_sum(tf.gather(table, self._places(codes)), axis=1)


def _times(rows: Tensor, query: Tensor) -> Any:
    return tf.matmul(rows, query[:, tf.newaxis])[:, 0]
