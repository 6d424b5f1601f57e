"""LightGCN against its formulas in dense numpy: propagation, gradients, loss, fold-in; and on data with communities."""

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.data import Interactions, synthetic
from tfrec.models import LightGCN
from tfrec.pairwise import PairBatch

N_USERS, N_ITEMS = 8, 9


def as_interactions(user, item, weight=None, n_users=N_USERS, n_items=N_ITEMS) -> Interactions:
    return Interactions(
        user=np.asarray(user, np.int32),
        item=np.asarray(item, np.int32),
        weight=None if weight is None else np.asarray(weight, np.float32),
        user_ids=np.array([f"u{n}" for n in range(n_users)], dtype=object),
        item_ids=np.array([f"i{n}" for n in range(n_items)], dtype=object),
    )


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Rows in no order; user 2 has item 3 three times, user 7 and item 6 have no rows."""
    generator = np.random.default_rng(5)
    user, item = np.nonzero(generator.random((N_USERS, N_ITEMS)) < 0.4)
    user, item = np.append(user, [2, 2, 2]), np.append(item, [3, 3, 3])
    keep = (user != 7) & (item != 6)
    order = generator.permutation(int(keep.sum()))
    return as_interactions(user[keep][order], item[keep][order])


def adapted(data, **arguments) -> LightGCN:
    """A model whose factors are those that it starts from."""
    model = LightGCN(n_factors=4, initial_std=0.5, l2=0.3, **arguments)
    model.adapt(data)
    return model


@pytest.fixture
def model(data) -> LightGCN:
    return adapted(data)


def adjacency(data) -> np.ndarray:
    """Ã of equation 8, dense: users first, then items; float64 [n_users + n_items, n_users + n_items]."""
    matrix = np.zeros((N_USERS + N_ITEMS, N_USERS + N_ITEMS))
    matrix[data.user, N_USERS + data.item] = matrix[N_USERS + data.item, data.user] = 1
    scale = 1 / np.sqrt(np.maximum(matrix.sum(axis=1), 1))
    return scale[:, np.newaxis] * matrix * scale


def layers(model, data, n_layers: int) -> list[np.ndarray]:
    """E⁰ … E^K, one layer after the other."""
    found = [np.concatenate([model.user_factors.numpy(), model.item_factors.numpy()]).astype(np.float64)]
    for _ in range(n_layers):
        found.append(adjacency(data) @ found[-1])
    return found


def combined(model, data, weights) -> np.ndarray:
    """The final vectors, users first: equation 4."""
    return sum(w * layer for w, layer in zip(weights, layers(model, data, len(weights) - 1), strict=True))


class TestPropagation:
    @pytest.mark.parametrize(
        ("arguments", "weights"),
        [
            ({}, (0.25, 0.25, 0.25, 0.25)),
            ({"n_layers": 1}, (0.5, 0.5)),
            ({"n_layers": 2, "layer_weights": (0.0, 0.25, 3.0)}, (0.0, 0.25, 3.0)),
        ],
    )
    def test_final_vectors_are_the_weighted_layers(self, data, arguments, weights):
        model = adapted(data, **arguments)
        users, items = model.propagated()
        expected = combined(model, data, weights)
        np.testing.assert_allclose(users, expected[:N_USERS], atol=1e-6)
        np.testing.assert_allclose(items, expected[N_USERS:], atol=1e-6)

    def test_who_has_no_edges_keeps_their_share_of_layer_0(self, model):
        users, items = model.propagated()
        np.testing.assert_allclose(users[7], 0.25 * model.user_factors[7], rtol=1e-6)
        np.testing.assert_allclose(items[6], 0.25 * model.item_factors[6], rtol=1e-6)

    def test_an_edge_counts_once_whatever_its_rows_weigh(self, data):
        pairs = np.unique(np.stack([data.user, data.item]), axis=1)
        users, items = pairs
        one, other = (adapted(as_interactions(users, items, weight)) for weight in (None, np.arange(len(users))))
        for once, again, weighted in zip(adapted(data).propagated(), one.propagated(), other.propagated(), strict=True):
            np.testing.assert_array_equal(once, again)
            np.testing.assert_array_equal(once, weighted)

    def test_gradient_is_that_of_dense_products(self, model, data):
        generator = np.random.default_rng(1)
        to_users, to_items = generator.normal(size=(N_USERS, 4)), generator.normal(size=(N_ITEMS, 4))
        to_users[[1, 3]] = to_items[2] = 0
        variables = [model.user_factors, model.item_factors]

        @tf.function(autograph=False)
        def sparse():
            with tf.GradientTape() as tape:
                users, items = model.propagated()
                total = tf.reduce_sum(to_users * tf.cast(users, tf.float64))
                total += tf.reduce_sum(to_items * tf.cast(items, tf.float64))
            return tape.gradient(total, variables)

        matrix, start = tf.constant(adjacency(data)), tf.constant(layers(model, data, 0)[0])
        with tf.GradientTape() as tape:
            tape.watch(start)
            found = [start]
            for _ in range(3):
                found.append(tf.matmul(matrix, found[-1]))
            vectors = tf.add_n(found) / 4
            total = tf.reduce_sum(np.concatenate([to_users, to_items]) * vectors)
        expected = tape.gradient(total, start)
        np.testing.assert_allclose(tf.concat(sparse(), axis=0), expected, atol=1e-5)


def expected_loss(model, data, batch, *, l2) -> float:
    """Equation 15 as a weighted mean over rows, row by row, of the triples of a row's negatives."""
    vectors, factors = combined(model, data, (0.25,) * 4), layers(model, data, 0)[0]
    total = 0.0
    for user, item, negatives, weight in zip(*batch, strict=True):
        for negative in negatives:
            margin = vectors[user] @ (vectors[N_USERS + item] - vectors[N_USERS + negative])
            squares = sum(np.sum(factors[node] ** 2) for node in (user, N_USERS + item, N_USERS + negative))
            total += weight * (np.log1p(np.exp(-margin)) + 0.5 * l2 * squares) / len(negatives)
    return total / np.sum(batch[3])


