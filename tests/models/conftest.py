"""What the model contract is tested on: small data with every awkward case, and models that aren't in the registry."""

import dataclasses
import functools

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.batches import shuffled_batches
from tfrec.closed_form import ClosedFormRecommender
from tfrec.data import Interactions
from tfrec.factors import FactorRecommender
from tfrec.models import ALS, MODELS, NCF, SVD, LightGCN, SASRec
from tfrec.recommender import ImplicitRecommender

N_USERS, N_ITEMS = 40, 30
# Of every fit of the contract: it is about what a fit does, not how well it learns.
EPOCHS = 3


class TinyFactors(ImplicitRecommender):
    """Logistic matrix factorisation on all pairs: exercises the part of the base class that gradients go through."""

    default_epochs = EPOCHS

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
            self, dense.size, 256, lambda rows, *_: tuple(tf.gather(column, rows) for column in columns)
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


class TruncatedSVD(SVD):
    """The spectral method of `SVD`, with fewer factors than the small data have dimensions."""

    def __init__(self, *, n_factors: int = 8, seed: int = 0, name: str | None = None):
        super().__init__(method="truncated", n_factors=n_factors, seed=seed, name=name)


class ExplicitALS(ALS):
    """`ALS` of ratings."""

    def __init__(self, *, seed: int = 0, name: str | None = None):
        super().__init__(feedback="explicit", seed=seed, name=name)


ALL_MODELS = [*MODELS.values(), TruncatedSVD, ExplicitALS, TinyFactors]
# A class may have methods of both kinds: what its constructor's defaults make of it is what is asked.
CLOSED_FORMS = [kind for kind in ALL_MODELS if issubclass(kind, ClosedFormRecommender) and kind().is_closed_form]
FACTORS = [kind for kind in ALL_MODELS if issubclass(kind, FactorRecommender)]
RATINGS = [kind for kind in ALL_MODELS if getattr(kind(), "predicts_ratings", False)]


# Arguments of models that the contract fits. Tracing is most of what a fit of small data costs, and it takes longer for
# each layer; what a layer does in the middle of others is a matter of the models' own tests.
SMALL: dict[type, dict] = {
    SASRec: {"n_blocks": 1, "n_factors": 16},
    NCF: {"mlp_layers": (8, 4)},
    LightGCN: {"n_layers": 1},
}
# What makes a fit on several devices comparable with one on a single device: replicas draw noise of their own.
WITHOUT_NOISE: dict[type, dict] = {SASRec: {"dropout": 0.0}}


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


@pytest.fixture(scope="session")
def weighted(train) -> Interactions:
    """`train` with a weight of 3 on every other row."""
    return dataclasses.replace(train, weight=np.where(np.arange(len(train)) % 2, 1.0, 3.0).astype(np.float32))


def _name(model: type) -> str:
    return model.__name__


@pytest.fixture(params=ALL_MODELS, ids=_name)
def model_class(request):
    return request.param


@pytest.fixture
def small(model_class):
    """`model_class` with few layers: takes further arguments of its constructor, makes the model."""
    return functools.partial(model_class, **SMALL.get(model_class, {}))


@pytest.fixture(params=CLOSED_FORMS, ids=_name)
def closed_form_class(request):
    return request.param


@pytest.fixture(params=RATINGS, ids=_name)
def rating_class(request):
    return request.param


def fit_briefly(model, data, **keras):
    """Fit a model for a few epochs; returns Keras's history."""
    return model.fit(data, **{"epochs": EPOCHS, "verbose": 0, **keras})


@pytest.fixture(scope="session")
def fit():
    return fit_briefly


class FittedModels(dict):
    """A fitted model of each class, made when the first test asks for it, so that one broken model fails alone."""

    def __init__(self, train: Interactions):
        super().__init__()
        self._train = train

    def __missing__(self, kind: type):
        model = kind(**SMALL.get(kind, {}))
        fit_briefly(model, self._train)
        self[kind] = model
        return model


@pytest.fixture(scope="session")
def fitted_models(train):
    """Fitted models by class, for tests that only read."""
    return FittedModels(train)


@pytest.fixture
def fitted(model_class, fitted_models):
    return fitted_models[model_class]


@pytest.fixture(params=FACTORS, ids=_name)
def fitted_factors(request, fitted_models):
    return fitted_models[request.param]


@pytest.fixture(params=[kind for kind in ALL_MODELS if kind not in RATINGS], ids=_name)
def fitted_ranker(request, fitted_models):
    return fitted_models[request.param]


@pytest.fixture
def fitted_ratings(rating_class, fitted_models):
    return fitted_models[rating_class]


@pytest.fixture(scope="session")
def custom_objects() -> dict:
    return {kind.__name__: kind for kind in ALL_MODELS if kind not in MODELS.values()}


@pytest.fixture
def fitted_by_gradients(fitted_models):
    return fitted_models[TinyFactors]


def _assert_same_weights(one, other) -> None:
    assert len(one.weights) == len(other.weights) > 0
    for left, right in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@pytest.fixture(scope="session")
def assert_same_weights():
    return _assert_same_weights


def _assert_similar_scores(one, other) -> None:
    users = np.arange(N_USERS - 1)
    expected = np.asarray(other.score(users))
    np.testing.assert_allclose(one.score(users), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="session")
def assert_similar_scores():
    """That two models score alike, but for rounding that grew over a fit."""
    return _assert_similar_scores
