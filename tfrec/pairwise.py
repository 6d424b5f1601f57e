"""Models that learn from pairs of a user and an item, each beside items that the user is not known to like."""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tfrec._tf import Tensor, tf
from tfrec.batches import shuffled_batches
from tfrec.checks import check_between, check_choice, check_integer
from tfrec.data import Interactions
from tfrec.data.samplers import InBatch, KnownPositives, Mixed, NegativeSampler, Popularity, Uniform
from tfrec.inputs import check_training_data
from tfrec.losses import bayesian_personalised_ranking, binary_cross_entropy
from tfrec.recommender import Recommender

Objective = Literal["bce", "bpr"]
Sampler = Literal["uniform", "popularity", "in_batch", "mixed", "dynamic_hard"]

_LOSSES = {"bce": binary_cross_entropy, "bpr": bayesian_personalised_ranking}


class PairBatch(NamedTuple):
    """What a step learns from.

    Attributes:
        users: int32 [batch].
        items: int32 [batch], the positives.
        negatives: int32 [batch, n]; -1 where there is none.
        weights: float32 [batch], of the pairs.
    """

    users: Tensor
    items: Tensor
    negatives: Tensor
    weights: Tensor

    @property
    def listed(self) -> Tensor:
        """What is scored, the positive first: int32 [batch, 1 + n]; 0 stands where there is no negative."""
        return tf.concat([self.items[:, tf.newaxis], tf.maximum(self.negatives, 0)], axis=1)


class PairwiseRecommender(Recommender):
    """A model that learns from every training row beside negatives drawn anew in every epoch.

    A subclass implements `pair_scores`, and may add a `pair_penalties`. The loss in the history is the mean over the
    rows, by their weights; Keras's `evaluate` on `training_data` leaves the penalty out.

    Args:
        objective: "bce", binary cross-entropy, or "bpr", Bayesian personalised ranking.
        sampler: where negatives come from: "uniform"; "popularity", to the power of `popularity_alpha`; "in_batch", the
            positives of the other rows; "mixed", uniform and popularity in equal shares; "dynamic_hard", of
            `n_candidates` uniform ones the one that the model scores highest.
        n_negatives: how many negatives a row.
        popularity_alpha: from 0, which is uniform, to 2; 1 is proportional to popularity.
        n_candidates: how many items a "dynamic_hard" negative is the hardest of.
        batch_size: rows a step, without the negatives.
        seed: of all that is random.
        name: Keras's name of the model.
    """

    uses_weights = True

    def __init__(
        self,
        *,
        objective: Objective,
        sampler: Sampler,
        n_negatives: int,
        popularity_alpha: float,
        n_candidates: int,
        batch_size: int,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(seed=seed, name=name)
        self.objective = check_choice("objective", objective, get_args(Objective))
        self.sampler = check_choice("sampler", sampler, get_args(Sampler))
        self.n_negatives = check_integer("n_negatives", n_negatives, minimum=1)
        self.popularity_alpha = check_between("popularity_alpha", popularity_alpha, 0, 2)
        self.n_candidates = check_integer("n_candidates", n_candidates, minimum=1)
        self.batch_size = check_integer("batch_size", batch_size, minimum=1)

    def pair_scores(self, users: Tensor, items: Tensor, training: bool = False) -> Tensor:
        """Scores to learn from: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        raise NotImplementedError(f"{type(self).__name__} must implement pair_scores")

    def pair_penalties(self, users: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
        """What is added to the loss of each row in training: float32 [batch], or 0.

        Args:
            users: int32 [batch].
            items: int32 [batch].
            negatives: int32 [batch, n_negatives]; -1 where there is none.
        """
        return 0.0

    def negative_sampler(self, positives: KnownPositives) -> NegativeSampler:
        """What draws the negatives, or the candidates for them; to be overridden for another one."""
        # A user who has everything gets no negatives, and is no error.
        uniform = Uniform(positives, on_full_history="mask")
        if self.sampler == "in_batch":
            return InBatch(positives)
        if self.sampler in ("popularity", "mixed"):
            popularity = Popularity(positives, alpha=self.popularity_alpha, on_full_history="mask")
            return popularity if self.sampler == "popularity" else Mixed([uniform, popularity])
        return uniform

    def training_data(self, train: Interactions) -> Any:
        """A `PairBatch` a step: every row of `train` once an epoch, in a new order and beside new negatives each time.

        Raises:
            TypeError: `train` is not `Interactions`.
            ValueError: it has other users or items than the model was adapted to, or no rows.
        """
        check_training_data(self, train)
        weights = np.ones(len(train), np.float32) if train.weight is None else train.weight
        columns = [tf.constant(column) for column in (train.user, train.item, weights)]
        sampler = self.negative_sampler(KnownPositives.of(train))
        n_drawn = self.n_negatives * (self.n_candidates if self.sampler == "dynamic_hard" else 1)

        # Drawn for whole batches, so that it doesn't matter how many devices share them.
        def select(rows: Tensor, epoch: Tensor, step: Tensor) -> PairBatch:
            users, items, weights = (tf.gather(column, rows) for column in columns)
            negatives = sampler.sample(users, n_drawn, seed=self.seed, epoch=epoch, step=step, items=items)
            return PairBatch(users, items, negatives, weights)

        return shuffled_batches(self, len(train), self.batch_size, select)

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The weighted mean of the rows' losses; in training with the penalties."""
        batch = PairBatch(*inputs)
        return self.loss_of_scores(batch, self.pair_scores(batch.users, batch.listed, training), training)

    def loss_of_scores(self, batch: PairBatch, scores: Tensor, training: bool = False) -> Tensor:
        """`compute_loss`, from the scores of what a batch lists: float32 [batch, 1 + n] → float32 []."""
        positive, negatives, of_negatives = scores[:, 0], batch.negatives, scores[:, 1:]
        if self.sampler == "dynamic_hard":
            negatives, of_negatives = self._hardest(negatives, of_negatives)
        losses = _LOSSES[self.objective](positive, of_negatives, negatives >= 0)
        if training:
            losses += self.pair_penalties(batch.users, batch.items, negatives)
        return tf.math.divide_no_nan(tf.reduce_sum(batch.weights * losses), self.loss_weight(batch))

    def _hardest(self, candidates: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Of every `n_candidates` the one with the highest score (Zhang et al. 2013; see `DynamicHard`)."""
        shape = [-1, self.n_negatives, self.n_candidates]
        candidates, scores = tf.reshape(candidates, shape), tf.reshape(scores, shape)
        hardness = tf.where(candidates >= 0, scores, tf.constant(float("-inf")))
        best = tf.argmax(hardness, axis=2, output_type=tf.int32)
        return tf.gather(candidates, best, batch_dims=2), tf.gather(scores, best, batch_dims=2)

    def loss_weight(self, inputs: Tensor) -> Tensor:
        """The sum of the weights of a batch's rows."""
        weight = tf.reduce_sum(PairBatch(*inputs).weights)
        # Replicas whose rows weigh differently much must not count alike: each divides by the mean of all.
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, weight)
