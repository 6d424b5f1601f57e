"""The inverse of a symmetric positive definite matrix that is too large to be held more than once."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.linalg._blocks import block_offsets
from tfrec.linalg.inverse import check_positive_definite, inverse_cholesky_factor

# Small enough that the blocks on the diagonal, which are computed whole, cost little (9 % of all operations for 40,000
# rows), and large enough for products at the machine's full rate.
_TILE = 1280


class TiledInverse:
    """P = A⁻¹, of which the lower triangle is kept: n²/2 numbers while it is computed and afterwards.

    A = L Lᵀ, then M = L⁻¹, then P = MᵀM, each in the place of the one before, with the accuracy of `spd_inverse`: about
    n³ floating-point operations, nearly all of them in products of tiles.

    Args:
        rows: gives A a few rows at a time: `rows(start, end)` is float32 [end - start, n]. Called once for every row.
        size: n, the number of rows.

    Raises:
        ValueError: the matrix is not positive definite in single precision.
    """

    def __init__(self, rows: Callable[[int, int], Tensor], size: int) -> None:
        self._offsets = block_offsets(size, -(-size // _TILE))
        # Strips of rows, each up to its tile on the diagonal, are kept whole, and taken apart only to be computed with.
        # Tiles kept one by one and replaced one by one would fragment the heap, which then takes twice as much; strips
        # are so large that the system takes back at once what is freed of them.
        self._strips = [rows(start, end)[:, :end] for start, end in self.strips]
        self._factorise()
        self._invert_factor()
        self._multiply_factors()

    @property
    def strips(self) -> list[tuple[int, int]]:
        """Where the strips of rows start and end, for `rows`."""
        return list(zip(self._offsets[:-1], self._offsets[1:], strict=True))

    def diagonal(self) -> Tensor:
        """The diagonal of P: float32 [n]."""
        parts = [tf.linalg.diag_part(self._tile(i, i)) for i in range(len(self._strips))]
        return tf.concat(parts, axis=0)

    def rows(self, strip: int) -> Tensor:
        """One strip of P: float32 [end - start, n]."""
        below = self._column(strip, strip + 1, len(self._strips))
        return tf.concat([self._strips[strip], *(tf.transpose(tile) for tile in below)], axis=1)

    def _row(self, i: int) -> list[Tensor]:
        """The tiles of a strip."""
        return tf.split(self._strips[i], np.diff(self._offsets[: i + 2]), axis=1)

    def _tile(self, i: int, j: int) -> Tensor:
        return self._strips[i][:, self._offsets[j] : self._offsets[j + 1]]

    def _column(self, j: int, first: int, end: int) -> Iterator[Tensor]:
        """The tiles of column j in some strips, one after the other."""
        return (self._tile(i, j) for i in range(first, end))

    def _factorise(self) -> None:
        """L in the place of A, but with L[j, j]⁻¹ on the diagonal, as nothing needs L[j, j] itself.

        L[i, j] = (A[i, j] - Σ L[i, k] L[j, k]ᵀ) L[j, j]⁻ᵀ, a sum over k < j.
        """
        for i in range(len(self._strips)):
            row = self._row(i)
            for j in range(i):
                rest = row[j]
                for k in range(j):
                    rest -= tf.matmul(row[k], self._tile(j, k), transpose_b=True)
                row[j] = tf.matmul(rest, self._tile(j, j), transpose_b=True)
            for left in row[:i]:
                row[i] -= tf.matmul(left, left, transpose_b=True)
            row[i] = _invert_diagonal(row[i])
            self._strips[i] = tf.concat(row, axis=1)

    def _invert_factor(self) -> None:
        """M in the place of L: M[i, j] = -L[i, i]⁻¹ Σ L[i, k] M[k, j], a sum over j ≤ k < i, where M is done."""
        for i in range(len(self._strips)):
            row = self._row(i)
            for j in range(i):
                # Nothing to the right of this tile needs it: column j + 1 begins with L[i, j + 1].
                row[j] = -tf.matmul(row[i], _sum_of_products(row[j:i], self._column(j, j, i)))
            self._strips[i] = tf.concat(row, axis=1)

    def _multiply_factors(self) -> None:
        """P in the place of M: P[i, j] = Σ M[k, i]ᵀ M[k, j], a sum over k ≥ i; the strips above are done with."""
        count = len(self._strips)
        for i in range(count):
            left = list(self._column(i, i, count))
            row = [_sum_of_products(left, self._column(j, i, count), transpose_a=True) for j in range(i + 1)]
            self._strips[i] = tf.concat(row, axis=1)


def _sum_of_products(left: Iterable[Tensor], right: Iterable[Tensor], **transposed: bool) -> Tensor:
    """The sum of the products of pairs of tiles."""
    total: Tensor = 0.0
    for one, other in zip(left, right, strict=True):
        total += tf.matmul(one, other, **transposed)
    return total


@tf.function(autograph=False)
def _invert_diagonal_in_graph(tile: Tensor) -> Tensor:
    return inverse_cholesky_factor(tile, tile.shape[0])


def _invert_diagonal(tile: Tensor) -> Tensor:
    with check_positive_definite():
        inverse = _invert_diagonal_in_graph(tile)
        tf.debugging.assert_all_finite(inverse, "a factor is not finite")  # what some devices have instead of an error
    return inverse
