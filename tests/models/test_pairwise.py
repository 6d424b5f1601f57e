"""Models of pairs beside negatives: what a step learns from, and the loss that it takes from it."""

import dataclasses
from typing import get_args

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.pairwise import PairBatch, PairwiseRecommender, Sampler
from tfrec.recommender import Recommender

SAMPLERS = get_args(Sampler)
N_NEGATIVES, N_CANDIDATES = 3, 4


class TinyPairs(PairwiseRecommender):
    """Inner products of vectors."""

    def __init__(
        self,
        *,
        objective="bpr",
        sampler="uniform",
        n_negatives=N_NEGATIVES,
        popularity_alpha=0.75,
        n_candidates=N_CANDIDATES,
        batch_size=64,
        penalty=0.0,
        seed=0,
        name=None,
    ):
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
        self.penalty = penalty

    def create_variables(self):
        for position, (name, rows) in enumerate({"user_vectors": self.n_users, "item_vectors": self.n_items}.items()):
            values = tf.random.stateless_normal([rows, 5], [self.seed, position])
            self.set_variable(name, values, trainable=True)

    def pair_scores(self, users, items, training=False):
        return tf.linalg.matvec(tf.gather(self.item_vectors, items), tf.gather(self.user_vectors, users))

    def pair_penalties(self, users, items, negatives):
        return self.penalty * tf.cast(1 + users, tf.float32)


def adapted(data, **arguments):
    model = TinyPairs(**arguments)
    model.adapt(data)
    return model


def batches(model, data):
    return [PairBatch(*(column.numpy() for column in batch)) for batch in model.training_data(data)]


def joined(made):
    return PairBatch(*(np.concatenate(columns) for columns in zip(*made, strict=True)))


def liked(data):
    matrix = np.zeros((data.n_users, data.n_items), bool)
    matrix[data.user, data.item] = True
    return matrix


def batch_of(users, items, negatives):
    """A batch of one's own, of rows that weigh the same."""
    users, items, negatives = (np.array(column, np.int32) for column in (users, items, negatives))
    return PairBatch(users, items, negatives, np.ones(len(users), np.float32))


def naive_losses(model, batch):
    """The loss of every row, one after the other."""
    vectors, of_users = model.item_vectors.numpy().astype(np.float64), model.user_vectors.numpy().astype(np.float64)
    losses = []
    for user, item, drawn in zip(batch.users, batch.items, batch.negatives, strict=True):
        scores = vectors @ of_users[user]
        negatives = drawn[drawn >= 0]
        if model.sampler == "dynamic_hard":
            groups = [group[group >= 0] for group in drawn.reshape(model.n_negatives, model.n_candidates)]
            negatives = np.array([max(group, key=scores.__getitem__) for group in groups if len(group)], int)
        if model.objective == "bpr":
            losses.append(np.mean(np.log1p(np.exp(scores[negatives] - scores[item]))) if len(negatives) else 0.0)
        else:
            losses.append(np.log1p(np.exp(-scores[item])) + np.log1p(np.exp(scores[negatives])).sum())
    return np.array(losses)


@pytest.fixture(scope="module")
def with_a_fan(train) -> Interactions:
    """One user has every item that there is a row of."""
    items = np.unique(train.item)
    others = train.user != 3
    return Interactions(
        user=np.concatenate([train.user[others], np.full(len(items), 3)]),
        item=np.concatenate([train.item[others], items]),
        user_ids=train.user_ids,
        item_ids=train.item_ids,
    )


