"""SASRec: which item comes next, by self-attention over the items before it.

Wang-Cheng Kang & Julian McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018.

A sequence of items s_1 … s_n, oldest first, becomes a sum of item and position embeddings (eq. 1)

    Ê_t = √d M[s_t] + P[t],

where positions count from the end: the last item always has the last of them, as if sequences were padded on the left.
There follow `n_blocks` blocks of causal attention (eqs. 2 and 3) and a point-wise network (eq. 4)

    S = Attention(Ê W^Q, Ê W^K, Ê W^V),    F = ReLU(S W¹ + b¹) W² + b²,

each of them as x + Dropout(g(LayerNorm(x))). Item i is scored by the embedding that the input has of it, too: r(i, t) =
F_t · M[i]. All positions learn at once to predict the item that comes next, i⁺ = s_{t+1}, by one of these losses:

    cross_entropy    -log (exp r(i⁺) / Σ_i exp r(i)) over all items i: Klenitskiy & Vasilev, "Turning Dross Into Gold
                     Loss: is BERT4Rec really better than SASRec?", RecSys 2023;
    sampled_softmax  the same over i⁺ and negatives that the whole batch shares;
    bce              -log σ(r(i⁺)) - Σ_j log(1 - σ(r(j))), over negatives j of each target's own (the paper's loss);
    gbce             -β log σ(r(i⁺)) - Σ_j log(1 - σ(r(j))): Petrov & Macdonald, "gSASRec: Reducing Overconfidence in
                     Sequential Recommendation Trained with Negative Sampling", RecSys 2023, eq. 13 for β.

The full cross-entropy is computed by parts that fit the processor's cache, so that it needs the memory of no table of
targets by items. Leave one out, with all items ranked, HR@10 and nDCG@10 are .302 and .176 on MovieLens-1M, and .088
and .052 on Beauty: `configs/ml-1m-loo/sasrec.yaml`, `configs/beauty/sasrec.yaml`.
"""

from typing import Any, Literal, get_args

from tfrec import layers, linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_between, check_choice, check_fraction, check_integer, check_positive
from tfrec.data import Interactions
from tfrec.data.samplers import KnownPositives, NegativeSampler, Popularity, Uniform
from tfrec.data.samplers.randomness import random_fractions, random_keys
from tfrec.losses import binary_cross_entropy, calibration_power, cross_entropy_over_products, sampled_softmax
from tfrec.optimizers import decay_learning_rate
from tfrec.recommender import ImplicitRecommender
from tfrec.sequences import Order, SequenceBatch, SequenceRecommender

Objective = Literal["cross_entropy", "sampled_softmax", "bce", "gbce"]
Sampler = Literal["uniform", "popularity"]
Precision = Literal["float32", "bfloat16"]

_STDDEV = 0.02  # of the embeddings at the start
_BETA_2 = 0.98  # of Adam, as in the authors' code


