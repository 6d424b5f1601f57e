"""NCF: neural collaborative filtering, by a weighted inner product, by a multi-layer perceptron, or by both.

Xiangnan He, Lizi Liao, Hanwang Zhang, Liqiang Nie, Xia Hu & Tat-Seng Chua, "Neural Collaborative Filtering", WWW 2017.

The probability that a user likes an item is σ of a logit. From vectors p of users and q of items, each part its own,

    GMF:    g(u, i) = s · t,           s = h ⊙ p_u,  t = q_i                                                (eq. 9)
    MLP:    m(u, i) = wᵀ z_L + c,      z_l = ReLU(W_l z_(l-1) + b_l),
            z_1 = ReLU(s + t),         s = U p_u + b_1,  t = V q_i                                         (eq. 10)
    NeuMF:  α g(u, i) + (1 - α) m(u, i)                                                          (eq. 12 and 13)

W_1 of the paper is [U V], and its layer is computed once a user and once an item, not once a pair; it is as wide as the
vectors, so that it halves the width of their concatenation. The logits learn from the rows of the training data beside
sampled negatives, by cross-entropy (eq. 7) or by BPR, and every pair (u, i) pays λ (‖s‖² + ‖t‖²). A penalty on p alone
would fade: h or U would grow as p shrinks.

With the penalty GMF, which is matrix factorisation, is a strong model (Steffen Rendle, Walid Krichene, Li Zhang & John
Anderson, "Neural Collaborative Filtering vs. Matrix Factorization Revisited", RecSys 2020): HR@10 .723, nDCG@10 .449 on
the split of MovieLens-1M that the paper published (leave one out, 99 negatives; `configs/ml-1m-ncf/gmf.yaml`). NeuMF
adds little to it: .730 and .450 with α = .95 (`neumf.yaml`).
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from tfrec import linalg
from tfrec._tf import Tensor, tf
from tfrec.checks import check_between, check_choice, check_fraction, check_integer, check_not_negative, check_positive
from tfrec.data.grouping import group_rows
from tfrec.optimizers import RowSparseAdam, decay_learning_rate
from tfrec.pairwise import Objective, PairBatch, PairwiseRecommender, Sampler
from tfrec.recommender import ImplicitRecommender
from tfrec.two_sided import TwoSidedRecommender, one_by_one

Architecture = Literal["gmf", "mlp", "neumf"]

_PARTS = {"gmf": ("gmf",), "mlp": ("mlp",), "neumf": ("gmf", "mlp")}
_STDDEV = 0.1  # of the vectors at the start


class NCF(PairwiseRecommender, TwoSidedRecommender, ImplicitRecommender):
    """GMF, MLP or NeuMF, learned from pairs by gradients.

    The model's score is the logit. After each epoch the learning rate is multiplied by `learning_rate_decay`, also that
    of an optimizer of your own, unless it follows a schedule.

    Pre-training (section 3.4.1) is part of the fit: in the first `pretrain_epochs` the parts of NeuMF, which share no
    parameters, learn side by side, each by a loss of its own, of which the history has the mean; then the mean of their
    logits learns. (Means are by α.) The paper goes on by SGD, because it starts from files without Adam's moments; here
    they are there, and Adam goes on.

    Someone unknown has the mean, over their history, of the mean vectors of each item's users after the last epoch.

    Args:
        architecture: "gmf", "mlp" or "neumf".
        n_factors: the dimension of GMF's vectors.
        mlp_layers: the widths of MLP's layers; the first is also the dimension of its vectors.
        pretrain_epochs: how many epochs the parts of "neumf" learn by themselves.
        gmf_share: α of "neumf", from 0 to 1: what GMF counts for beside MLP.
        objective: "bce", cross-entropy, or "bpr", Bayesian personalised ranking.
        sampler: of the negatives: "uniform", "popularity", "in_batch", "mixed" or "dynamic_hard"; see
            `PairwiseRecommender`.
        n_negatives: how many negatives a row.
        popularity_alpha: of the samplers by popularity: 0 is uniform, 1 is proportional to popularity.
        n_candidates: of "dynamic_hard": how many items a negative is the hardest of.
        l2: λ, which every pair pays, a positive or a negative one; in NeuMF for the mean of the parts.
        learning_rate: of Adam, in the first epoch.
        learning_rate_decay: what it is multiplied by after each epoch; 1 leaves it as it is.
        batch_size: rows a step, without the negatives.
        seed: of the parameters at the start, of the order of the rows and of the negatives.
        name: Keras's name of the model.

    Attributes:
        parts: ("gmf",), ("mlp",) or ("gmf", "mlp").
        gmf_users, gmf_items: p and q of GMF, float32 [n_users, n_factors] and [n_items, n_factors].
        mlp_users, mlp_items: those of MLP, float32 [n_users, mlp_layers[0]] and [n_items, mlp_layers[0]].
    """

    default_epochs = 20

    def __init__(
        self,
        *,
        architecture: Architecture = "neumf",
        n_factors: int = 64,
        mlp_layers: tuple[int, ...] = (64, 32, 16),
        pretrain_epochs: int = 0,
        gmf_share: float = 0.5,
        objective: Objective = "bce",
        sampler: Sampler = "uniform",
        n_negatives: int = 4,
        popularity_alpha: float = 0.75,
        n_candidates: int = 4,
        l2: float = 0.005,
        learning_rate: float = 0.01,
        learning_rate_decay: float = 0.9,
        batch_size: int = 8192,
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
        self.architecture = check_choice("architecture", architecture, get_args(Architecture))
        self.n_factors = check_integer("n_factors", n_factors, minimum=1)
        self.mlp_layers = _check_layers(mlp_layers)
        self.pretrain_epochs = check_integer("pretrain_epochs", pretrain_epochs, minimum=0)
        if self.pretrain_epochs and architecture != "neumf":
            raise ValueError(f'pretrain_epochs is of architecture="neumf", which has two parts; got {architecture!r}')
        self.gmf_share = check_between("gmf_share", gmf_share, 0.0, 1.0)
        self.l2 = check_not_negative("l2", l2)
        self.learning_rate = check_positive("learning_rate", learning_rate)
        self.learning_rate_decay = check_fraction("learning_rate_decay", learning_rate_decay)

    @property
    def parts(self) -> tuple[str, ...]:
        """What the score is the mean of."""
        return _PARTS[self.architecture]

    @property
    def product_part(self) -> int | None:  # type: ignore[override]  # in the base class a plain attribute
        """GMF, whose logits are inner products."""
        return 0 if "gmf" in self.parts else None

    @property
    def scores_are_products(self) -> bool:  # type: ignore[override]  # likewise
        """Whether GMF is all there is."""
        return self.parts == ("gmf",)

    def _fused(self, of_parts: list[Tensor]) -> Tensor:
        """The mean of what the parts have, GMF counting α and MLP 1 - α."""
        shares = (self.gmf_share, 1.0 - self.gmf_share) if self.architecture == "neumf" else (1.0,)
        return tf.add_n([share * part for share, part in zip(shares, of_parts, strict=True)])

    def create_variables(self) -> None:
        """Small random vectors, and layers that keep the variance of what goes through them (He et al. 2015)."""
        shapes = {}  # of what starts at random: the shape and the standard deviation
        for part, width in {"gmf": self.n_factors, "mlp": self.mlp_layers[0]}.items():
            if part in self.parts:
                shapes[f"{part}_users"] = ([self.n_users, width], _STDDEV)
                shapes[f"{part}_items"] = ([self.n_items, width], _STDDEV)
                self.set_variable(f"{part}_item_users", tf.zeros([self.n_items, width]))
        if "gmf" in self.parts:
            self.set_variable("gmf_output", tf.ones([self.n_factors]), trainable=True)
        if "mlp" in self.parts:
            first, last = self.mlp_layers[0], self.mlp_layers[-1]
            shapes["mlp_user_kernel"] = shapes["mlp_item_kernel"] = ([first, first], first**-0.5)
            for layer, (width, following) in enumerate(itertools.pairwise(self.mlp_layers), start=2):
                shapes[f"mlp_kernel_{layer}"] = ([width, following], (2 / width) ** 0.5)
            shapes["mlp_output"] = ([last, 1], last**-0.5)
            self.set_variable("mlp_output_bias", tf.zeros([1]), trainable=True)
            for layer, width in enumerate(self.mlp_layers, start=1):
                self.set_variable(f"mlp_bias_{layer}", tf.zeros([width]), trainable=True)
        for stream, (name, (shape, stddev)) in enumerate(shapes.items()):
            values = tf.random.stateless_normal(shape, [self.seed, stream], stddev=stddev)
            self.set_variable(name, values, trainable=True)

    # Learning.

    def default_optimizer(self) -> Any:
        """Adam, which leaves alone what a step doesn't touch of tables that are larger than the step."""
        return RowSparseAdam(self.learning_rate)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Let the learning rate decay, and see what vectors the users of each item have now."""
        decay_learning_rate(self.optimizer, self.learning_rate_decay)
        users = np.repeat(np.arange(self.n_users), np.diff(self.history_splits.numpy()))
        splits, entries = group_rows(self.history_items.numpy(), self.n_items)
        counts = np.diff(splits)
        items = np.repeat(np.arange(self.n_items), counts)
        shares = (1.0 / counts[items]).astype(np.float32)
        for part in self.parts:
            means = linalg.sparse_dense_product(items, users[entries], self.n_items, self._table(part, "users"), shares)
            self._table(part, "item_users").assign(means)
        return {}

    def pair_scores(self, users: Tensor, items: Tensor, training: bool = False) -> Tensor:
        """The logits of pairs: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        return self._fused([self._pairs(part, users, items) for part in self.parts])

    def compute_loss(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The loss of the score; while pre-training, the mean of the losses of its parts."""
        batch = PairBatch(*inputs)
        scores = [self._pairs(part, batch.users, batch.listed) for part in self.parts]
        together = self.loss_of_scores(batch, self._fused(scores), training)
        if not (training and self.pretrain_epochs):
            return together
        apart = self._fused([self.loss_of_scores(batch, score, training) for score in scores])
        return tf.where(self.epochs_done.read_value() < self.pretrain_epochs, apart, together)

    def pair_penalties(self, users: Tensor, items: Tensor, negatives: Tensor) -> Tensor:
        """λ (‖s‖² + ‖t‖²) of each row's pairs, added up; the mean over the parts: float32 [batch]."""
        if not self.l2:
            return 0.0
        listed = tf.concat([items[:, tf.newaxis], negatives], axis=1)
        squares = [
            self._gather_sides(part, "users", users, _squares)[:, tf.newaxis]
            + self._gather_sides(part, "items", tf.maximum(listed, 0), _squares)
            for part in self.parts
        ]
        return self.l2 * tf.reduce_sum(tf.where(listed >= 0, self._fused(squares), 0.0), axis=1)

    def _pairs(self, part: str, users: Tensor, items: Tensor) -> Tensor:
        """The logits by one part: int32 [batch], int32 [batch, n] → float32 [batch, n]."""
        of_users = self._gather_sides(part, "users", users)
        if part == "gmf" and self._is_most_of(self.gmf_items, items):
            return linalg.pair_products(of_users, self.gmf_items, items)
        return self._join(part, of_users, self._gather_sides(part, "items", items))

    def _gather_sides(
        self, part: str, kind: str, rows: Tensor, finish: Callable[[Tensor], Tensor] = tf.identity
    ) -> Tensor:
        """A function of s or t of some users or items: int32 [...] → float32 [..., width], for the identity.

        Computed for the whole table where a step has most of its rows, so that none is computed twice.
        """
        table = self._table(part, kind)
        if self._is_most_of(table, rows):
            return tf.gather(finish(self._side(part, kind, table)), rows)
        return finish(self._side(part, kind, tf.gather(table, rows)))

    def _is_most_of(self, table: Any, rows: Tensor) -> bool:
        """Whether a step has as many rows as there are; else its gradients are to name them, for `RowSparseAdam`."""
        return self.batch_size * math.prod(rows.shape[1:]) >= table.shape[0]

    # The parts.

    def _table(self, part: str, kind: str) -> Any:
        return getattr(self, f"{part}_{kind}")

    def _side(self, part: str, kind: str, vectors: Tensor) -> Tensor:
        """The vectors s of "users" or t of "items", from p or q: float32 [..., width] → [..., width]."""
        if part == "gmf":
            return vectors * self.gmf_output if kind == "users" else vectors
        if kind == "users":
            return tf.tensordot(vectors, self.mlp_user_kernel, axes=1) + self.mlp_bias_1
        return tf.tensordot(vectors, self.mlp_item_kernel, axes=1)

    def _join(self, part: str, of_users: Tensor, of_items: Tensor) -> Tensor:
        """The logits of both sides: float32 [..., width], [..., n, width] → float32 [..., n]."""
        if part == "gmf":
            return tf.linalg.matvec(of_items, of_users)
        hidden = tf.nn.relu(of_users[..., tf.newaxis, :] + of_items)
        shape, hidden = tf.shape(hidden)[:-1], tf.reshape(hidden, [-1, self.mlp_layers[0]])
        for layer in range(2, len(self.mlp_layers) + 1):
            kernel, bias = getattr(self, f"mlp_kernel_{layer}"), getattr(self, f"mlp_bias_{layer}")
            hidden = tf.nn.relu(tf.matmul(hidden, kernel) + bias)
        return tf.reshape(tf.matmul(hidden, self.mlp_output) + self.mlp_output_bias, shape)

    # Scores.

    def user_sides(self, users: Tensor) -> list[Tensor]:
        """The vectors s of known users, by each part: int32 [batch] → float32 [batch, width]."""
        return self._user_sides([tf.gather(self._table(part, "users"), users) for part in self.parts])

    def history_sides(self, histories: Tensor) -> list[Tensor]:
        """The vectors s of unknown people, by each part: ragged int32 [batch, None] → float32 [batch, width]."""
        rows, n_rows = histories.value_rowids(), histories.nrows()
        shares = tf.gather(1.0 / tf.cast(histories.row_lengths(), tf.float32), rows)
        product = functools.partial(linalg.sparse_dense_product, rows, histories.values, n_rows, values=shares)
        return self._user_sides([product(linalg.whole(self._table(part, "item_users"))) for part in self.parts])

    def _user_sides(self, tables: list[Tensor]) -> list[Tensor]:
        """The sides s of vectors p: float32 [batch, width], by each part."""
        sides = zip(self.parts, tables, strict=True)
        return [one_by_one(functools.partial(self._side, part, "users"), x, x.shape[1:]) for part, x in sides]

    def item_sides(self, items: Tensor = None) -> list[Tensor]:
        """The vectors t of items, by each part: int32 [...] → float32 [..., width]; [n_items, width] of all."""
        tables = [linalg.whole(self._table(part, "items")) for part in self.parts]
        vectors = tables if items is None else [tf.gather(table, items) for table in tables]
        return [self._side(part, "items", vector) for part, vector in zip(self.parts, vectors, strict=True)]

    def join_sides(self, of_users: list[Tensor], of_items: list[Tensor]) -> Tensor:
        """The logits: float32 [..., width], [..., n, width], by each part → float32 [..., n]."""
        return self._fused([self._join(*sides) for sides in zip(self.parts, of_users, of_items, strict=True)])


def _squares(vectors: Tensor) -> Tensor:
    return tf.reduce_sum(tf.square(vectors), axis=-1)


def _check_layers(layers: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(f"mlp_layers must be a sequence of widths such as (64, 32, 16); got {layers!r}")
    if not layers:
        raise ValueError("mlp_layers must name at least one width, such as (64, 32, 16); got none")
    return tuple(check_integer("every width in mlp_layers", width, minimum=1) for width in layers)