class TestBatches:
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_every_row_once_beside_items_that_its_user_does_not_have(self, train, sampler):
        model = adapted(train, sampler=sampler)
        made = joined(batches(model, train))
        n = N_NEGATIVES * (N_CANDIDATES if sampler == "dynamic_hard" else 1)
        assert made.negatives.shape == (len(train), n)
        rows = sorted(zip(made.users.tolist(), made.items.tolist(), strict=True))
        assert rows == sorted(zip(train.user.tolist(), train.item.tolist(), strict=True))
        assert made.negatives.min() >= 0
        assert not liked(train)[made.users[:, np.newaxis], made.negatives].any()
        assert np.all(made.weights == 1)

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_they_follow_from_seed_epoch_and_step(self, train, sampler):
        def made(seed, epoch, first=0):
            models[seed].epochs_done.assign(epoch)
            models[seed].steps_done.assign(first)
            return [[column.numpy().tolist() for column in batch] for batch in given[seed]]

        models = [adapted(train, sampler=sampler, seed=seed) for seed in range(2)]
        given = [model.training_data(train) for model in models]
        whole = made(1, 2)
        assert made(1, 2, first=2) == whole[2:] + whole[:2]
        for other in (made(0, 2), made(1, 3)):
            assert all(one[0] != another[0] and one[2] != another[2] for one, another in zip(other, whole, strict=True))

    def test_weights_are_those_of_the_rows(self, weighted):
        made = joined(batches(adapted(weighted), weighted))
        known = dict(zip(zip(weighted.user, weighted.item, strict=True), weighted.weight, strict=True))
        assert made.weights.tolist() == [known[pair] for pair in zip(made.users, made.items, strict=True)]
        assert set(made.weights) == {1.0, 3.0}

    @pytest.mark.parametrize("sampler", ["popularity", "mixed"])
    def test_the_power_of_popularity(self, train, sampler):
        """How popular the negatives are on average; half of the mixture is uniform."""
        made = joined(batches(adapted(train, sampler=sampler, popularity_alpha=2.0, n_negatives=50), train))
        counts = np.where(liked(train), 0, np.bincount(train.item, minlength=train.n_items)).astype(float)
        # One row a user: the mean of n over what they don't have is Σn / Σ1, and Σn³ / Σn² in proportion to n².
        uniform, squared = (np.divide((counts ** (p + 1)).sum(1), (counts**p * (counts > 0)).sum(1)) for p in (0, 2))
        expected = squared if sampler == "popularity" else (uniform + squared) / 2
        assert squared.mean() - uniform.mean() > 0.5
        found = counts[made.users[:, np.newaxis], made.negatives].mean()
        np.testing.assert_allclose(found, expected[made.users].mean(), atol=0.1)

    def test_in_batch_negatives_are_of_the_batch(self, train):
        for batch in batches(adapted(train, sampler="in_batch", batch_size=16), train):
            assert set(batch.negatives.ravel()) <= {*batch.items, -1}


class TestLoss:
    @pytest.mark.parametrize("objective", ["bce", "bpr"])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_row_by_row(self, with_a_fan, sampler, objective):
        """A user who has everything among the rows: there are no negatives for them."""
        model = adapted(with_a_fan, sampler=sampler, objective=objective)
        for batch in batches(model, with_a_fan):
            assert np.all(batch.negatives[batch.users == 3] == -1)
            np.testing.assert_allclose(model.compute_loss(batch), naive_losses(model, batch).mean(), rtol=1e-5)

    @pytest.mark.parametrize("objective", ["bce", "bpr"])
    @pytest.mark.parametrize("sampler", ["uniform", "dynamic_hard"])
    def test_what_was_not_drawn_is_no_item(self, train, sampler, objective):
        """-1 stands for none, and neither for the first item nor for the last."""
        model = adapted(train, sampler=sampler, objective=objective)
        n = N_NEGATIVES * (N_CANDIDATES if sampler == "dynamic_hard" else 1)
        batch = batch_of([4, 5], [6, 7], np.full((2, n), -1))
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        gradient = tf.convert_to_tensor(tape.gradient(loss, model.item_vectors)).numpy()
        assert np.isfinite(loss.numpy())
        assert set(np.flatnonzero(gradient.any(axis=1))) == ({6, 7} if objective == "bce" else set())

    def test_the_hardest_alone_is_learned_from(self, train):
        model = adapted(train, sampler="dynamic_hard", n_negatives=1)
        batch = batch_of([4], [6], [[8, 9, -1, 10]])
        with tf.GradientTape() as tape:
            loss = model.compute_loss(batch, training=True)
        gradient = tf.convert_to_tensor(tape.gradient(loss, model.item_vectors)).numpy()
        hardest = max([8, 9, 10], key=(model.item_vectors.numpy() @ model.user_vectors.numpy()[4]).__getitem__)
        assert set(np.flatnonzero(gradient.any(axis=1))) == {6, hardest}

    def test_weights(self, train):
        """A row of weight 3 is three rows; one of weight 0 is none."""
        model = adapted(train)
        (batch, *_) = batches(model, train)
        weights = np.arange(len(batch.users)) % 4
        repeated = PairBatch(*(np.repeat(column, weights, axis=0) for column in batch))
        weighted = batch._replace(weights=weights.astype(np.float32))
        np.testing.assert_allclose(model.compute_loss(weighted), model.compute_loss(repeated), rtol=1e-5)
        nothing = batch._replace(weights=np.zeros_like(batch.weights))
        assert model.compute_loss(nothing).numpy() == 0

    def test_penalties_are_part_of_training_alone(self, train):
        model, free = adapted(train, penalty=0.1), adapted(train)
        (batch, *_) = batches(model, train)
        plain = free.compute_loss(batch, training=True)
        np.testing.assert_allclose(
            model.compute_loss(batch, training=True) - plain, 0.1 * (1 + batch.users).mean(), 1e-4
        )
        np.testing.assert_array_equal(model.compute_loss(batch), plain)

    def test_the_penalty_sees_the_negatives_that_are_learned_from(self, train, monkeypatch):
        seen = []

        def penalties(model, users, items, negatives):
            seen.append(negatives.numpy())
            return 0.0

        monkeypatch.setattr(TinyPairs, "pair_penalties", penalties)
        model = adapted(train, sampler="dynamic_hard", n_negatives=1)
        (batch, *_) = batches(model, train)
        model.compute_loss(batch, training=True)
        scores = model.pair_scores(batch.users, batch.negatives).numpy()
        np.testing.assert_array_equal(seen[0][:, 0], batch.negatives[np.arange(len(scores)), scores.argmax(axis=1)])