def as_batch(users, items, negatives, weights) -> PairBatch:
    return PairBatch(tf.constant(users), tf.constant(items), tf.constant(negatives), tf.constant(weights, tf.float32))


BATCH = ([0, 2, 2, 5], [3, 3, 8, 1], [[4, 6], [0, 0], [5, 3], [2, 8]], [1.0, 0.5, 2.0, 1.0])


class TestLoss:
    def test_is_the_papers(self, model, data):
        loss = model.compute_loss(as_batch(*BATCH), training=True)
        assert float(loss) == pytest.approx(expected_loss(model, data, BATCH, l2=0.3), rel=1e-5)

    def test_has_no_penalty_but_in_training(self, model, data):
        loss = model.compute_loss(as_batch(*BATCH))
        assert float(loss) == pytest.approx(expected_loss(model, data, BATCH, l2=0.0), rel=1e-5)

    def test_gradient_is_that_of_finite_differences(self, model, data):
        variables = {"user_factors": model.user_factors, "item_factors": model.item_factors}
        with tf.GradientTape() as tape:
            loss = model.compute_loss(as_batch(*BATCH), training=True)
        found = tape.gradient(loss, variables)
        for name, variable in variables.items():
            start, expected = variable.numpy(), np.zeros(variable.shape)
            for place in np.ndindex(*start.shape):
                both = []
                for step in (
                    1e-2,
                    -1e-2,
                ):  # large, for the factors are float32; the central difference errs by its square
                    moved = start.copy()
                    moved[place] += step
                    variable.assign(moved)
                    both.append(expected_loss(model, data, BATCH, l2=0.3))
                expected[place] = (both[0] - both[1]) / 2e-2
            variable.assign(start)
            np.testing.assert_allclose(tf.convert_to_tensor(found[name]), expected, atol=2e-5, err_msg=name)

    def test_a_row_without_negatives_pays_for_its_positive_alone(self, model):
        loss = model.compute_loss(as_batch([1], [3], [[-1]], [1.0]), training=True)
        squares = np.sum(model.user_factors[1].numpy() ** 2) + np.sum(model.item_factors[3].numpy() ** 2)
        assert float(loss) == pytest.approx(0.15 * squares, rel=1e-5)

    def test_of_the_hardest_negative_alone(self, data):
        hard = adapted(data, sampler="dynamic_hard", n_candidates=3)
        candidates = [4, 6, 0]
        vectors = combined(hard, data, (0.25,) * 4)
        hardest = candidates[np.argmax(vectors[N_USERS:][candidates] @ vectors[2])]
        loss = hard.compute_loss(as_batch([2], [3], [candidates], [1.0]), training=True)
        assert float(loss) == pytest.approx(expected_loss(hard, data, ([2], [3], [[hardest]], [1.0]), l2=0.3), rel=1e-5)


@pytest.fixture(scope="module")
def communities() -> Interactions:
    """Two hundred users in four groups, who mostly have items of their group's."""
    generator = np.random.default_rng(0)
    own = np.arange(200)[:, np.newaxis] % 4 == np.arange(80) % 4
    user, item = np.nonzero(generator.random(own.shape) < np.where(own, 0.4, 0.02))
    return as_interactions(user, item, n_users=200, n_items=80)


