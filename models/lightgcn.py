"""LightGCN: vectors of users and items, smoothed over the graph of who had what.

Xiangnan He, Kuan Deng, Xiang Wang, Yan Li, Yongdong Zhang & Meng Wang, "LightGCN: Simplifying and Powering Graph
Convolution Network for Recommendation", SIGIR 2020.

Users and items are the nodes of a graph, and every pair (u, i) of the training rows is an edge. A layer gives each node
the sum of its neighbours' vectors, normalised by both degrees (eqs. 3 and 7),

    E^(k+1) = Ã E^(k),    Ã = D^-½ A D^-½,    so that e_u^(k+1) = Σ_{i ∈ N(u)} |N(u)|^-½ |N(i)|^-½ e_i^(k),

the final vectors are the weighted sum of all layers (eqs. 4 and 8), and a score is their inner product (eq. 5):

    E = Σ_{k=0…K} α_k E^(k) = P E^(0),    α_k = 1 / (K + 1),    ŷ(u, i) = e_u · e_i.

Only E^(0) is learned, by BPR with a penalty of the vectors in it that a row uses (eqs. 14 and 15): for a row (u, i) and
negatives j, the mean over these of

    -log σ(ŷ(u, i) - ŷ(u, j)) + λ/2 (‖e_u^(0)‖² + ‖e_i^(0)‖² + ‖e_j^(0)‖²).

A step costs mostly the propagation, whatever the size of its batch. P is a polynomial in a symmetric matrix, so the
gradient for E^(0) is P times that for E: Horner's scheme makes either from K products with Ã. These wait for memory,
and take half the time where neighbours stand near each other (Gowalla). So few steps of large batches pay: a twentieth
of the rows a batch, a learning rate of .03 instead of .001, and hard negatives, which overfit under the paper's λ =
0.0001 and want about a hundred times as much. 1,125 such steps reach a Recall@20 of .184 and an nDCG@20 of .156 on the
paper's split of Gowalla (all items ranked; `configs/gowalla/lightgcn.yaml`); the paper has .183 and .155. The defaults
are nearer to the paper's settings.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_fraction, check_integer, check_not_negative, check_positive
from tfrec.factors import FactorRecommender
from tfrec.linalg import pair_products, sparse_dense_product
from tfrec.linalg.least_squares import last_of_each_pair
from tfrec.optimizers import decay_learning_rate
from tfrec.pairwise import Objective, PairwiseRecommender, Sampler
from tfrec.recommender import ImplicitRecommender


class _Half(NamedTuple):
    """One half of Ã: the edges to users, or those to items."""

    indices: Tensor  # int64 [n_edges, 2], sorted
    values: Tensor  # float32 [n_edges]
    shape: Tensor  # int64 [2]


class _Graph(NamedTuple):
    """Ã, its users and its items each in an order of their own."""

    users: Tensor  # int32 [n_users], who stands at each place
    items: Tensor  # int32 [n_items]
    user_places: Tensor  # int32 [n_users], where each one stands
    item_places: Tensor  # int32 [n_items]
    to_users: _Half
    to_items: _Half


class LightGCN(PairwiseRecommender, FactorRecommender, ImplicitRecommender):
    """Light graph convolution, learned from pairs beside negatives.

    The graph has the pairs that `adapt` saw, each once; weights of rows weigh their losses. Scores come from the
    vectors that the last epoch ended with: before the first they are all 0. After each epoch the learning rate is
    multiplied by `learning_rate_decay`, also that of an optimizer of your own, unless it follows a schedule.

    A person the model has never seen, with the history H, is a user whom the graph leads to and not away from, and who
    has no e^(0): |H|^-½ Σ_{i ∈ H} m_i, where m_i = |N(i)|^-½ Σ_{k≥1} α_k e_i^(k-1) is item i's message.

    Args:
        n_factors: the dimension of the vectors.
        n_layers: K.
        layer_weights: α, of the layers 0 to K; None: 1 / (K + 1) each.
        l2: λ.
        objective: as of `PairwiseRecommender`, like the next four; the paper has "bpr".
        sampler: the paper has "uniform"; "dynamic_hard" learns more from a step.
        n_negatives: how many negatives a row.
        popularity_alpha: of the samplers "popularity" and "mixed".
        n_candidates: of the sampler "dynamic_hard".
        initial_std: the standard deviation of E^(0) at the start.
        learning_rate: of Adam, in the first epoch.
        learning_rate_decay: what it is multiplied by after each epoch; 1 leaves it as it is.
        batch_size: rows a step.
        seed: of E^(0) at the start, of the order of the rows and of the negatives.
        name: Keras's name of the model.

    Attributes:
        user_factors, item_factors: E^(0), float32 [n_users, n_factors] and [n_items, n_factors].
        user_vectors, item_vectors: E after the last epoch.
        item_messages: m, float32 [n_items, n_factors], likewise.
    """

    default_epochs = 50
    user_factors: Any
    item_factors: Any
    user_vectors: Any
    item_vectors: Any
    item_messages: Any

    def __init__(
        self,
        *,
        n_factors: int = 64,
        n_layers: int = 3,
        layer_weights: tuple[float, ...] | None = None,
        l2: float = 1e-4,
        objective: Objective = "bpr",
        sampler: Sampler = "uniform",
        n_negatives: int = 1,
        popularity_alpha: float = 0.75,
        n_candidates: int = 16,
        initial_std: float = 0.1,
        learning_rate: float = 0.005,
        learning_rate_decay: float = 1.0,
        batch_size: int = 4096,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            objective=objective,
            sampler=sampler,
            n_negatives=n_negatives,
            popularity_alpha=popularity_alpha,
            n_candidates=n_candidates,
            batch_size=batch_size,
            seed=seed,
            name=name,
        )
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.n_layers = check_integer("n_layers", n_layers, minimum=1)
        self.layer_weights = _check_layer_weights(layer_weights, self.n_layers)
        self.l2 = check_not_negative("l2", l2)
        self.initial_std = check_positive("initial_std", initial_std)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.learning_rate_decay = check_fraction("learning_rate_decay", learning_rate_decay)

    def create_variables(self) -> None:
        """Small random factors, and zeros for what the end of an epoch makes of them; the graph of the histories."""
        for stream, (side, size) in enumerate({"user": self.n_users, "item": self.n_items}.items()):
            shape = [size, self.n_factors]
            start = tf.random.stateless_normal(shape, [self.seed, stream], stddev=self.initial_std)
            self.set_variable(f"{side}_factors", start, trainable=True)
            self.set_variable(f"{side}_vectors", tf.zeros(shape))
        self.set_variable("item_messages", tf.zeros([self.n_items, self.n_factors]))
        self._state.graph = _graph(self.history_splits.numpy(), self.history_items.numpy(), self.n_items)

    def default_optimizer(self) -> Any:
        """Adam."""
        return tf.keras.optimizers.Adam(self.learning_rate)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Store the vectors that the factors now give, and let the learning rate decay."""
        user_vectors, item_vectors = self.propagated()
        self.user_vectors.assign(user_vectors)
        self.item_vectors.assign(item_vectors)
        _, sums = self._sum_of_layers(self._alphas[1:])
        self.item_messages.assign(sums * tf.math.rsqrt(tf.maximum(self.item_counts, 1.0))[:, tf.newaxis])
        decay_learning_rate(self.optimizer, self.learning_rate_decay)
        return {}

    @property
    def _alphas(self) -> tuple[float, ...]:
        return self.layer_weights or (1 / (self.n_layers + 1),) * (self.n_layers + 1)

    def propagated(self) -> tuple[Tensor, Tensor]:
        """E of the factors as they are now: float32 [n_users, n_factors], [n_items, n_factors]; differentiable."""
        return self._sum_of_layers(self._alphas)

    def _sum_of_layers(self, alphas: tuple[float, ...]) -> tuple[Tensor, Tensor]:
        """Σ_k α_k Ã^k E^(0), for any α."""
        graph, product = self._state.graph, tf.raw_ops.SparseMatrixMatMul
        # Made in every step, because functions can't hold them.
        to_users, to_items = (
            tf.raw_ops.SparseTensorToCSRSparseMatrix(indices=half.indices, values=half.values, dense_shape=half.shape)
            for half in (graph.to_users, graph.to_items)
        )

        def smooth(users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
            users, items = tf.gather(users, graph.users), tf.gather(items, graph.items)
            sums = alphas[-1] * users, alphas[-1] * items
            for alpha in reversed(alphas[:-1]):
                of_users, of_items = sums
                sums = alpha * users + product(a=to_users, b=of_items), alpha * items + product(a=to_items, b=of_users)
            return tf.gather(sums[0], graph.user_places), tf.gather(sums[1], graph.item_places)

        # A symmetric map is its own gradient. The kernel's adds up in no fixed order, and is slower.
        @tf.custom_gradient
        def symmetric(users: Tensor, items: Tensor) -> tuple[tuple[Tensor, Tensor], Any]:
            return smooth(users, items), smooth

        return symmetric(tf.convert_to_tensor(self.user_factors), tf.convert_to_tensor(self.item_factors))

    def pair_scores(self, users: Tensor, items: Tensor, training: bool = False) -> Tensor:
        """Inner products of propagated vectors: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        user_vectors, item_vectors = self.propagated()
        return pair_products(tf.gather(user_vectors, users), item_vectors, items)

    def pair_penalties(self, users: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
        """λ/2 of the squares of the factors that a row uses, the mean over its negatives: float32 [batch]."""
        # From the squares of all, because that has a dense gradient, as the propagation has: nothing to scatter.
        of_users, of_items = (tf.reduce_sum(tf.square(f), axis=1) for f in (self.user_factors, self.item_factors))
        is_drawn = tf.cast(negatives >= 0, tf.float32)
        of_negatives = tf.reduce_sum(is_drawn * tf.gather(of_items, tf.maximum(negatives, 0)), axis=1)
        of_negatives = tf.math.divide_no_nan(of_negatives, tf.reduce_sum(is_drawn, axis=1))
        return self.l2 / 2 * (tf.gather(of_users, users) + tf.gather(of_items, items) + of_negatives)

    def query(self, users: Tensor) -> Tensor:
        """The vectors of known users, a lookup: int32 [batch] → float32 [batch, n_factors]."""
        return tf.gather(self.user_vectors, self.check_indices(users))

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """|H|^-½ Σ m of unknown people: ragged int32 [batch, None] → float32 [batch, n_factors].

        An item counts once, however often it stands in a history.
        """
        splits, items, _ = last_of_each_pair(histories, self.n_items)
        distinct = tf.RaggedTensor.from_row_splits(items, splits, validate=False)
        messages = tf.convert_to_tensor(self.item_messages)
        sums = sparse_dense_product(distinct.value_rowids(), items, distinct.nrows(), messages)
        lengths = tf.cast(tf.maximum(distinct.row_lengths(), 1), tf.float32)
        return sums * tf.math.rsqrt(lengths)[:, tf.newaxis]

    def candidates(self) -> Tensor:
        """The vectors of all items: float32 [n_items, n_factors]."""
        return linalg.whole(self.item_vectors)


def _check_layer_weights(weights: Sequence[float] | None, n_layers: int) -> tuple[float, ...] | None:
    if weights is None:
        return None
    if isinstance(weights, str) or not isinstance(weights, Sequence):
        raise TypeError(f"layer_weights must be a sequence of numbers or None; got {weights!r}")
    checked = tuple(check_not_negative("layer_weights", weight) for weight in weights)
    if len(checked) != n_layers + 1 or not any(checked[1:]):
        raise ValueError(
            f"layer_weights must be {n_layers + 1} numbers, of the layers 0 to {n_layers}, and one behind the first "
            f"above 0; got {checked}"
        )
    return checked


def _graph(splits: np.ndarray, history_items: np.ndarray, n_items: int) -> _Graph:
    """The graph of histories, its nodes in an order in which neighbours are near: each at the mean of its own.

    A product with Ã then finds most vectors in the cache. Three rounds do as well as forty (Gowalla), and take 0.05 s.
    """
    degrees, counts = np.diff(splits), np.bincount(history_items, minlength=n_items)
    n_users, history_users = len(degrees), np.repeat(np.arange(len(degrees)), degrees)
    item_places = np.arange(n_items)
    for _ in range(3):
        user_places = _places(np.bincount(history_users, item_places[history_items], n_users) / np.maximum(degrees, 1))
        item_places = _places(np.bincount(history_items, user_places[history_users], n_items) / np.maximum(counts, 1))
    users, items = user_places[history_users], item_places[history_items]
    values = 1 / np.sqrt(degrees[history_users] * counts[history_items])
    return _Graph(
        users=tf.constant(np.argsort(user_places), tf.int32),
        items=tf.constant(np.argsort(item_places), tf.int32),
        user_places=tf.constant(user_places, tf.int32),
        item_places=tf.constant(item_places, tf.int32),
        to_users=_half(users, items, values, shape=(n_users, n_items)),
        to_items=_half(items, users, values, shape=(n_items, n_users)),
    )


def _places(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"))


def _half(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> _Half:
    order = np.lexsort((columns, rows))
    indices = np.stack([rows[order], columns[order]], axis=1)
    return _Half(tf.constant(indices, tf.int64), tf.constant(values[order], tf.float32), tf.constant(shape, tf.int64))