class TestFit:
    def test_the_loss_in_the_history_is_the_mean_over_the_rows_by_their_weights(self, weighted):
        model = TinyPairs(penalty=0.01)
        model.compile(tf.keras.optimizers.SGD(0.0))
        (logged,) = model.fit(weighted, epochs=1, verbose=0).history["loss"]
        model.epochs_done.assign(0)
        made = joined(batches(model, weighted))
        losses = naive_losses(model, made)
        expected = np.average(losses + 0.01 * (1 + made.users), weights=made.weights)
        np.testing.assert_allclose(logged, expected, rtol=1e-4)
        evaluated = model.evaluate(model.training_data(weighted), verbose=0)
        np.testing.assert_allclose(evaluated, np.average(losses, weights=made.weights), rtol=1e-4)

    @pytest.mark.parametrize("objective", ["bce", "bpr"])
    def test_learns_what_is_liked(self, train, objective):
        model = TinyPairs(objective=objective, sampler="mixed")
        model.compile(tf.keras.optimizers.Adam(0.1))
        history = model.fit(train, epochs=6, verbose=0).history["loss"]
        scores = model.user_vectors.numpy() @ model.item_vectors.numpy().T
        has = liked(train)
        assert history[-1] < 0.7 * history[0]
        assert np.mean([(scores[u][has[u]].mean() > scores[u][~has[u]].mean()) for u in np.unique(train.user)]) > 0.85


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"objective": "hinge"}, ValueError, "objective must be one of 'bce', 'bpr'; got 'hinge'"),
            ({"sampler": "hard"}, ValueError, "sampler must be one of .*'dynamic_hard'; got 'hard'"),
            ({"n_negatives": 0}, ValueError, "n_negatives must be an integer of at least 1"),
            ({"n_candidates": 1.5}, TypeError, "n_candidates must be an integer"),
            ({"popularity_alpha": -0.1}, ValueError, "popularity_alpha must be a number from 0 to 2; got -0.1"),
            ({"popularity_alpha": 2.1}, ValueError, "popularity_alpha must be a number from 0 to 2; got 2.1"),
            ({"popularity_alpha": float("nan")}, ValueError, "popularity_alpha must be a number from 0 to 2"),
            ({"popularity_alpha": "1"}, TypeError, "popularity_alpha must be a number from 0 to 2"),
            ({"batch_size": "64"}, TypeError, "batch_size must be an integer"),
        ],
    )
    def test_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            TinyPairs(**arguments)

    def test_training_data_that_do_not_fit(self, train, held_out):
        model = adapted(train)
        with pytest.raises(TypeError, match=r"training_data takes tfrec\.data\.Interactions, got DataFrame"):
            model.training_data(train.to_frame())
        with pytest.raises(ValueError, match="nothing to learn from"):
            model.training_data(train.select(np.zeros(len(train), bool)))
        for name in ("user_ids", "item_ids"):
            others = np.array([f"x{position}" for position in range(len(getattr(train, name)))], object)
            with pytest.raises(ValueError, match=r"TinyPairs was adapted to other data .* call adapt\(train\) first"):
                model.training_data(dataclasses.replace(train, **{name: others}))
        assert len(batches(model, held_out))  # of the same users and items

    def test_training_data_before_adapt(self, train):
        with pytest.raises(ValueError, match="knows no data yet"):
            TinyPairs().training_data(train)

    def test_a_model_without_scores(self):
        class Unfinished(TinyPairs):
            pair_scores = PairwiseRecommender.pair_scores

        assert issubclass(Unfinished, Recommender)
        with pytest.raises(NotImplementedError, match="Unfinished must implement pair_scores"):
            Unfinished().pair_scores([0], [[0]])
