"""What the model contract is tested on: small data with every awkward case, and a model trained by gradients."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.batches import shuffled_batches
from tfrec.data import Interactions
from tfrec.models import MODELS
from tfrec.recommender import ImplicitRecommender

N_USERS, N_ITEMS = 40, 30


class TinyFactors(ImplicitRecommender):
    """Logistic matrix factorisation on all pairs: exercises the part of the base class that gradients go through."""

    default_epochs = 4

    def __init__(self, *, dimension: int = 4, seed: int = 0, name: str | None = None):
        super().__init__(seed=seed, name=name)
        self.dimension = dimension

    def create_variables(self) -> None:
        for position, (attribute, rows) in enumerate({"users": self.n_users, "items": self.n_items}.items()):
            values = tf.random.stateless_normal([rows, self.dimension], [self.seed, position], stddev=0.3)
            self.set_variable(f"{attribute}_vectors", values, trainable=True)

    def training_data(self, train):
        dense = train.to_csr().toarray()
        users, items = np.indices(dense.shape, dtype=np.int32)
        columns = (users.ravel(), items.ravel(), dense.ravel())
        return shuffled_batches(
            self, dense.size, 256, lambda rows: tuple(tf.gather(column, rows) for column in columns)
        )

    def default_optimizer(self):
        return tf.keras.optimizers.Adam(0.05)

    def compute_loss(self, inputs, training=False):
        users, items, labels = inputs
        logits = self.score_pairs(users, items)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))

    def score(self, users):
        users = self.check_indices(users)
        vectors = tf.gather(self.users_vectors, users)
        # One row at a time, so that a row's last bits don't depend on the batch.
        return tf.reduce_sum(vectors[:, tf.newaxis, :] * self.items_vectors[tf.newaxis, :, :], axis=2)

    def score_histories(self, histories, ratings=None):
        histories = self.check_histories(histories)
        vectors = tf.reduce_mean(tf.gather(self.items_vectors, histories), axis=1)
        return tf.reduce_sum(vectors[:, tf.newaxis, :] * self.items_vectors[tf.newaxis, :, :], axis=2)


ALL_MODELS = [*MODELS.values(), TinyFactors]


def make_data(seed: int) -> Interactions:
    """Two groups of users with their own tastes; the last user and the last item have no row at all."""
    generator = np.random.default_rng(seed)
    group = np.arange(N_USERS) % 2
    taste = np.where((np.arange(N_ITEMS) < N_ITEMS // 2)[None, :] == (group == 0)[:, None], 0.5, 0.1)
    taste[-1, :] = taste[:, -1] = 0
    user, item = np.nonzero(generator.random(taste.shape) < taste)
    return Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        rating=generator.integers(1, 6, len(user)).astype(np.float32),
        timestamp=np.arange(len(user)),
        user_ids=np.array([f"u{u:03d}" for u in range(N_USERS)], dtype=object),
        item_ids=np.array([f"ï{i}" for i in range(N_ITEMS)], dtype=object),
        item_titles=np.array([f"Title {i}" for i in range(N_ITEMS)], dtype=object),
        name=f"tiny {seed}",
    )


@pytest.fixture(scope="session")
def train() -> Interactions:
    return make_data(1)


@pytest.fixture(scope="session")
def other_train() -> Interactions:
    return make_data(2)


@pytest.fixture(scope="session")
def held_out() -> Interactions:
    return make_data(3)


@pytest.fixture(params=ALL_MODELS, ids=lambda model: model.__name__)
def model_class(request):
    return request.param


@pytest.fixture(scope="session")
def fitted_models(train):
    """One fitted model of each class, for tests that only read."""
    models = {}
    for kind in ALL_MODELS:
        models[kind] = kind()
        models[kind].fit(train, verbose=0)
    return models


@pytest.fixture
def fitted(model_class, fitted_models):
    return fitted_models[model_class]


@pytest.fixture(scope="session")
def custom_objects() -> dict:
    return {"TinyFactors": TinyFactors}


@pytest.fixture
def fitted_by_gradients(fitted_models):
    return fitted_models[TinyFactors]
