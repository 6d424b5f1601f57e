"""EASE: a linear autoencoder with a closed form.

Harald Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019 (arXiv:1905.03375).

X is the binary user-item matrix. Each item is predicted from the other items of the user's history by an item-item
matrix B that may not use an item to predict itself (eq. 2 to 4 of the paper):

    min_B  ‖X - XB‖² + λ‖B‖²    subject to  diag(B) = 0

With P = (XᵀX + λI)⁻¹ the solution is (eq. 8)

    B = I - P diag(P)⁻¹,   that is   B_ij = -P_ij / P_jj  for i ≠ j,  and 0 on the diagonal.

It assumes that a catalogue of up to some ten thousands of items is inverted at once: n³ operations, and memory for two
to three matrices of n² floats; the number of users hardly matters. On the leave-one-out split of MovieLens-1M that He
et al. (2017) published, with 99 sampled negatives, λ = 1320 gives HR@10 .7192 and nDCG@10 .4494:
`configs/ml-1m-ncf/ease.yaml`.
"""

from functools import partial

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_positive
from tfrec.closed_form import ClosedFormRecommender, statistic
from tfrec.explanations import ExplainsByHistory
from tfrec.recommender import ImplicitRecommender
from tfrec.rescoring import HistorySearch, search_by_weights

# With more items than this, no matrix of [n_items, n_items] but B is ever whole: the Gram matrix, its inverse and what
# comes between would take several times the memory of B, which is 0.27 GB here and 6.7 GB for 41,000 items. With fewer
# there is memory enough, and the inverse of the whole matrix is the faster one.
_WHOLE = 8192


