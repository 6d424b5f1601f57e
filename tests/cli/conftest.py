"""A model that is learned by gradients in several epochs, under the name `tiny`, for runs that are interrupted."""

import numpy as np
import pytest

from tfrec import resuming
from tfrec._tf import tf
from tfrec.batches import shuffled_batches
from tfrec.evaluation import plots
from tfrec.models import MODELS
from tfrec.recommender import ImplicitRecommender


class Tiny(ImplicitRecommender):
    """Logistic matrix factorisation on random pairs; `killed_in` is an epoch that it is killed in."""

    default_epochs = 6
    killed_in = None

    def __init__(self, *, dimension: int = 4, rate: float = 0.05, seed: int = 0, name: str | None = None):
        super().__init__(seed=seed, name=name)
        self.dimension, self.rate = dimension, rate

    def create_variables(self) -> None:
        for position, (attribute, rows) in enumerate({"users": self.n_users, "items": self.n_items}.items()):
            values = tf.random.stateless_normal([rows, self.dimension], [self.seed, position], stddev=0.3)
            self.set_variable(f"{attribute}_vectors", values, trainable=True)

    def training_data(self, train):
        labels = train.to_csr("binary").toarray().astype(np.float32)
        users, items = np.indices(labels.shape, dtype=np.int32)
        columns = (users.ravel(), items.ravel(), labels.ravel())
        return shuffled_batches(
            self, labels.size, 2048, lambda rows, *_: tuple(tf.gather(column, rows) for column in columns)
        )

    def default_optimizer(self):
        return tf.keras.optimizers.Adam(self.rate)

    def compute_loss(self, inputs, training=False):
        users, items, labels = inputs
        logits = tf.reduce_sum(tf.gather(self.users_vectors, users) * tf.gather(self.items_vectors, items), axis=1)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))

    def begin_epoch(self, epoch):
        if epoch == type(self).killed_in:
            type(self).killed_in = None
            raise KeyboardInterrupt

    def score(self, users):
        vectors = tf.gather(self.users_vectors, self.check_indices(users))
        return tf.linalg.matmul(vectors, self.items_vectors, transpose_b=True)

    def score_histories(self, histories, ratings=None):
        vectors = tf.reduce_mean(tf.gather(self.items_vectors, self.check_histories(histories)), axis=1)
        return tf.linalg.matmul(vectors, self.items_vectors, transpose_b=True)


@pytest.fixture
def tiny(monkeypatch):
    """The class, while it is in the zoo; every epoch of it is kept, however long writing takes; nothing is drawn."""
    monkeypatch.setitem(MODELS, "tiny", Tiny)
    monkeypatch.setattr(plots, "save_run_plots", lambda folder, *_: folder.mkdir(parents=True))
    monkeypatch.setattr(resuming, "SHARE", float("inf"))
    monkeypatch.setattr(Tiny, "killed_in", None)
    return Tiny
