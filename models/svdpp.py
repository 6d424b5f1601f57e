"""SVD++: matrix factorisation of ratings that also learns from which items a user has rated at all.

Yehuda Koren, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model", KDD 2008.

With the mean rating μ and N(u), the items of user u's training history, a rating is predicted as (eq. 15)

    r̂(u, i) = μ + b(u) + b(i) + q(i) · v(u),    v(u) = p(u) + |N(u)|^-½ Σ_{j ∈ N(u)} y(j)

and the parameters minimise the squared error under a penalty that every rating pays once more, so that it grows with
how often a parameter is used (the paper's gradient steps; here one λ for biases and factors alike):

    Σ_(u,i)  w(u, i) [ (r(u, i) - r̂(u, i))² + λ (b(u)² + b(i)² + ‖p(u)‖² + ‖q(i)‖²) + λ' Σ_{j ∈ N(u)} ‖y(j)‖² ]

The paper steps from rating to rating, and each step costs as much as the user's whole history. Here a batch is some
users with all of their ratings: the sum over a user's items is computed once a user, for all of them by one sparse
product. The optimizer is Adam, whose learning rate shrinks from epoch to epoch; the biases start as shrunk means.

N(u) is what was rated in training; the ratings to be predicted add nothing to it. In 5-fold cross-validation over
random rows the RMSE is .9015 on MovieLens-100K (`configs/ml-100k/svdpp.yaml`) and .846 on MovieLens-1M
(`configs/ml-1m/svdpp.yaml`), each with 100 factors.
"""

from typing import Any, NamedTuple

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.batches import shuffled_batches
from tfrec.biased import BiasedFactorRecommender
from tfrec.checks import check_fraction, check_integer, check_positive
from tfrec.data import Interactions
from tfrec.data.grouping import group_rows
from tfrec.linalg.least_squares import exact_ragged
from tfrec.linalg.products import sparse_dense_product
from tfrec.linalg.tables import rows_of
from tfrec.optimizers import decay_learning_rate

_STDDEV = 0.1  # of the factors at the start
_SHRINKAGE = 10.0  # the biases start as if they had been seen so many more times, and been 0


class _Ratings(NamedTuple):
    """The ratings by user; unlike the histories, one for every row, however often a user has rated an item."""

    splits: Tensor  # int64 [n_users + 1]
    items: Tensor  # int32 [n_ratings]
    ratings: Tensor  # float32 [n_ratings]
    weights: Tensor  # float32 [n_ratings]
    user_weights: Tensor  # float32 [n_users], the sum of each user's


