"""SVD: matrix factorisation, of ratings by gradients or of the whole matrix by its singular vectors.

`method="biased"`: Yehuda Koren, Robert Bell & Chris Volinsky, "Matrix Factorization Techniques for Recommender
Systems", IEEE Computer 42(8), 2009. A rating is a sum of biases and of an inner product (eq. 4),

    r̂(u, i) = μ + b_u + b_i + q_i · p_u,

fitted to the ratings that there are, κ, with weights w that are 1 unless the data has others (eq. 5):

    min  Σ_{(u, i) ∈ κ} w_ui [ (r_ui - r̂(u, i))² + λ (‖p_u‖² + ‖q_i‖²) + λ_b (b_u² + b_i²) ].

The penalty stands inside the sum: who has rated more is held back more. It is learned by stochastic gradient descent,

    e = r_ui - r̂(u, i),    p_u += η (e q_i - λ p_u),    q_i += η (e p_u - λ q_i),    likewise b_u and b_i,

in small batches. Plain descent from factors near zero finds better factors here than Adagrad or Adam: it grows those
first that explain most. 5-fold cross-validation gives RMSE .904 on MovieLens-100K and .848 on MovieLens-1M:
`configs/ml-100k/svd.yaml`, `configs/ml-1m/svd.yaml`.

`method="truncated"`: PureSVD, Paolo Cremonesi, Yehuda Koren & Roberto Turrin, "Performance of Recommender Algorithms on
Top-N Recommendation Tasks", RecSys 2010. Here X is the whole user-item matrix, 0 where nothing is known. With its
leading singular vectors, X ≈ U Σ Vᵀ, the scores of a user with the row x are (eq. 6)

    x V Vᵀ,

and a person the model has never seen is scored like any other. V is found by subspace iteration from a random start
(Halko, Martinsson & Tropp 2011, alg. 4.4; `tfrec/linalg/subspace.py`), an epoch being one pass over the users. On the
leave-one-out split of MovieLens-1M of He et al. (2017) it gives HR@10 .6906 and nDCG@10 .4289:
`configs/ml-1m-ncf/svd.yaml`. It ranks, and predicts no ratings.
"""

from typing import Any, Literal

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.batches import shuffled_batches
from tfrec.biased import BiasedFactorRecommender
from tfrec.checks import check_choice, check_integer, check_positive
from tfrec.closed_form import ClosedFormRecommender, statistic
from tfrec.data import DataError, Interactions
from tfrec.linalg.least_squares import exact_ragged, last_of_each_pair
from tfrec.linalg.subspace import gram_product, orthonormal_basis, ritz_pairs

_METHODS = ("biased", "truncated")
_VALUES = ("binary", "rating", "weight")