class SASRec(SequenceRecommender, ImplicitRecommender):
    """Causal self-attention over sequences of items.

    The loss in the history is the mean of the objective over the targets; an interaction's weight counts where its item
    is the target. After each epoch the learning rate is multiplied by `learning_rate_decay`, also that of an optimizer
    of your own, unless it follows a schedule. The scores of a known user are those of the sequence in the training
    data; for what happened since, `recommend_from_history` takes any sequence, oldest first.

    Args:
        n_factors: d.
        n_blocks: how many blocks.
        n_heads: of the attention, side by side; a divisor of `n_factors`.
        max_length: how many items, the last ones, are attended to.
        dropout: its rate, after the embeddings and after each layer of a block; a multiple of 1/256 is made of it.
        objective: see above.
        n_negatives: how many negatives each target has, or all targets of a batch share; "cross_entropy" needs none.
        sampler: where negatives come from: "uniform", or "popularity" to the power of `popularity_alpha`, which a
            softmax corrects for.
        popularity_alpha: 0 is uniform, 1 is proportional to popularity.
        calibration: t of gBCE, from 0 (plain binary cross-entropy) to 1.
        all_windows: whether sequences longer than `max_length` are cut up, and all of them learned from; else only the
            last `max_length` items of a user are predicted, as in the paper.
        order: "time", by timestamps; "rows", for data whose rows are in the order of time.
        batch_size: how many sequences a step learns from.
        learning_rate: of Adam, in the first epoch.
        learning_rate_decay: what it is multiplied by after each epoch; 1 leaves it as it is.
        precision: of the factors of matrix products in training. "bfloat16" is for processors with instructions for it
            (AVX-512 BF16, AMX), others are slower with it. Variables, sums and answers have single precision.
        seed: of the start, of the order of the sequences, of negatives and of dropout.
        name: Keras's name of the model.

    Attributes:
        item_factors: M, float32 [n_items, n_factors].
        position_factors: P, float32 [max_length, n_factors].
    """

    default_epochs = 30
    item_table = "item_factors"
    item_factors: Any
    position_factors: Any

    def __init__(
        self,
        *,
        n_factors: int = 64,
        n_blocks: int = 2,
        n_heads: int = 1,
        max_length: int = 50,
        dropout: float = 0.2,
        objective: Objective = "cross_entropy",
        n_negatives: int = 256,
        sampler: Sampler = "uniform",
        popularity_alpha: float = 0.75,
        calibration: float = 0.75,
        all_windows: bool = True,
        order: Order = "time",
        batch_size: int = 128,
        learning_rate: float = 0.001,
        learning_rate_decay: float = 1.0,
        precision: Precision = "float32",
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            max_length=max_length, all_windows=all_windows, order=order, batch_size=batch_size, seed=seed, name=name
        )
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.n_blocks = check_integer("n_blocks", n_blocks, minimum=1)
        self.n_heads = check_integer("n_heads", n_heads, minimum=1)
        if self.n_factors % self.n_heads:
            raise ValueError(f"n_heads must be a divisor of n_factors; got {n_heads} heads for {n_factors} factors")
        self.dropout = check_between("dropout", dropout, 0.0, 0.99)
        self.objective = check_choice("objective", objective, get_args(Objective))
        self.n_negatives = check_integer("n_negatives", n_negatives, minimum=1)
        self.sampler = check_choice("sampler", sampler, get_args(Sampler))
        self.popularity_alpha = check_between("popularity_alpha", popularity_alpha, 0.0, 2.0)
        self.calibration = check_between("calibration", calibration, 0.0, 1.0)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.learning_rate_decay = check_fraction("learning_rate_decay", learning_rate_decay)
        self.precision = check_choice("precision", precision, get_args(Precision))

    def create_variables(self) -> None:
        """Small random embeddings, and blocks that begin with products of about the size of their inputs."""
        super().create_variables()
        d = self.n_factors
        start = {"item_factors": ([self.n_items, d], _STDDEV), "position_factors": ([self.max_length, d], _STDDEV)}
        matrices = ("queries", "keys", "values", "inner", "outer")
        start |= {f"{name}_{block}": ([d, d], d**-0.5) for block in range(self.n_blocks) for name in matrices}
        for stream, (name, (shape, stddev)) in enumerate(start.items()):
            values = tf.random.stateless_normal(shape, [self.seed, stream], stddev=stddev)
            self.set_variable(name, values, trainable=True)
        biases = [f"{name}_bias_{block}" for block in range(self.n_blocks) for name in ("inner", "outer")]
        for name in (*biases, *(f"norm_offset_{place}" for place in range(2 * self.n_blocks + 1))):
            self.set_variable(name, tf.zeros([d]), trainable=True)
        for place in range(2 * self.n_blocks + 1):
            self.set_variable(f"norm_scale_{place}", tf.ones([d]), trainable=True)

    def default_optimizer(self) -> Any:
        """Adam."""
        return tf.keras.optimizers.Adam(self.learning_rate, beta_2=_BETA_2)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Let the learning rate decay."""
        decay_learning_rate(self.optimizer, self.learning_rate_decay)
        return {}

    # The network.

    def encode(self, items: Tensor, lengths: Tensor, dropout_keys: list | None = None) -> Tensor:
        """F of the last block at every position, normalised.

        Args:
            items: int32 [batch, length], oldest first, padded on the right.
            lengths: int32 [batch].
            dropout_keys: in training, a random key for each layer; then the products are of the model's `precision`.

        Returns:
            float32 [batch · length, n_factors]; of no meaning in the padding.
        """
        dtype = "float32" if dropout_keys is None else self.precision
        drop = iter(dropout_keys or [None] * (2 * self.n_blocks + 1))
        length, d = tf.shape(items)[1], self.n_factors
        # Right padding, unlike left padding, comes after all tokens, where causal attention has no mask for it; what is
        # beyond the last position is never looked at.
        positions = tf.range(length) + self.max_length - lengths[:, tf.newaxis]
        positions = tf.reshape(tf.minimum(positions, self.max_length - 1), [-1])
        tokens = d**0.5 * self.item_rows(tf.reshape(items, [-1]))
        tokens = layers.dropout(tokens + tf.gather(self.position_factors, positions), self.dropout, next(drop))
        for block in range(self.n_blocks):
            attended = self._attention(self._norm(tokens, 2 * block), block, length, dtype)
            tokens += layers.dropout(attended, self.dropout, next(drop))
            fed = self._feed_forward(self._norm(tokens, 2 * block + 1), block, dtype)
            tokens += layers.dropout(fed, self.dropout, next(drop))
        return self._norm(tokens, 2 * self.n_blocks)

    def _norm(self, tokens: Tensor, place: int) -> Tensor:
        return layers.layer_norm(tokens, getattr(self, f"norm_scale_{place}"), getattr(self, f"norm_offset_{place}"))

    def _attention(self, tokens: Tensor, block: int, length: Tensor, dtype: str) -> Tensor:
        queries, keys, values = (
            tf.reshape(layers.product(tokens, getattr(self, f"{name}_{block}"), dtype), [-1, length, self.n_factors])
            for name in ("queries", "keys", "values")
        )
        attended = layers.causal_attention(queries, keys, values, n_heads=self.n_heads, dtype=dtype)
        return tf.reshape(attended, [-1, self.n_factors])

    def _feed_forward(self, tokens: Tensor, block: int, dtype: str) -> Tensor:
        inner = layers.product(tokens, getattr(self, f"inner_{block}"), dtype) + getattr(self, f"inner_bias_{block}")
        outer = layers.product(tf.nn.relu(inner), getattr(self, f"outer_{block}"), dtype)
        return outer + getattr(self, f"outer_bias_{block}")

    # The loss.

    def negative_sampler(self, train: Interactions) -> NegativeSampler | None:
        """What draws the negatives of each target: items that its user hasn't had."""
        if self.objective not in ("bce", "gbce"):
            return None
        positives = KnownPositives.of(train)
        # A user who has everything gets no negatives, and is no error.
        if self.sampler == "uniform":
            return Uniform(positives, on_full_history="mask")
        return Popularity(positives, alpha=self.popularity_alpha, on_full_history="mask")

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The mean of the objective over a batch's targets, by their weights; dropout only in training."""
        batch = SequenceBatch(*inputs)
        epoch, step = self.epochs_done.read_value(), self.steps_done.read_value()
        of_sample, *of_dropout = random_keys(self.seed, epoch, step, 2 * self.n_blocks + 2)
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.uint64)
        outputs = self.encode(batch.items, batch.lengths, [key + replica for key in of_dropout] if training else None)
        weights = tf.reshape(batch.weights, [-1])
        counted = tf.where(weights > 0)[:, 0]
        outputs, weights = tf.gather(outputs, counted), tf.gather(weights, counted)
        targets = tf.gather(tf.reshape(batch.targets, [-1]), counted)
        if self.objective == "cross_entropy":
            dtype = self.precision if training else "float32"
            total = cross_entropy_over_products(outputs, self.candidates(), targets, weights, dtype)
        elif self.objective == "sampled_softmax":
            total = tf.reduce_sum(weights * self._sampled_losses(outputs, targets, of_sample))
        else:
            negatives = tf.gather(tf.reshape(batch.negatives, [-1, self.n_negatives]), counted)
            total = tf.reduce_sum(weights * self._binary_losses(outputs, targets, negatives))
        return tf.math.divide_no_nan(total, self.loss_weight(batch))

    def _sampled_losses(self, outputs: Tensor, targets: Tensor, key: Tensor) -> Tensor:
        """Losses by target, with a sample of items for all of them together: [n, d], [n] → [n]."""
        counts = tf.cast(self.item_counts, tf.float64)
        power = self.popularity_alpha if self.sampler == "popularity" else 0.0
        frequencies = tf.where(counts > 0, counts**power, 0.0)
        ends = tf.cumsum(frequencies)
        points = random_fractions([self.n_negatives], key) * ends[-1]
        negatives = tf.searchsorted(ends, points, side="right")
        corrections = tf.cast(tf.math.log(tf.maximum(counts, 1.0) ** power), tf.float32)
        of_negatives = layers.product(outputs, tf.gather(self.item_factors, negatives), transpose_b=True)
        of_targets = tf.reduce_sum(outputs * tf.gather(self.item_factors, targets), axis=1)
        return sampled_softmax(
            of_targets - tf.gather(corrections, targets),
            of_negatives - tf.gather(corrections, negatives),
            negatives[tf.newaxis, :] != targets[:, tf.newaxis],
        )

    def _binary_losses(self, outputs: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        """Losses by target, each with its own negatives: [n, d], [n], [n, n_negatives] → [n]."""
        rate = min(self.n_negatives / max(self.n_items - 1, 1), 1.0)
        power = calibration_power(rate, self.calibration) if self.objective == "gbce" else 1.0
        of_targets = tf.reduce_sum(outputs * tf.gather(self.item_factors, targets), axis=1)
        of_negatives = tf.linalg.matvec(tf.gather(self.item_factors, tf.maximum(negatives, 0)), outputs)
        return binary_cross_entropy(of_targets, of_negatives, negatives >= 0, power)

    # The scores.

    def sequence_vectors(self, items: Tensor, lengths: Tensor) -> Tensor:
        """F at the last item of each sequence: int32 [batch, length], int32 [batch] → float32 [batch, n_factors]."""
        ends = tf.range(tf.shape(items)[0]) * tf.shape(items)[1] + tf.maximum(lengths - 1, 0)
        return tf.gather(self.encode(items, lengths), ends)

    def candidates(self) -> Tensor:
        """M: float32 [n_items, n_factors]."""
        return linalg.whole(self.item_factors)