class EASE(ExplainsByHistory, ClosedFormRecommender, ImplicitRecommender):
    """Item-item weights by ridge regression under a zero diagonal.

    The loss in the history is the objective at the solution, divided by the number of users: the squared error of the
    reconstruction of a user's history, and the penalty's share.

    Weights of interactions are not used: a weight for each entry of X would need a Gram matrix, and its inverse, for
    each item.

    Args:
        l2: λ, the strength of the regularisation, above 0: some hundreds for MovieLens; more for larger data.
        seed: for the contract's sake; nothing here is random.
        name: Keras's name of the model.

    Attributes:
        item_weights: B, float32 [n_items, n_items]: column j holds what each item says for item j.
    """

    search_ranks = (32, 64, 128, 256)

    def __init__(self, *, l2: float = 200.0, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)
        self.l2 = check_positive("l2", l2)

    def create_variables(self) -> None:
        """B, all zero."""
        self.set_variable("item_weights", tf.zeros([self.n_items, self.n_items]))

    def create_statistics(self) -> dict:
        """The Gram matrix XᵀX, unless it is too large to keep: the histories then give it, a few rows at a time."""
        if self.n_items > _WHOLE:
            return {}
        lengths = (self.history_splits[1:] - self.history_splits[:-1]).numpy()
        self._state.sparse_gram = linalg.prefer_sparse_gram(lengths, self.n_items)
        return {"gram": statistic([self.n_items, self.n_items])}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Add XᵀX of a batch of users."""
        if "gram" in statistics:
            gram = linalg.gram(self.seen_items(users), self.n_items, sparse=self._state.sparse_gram)
            statistics["gram"].assign_add(gram)

    def solve(self, statistics: dict) -> float:
        """B = I - P diag(P)⁻¹ with P = (XᵀX + λI)⁻¹."""
        if "gram" not in statistics:
            return self._solve_by_strips()
        gram = statistics["gram"]
        inverse = linalg.spd_inverse(_add_to_diagonal(gram, tf.constant(self.l2)))
        weights, objective = _solution(inverse, gram, tf.linalg.diag_part(inverse))
        self.item_weights.assign(weights)
        return float(objective / self.n_users)

    def _solve_by_strips(self) -> float:
        """`solve` with half a matrix beside B: P by tiles, and B strip by strip in its own place."""
        histories = tf.RaggedTensor.from_row_splits(self.history_items, self.history_splits)
        gram_rows = linalg.GramRows(histories, self.n_items)
        l2 = tf.constant(self.l2)
        inverse = linalg.TiledInverse(
            lambda start, end: _add_to_diagonal(gram_rows(start, end), l2, tf.constant(start)), self.n_items
        )
        diagonal, objective = inverse.diagonal(), 0.0
        for strip, (start, end) in enumerate(inverse.strips):
            weights, share = _solution(inverse.rows(strip), gram_rows(start, end), diagonal, tf.constant(start))
            for copy in self.distribute_strategy.experimental_local_results(self.item_weights):
                _assign_rows(copy, start, weights)
            objective += float(share)
        return objective / self.n_users

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean squared error of the reconstruction of a batch of users' histories, summed over items."""
        history = self.seen_items(inputs)
        scores = self.score(inputs)
        # ‖x - xB‖² = ‖xB‖² - 2 x·xB + ‖x‖², where x is 1 on the history and 0 elsewhere.
        error = tf.reduce_sum(tf.square(scores), axis=1)
        error -= 2 * tf.reduce_sum(tf.gather(scores, history, batch_dims=1), axis=1)
        return tf.reduce_mean(error + tf.cast(history.row_lengths(), tf.float32))

    def score(self, users: Tensor) -> Tensor:
        """XB of the users' training histories: int32 [batch] → float32 [batch, n_items]."""
        return self._product(self.seen_items(self.check_indices(users)))

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """XB of any histories, each item counted once: ragged int32 [batch, None] → float32 [batch, n_items]."""
        histories = self.check_histories(histories)
        rows = histories.value_rowids()
        entries, _ = tf.unique(rows * self.n_items + tf.cast(histories.values, rows.dtype))
        rows, items = entries // self.n_items, entries % self.n_items
        return linalg.sparse_dense_product(rows, items, histories.nrows(), linalg.whole(self.item_weights))

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """What the user's history says for one item: int32 [batch], int32 [batch] → float32 [batch]."""
        users, items = self.check_indices(users, items)
        history = self.seen_items(users)
        rows = history.value_rowids()
        places = tf.stack([history.values, tf.gather(items, rows)], axis=1)
        weights = tf.gather_nd(linalg.whole(self.item_weights), places)
        return tf.math.unsorted_segment_sum(weights, rows, tf.size(users))

    def search_model(self, rank: int) -> HistorySearch:
        """Vectors from the leading directions of B; see `search_by_weights`."""
        weights = linalg.whole(self.item_weights)
        return search_by_weights(self, partial(tf.matmul, weights), partial(tf.matmul, weights, transpose_a=True), rank)

    def history_contributions(self, history: Tensor, item: Tensor) -> Tensor:
        """The item's column of B at the items of a history: int32 [n], int32 [] → float32 [n]."""
        places = tf.stack([history, tf.fill(tf.shape(history), item)], axis=1)
        return tf.gather_nd(linalg.whole(self.item_weights), places)

    def _product(self, history: Tensor) -> Tensor:
        weights = linalg.whole(self.item_weights)
        return linalg.sparse_dense_product(history.value_rowids(), history.values, history.nrows(), weights)


@tf.function(autograph=False, reduce_retracing=True)
def _add_to_diagonal(rows: Tensor, value: Tensor, start: Tensor = 0) -> Tensor:
    """Rows from `start` of a matrix, with `value` added on its diagonal."""
    return tf.linalg.set_diag(rows, tf.linalg.diag_part(rows, k=start) + value, k=start)


@tf.function(autograph=False, reduce_retracing=True)
def _solution(inverse: Tensor, gram: Tensor, diagonal: Tensor, start: Tensor = 0) -> tuple[Tensor, Tensor]:
    """Rows of B from `start`, and their share of the objective.

    That is tr(XᵀX) - tr(XᵀX B), as the gradient vanishes off the diagonal. (It is also Σ 1/P_jj - λ n, which is cheaper
    and loses every digit where λ is large.)
    """
    weights = -inverse / diagonal[tf.newaxis, :]
    weights = tf.linalg.set_diag(weights, tf.zeros_like(weights[:, 0]), k=start)
    errors = tf.linalg.diag_part(gram, k=start) - tf.reduce_sum(gram * weights, axis=1)
    return weights, tf.reduce_sum(tf.cast(errors, tf.float64))


def _assign_rows(variable: Tensor, start: int, rows: Tensor) -> None:
    """Rows of a matrix from `start`, in place; `variable[start:end].assign(rows)` would copy the whole matrix."""
    end = [start + rows.shape[0], rows.shape[1]]
    tf.raw_ops.ResourceStridedSliceAssign(ref=variable.handle, begin=[start, 0], end=end, strides=[1, 1], value=rows)