class TestFit:
    def test_stores_the_vectors_of_its_last_factors(self, data):
        model = adapted(data)
        assert not model.score([0]).numpy().any()
        model.fit(data, epochs=2, verbose=0)
        expected = combined(model, data, (0.25,) * 4)
        np.testing.assert_allclose(model.query(tf.range(N_USERS)), expected[:N_USERS], atol=1e-5)
        np.testing.assert_allclose(model.candidates(), expected[N_USERS:], atol=1e-5)
        assert np.isfinite(model.score(np.arange(N_USERS))).all()

    @pytest.mark.parametrize(
        ("objective", "sampler"),
        [("bpr", sampler) for sampler in ("uniform", "popularity", "in_batch", "mixed", "dynamic_hard")]
        + [("bce", "uniform")],
    )
    def test_finds_the_communities(self, communities, objective, sampler):
        train, test = tfrec.data.random_split(communities, test=0.3, by="user", seed=1)
        model = LightGCN(
            n_factors=8, sampler=sampler, objective=objective, n_candidates=4, learning_rate=0.1, batch_size=512
        )
        losses = model.fit(train, epochs=5, verbose=0).history["loss"]
        assert losses[-1] < 0.9 * losses[0]
        # Of the 20 items of the user's own group most are in the training part or in the test part.
        assert tfrec.evaluate(model, test, metrics=["recall"], k=20)["recall@20"] > 0.7

    def test_two_fits_are_alike_to_the_last_bit(self, communities):
        one, other = (LightGCN(sampler="dynamic_hard", batch_size=700) for _ in range(2))
        for model in (one, other):
            model.fit(communities, epochs=3, verbose=0)
        for mine, others in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(mine, others)

    def test_a_weight_is_as_many_rows(self, data):
        model = adapted(data)
        weighted = model.compute_loss(as_batch([0, 2], [3, 8], [[4], [5]], [2.0, 1.0]), training=True)
        repeated = model.compute_loss(as_batch([0, 0, 2], [3, 3, 8], [[4], [4], [5]], [1.0, 1.0, 1.0]), training=True)
        assert float(weighted) == pytest.approx(float(repeated), rel=1e-6)

    def test_the_learning_rate_decays_unless_it_follows_a_schedule(self, data):
        model = LightGCN(learning_rate=0.5, learning_rate_decay=0.5)
        model.fit(data, epochs=3, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.0625
        schedule = tf.keras.optimizers.schedules.CosineDecay(0.5, decay_steps=10)
        model.compile(tf.keras.optimizers.Adam(schedule))
        model.fit(data, epochs=3, verbose=0)
        assert float(model.optimizer.learning_rate) == pytest.approx(float(schedule(2)))  # of the third step


class TestFoldIn:
    def test_is_one_hop_of_propagation(self, data):
        """A stranger is a user whose edges lead to them and not away, and who has no factors."""
        model = adapted(data)
        model.fit(data, epochs=1, verbose=0)
        found, degrees = layers(model, data, 2), np.bincount(np.unique(data.user * 9 + data.item) % 9, minlength=9)
        history = [1, 4, 8]
        expected = sum(
            0.25 * found[layer][N_USERS + item] / np.sqrt(len(history) * degrees[item])
            for layer in range(3)
            for item in history
        )
        vectors = model.query_histories(tf.ragged.constant([[], [4, 1, 4, 8], [6]], dtype=tf.int32))
        np.testing.assert_allclose(vectors[1], expected, atol=1e-6)
        assert not vectors[0].numpy().any()
        assert np.isfinite(vectors[2]).all()

    def test_is_a_users_own_vector_but_for_layer_0(self, data):
        model = adapted(data, layer_weights=(0.0, 0.5, 0.3, 0.2))
        model.fit(data, epochs=1, verbose=0)
        own = model.query_histories(model.seen_items(tf.range(N_USERS)))
        np.testing.assert_allclose(own, model.query(tf.range(N_USERS)), atol=1e-6)


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n_factors": 0}, ValueError, "n_factors must be an integer of at least 1; got 0"),
            ({"n_layers": 0}, ValueError, "n_layers must be an integer of at least 1; got 0"),
            ({"l2": -1}, ValueError, "l2 must be a finite number of at least 0"),
            ({"l2": "1e-4"}, TypeError, "l2 must be a number of at least 0"),
            ({"initial_std": 0}, ValueError, "initial_std must be a finite number above 0"),
            ({"learning_rate": float("nan")}, ValueError, "learning_rate must be a finite number above 0"),
            ({"learning_rate_decay": 1.5}, ValueError, "learning_rate_decay must be .* at most 1; got 1.5"),
            (
                {"layer_weights": (1.0, 1.0)},
                ValueError,
                r"layer_weights must be 4 numbers, of the layers 0 to 3, .*; got \(1.0, 1.0\)",
            ),
            ({"layer_weights": 0.25}, TypeError, "layer_weights must be a sequence of numbers or None; got 0.25"),
            ({"layer_weights": (1, 1, 1, -1)}, ValueError, "layer_weights must be a finite number of at least 0"),
            ({"layer_weights": (1, 0, 0, 0)}, ValueError, "layer_weights must be .* one behind the first above 0"),
            ({"objective": "softmax"}, ValueError, "objective must be one of 'bce', 'bpr'"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            LightGCN(**arguments)

    def test_layer_weights_are_stored_as_a_tuple_of_floats(self):
        model = LightGCN(n_layers=1, layer_weights=[1, 2])  # type: ignore[arg-type]  # as YAML has it
        assert model.layer_weights == (1.0, 2.0)
        assert LightGCN(**model.get_config()).layer_weights == (1.0, 2.0)

    def test_a_graph_of_other_ids(self, data):
        model = adapted(data)
        with pytest.raises(ValueError, match="adapted to other data"):
            model.training_data(synthetic(n_users=20, n_items=10, n_interactions=50, seed=0))
