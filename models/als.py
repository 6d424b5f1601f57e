"""ALS: matrix factorisation by alternating least squares, for implicit feedback and for ratings.

Yifan Hu, Yehuda Koren, Chris Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; Steffen
Rendle, Walid Krichene, Li Zhang, Yehuda Koren, "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
RecSys 2022 (arXiv:2110.14037); Yunhong Zhou et al., "Large-Scale Parallel Collaborative Filtering for the Netflix
Prize", AAIM 2008 (ALS-WR).

**Implicit feedback.** A pair scores w_u · h_i. The pairs S that were observed, with confidences c, should score 1, and
all pairs, observed or not, should score 0, with a smaller weight α₀ (Rendle et al., eq. 3 to 6):

    min  Σ_{(u,i) ∈ S} c_ui (1 - w_u · h_i)²  +  α₀ Σ_u Σ_i (w_u · h_i)²
       + λ Σ_u (|I_u| + α₀ n_items)^p ‖w_u‖²  +  λ Σ_i (|U_i| + α₀ n_users)^p ‖h_i‖²

I_u are the items of a user, U_i the users of an item. The exponent p = 1 scales the regularisation with the weight that
a user or an item has in the sums; p = 0 is Hu et al.'s. Their confidences 1 + a r_ui are c_ui = a r_ui with α₀ = 1: the
same quadratic form, but an observed pair is drawn to c / (1 + c) instead of 1. Given all h, every w_u is a ridge
regression of its own, to which the unobserved items add α₀ HᵀH, the same for everybody; and the other way round.

**Ratings.** A rating is μ + b_u + b_i + w_u · h_i, and only observed pairs count:

    min  Σ_{(u,i) ∈ S} c_ui (r_ui - μ - b_u - b_i - w_u · h_i)²
       + λ Σ_u |I_u|^p (‖w_u‖² + b_u²)  +  λ Σ_i |U_i|^p (‖h_i‖² + b_i²)

A bias is one factor more, whose partner is fixed to 1. Without biases, p = 1 is ALS-WR.

On the leave-one-out split of MovieLens-1M that He et al. (2017) published, with 99 sampled negatives, 192 factors with
α₀ = 0.3 and λ = 0.007 give HR@10 .731 and nDCG@10 .453 after 12 sweeps: `configs/ml-1m-ncf/als.yaml`.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_choice, check_integer, check_not_negative, check_positive
from tfrec.closed_form import ClosedFormRecommender
from tfrec.data import Interactions
from tfrec.data.grouping import group_rows
from tfrec.explicit import ExplicitRecommender
from tfrec.factors import FactorRecommender
from tfrec.linalg.least_squares import Bucket, bucketed, exact_ragged, last_of_each_pair, solve_buckets


class _Problem(NamedTuple):
    """What both sides learn from, and the entries in the order of `history_items`."""

    users: list[Bucket]
    items: list[Bucket]
    weights: Tensor  # float32 [n_entries]
    targets: Tensor  # float32 [n_entries]


class ALS(ClosedFormRecommender, ExplicitRecommender, FactorRecommender):
    """Alternating least squares: an epoch solves for all users, then for all items.

    The loss in the history is the objective after the epoch, divided by the number of observed pairs. It never rises.

    Args:
        n_factors: the dimension of w and h.
        alpha: the confidence c of an observed pair, times `Interactions.weight` (added up where a pair comes again).
        unobserved_weight: α₀, the weight of all pairs, observed or not: less for sparser data; ratings have no
            use for it.
        l2: λ; with p = 1 about 0.01 for implicit feedback (less for larger α₀ n_items), about 0.07 for ratings.
        l2_exponent: p, at least 0: how the regularisation grows with the length of a history.
        feedback: "implicit" ranks; "explicit" predicts ratings.
        solver: "exact" solves every half-step by Cholesky factorisation; "cg" improves it by some steps of conjugate
            gradients from where the last epoch ended, which is several times as fast with many factors.
        cg_steps: how many steps, for "cg".
        init_scale: the first factors have the standard deviation `init_scale` / √n_factors.
        seed: of the first factors.
        name: Keras's name of the model.

    Attributes:
        user_factors: w, float32 [n_users, n_factors]; for ratings there is one column more, b. 0 without a history.
        item_factors: h, float32 [n_items, n_factors]; likewise.
        user_gramian: WᵀW of them, which new items are folded in with.
        item_gramian: HᵀH, likewise for new users.
    """

    default_epochs = 16
    gathers_once = True
    uses_weights = True
    item_table = "item_factors"

    def __init__(
        self,
        *,
        n_factors: int = 64,
        alpha: float = 1.0,
        unobserved_weight: float = 0.2,
        l2: float = 0.01,
        l2_exponent: float = 1.0,
        feedback: Literal["implicit", "explicit"] = "implicit",
        solver: Literal["exact", "cg"] = "cg",
        cg_steps: int = 3,
        init_scale: float = 0.1,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.alpha = check_positive("alpha", alpha)
        self.unobserved_weight = check_positive("unobserved_weight", unobserved_weight)
        self.l2 = check_positive("l2", l2)
        self.l2_exponent = check_not_negative("l2_exponent", l2_exponent)
        self.feedback = check_choice("feedback", feedback, ("implicit", "explicit"))
        self.solver = check_choice("solver", solver, ("exact", "cg"))
        self.cg_steps = check_integer("cg_steps", cg_steps, minimum=1)
        self.init_scale = check_positive("init_scale", init_scale)
        self._width = self.n_factors + int(self.predicts_ratings)
        self._unobserved = 0.0 if self.predicts_ratings else self.unobserved_weight

    @property
    def predicts_ratings(self) -> bool:
        """Whether the feedback is explicit."""
        return self.feedback == "explicit"

    def create_variables(self) -> None:
        """Small random factors, and no biases; all zero for whoever has no entries."""
        super().create_variables()
        self._state.problem = None
        lengths = self.history_splits[1:] - self.history_splits[:-1]
        for position, (side, counts) in enumerate({"user": lengths, "item": self.item_counts}.items()):
            shape = [counts.shape[0], self.n_factors]
            factors = tf.random.stateless_normal(shape, [self.seed, position], stddev=self.init_scale)
            factors *= tf.cast(counts > 0, tf.float32)[:, tf.newaxis] / self.n_factors**0.5
            self.set_variable(f"{side}_factors", tf.pad(factors, [[0, 0], [0, self._width - self.n_factors]]))
            self.set_variable(f"{side}_gramian", tf.zeros([self._width, self._width]))

    # Learning.

    def training_data(self, train: Interactions) -> Any:
        """As of any closed form; and take the weights, and the ratings, of `train`."""
        batches = super().training_data(train)
        splits, items = self.history_splits.numpy(), self.history_items.numpy()
        users = np.repeat(np.arange(self.n_users), np.diff(splits))
        weights = self.alpha * train.to_csr("weight").data
        targets = train.to_csr("rating").data if self.predicts_ratings else np.ones(len(items), np.float32)
        item_splits, by_item = group_rows(items, self.n_items)
        self._state.problem = _Problem(
            self._buckets(self.n_items, splits, items, weights, targets),
            self._buckets(self.n_users, item_splits, users[by_item], weights[by_item], targets[by_item]),
            tf.constant(weights),
            tf.constant(targets),
        )
        self.test_function = None  # compiled for the weights of an earlier call
        return batches

    def _buckets(self, n_columns: int, splits: np.ndarray, *entries: Any) -> list[Bucket]:
        columns, weights, targets = entries
        ridge = self._ridge(np.diff(splits), n_columns).numpy()
        shortest = self._width if self.solver == "exact" else 1
        return bucketed(splits, columns, weights, targets, ridge, n_features=self._width, shortest=shortest)

    def _ridge(self, lengths: Tensor, n_columns: int) -> Tensor:
        """What multiplies the squared norm of each row: int [n_rows] → float32 [n_rows]."""
        trained = tf.cast(lengths, tf.float32) + self._unobserved * n_columns
        # Never 0, so that a row without any entries has a solution, which is 0.
        return self.l2 * tf.maximum(trained, 1.0) ** self.l2_exponent

    def create_statistics(self) -> dict:
        """None: the histories are enough."""
        return {}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Nothing to add up."""

    def solve(self, statistics: dict) -> float:
        """One sweep: all w given h, then all h given w."""
        problem = self._problem()
        users, _ = self._half_step(problem.users, self.user_factors, self.item_factors)
        items, objective = self._half_step(problem.items, self.item_factors, users)
        ridge = self._ridge(self.history_splits[1:] - self.history_splits[:-1], self.n_items)
        objective += tf.cast(tf.reduce_sum(ridge * tf.reduce_sum(users**2, axis=1)), tf.float64)
        if not np.isfinite(objective):
            raise ValueError(
                f"{self.name!r} cannot be solved in single precision with l2={self.l2:g} and alpha={self.alpha:g}: "
                "give a larger l2, or weights that differ less"
            )
        for side, factors in {"user": users, "item": items}.items():
            getattr(self, f"{side}_factors").assign(factors)
            getattr(self, f"{side}_gramian").assign(tf.matmul(factors, factors, transpose_a=True))
        return float(objective) / len(problem.weights)

    def _problem(self) -> _Problem:
        if self._state.problem is None:
            raise ValueError(f"{type(self).__name__} has no weights to learn from: call training_data(train) first")
        return self._state.problem

    def _half_step(self, buckets: list[Bucket], own: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of one side, given those of the other, and the sum of what they minimise."""
        own, other = tf.convert_to_tensor(own), tf.convert_to_tensor(other)
        shared = self._unobserved * tf.matmul(other, other, transpose_a=True)
        steps = None if self.solver == "exact" else self.cg_steps
        return solve_buckets(buckets, *self._regressors(other), shared=shared, start=own, steps=steps)

    def _regressors(self, factors: Tensor) -> tuple[Tensor, Tensor]:
        """What a side is regressed on, float32 [n, width], and what its targets hold besides, float32 [n].

        That is the factors of the other side and 0; for ratings, its factors and a 1, its biases and the mean.
        """
        if not self.predicts_ratings:
            return factors, tf.zeros_like(factors[:, 0])
        biases = factors[:, -1:]
        return tf.concat([factors[:, :-1], tf.ones_like(biases)], axis=1), self.rating_mean + biases[:, 0]

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The error of a batch of users on their histories, without the regularisation, for each observed pair."""
        problem, scores = self._problem(), self.score(inputs)
        starts, ends = (tf.gather(self.history_splits, inputs + end) for end in (0, 1))
        entries = tf.ragged.range(starts, ends, row_splits_dtype=tf.int64)
        pairs = tf.stack([entries.value_rowids(), tf.gather(tf.cast(self.history_items, tf.int64), entries.values)], 1)
        errors = tf.gather(problem.targets, entries.values) - tf.gather_nd(scores, pairs)
        observed = tf.reduce_sum(tf.gather(problem.weights, entries.values) * errors**2)
        total = observed + self._unobserved * tf.reduce_sum(scores**2)
        return tf.math.divide_no_nan(total, self.loss_weight(inputs))

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """The number of a batch's observed pairs."""
        lengths = tf.gather(self.history_splits, inputs + 1) - tf.gather(self.history_splits, inputs)
        return tf.cast(tf.reduce_sum(lengths), tf.float32)

    # Scores.

    def query(self, users: Tensor) -> Tensor:
        """Vectors of known users, w or (w, 1, μ + b): int32 [batch] → float32 [batch, n_factors (+ 2)]."""
        return self._as_queries(self._user_rows(self.check_indices(users)))

    def query_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors that unknown people would have if they had been users, by one exact half-step each.

        Args:
            histories: ragged int32 [batch, None]; an item that comes again counts once, with its last rating.
            ratings: ragged float32 [batch, None], for the models of ratings; None stands for the best rating there is.

        Returns:
            float32 [batch, n_factors (+ 2)], as of `query`.
        """
        histories = self.check_histories(histories)
        return self._as_queries(self._fold_in(histories, ratings, self.item_rows, self.n_items, self.item_gramian))

    def candidates(self) -> Tensor:
        """Vectors of all items, h or (h, b, 1): float32 [n_items, n_factors (+ 2)]."""
        return self._as_candidates(linalg.whole(self.item_factors))

    def gather_candidates(self, items: Tensor) -> Tensor:
        """Rows of `candidates()`: int32 [...] → float32 [..., n_factors (+ 2)]."""
        return self._as_candidates(self.item_rows(items))

    def fold_in_items(self, users: Tensor, ratings: Tensor = None) -> Tensor:
        """The vectors that new items would have if they had been in training, by one exact half-step each.

        Args:
            users: ragged int32 [batch, None]: who has interacted with each item.
            ratings: as in `query_histories`.

        Returns:
            float32 [batch, n_factors (+ 2)], as of `candidates`: `query` times them is what users think of the items.
        """
        if not isinstance(users, tf.RaggedTensor):
            raise TypeError(f"fold_in_items takes users as a tf.RaggedTensor of indices; got {type(users).__name__}")
        users = users.with_values(self.check_indices(users.values))
        if ratings is not None and ratings.row_lengths().numpy().tolist() != users.row_lengths().numpy().tolist():
            raise ValueError("fold_in_items takes one rating for each user of each item: the lengths differ")
        return self._as_candidates(self._fold_in(users, ratings, self._user_rows, self.n_users, self.user_gramian))

    def unknown_pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """For ratings the mean and what biases are known, else 0; -1 is unknown: float32 [batch]."""
        if not self.predicts_ratings:
            return super().unknown_pair_scores(users, items)
        sides = ((users, self._user_rows), (items, self.item_rows))
        return self.rating_mean + sum(tf.where(i >= 0, rows(tf.maximum(i, 0))[:, -1], 0.0) for i, rows in sides)

    def _user_rows(self, users: Tensor) -> Tensor:
        return linalg.rows_of(self.user_factors, users)

    def _as_queries(self, vectors: Tensor) -> Tensor:
        if not self.predicts_ratings:
            return vectors
        biases = vectors[:, -1:]
        return tf.concat([vectors[:, :-1], tf.ones_like(biases), self.rating_mean + biases], axis=1)

    def _as_candidates(self, vectors: Tensor) -> Tensor:
        return tf.concat([vectors, tf.ones_like(vectors[..., -1:])], axis=-1) if self.predicts_ratings else vectors

    def _fold_in(self, rows: Tensor, ratings: Tensor, rows_of: Callable, n_columns: int, gramian: Tensor) -> Tensor:
        """Factors for ragged rows of entries, of which alone `rows_of` reads the factors: float32 [batch, width]."""
        if not self.predicts_ratings:
            targets = tf.ones_like(rows.values, tf.float32)
        else:
            targets = tf.fill(tf.shape(rows.values), self.rating_range[1]) if ratings is None else ratings.values
        splits, columns, places = last_of_each_pair(rows, n_columns)
        named, columns = tf.unique(columns)
        features, offsets = self._regressors(rows_of(named))
        targets = tf.gather(targets, places) - tf.gather(offsets, columns)
        weights = tf.fill(tf.shape(columns), self.alpha)
        ridge = self._ridge(splits[1:] - splits[:-1], n_columns)
        return exact_ragged(splits, columns, weights, targets, features, self._unobserved * gramian, ridge)
