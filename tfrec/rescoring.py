"""Small factorisations that find candidates for models whose own scores then rank them.

Retrieval layers search by inner products. A model whose scores are none is approximated by vectors of some tens of
dimensions, which are good enough to have its best items among their best few hundred; `Scores.rescore` puts these into
the model's own order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.linalg.least_squares import last_of_each_pair
from tfrec.linalg.subspace import orthonormal_basis, ritz_pairs

# Of subspace iteration. What more of them would still change is far below what the rank leaves out.
_STEPS, _OVERSAMPLING = 5, 16
# People whose scores `LandmarkSearch` learns from, and the most scores that this may take, a gigabyte.
_SAMPLE, _MOST_SCORES = 4096, 2**28
_LANDMARKS = 4  # for each dimension
_RIDGE = 1e-4  # of the mean square of a landmark's scores


class HistorySearch(tf.Module):
    """Stands for scores that are sums over a history of what each of its items says for another.

    Args:
        seen_items: gives the training items of users, `Scores.seen_items`.
        history_vectors: U, float32 [n_items, rank]: what an item of a history adds to the query.
        item_vectors: V, float32 [n_items, rank]: the candidates.
    """

    def __init__(self, seen_items: Callable, history_vectors: Tensor, item_vectors: Tensor) -> None:
        super().__init__()
        self._seen_items = seen_items
        self.history_vectors = tf.Variable(history_vectors, trainable=False, name="history_vectors")
        self.item_vectors = tf.Variable(item_vectors, trainable=False, name="item_vectors")

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, rank]."""
        return self._sums(self._seen_items(users))

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people; an item counts once: ragged int32 [batch, None] → float32 [batch, rank]."""
        splits, items, _ = last_of_each_pair(histories, self.history_vectors.shape[0])
        return self._sums(tf.RaggedTensor.from_row_splits(items, splits, validate=False))

    def candidates(self) -> Tensor:
        """The vectors of all items: float32 [n_items, rank]."""
        return linalg.whole(self.item_vectors)

    def _sums(self, histories: Tensor) -> Tensor:
        rows, vectors = histories.value_rowids(), linalg.whole(self.history_vectors)
        return linalg.sparse_dense_product(rows, histories.values, histories.nrows(), vectors)


def search_by_weights(model: Any, product: Callable, transposed_product: Callable, rank: int) -> HistorySearch:
    """Vectors for a model that scores by item-item weights, x B: B ≈ U Vᵀ with U = B V, and V orthonormal.

    V are the leading right singular vectors of D B. D² = diag(√n_i), for items that n_i users have, lets the weights of
    an item matter the more, the more histories it is in. On MovieLens-1M, where 400 candidates at rank 64 have .989 of
    EASE's 100 best items among them, it is .985 with D = I, .986 with D² = diag(n_i), and .988 with the Gram matrix of
    the histories in the place of D².

    Args:
        model: an adapted `Recommender`.
        product: B times a matrix, float32 [n_items, m] → float32 [n_items, m].
        transposed_product: likewise Bᵀ.
        rank: how many directions; at most n_items are taken.
    """
    shares = tf.sqrt(model.item_counts)[:, tf.newaxis]
    directions = _leading_vectors(lambda x: transposed_product(shares * product(x)), model.n_items, rank)
    return HistorySearch(model.seen_items, product(directions), directions)


def _leading_vectors(gram_product: Callable, size: int, rank: int) -> Tensor:
    """The leading eigenvectors of a symmetric positive semi-definite matrix, by what it makes of vectors.

    Args:
        gram_product: the matrix times another, float32 [size, m] → float32 [size, m].
        size: how many rows it has.
        rank: how many vectors; at most `size` are taken.

    Returns:
        float32 [size, rank], orthonormal.
    """
    rank = min(check_integer("rank", rank, minimum=1), size)
    width = min(rank + _OVERSAMPLING, size)
    basis = orthonormal_basis(tf.random.stateless_normal([size, width], [0, 0]))
    image = gram_product(basis)
    for _ in range(_STEPS - 1):
        basis = orthonormal_basis(image)
        image = gram_product(basis)
    return ritz_pairs(basis, image)[1][:, :rank]


class PartSearch(tf.Module):
    """Stands for a `TwoSidedRecommender` by those of its vectors whose inner products make up most of its scores.

    Args:
        model: the model.
        part: which of the vectors of each side.
    """

    def __init__(self, model: Any, part: int) -> None:
        super().__init__()
        # Bound methods, and not the model, which a SavedModel of this would then hold.
        self._sides = (model.user_sides, model.history_sides, model.item_sides)
        self._part = part

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, dimension]."""
        return self._sides[0](users)[self._part]

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people: ragged int32 [batch, None] → float32 [batch, dimension]."""
        return self._sides[1](histories)[self._part]

    def candidates(self) -> Tensor:
        """The vectors of all items: float32 [n_items, dimension]."""
        return self._sides[2]()[self._part]


class LandmarkSearch(tf.Module):
    """Stands for any scores: people are told apart by how the model scores some items, the landmarks.

    The scores that a sample of users has, less the mean of each item, are approximated by their leading right singular
    vectors V. A ridge regression on the sample gives the coordinates that somebody has there from the scores of the
    landmarks, the most popular items.

    Args:
        model: a fitted `Recommender`, of which `score`, `rescore` and `rescore_histories` are used.
        rank: the dimension of V; there are four times as many landmarks.
    """

    def __init__(self, model: Any, rank: int) -> None:
        super().__init__()
        # Not the model, as above.
        self._rescore, self._rescore_histories = model.rescore, model.rescore_histories
        scores = _sampled_scores(model)
        means = tf.reduce_mean(scores, axis=0)
        scores -= means
        vectors = _leading_vectors(
            lambda x: tf.matmul(scores, tf.matmul(scores, x), transpose_a=True), model.n_items, min(rank, len(scores))
        )
        n_landmarks = min(_LANDMARKS * vectors.shape[1], model.n_items)
        landmarks = np.argsort(-model.item_counts.numpy(), kind="stable")[:n_landmarks].astype(np.int32)
        weights = _ridge_regression(tf.gather(scores, landmarks, axis=1), tf.matmul(scores, vectors))
        self.landmarks = tf.Variable(landmarks, trainable=False, name="landmarks")
        self.weights = tf.Variable(weights, trainable=False, name="weights")
        self.means = tf.Variable(tf.gather(means, landmarks), trainable=False, name="means")
        self.item_vectors = tf.Variable(
            tf.concat([vectors, means[:, tf.newaxis]], axis=1), trainable=False, name="item_vectors"
        )

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users: int32 [batch] → float32 [batch, rank + 1]."""
        return self._coordinates(self._rescore(users, self._listed(tf.size(users))))

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors of unknown people: ragged int32 [batch, None] → float32 [batch, rank + 1]."""
        listed = self._listed(histories.nrows(tf.int32))
        return self._coordinates(self._rescore_histories(histories, ratings, listed))

    def candidates(self) -> Tensor:
        """The vectors of all items, the last dimension being their means: float32 [n_items, rank + 1]."""
        return linalg.whole(self.item_vectors)

    def _listed(self, n_rows: Tensor) -> Tensor:
        return tf.tile(self.landmarks[tf.newaxis, :], [n_rows, 1])

    def _coordinates(self, scores: Tensor) -> Tensor:
        coordinates = tf.matmul(scores - self.means, self.weights)
        return tf.pad(coordinates, [[0, 0], [0, 1]], constant_values=1.0)


def _sampled_scores(model: Any) -> Tensor:
    """A model's scores of all items for users with histories, evenly spaced among all: float32 [n, n_items]."""
    active = np.flatnonzero(np.diff(model.history_splits.numpy()) > 0)
    size = max(1, min(len(active), _SAMPLE, _MOST_SCORES // model.n_items))
    users = active[np.linspace(0, len(active) - 1, size).astype(int)].astype(np.int32)
    score = tf.function(model.score, input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
    return tf.concat([score(tf.constant(part)) for part in np.array_split(users, -(-size // 256))], axis=0)


def _ridge_regression(features: Tensor, targets: Tensor) -> Tensor:
    """What takes features to targets: float32 [n, m], [n, rank] → float32 [m, rank]."""
    features, targets = tf.cast(features, tf.float64), tf.cast(targets, tf.float64)
    gram = tf.matmul(features, features, transpose_a=True)
    ridge = _RIDGE * tf.linalg.trace(gram) + 1e-12  # not 0 where all people are alike
    factor = tf.linalg.cholesky(gram + ridge / len(features) * tf.eye(gram.shape[0], dtype=tf.float64))
    moments = tf.matmul(features, targets, transpose_a=True)
    return tf.cast(tf.linalg.cholesky_solve(factor, moments), tf.float32)
