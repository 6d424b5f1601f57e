"""TensorFlow linear algebra that TensorFlow lacks, or does slowly.

- `gram`: the Gram matrix of a batch of histories, dense by symmetric blocks, or sparse where that is cheaper.
- `GramRows`: a few rows of a Gram matrix at a time.
- `spd_inverse`: the inverse of a symmetric positive definite matrix, by a blocked Cholesky factorisation.
- `TiledInverse`: the same for a matrix too large to be held more than once, in place.
- `sparse_dense_product`: sparse rows times a dense matrix.
- `pair_products`: inner products of sampled pairs, and their gradients.
- `SparseRows`: sums of a few rows of a sparse matrix.
- `whole`, `rows_of`: large variables, read without a copy.

The dense algorithms are made of large matrix products, the one operation that TensorFlow runs at the machine's full
rate. Loops over blocks are unrolled while tracing; the functions are traced once a shape, and then serve every model.
"""

from tfrec.linalg.grams import GramRows, gram, prefer_sparse_gram
from tfrec.linalg.inverse import spd_inverse
from tfrec.linalg.pairs import pair_products
from tfrec.linalg.products import sparse_dense_product
from tfrec.linalg.sparse_rows import SparseRows
from tfrec.linalg.tables import rows_of, whole
from tfrec.linalg.tiled import TiledInverse

__all__ = [
    "GramRows",
    "SparseRows",
    "TiledInverse",
    "gram",
    "pair_products",
    "prefer_sparse_gram",
    "rows_of",
    "sparse_dense_product",
    "spd_inverse",
    "whole",
]
