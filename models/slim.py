"""SLIM: a sparse linear model of items, by the elastic net.

Xia Ning & George Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011; solved for all items
at once as in Harald Steck, Maria Dimakopoulou, Nickolai Riabov & Tony Jebara, "ADMM SLIM: Sparse Recommendations for
Many Users", WSDM 2020.

X is the binary user-item matrix. Each item is predicted from the other items of the user's history (eq. 3 of Ning &
Karypis), by weights that most items don't have:

    min_B  ½‖X - XB‖²_F + ½ l2‖B‖²_F + l1‖B‖₁    subject to  diag(B) = 0  and, with non_negative, B ≥ 0.

Neither penalty is divided by anything: l2 is EASE's λ, EASE is this model at l1 = 0 (without B ≥ 0), and an item's
weight is 0 where it explains fewer than l1 users. In the terms of scikit-learn's ElasticNet, which divides the squared
error by the number of users, alpha · l1_ratio = l1 / n_users and alpha · (1 - l1_ratio) = l2 / n_users.

An epoch is a block of iterations of ADMM (`tfrec.linalg.elastic_net`); the first one gathers the Gram matrix XᵀX. The
fit stops by itself after the epoch in which the objective at the sparse iterate changed by less than `tolerance` of
itself, and the squared primal residual is below `tolerance` of the iterate's square.

Up to some ten thousand items all of them may explain an item. For larger catalogues `neighbours` keeps to the k nearest
items by cosine (fsSLIM, the feature selection of Ning & Karypis): then no matrix of n_items × n_items is ever made.

On the leave-one-out split of MovieLens-1M that He et al. (2017) published, with 99 sampled negatives, l1 = 2 and
l2 = 1000 give HR@10 .7243 and nDCG@10 .4524: `configs/ml-1m-ncf/slim.yaml`.
"""

import math
from typing import Any

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_flag, check_integer, check_not_negative, check_positive
from tfrec.closed_form import ClosedFormRecommender, statistic
from tfrec.explanations import ExplainsByHistory
from tfrec.linalg import elastic_net
from tfrec.linalg.least_squares import last_of_each_pair
from tfrec.recommender import ImplicitRecommender
from tfrec.rescoring import HistorySearch, search_by_weights

# Of an epoch. With `neighbours`, whose Gram matrices and inverses are made anew in every epoch, an iteration is cheap.
_ITERATIONS = 5
_NEIGHBOUR_ITERATIONS = 25
# Without `neighbours`: the Gram matrix, its inverse, iterate, dual variable and what comes between, in float32.
_MATRICES = 8
_MOST_BYTES = 16 * 2**30

# With more than a tenth of all weights, gathering rows of B costs more time and memory than a dense product.
_SPARSE = 10


