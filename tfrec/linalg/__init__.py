"""TensorFlow linear algebra that TensorFlow lacks, or does slowly.

- `gram`: the Gram matrix of a batch of histories, dense by symmetric blocks, or sparse where that is cheaper.
- `spd_inverse`: the inverse of a symmetric positive definite matrix, by a blocked Cholesky factorisation.
- `sparse_dense_product`: sparse rows times a dense matrix.

The dense algorithms are made of large matrix products, the one operation that TensorFlow runs at the machine's full
rate. Loops over blocks are unrolled while tracing; the functions are traced once a shape, and then serve every model.
"""

from tfrec.linalg.grams import gram, prefer_sparse_gram
from tfrec.linalg.inverse import spd_inverse
from tfrec.linalg.products import sparse_dense_product

__all__ = ["gram", "prefer_sparse_gram", "sparse_dense_product", "spd_inverse"]
