"""Popularity: everybody gets what most people have.

The baseline that a personalised model must beat, and the answer of every model of the zoo for people it knows nothing
of. On the leave-one-out split of MovieLens-1M that He et al. (2017) published, with 99 sampled negatives: HR@10 .4533,
nDCG@10 .2542 in print.
"""

from tfrec._tf import Tensor, tf
from tfrec.closed_form import ClosedFormRecommender, statistic
from tfrec.recommender import ImplicitRecommender


class Popularity(ClosedFormRecommender, ImplicitRecommender):
    """Ranks items by the number of users who have them.

    The loss in the history is the mean negative log-likelihood of the training interactions under
    p(item) ∝ popularity, in nats: the entropy of the catalogue.

    Args:
        seed: for the contract's sake; nothing here is random.
        name: Keras's name of the model.

    Attributes:
        popularity: float32 [n_items], how many users have the item.
    """

    personalised = False  # the evaluator warns of other models that give everybody the same list

    def __init__(self, *, seed: int = 0, name: str | None = None) -> None:
        super().__init__(seed=seed, name=name)

    def create_variables(self) -> None:
        """The popularity of each item."""
        self.set_variable("popularity", tf.zeros([self.n_items]))

    def create_statistics(self) -> dict:
        """How often each item was counted."""
        return {"counts": statistic([self.n_items])}

    def accumulate(self, statistics: dict, users: Tensor) -> None:
        """Count the items of a batch of users."""
        counts = tf.math.bincount(self.seen_items(users).values, minlength=self.n_items, maxlength=self.n_items)
        statistics["counts"].assign_add(tf.cast(counts, tf.float32))

    def solve(self, statistics: dict) -> float:
        """The counts are the model."""
        self.popularity.assign(statistics["counts"])
        total = tf.reduce_sum(self.popularity)
        return float(-tf.reduce_sum(self.popularity * self._log_likelihood()) / total)

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean negative log-likelihood of the items of a batch of users."""
        items = self.seen_items(inputs).values
        total = -tf.reduce_sum(tf.gather(self._log_likelihood(), items))
        return tf.math.divide_no_nan(total, tf.cast(tf.size(items), tf.float32))

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """The number of interactions: the loss is their mean, not the users'."""
        return tf.size(self.seen_items(inputs).values)

    def _log_likelihood(self) -> Tensor:
        popularity = tf.convert_to_tensor(self.popularity)
        # An item that nobody has takes no part: 0 log 0 = 0.
        return tf.math.log(tf.maximum(popularity, 1.0)) - tf.math.log(tf.reduce_sum(popularity))

    def score(self, users: Tensor) -> Tensor:
        """The same row for everybody: int32 [batch] → float32 [batch, n_items]."""
        users = self.check_indices(users)
        return tf.tile(self.popularity[tf.newaxis, :], [tf.size(users), 1])

    def score_histories(self, histories: Tensor, ratings: Tensor = None) -> Tensor:
        """The same row for everybody: ragged int32 [batch, None] → float32 [batch, n_items]."""
        histories = self.check_histories(histories)
        return tf.tile(self.popularity[tf.newaxis, :], [histories.nrows(tf.int32), 1])

    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """The popularity of the item."""
        _, items = self.check_indices(users, items)
        return tf.gather(self.popularity, items)