class SVD(ClosedFormRecommender, BiasedFactorRecommender):
    """Biases and factors of ratings, or the leading singular vectors of the user-item matrix.

    The loss in the history is the mean of the objective over the ratings (biased), or the squared error ‖X - X V Vᵀ‖²
    for each user (truncated), which no epoch increases.

    Args:
        method: "biased" or "truncated".
        n_factors: how many factors; some tens for "truncated".
        l2: λ, the penalty of the factors for each rating, above 0 ("biased", as are the next five).
        l2_biases: λ_b, the penalty of the biases for each rating, above 0.
        learning_rate: η, how far one rating moves the vectors, whatever the batch size; the default optimizer's.
        batch_size: how many ratings make a step.
        initial_std: the standard deviation of the factors to start from.
        values: what X holds where a user has an item ("truncated", as is the next): "binary": 1; "rating": the last
            rating; "weight": the sum of the weights.
        oversampling: how many directions are iterated beyond `n_factors`, for faster convergence.
        seed: of the factors to start from, and of the order of the ratings.
        name: Keras's name of the model.

    Attributes:
        user_factors: p, float32 [n_users, n_factors] ("biased").
        item_factors: q, or V with orthonormal columns; float32 [n_items, n_factors].
        singular_values: the diagonal of Σ, float32 [n_factors], descending ("truncated").
    """

    def __init__(
        self,
        *,
        method: Literal["biased", "truncated"] = "biased",
        n_factors: int = 64,
        l2: float = 0.07,
        l2_biases: float = 0.005,
        learning_rate: float = 0.01,
        batch_size: int = 1024,
        initial_std: float = 0.01,
        values: Literal["binary", "rating", "weight"] = "binary",
        oversampling: int = 16,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.method = check_choice("method", method, _METHODS)
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.l2 = check_positive("l2", l2)
        self.l2_biases = check_positive("l2_biases", l2_biases)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)
        self.initial_std = check_positive("initial_std", initial_std)
        self.values = check_choice("values", values, _VALUES)
        self.oversampling = check_integer("oversampling", oversampling, minimum=0)

    @property
    def is_closed_form(self) -> bool:
        """Whether the method is "truncated"."""
        return self.method == "truncated"

    @property
    def predicts_ratings(self) -> bool:
        """Whether the method is "biased"."""
        return self.method == "biased"

    @property
    def uses_weights(self) -> bool:  # type: ignore[override]  # in the base class a plain attribute
        """Whether the weights of the data count."""
        return self.method == "biased" or self.values == "weight"

    @property
    def default_epochs(self) -> int:  # type: ignore[override]  # likewise
        """Passes over the ratings, or steps of subspace iteration."""
        return 50 if self.method == "biased" else 15

    def adapt(self, train: Interactions) -> None:
        """As `Recommender.adapt`.

        Raises:
            DataError: the method or its values need ratings, and there are none; or all weights are zero.
            ValueError: more factors are asked for than the matrix can have ("truncated").
        """
        if isinstance(train, Interactions) and len(train):
            self._check_data(train)
        super().adapt(train)
        if self.is_closed_form:
            self.rating_mean.assign(0.0)  # a score is the inner product alone
            if self.values != "binary":
                self.history_values.assign(train.to_csr(self.values).data)

    def _check_data(self, train: Interactions) -> None:
        if self.is_closed_form:
            n_users, n_items = len(np.unique(train.user)), len(np.unique(train.item))
            if self.n_factors > min(n_users, n_items):
                raise ValueError(
                    f"n_factors is {self.n_factors}, and the matrix of the {n_users} users and {n_items} items of "
                    f"{train!r} that have rows has at most rank {min(n_users, n_items)}: take no more factors than that"
                )
            if self.values == "rating" and not train.has_ratings:
                raise DataError(f'SVD with values="rating" needs ratings, and {train!r} has none: take values="binary"')
        elif train.weight is not None and train.weight.sum() == 0:
            raise DataError(f"SVD cannot be fitted to {train!r}: all its weights are zero")

    def create_variables(self) -> None:
        """The factors: small random ones to start from, or zero and the random subspace to start from."""
        super().create_variables()
        if self.is_closed_form:
            width = min(self.n_factors + self.oversampling, self.n_items)
            self.set_variable("item_factors", tf.zeros([self.n_items, self.n_factors]))
            self.set_variable("singular_values", tf.zeros([self.n_factors]))
            self.set_variable("basis", orthonormal_basis(self._normal([self.n_items, width], stream=0)))
            if self.values != "binary":
                self.set_variable("history_values", tf.zeros(self.history_items.shape))
            return
        factors = {"user_factors": self.n_users, "item_factors": self.n_items}
        for stream, (name, rows) in enumerate(factors.items()):
            start = self.initial_std * self._normal([rows, self.n_factors], stream=stream)
            self.set_variable(name, start, trainable=True)

    def _normal(self, shape: list[int], *, stream: int) -> Tensor:
        return tf.random.stateless_normal(shape, [self.seed, stream])

    def training_data(self, train: Interactions) -> Any:
        """Shuffled batches of (user, item, rating, weight), the weights' mean being 1; or batches of user indices.

        Raises:
            ValueError: `train` is not what `adapt` was given.
        """
        if self.is_closed_form:
            return super().training_data(train)
        self.check_adapted_to(train)
        weight = np.ones(len(train), np.float32) if train.weight is None else train.weight / train.weight.mean()
        columns = [tf.constant(column) for column in (train.user, train.item, train.rating, weight)]
        return shuffled_batches(
            self, len(train), self.batch_size, lambda rows, *_: tuple(tf.gather(column, rows) for column in columns)
        )

    def default_optimizer(self) -> Any:
        """Stochastic gradient descent; for "truncated" an inert one."""
        if self.is_closed_form:
            return super().default_optimizer()
        # The loss is the mean over a batch of squared errors, whose gradient is twice the step of one rating.
        return tf.keras.optimizers.SGD(self.learning_rate * self.batch_size / 2)

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean of the objective over a batch of ratings, or of users."""
        if self.is_closed_form:
            return self._reconstruction_error(inputs)
        users, items, ratings, weights = inputs
        user_factors, item_factors = tf.gather(self.user_factors, users), tf.gather(self.item_factors, items)
        user_biases, item_biases = tf.gather(self.user_biases, users), tf.gather(self.item_biases, items)
        predicted = self.rating_mean + user_biases + item_biases + tf.reduce_sum(user_factors * item_factors, axis=1)
        factors = tf.reduce_sum(tf.square(user_factors) + tf.square(item_factors), axis=1)
        biases = tf.square(user_biases) + tf.square(item_biases)
        objective = tf.square(ratings - predicted) + self.l2 * factors + self.l2_biases * biases
        return self._equal_steps(tf.reduce_mean(weights * objective), tf.size(users))

    def _equal_steps(self, loss: Tensor, n_ratings: Tensor) -> Tensor:
        """The same loss, with the gradient of the sum over the batch divided by `batch_size`.

        So that each rating moves the vectors as far in a batch of fewer ratings, the last of an epoch or a replica's,
        and descent is as stable where all ratings together are fewer than `batch_size`.
        """
        share = tf.cast(n_ratings * tf.distribute.get_strategy().num_replicas_in_sync, tf.float32) / self.batch_size
        return share * loss + tf.stop_gradient((1 - share) * loss)

    def user_vectors(self, users: Tensor) -> Tensor:
        """p, or x V of the users' histories: int32 [batch] → float32 [batch, n_factors]."""
        if not self.is_closed_form:
            return tf.gather(self.user_factors, users)
        rows, items, values = self._entries(users)
        return self._weighted_sums(rows, items, tf.size(users), values)

    def history_vectors(self, histories: Tensor, ratings: Tensor = None) -> tuple[Tensor, Tensor]:
        """The best p and b of unknown people for the objective, the items' part as it is; or x V and 0.

        Args:
            histories: ragged int32 [batch, None], known items.
            ratings: ragged float32 [batch, None]; without them every item counts as rated with the highest rating.
        """
        given = tf.fill(tf.shape(histories.values), self.rating_range[1]) if ratings is None else ratings.values
        if self.is_closed_form:
            splits, items, last = last_of_each_pair(histories, self.n_items)
            rows = tf.RaggedTensor.from_row_splits(items, splits, validate=False).value_rowids()
            values = tf.gather(given, last) if self.values == "rating" else None
            vectors = self._weighted_sums(rows, items, histories.nrows(), values)
            return vectors, tf.zeros_like(vectors[:, 0])
        # The bias is the weight of one more feature, of a size that makes the penalty λ that of the biases.
        size = np.float32(np.sqrt(self.l2 / self.l2_biases))
        rated, items = tf.unique(histories.values)
        features = tf.pad(self.item_rows(rated), [[0, 0], [0, 1]], constant_values=size)
        targets = given - self.rating_mean - linalg.rows_of(self.item_biases, histories.values)
        ridge = self.l2 * tf.cast(tf.maximum(histories.row_lengths(), 1), tf.float32)
        shared = tf.zeros([self.n_factors + 1, self.n_factors + 1])
        solved = exact_ragged(
            tf.cast(histories.row_splits, tf.int64), items, tf.ones_like(targets), targets, features, shared, ridge
        )
        return solved[:, :-1], size * solved[:, -1]

    def _weighted_sums(self, rows: Tensor, items: Tensor, n_rows: Tensor, values: Tensor) -> Tensor:
        """Products x V; of V only the rows that x names are read: float32 [n_rows, n_factors]."""
        named, items = tf.unique(items)
        return linalg.sparse_dense_product(rows, items, n_rows, self.item_rows(named), values)

    # The singular vectors.

    def create_statistics(self) -> dict:
        """XᵀX times the basis, and ‖X‖²."""
        return {"image": statistic(self.basis.shape), "squares": statistic([])}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Add the share of a batch of users."""
        rows, items, values = self._entries(users)
        statistics["image"].assign_add(gram_product(rows, items, tf.size(users), self.basis, values))
        statistics["squares"].assign_add(tf.reduce_sum(_squares(items, values)))

    def solve(self, statistics: dict) -> float:
        """Take the best vectors in the subspace, and step to a better subspace."""
        eigenvalues, vectors = ritz_pairs(self.basis, statistics["image"])
        eigenvalues = tf.maximum(eigenvalues[: self.n_factors], 0.0)
        self.item_factors.assign(vectors[:, : self.n_factors])
        self.singular_values.assign(tf.sqrt(eigenvalues))
        self.basis.assign(orthonormal_basis(statistics["image"]))
        return float((statistics["squares"] - tf.reduce_sum(eigenvalues)) / self.n_users)

    def _reconstruction_error(self, users: Tensor) -> Tensor:
        """The mean of ‖x - x V Vᵀ‖² = ‖x‖² - ‖x V‖² over a batch of users."""
        _, items, values = self._entries(users)
        kept = tf.reduce_sum(tf.square(self.user_vectors(users)))
        return (tf.reduce_sum(_squares(items, values)) - kept) / tf.cast(tf.size(users), tf.float32)

    def _entries(self, users: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of X of users, entry by entry: the place in the batch, the item and the value (None: all are 1)."""
        if self.values == "binary":
            history = self.seen_items(users)
            return history.value_rowids(), history.values, None
        starts, ends = tf.gather(self.history_splits, users), tf.gather(self.history_splits, users + 1)
        places = tf.ragged.range(starts, ends, row_splits_dtype=tf.int64)
        items, values = (tf.gather(variable, places.values) for variable in (self.history_items, self.history_values))
        return places.value_rowids(), items, values


def _squares(items: Tensor, values: Tensor) -> Tensor:
    return tf.ones_like(items, tf.float32) if values is None else tf.square(values)