class SLIM(ExplainsByHistory, ClosedFormRecommender, ImplicitRecommender):
    """Sparse item-item weights by the elastic net under a zero diagonal.

    The loss in the history is the objective at the sparse iterate, divided by the number of users. Weights of single
    interactions can't be used: every item's column would need a Gram matrix of its own, instead of the one they share.

    Args:
        l1: the strength of the L1 penalty, in users; 0 leaves nothing sparse, and is EASE.
        l2: the strength of the L2 penalty, above 0: some hundreds for MovieLens, EASE's λ or less.
        non_negative: whether weights below 0, items that speak against another, are left out, as Ning & Karypis do. It
            leaves fewer weights, and ranked worse in validation on MovieLens-1M.
        neighbours: how many of the nearest items an item may be predicted from; None is all of them.
        rho: ADMM's penalty in units of diag(XᵀX) + l2, above 0; a matter of speed only.
        tolerance: of the stopping rule, above 0.
        seed: for the contract's sake; nothing here is random.
        name: Keras's name of the model.

    Attributes:
        weight_splits, weight_columns, weight_values: B, in compressed rows: int64 [n_items + 1], int32 [n_weights],
            float32 [n_weights]. Row i is what item i says for others; its entries stand from `weight_splits[i]` to
            `weight_splits[i + 1]`, their columns ascending.
    """

    default_epochs = 30
    gathers_once = True
    search_ranks = (32, 64, 128, 256)

    def __init__(
        self,
        *,
        l1: float = 2.0,
        l2: float = 200.0,
        non_negative: bool = False,
        neighbours: int | None = None,
        rho: float = 5.0,
        tolerance: float = 1e-4,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.l1 = check_not_negative("l1", l1)
        self.l2 = check_positive("l2", l2)
        self.non_negative = check_flag("non_negative", non_negative)
        self.neighbours = None if neighbours is None else check_integer("neighbours", neighbours, minimum=1)
        self.rho = check_positive("rho", rho)
        self.tolerance = check_positive("tolerance", tolerance)

    def create_variables(self) -> None:
        """B, without any entry.

        Raises:
            ValueError: there are too many items to solve for without `neighbours`.
        """
        needed = _MATRICES * 4 * self.n_items**2
        if self.neighbours is None and needed > _MOST_BYTES:
            raise ValueError(
                f"SLIM with {self.n_items} items would take about {needed / 2**30:.0f} GiB, more than the "
                f"{_MOST_BYTES / 2**30:.0f} GiB it may: give neighbours, such as SLIM(neighbours=200)"
            )
        self.set_variable("weight_splits", np.zeros(self.n_items + 1, np.int64))
        self.set_variable("weight_columns", np.zeros(0, np.int32), shape=[None])
        self.set_variable("weight_values", np.zeros(0, np.float32), shape=[None])

    # The fit.

    def create_statistics(self) -> dict:
        """The Gram matrix XᵀX, unless there are `neighbours`; and a solver that stands at its beginning."""
        lengths = (self.history_splits[1:] - self.history_splits[:-1]).numpy()
        self._state.sparse_gram = linalg.prefer_sparse_gram(lengths, self.n_items)
        self._state.nearest = self._state.inverse = None
        # All columns of B at once, or one row of its own for each item and its neighbours.
        shape = [self.n_items, min(self.neighbours, self.n_items - 1) if self.neighbours else self.n_items]
        start = {"weights": tf.zeros(shape), "dual": tf.zeros(shape), "objective": tf.constant(math.inf, tf.float64)}
        # Keras doesn't take a Checkpoint's variables for weights, so that they are in a backup, but in no saved model.
        self.solver = tf.train.Checkpoint(
            **{name: tf.Variable(value, trainable=False) for name, value in start.items()}
        )
        if int(self.epochs_done.numpy()) == 0:
            # A backup that was restored before gives its values to what bears the name; they are of another fit.
            for name, value in start.items():
                getattr(self.solver, name).assign(value)
        return {} if self.neighbours else {"gram": statistic([self.n_items, self.n_items])}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Add XᵀX of a batch of users."""
        if "gram" in statistics:
            gram = linalg.gram(self.seen_items(users), self.n_items, sparse=self._state.sparse_gram)
            statistics["gram"].assign_add(gram)

    def fit(self, x: Any = None, **arguments: Any) -> Any:
        """As `Recommender.fit`; where the solver stands is let go afterwards, so that a fit always starts afresh."""
        try:
            return super().fit(x, **arguments)
        finally:
            self._state.nearest = self._state.inverse = None
            if hasattr(self, "solver"):
                del self.solver

    def solve(self, statistics: dict) -> float:
        """A block of iterations of ADMM; sets `stop_training` if the stopping rule says so."""
        before = float(self.solver.objective.numpy())
        iterate, objective = self._solve_neighbourhoods() if self.neighbours else self._solve_whole(statistics["gram"])
        self.solver.weights.assign(iterate.weights)
        self.solver.dual.assign(iterate.dual)
        self.solver.objective.assign(objective)
        self._keep(iterate.weights)
        settled = abs(before - objective) <= self.tolerance * abs(objective)
        self.stop_training = settled and bool(iterate.distance <= self.tolerance * iterate.size)
        return objective / self.n_users

    def _solve_whole(self, gram: Tensor) -> tuple[elastic_net.Iterate, float]:
        penalty = elastic_net.admm_penalty(gram, self.l2, self.rho)
        if self._state.inverse is None:
            self._state.inverse = elastic_net.regularised_inverse(gram, self.l2, penalty)
        iterate = elastic_net.admm(
            self._state.inverse,
            gram,
            penalty,
            self.solver.weights,
            self.solver.dual,
            l1=tf.constant(self.l1),
            iterations=_ITERATIONS,
            non_negative=self.non_negative,
            zero_diagonal=True,
        )
        return iterate, self._objective(gram, gram, tf.linalg.diag_part(gram), iterate.weights)

    def _solve_neighbourhoods(self) -> tuple[elastic_net.Iterate, float]:
        histories = tf.RaggedTensor.from_row_splits(self.history_items, self.history_splits)
        if self._state.nearest is None:
            rows = linalg.GramRows(histories, self.n_items)
            k = self.solver.weights.shape[1]
            self._state.nearest = elastic_net.nearest_items(rows, self.item_counts.numpy(), k)
        parts, objective = [], 0.0
        for chunk in elastic_net.neighbourhood_chunks(histories, self.n_items, self._state.nearest):
            penalty = elastic_net.admm_penalty(chunk.gram, self.l2, self.rho)
            part = elastic_net.admm(
                elastic_net.regularised_inverse(chunk.gram, self.l2, penalty),
                chunk.linear,
                penalty,
                self.solver.weights[chunk.start : chunk.end, :, tf.newaxis],
                self.solver.dual[chunk.start : chunk.end, :, tf.newaxis],
                l1=tf.constant(self.l1),
                iterations=_NEIGHBOUR_ITERATIONS,
                non_negative=self.non_negative,
                zero_diagonal=False,
            )
            objective += self._objective(chunk.gram, chunk.linear, chunk.energy, part.weights)
            parts.append(part)
        weights, dual, distance, size = zip(*parts, strict=True)
        weights, dual = (tf.concat(values, axis=0)[:, :, 0] for values in (weights, dual))
        return elastic_net.Iterate(weights, dual, sum(distance), sum(size)), objective

    def _objective(self, gram: Tensor, linear: Tensor, energy: Tensor, weights: Tensor) -> float:
        l1, l2 = tf.constant(self.l1), tf.constant(self.l2)
        return float(elastic_net.elastic_net_objective(gram, linear, energy, weights, l1=l1, l2=l2))

    def _keep(self, weights: Tensor) -> None:
        """Set B from the solver's iterate: [n_items, n_items], or a row of neighbours for each column."""
        entries = tf.where(weights != 0).numpy()
        values = tf.boolean_mask(weights, weights != 0).numpy()
        rows, columns = entries.T
        if self.neighbours:
            rows, columns = self._state.nearest[rows, columns], rows
            order = np.lexsort((columns, rows))
            rows, columns, values = rows[order], columns[order], values[order]
        self.weight_splits.assign(np.append(0, np.bincount(rows, minlength=self.n_items).cumsum()))
        self.weight_columns.assign(columns.astype(np.int32))
        self.weight_values.assign(values)

    # The scores.

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Half the mean squared error of the reconstruction of a batch of users' histories, summed over items."""
        history = self.seen_items(inputs)
        scores = self.score(inputs)
        # ‖x - xB‖² = ‖xB‖² - 2 x·xB + ‖x‖², where x is 1 on the history and 0 elsewhere.
        error = tf.reduce_sum(tf.square(scores), axis=1)
        error -= 2 * tf.reduce_sum(tf.gather(scores, history, batch_dims=1), axis=1)
        return 0.5 * tf.reduce_mean(error + tf.cast(history.row_lengths(), tf.float32))

    def score(self, users: Tensor) -> Tensor:
        """XB of the users' training histories: int32 [batch] → float32 [batch, n_items]."""
        return self._sums(self.seen_items(self.check_indices(users)))

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """XB of any histories, each item counted once: ragged int32 [batch, None] → float32 [batch, n_items]."""
        return self._sums(self._distinct(histories))

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """What the user's history says for one item: int32 [batch], int32 [batch] → float32 [batch]."""
        users, items = self.check_indices(users, items)
        return self._item_weights.sums_at(self.seen_items(users), items[:, tf.newaxis])[:, 0]

    def rescore(self, users: Tensor, items: Tensor) -> Tensor:
        """What the user's history says for some items: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        users = self.check_indices(users)
        return self._item_weights.sums_at(self.seen_items(users), self.check_lists(items, users.shape[0]))

    def rescore_histories(self, histories: Tensor, ratings: Tensor, items: Tensor) -> Tensor:
        """What histories say for some items: ragged int32 [batch, None], int32 [batch, n] → float32 [batch, n]."""
        return self._item_weights.sums_at(self._distinct(histories), self.check_lists(items, histories.shape[0]))

    def history_contributions(self, history: Tensor, item: Tensor) -> Tensor:
        """The item's column of B at the items of a history: int32 [n], int32 [] → float32 [n]."""
        each = tf.RaggedTensor.from_tensor(history[:, tf.newaxis])
        return self._item_weights.sums_at(each, tf.fill([tf.size(history), 1], item))[:, 0]

    def search_model(self, rank: int) -> HistorySearch:
        """Vectors from the leading directions of B; see `search_by_weights`."""
        weights, product = self._item_weights.to_csr(), tf.raw_ops.SparseMatrixMatMul
        transposed = tf.raw_ops.SparseMatrixTranspose(input=weights, type=tf.float32)
        return search_by_weights(self, lambda x: product(a=weights, b=x), lambda x: product(a=transposed, b=x), rank)

    def _sums(self, histories: Tensor) -> Tensor:
        """Sums of rows of B, by the way that suits its density (and not the batch, on which no last bit may depend)."""
        weights = self._item_weights
        is_dense = tf.size(weights.values, tf.int64) * _SPARSE > self.n_items**2
        return tf.cond(is_dense, lambda: weights.sums_by_product(histories), lambda: weights.sums(histories))

    @property
    def _item_weights(self) -> linalg.SparseRows:
        """B."""
        splits, columns, values = map(linalg.whole, (self.weight_splits, self.weight_columns, self.weight_values))
        return linalg.SparseRows(splits, columns, values, self.n_items)

    def _distinct(self, histories: Tensor) -> Tensor:
        """Histories in which an item comes once, where it came last: ragged int32 [batch, None]."""
        splits, items, _ = last_of_each_pair(self.check_histories(histories), self.n_items)
        return tf.RaggedTensor.from_row_splits(items, splits, validate=False)