class SVDpp(BiasedFactorRecommender):
    """Factors, biases and the implicit term of SVD++, learned by gradients.

    The loss in the history is the mean of the objective over the ratings, by their weights; Keras's `evaluate` on
    `training_data` leaves the penalty out: the mean squared error. After each epoch the learning rate is multiplied by
    `learning_rate_decay`, also that of an optimizer of your own, unless it follows a schedule.

    Someone unknown is described by the implicit term of their history alone; where ratings come with it, by the p and
    the bias, too, that minimise the objective for these ratings, all else given: one ridge regression.

    Args:
        n_factors: the dimension of p, q and y.
        l2: λ, above 0.
        l2_implicit: λ', above 0; a much smaller number, because y(j) pays it for all ratings of those who rated j.
        learning_rate: of Adam, in the first epoch.
        learning_rate_decay: what it is multiplied by after each epoch; 1 leaves it as it is.
        batch_users: how many users, with all their ratings, a step learns from.
        seed: of the factors at the start and of the order of the users.
        name: Keras's name of the model.

    Attributes:
        user_factors: p, float32 [n_users, n_factors].
        item_factors: q, float32 [n_items, n_factors].
        implicit_factors: y, float32 [n_items, n_factors].
    """

    default_epochs = 20
    uses_weights = True
    user_factors: Any
    implicit_factors: Any

    def __init__(
        self,
        *,
        n_factors: int = 50,
        l2: float = 0.1,
        l2_implicit: float = 0.002,
        learning_rate: float = 0.02,
        learning_rate_decay: float = 0.85,
        batch_users: int = 32,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.l2 = check_positive("l2", l2)
        self.l2_implicit = check_positive("l2_implicit", l2_implicit)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.learning_rate_decay = check_fraction("learning_rate_decay", learning_rate_decay)
        self.batch_users = check_integer("batch_users", batch_users, minimum=1)
        self._state.ratings = None

    def create_variables(self) -> None:
        """Biases of zero, until `adapt` sees the ratings, and small random factors."""
        super().create_variables()
        sizes = {"user_factors": self.n_users, "item_factors": self.n_items, "implicit_factors": self.n_items}
        for stream, (name, size) in enumerate(sizes.items()):
            values = tf.random.stateless_normal([size, self.n_factors], [self.seed, stream], stddev=_STDDEV)
            self.set_variable(name, values, trainable=True)

    def adapt(self, train: Interactions) -> None:
        """As `ExplicitRecommender.adapt`; and group the ratings by user, and start the biases at shrunk means."""
        super().adapt(train)
        self._state.ratings = _by_user(train)
        weights = np.ones(len(train)) if train.weight is None else train.weight
        residuals = train.rating - self.rating_mean.numpy()
        item_biases = _shrunk_means(residuals, weights, train.item, self.n_items)
        user_biases = _shrunk_means(residuals - item_biases[train.item], weights, train.user, self.n_users)
        self.item_biases.assign(item_biases)
        self.user_biases.assign(user_biases)

    def training_data(self, train: Interactions) -> Any:
        """Batches of users in a new order each epoch: int32 [batch]; their ratings are those that `adapt` was given.

        Raises:
            TypeError: `train` is not `Interactions`.
            ValueError: it is not what the model was adapted to.
        """
        if not isinstance(train, Interactions):
            raise TypeError(f"training_data takes tfrec.data.Interactions, got {type(train).__name__}")
        if self._state.adapted_to() is not train:
            both = zip(self._adapted_ratings(), _by_user(train), strict=True)
            if not all(np.array_equal(mine, given) for mine, given in both):
                raise ValueError(f"SVDpp was adapted to other data than {train!r}: call adapt(train) first")
        users = tf.constant(np.unique(train.user), tf.int32)
        return shuffled_batches(self, len(users), self.batch_users, lambda rows, *_: tf.gather(users, rows))

    def default_optimizer(self) -> Any:
        """Adam."""
        return tf.keras.optimizers.Adam(self.learning_rate)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Let the learning rate decay."""
        decay_learning_rate(self.optimizer, self.learning_rate_decay)
        return {}

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The weighted mean of the objective over the ratings of users, int32 [batch]; the penalty only in training."""
        rows, items, ratings, weights = self._ratings_of(inputs)
        vectors, factors = tf.gather(self.user_vectors(inputs), rows), tf.gather(self.item_factors, items)
        biases = tf.gather(tf.gather(self.user_biases, inputs), rows) + tf.gather(self.item_biases, items)
        errors = ratings - self.rating_mean - biases - tf.reduce_sum(vectors * factors, axis=1)
        total = tf.reduce_sum(weights * tf.square(errors))
        if training:
            total += self._penalty(inputs, items, weights)
        return tf.math.divide_no_nan(total, self.loss_weight(inputs))

    def _penalty(self, users: Tensor, items: Tensor, weights: Tensor) -> Tensor:
        """What all ratings of some users pay, summed up by the parameters that they pay for."""
        of_users = tf.gather(self._adapted_ratings().user_weights, users)
        of_items = tf.math.unsorted_segment_sum(weights, items, self.n_items)
        history = self.seen_items(users)
        of_history = tf.repeat(of_users, history.row_lengths())
        of_implicit = tf.math.unsorted_segment_sum(of_history, history.values, self.n_items)
        explicit = _squares(of_users, tf.gather(self.user_factors, users), tf.gather(self.user_biases, users))
        explicit += _squares(of_items, self.item_factors, self.item_biases)
        return self.l2 * explicit + self.l2_implicit * _squares(of_implicit, self.implicit_factors)

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """The weight of a batch's ratings: their number, where they have no weights."""
        weight = tf.reduce_sum(tf.gather(self._adapted_ratings().user_weights, inputs))
        # Replicas whose users have rated differently much must not count alike: each divides by the mean of all.
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, weight)

    def _ratings_of(self, users: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The ratings of users: the place of each one's user in `users`, its item, itself and its weight."""
        known = self._adapted_ratings()
        starts, ends = tf.gather(known.splits, users), tf.gather(known.splits, users + 1)
        entries = tf.ragged.range(starts, ends, row_splits_dtype=tf.int64).values
        rows = tf.repeat(tf.range(tf.size(users)), ends - starts)
        return rows, *(tf.gather(column, entries) for column in (known.items, known.ratings, known.weights))

    def _adapted_ratings(self) -> _Ratings:
        self._vocabulary("user")
        if self._state.ratings is None:
            raise ValueError("this SVDpp was loaded, and knows no ratings to learn from: call adapt(train) first")
        return self._state.ratings

    def user_vectors(self, users: Tensor) -> Tensor:
        """The vectors v = p + |N|^-½ Σ y of known users: int32 [batch] → float32 [batch, n_factors]."""
        return tf.gather(self.user_factors, users) + self._implicit_terms(self.seen_items(users))

    def history_vectors(self, histories: Tensor, ratings: Tensor = None) -> tuple[Tensor, Tensor]:
        """Vectors and biases of unknown people: the implicit terms and 0; with ratings, what fits them best, too.

        An item counts once in the implicit term, however often it stands in a history; every rating counts.
        """
        vectors = self._implicit_terms(_distinct(histories, self.n_items))
        if ratings is None:
            return vectors, tf.zeros_like(vectors[:, 0])
        rows, (rated, items) = histories.value_rowids(), tf.unique(histories.values)
        factors = self.item_rows(rated)
        explained = tf.reduce_sum(tf.gather(vectors, rows) * tf.gather(factors, items), axis=1)
        # At least one, so that the system of an empty history, whose solution is 0, is not singular.
        counts = tf.maximum(histories.row_lengths(), 1)
        biases = rows_of(self.item_biases, histories.values)
        residuals = ratings.values - self.rating_mean - biases - explained
        solved = exact_ragged(
            splits=tf.cast(histories.row_splits, tf.int64),
            columns=items,
            features=tf.pad(factors, [[0, 0], [0, 1]], constant_values=1.0),
            weights=tf.ones_like(residuals),
            targets=residuals,
            shared=tf.zeros([self.n_factors + 1, self.n_factors + 1]),
            ridge=self.l2 * tf.cast(counts, tf.float32),
        )
        return vectors + solved[:, :-1], solved[:, -1]

    def _implicit_terms(self, histories: Tensor) -> Tensor:
        """|N|^-½ Σ_{j ∈ N} y(j) of ragged int32 [batch, None]: float32 [batch, n_factors], 0 for an empty history."""
        lengths = tf.cast(histories.row_lengths(), tf.float32)
        sums = _sums_over_rows(histories, tf.convert_to_tensor(self.implicit_factors))
        return sums * tf.math.rsqrt(tf.maximum(lengths, 1.0))[:, tf.newaxis]


def _by_user(train: Interactions) -> _Ratings:
    splits, rows = group_rows(train.user, train.n_users)
    weights = np.ones(len(train), np.float32) if train.weight is None else train.weight
    return _Ratings(
        splits=tf.constant(splits),
        items=tf.constant(train.item[rows]),
        ratings=tf.constant(train.rating[rows]),
        weights=tf.constant(weights[rows]),
        user_weights=tf.constant(np.bincount(train.user, weights, train.n_users), tf.float32),
    )


def _shrunk_means(values: np.ndarray, weights: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """The weighted mean of each group's values, drawn towards 0 where there are few: float64 [n_groups]."""
    totals = np.bincount(groups, weights * values, n_groups)
    return totals / (np.bincount(groups, weights, n_groups) + _SHRINKAGE)


def _squares(weights: Tensor, factors: Tensor, biases: Tensor = 0.0) -> Tensor:
    """Σ w (‖x‖² + b²) of weights w, factors x and biases b: float32 [n], [n, d], [n] → float32 []."""
    return tf.reduce_sum(weights * (tf.reduce_sum(tf.square(factors), axis=1) + tf.square(biases)))


def _distinct(histories: Tensor, n_items: int) -> Tensor:
    """Ragged histories, in which every item comes once a row."""
    rows = histories.value_rowids()
    entries, _ = tf.unique(rows * n_items + tf.cast(histories.values, rows.dtype))
    items = tf.cast(entries % n_items, tf.int32)
    return tf.RaggedTensor.from_value_rowids(items, entries // n_items, nrows=histories.nrows())


def _sums_over_rows(histories: Tensor, vectors: Tensor) -> Tensor:
    """The sum of the vectors of each history: ragged int32 [batch, None] → float32 [batch, n_factors]."""
    rows, items = histories.value_rowids(), histories.values

    # The kernel's own gradient is a transposed product, whose threads add up in no fixed order: no two fits are alike.
    @tf.custom_gradient
    def sums(vectors: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> Tensor:
            return tf.math.unsorted_segment_sum(tf.gather(upstream, rows), items, vectors.shape[0])

        return sparse_dense_product(rows, items, histories.nrows(), vectors), gradient

    return sums(vectors)
