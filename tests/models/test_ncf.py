"""NCF against its formulas in numpy, its parts against themselves alone, and on data that have a structure."""

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.models import NCF, Popularity
from tfrec.pairwise import PairBatch

ARCHITECTURES = ("gmf", "mlp", "neumf")
N_USERS, N_ITEMS = 12, 10
# Below as many pairs as there are users or items, vectors are gathered; above, whole tables are worked on.
BATCH_SIZES = pytest.mark.parametrize("batch_size", [2, 1000])


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Rows with weights; the last user and the last item have none."""
    generator = np.random.default_rng(4)
    user, item = np.nonzero(generator.random((N_USERS - 1, N_ITEMS - 1)) < 0.4)
    return Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        weight=generator.choice([0.5, 1.0, 2.0], len(user)).astype(np.float32),
        user_ids=np.array([f"u{n}" for n in range(N_USERS)], dtype=object),
        item_ids=np.array([f"i{n}" for n in range(N_ITEMS)], dtype=object),
    )


@pytest.fixture(scope="module")
def tastes() -> Interactions:
    """Three groups of users, each with a third of the items of its own."""
    generator = np.random.default_rng(0)
    likes = np.where(np.arange(60)[:, None] % 3 == np.arange(30)[None, :] % 3, 0.6, 0.03)
    user, item = np.nonzero(generator.random(likes.shape) < likes)
    return Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        user_ids=np.array([f"u{n}" for n in range(60)], dtype=object),
        item_ids=np.array([f"i{n}" for n in range(30)], dtype=object),
    )


def adapted(data, **arguments) -> NCF:
    """A model whose parameters are all far from 0, and the same for all models with the same shapes."""
    model = NCF(**{"n_factors": 3, "mlp_layers": (4, 3, 2), "gmf_share": 0.7, "l2": 0.0, **arguments})
    model.adapt(data)
    for number, variable in enumerate(model.trainable_variables):
        values = np.random.default_rng(number).normal(scale=0.7, size=variable.shape)
        variable.assign(values.astype(np.float32))
    return model


class Formulas:
    """The paper's formulas pair by pair, in the plainest numpy."""

    def __init__(self, model: NCF):
        self.model = model
        self.values = {variable.name.split(":")[0]: variable.numpy() for variable in model.trainable_variables}
        self.shares = {"gmf": 0.7, "mlp": 0.3} if len(model.parts) > 1 else {model.parts[0]: 1.0}

    def gmf(self, user, item) -> float:
        """Equation 9."""
        return self.values["gmf_output"] @ (self.values["gmf_users"][user] * self.values["gmf_items"][item])

    def mlp(self, user, item) -> float:
        """Equation 10: the first layer takes the concatenation of both vectors."""
        values = self.values
        hidden = np.concatenate([values["mlp_users"][user], values["mlp_items"][item]])
        kernels = [np.concatenate([values["mlp_user_kernel"], values["mlp_item_kernel"]])]
        kernels += [values[f"mlp_kernel_{layer}"] for layer in range(2, len(self.model.mlp_layers) + 1)]
        for layer, kernel in enumerate(kernels, start=1):
            hidden = np.maximum(hidden @ kernel + values[f"mlp_bias_{layer}"], 0)
        return float(hidden @ values["mlp_output"][:, 0] + values["mlp_output_bias"][0])

    def logit(self, user, item) -> float:
        """Equation 12, for NeuMF with α as of equation 13."""
        return float(sum(self.shares[part] * getattr(self, part)(user, item) for part in self.model.parts))

    def penalty(self, user, item) -> float:
        """What a pair pays, but for λ: the squares of what both sides contribute."""
        values, squares = self.values, {}
        if "gmf" in self.model.parts:
            sides = [values["gmf_output"] * values["gmf_users"][user], values["gmf_items"][item]]
            squares["gmf"] = sum(np.sum(side**2) for side in sides)
        if "mlp" in self.model.parts:
            of_user = values["mlp_users"][user] @ values["mlp_user_kernel"] + values["mlp_bias_1"]
            sides = [of_user, values["mlp_items"][item] @ values["mlp_item_kernel"]]
            squares["mlp"] = sum(np.sum(side**2) for side in sides)
        return float(sum(self.shares[part] * square for part, square in squares.items()))

    def loss(self, score, *, l2: float) -> float:
        """The weighted mean over the rows of `a_batch`."""
        total, batch = 0.0, PairBatch(*(column.numpy() for column in a_batch()))
        for user, item, drawn, weight in zip(*batch, strict=True):
            negatives = [negative for negative in drawn if negative >= 0]
            positive, others = score(user, item), np.array([score(user, negative) for negative in negatives])
            if self.model.objective == "bce":
                loss = np.log1p(np.exp(-positive)) + np.log1p(np.exp(others)).sum()
            else:
                loss = np.log1p(np.exp(others - positive)).mean() if negatives else 0.0
            paid = sum(self.penalty(user, listed) for listed in [item, *negatives])
            total += weight * (loss + l2 * paid)
        return total / batch.weights.sum()


def a_batch() -> PairBatch:
    return PairBatch(
        users=tf.constant([0, 3, 3, 7, 10]),
        items=tf.constant([1, 0, 8, 8, 2]),
        negatives=tf.constant([[2, 3, 3], [4, -1, 5], [-1, -1, -1], [0, 1, 2], [6, 6, 8]]),
        weights=tf.constant([1.0, 0.5, 2.0, 1.0, 3.0]),
    )


def gradients(model, batch) -> dict:
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch, training=True)
    named = {variable.name.split(":")[0]: variable for variable in model.trainable_variables}
    return tape.gradient(loss, named)


class TestFormula:
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    @pytest.mark.parametrize("layers", [(4, 3, 2), (5,)])
    def test_scores_are_the_papers(self, data, architecture, layers):
        model = adapted(data, architecture=architecture, mlp_layers=layers)
        scores, naive = model.score(np.arange(N_USERS)).numpy(), Formulas(model)
        expected = [[naive.logit(user, item) for item in range(N_ITEMS)] for user in range(N_USERS)]
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
        users, items = np.repeat(np.arange(N_USERS), N_ITEMS), np.tile(np.arange(N_ITEMS), N_USERS)
        np.testing.assert_allclose(model.score_pairs(users, items), scores.ravel(), rtol=1e-5, atol=1e-5)

    @BATCH_SIZES
    @pytest.mark.parametrize("objective", ["bce", "bpr"])
    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_the_loss(self, data, architecture, objective, batch_size):
        model = adapted(data, architecture=architecture, objective=objective, batch_size=batch_size, l2=0.03)
        naive = Formulas(model)
        assert float(model.compute_loss(a_batch(), True)) == pytest.approx(naive.loss(naive.logit, l2=0.03), rel=1e-5)
        assert float(model.compute_loss(a_batch())) == pytest.approx(naive.loss(naive.logit, l2=0), rel=1e-5)

    def test_its_gradient_is_that_of_finite_differences(self, data):
        model = adapted(data, l2=0.03)
        naive = Formulas(model)
        for name, gradient in gradients(model, a_batch()).items():
            values = naive.values[name]
            place, losses = tuple(np.minimum(3, size - 1) for size in values.shape), []
            for step in (1e-2, -1e-2):
                naive.values[name] = values.copy()
                naive.values[name][place] += step
                losses.append(naive.loss(naive.logit, l2=0.03))
            naive.values[name] = values
            slope = (losses[0] - losses[1]) / 2e-2
            assert float(tf.convert_to_tensor(gradient)[place]) == pytest.approx(slope, rel=1e-2, abs=1e-3), name

    @pytest.mark.parametrize("architecture", ARCHITECTURES)
    def test_small_steps_have_the_same_gradients_by_rows(self, data, architecture):
        small, large = (
            gradients(adapted(data, architecture=architecture, batch_size=size, l2=0.03), a_batch())
            for size in (2, 1000)
        )
        for name, gradient in small.items():
            assert isinstance(gradient, tf.IndexedSlices) == name.endswith(("_users", "_items")), name
            assert not isinstance(large[name], tf.IndexedSlices), name
            np.testing.assert_allclose(tf.convert_to_tensor(gradient), large[name], atol=1e-5, err_msg=name)

    def test_gradients_are_alike_to_the_last_bit(self, data):
        """Of a step so large that threads that race would show."""
        generator, n_rows = np.random.default_rng(0), 8192
        model = adapted(data)
        batch = PairBatch(
            users=tf.constant(generator.integers(0, N_USERS, n_rows), tf.int32),
            items=tf.constant(generator.integers(0, N_ITEMS, n_rows), tf.int32),
            negatives=tf.constant(generator.integers(0, N_ITEMS, (n_rows, 4)), tf.int32),
            weights=tf.ones([n_rows]),
        )
        first = gradients(model, batch)
        for _ in range(3):
            for name, gradient in gradients(model, batch).items():
                np.testing.assert_array_equal(gradient, first[name], err_msg=name)


class TestPreTraining:
    def test_the_loss_is_that_of_the_parts_and_then_of_their_mean(self, data):
        model = adapted(data, pretrain_epochs=2, l2=0.03)
        naive = Formulas(model)
        apart = 0.7 * naive.loss(naive.gmf, l2=0.03) + 0.3 * naive.loss(naive.mlp, l2=0.03)
        together = naive.loss(naive.logit, l2=0.03)
        assert abs(apart - together) > 0.05
        losses = []
        for epoch in range(4):
            model.epochs_done.assign(epoch)
            losses.append(float(model.compute_loss(a_batch(), training=True)))
        assert losses == pytest.approx([apart, apart, together, together], rel=1e-5)
        assert float(model.compute_loss(a_batch())) == pytest.approx(naive.loss(naive.logit, l2=0), rel=1e-5)

    @pytest.mark.parametrize("objective", ["bce", "bpr"])
    def test_the_gradients_are_those_of_the_parts_alone(self, data, objective):
        both = adapted(data, objective=objective, l2=0.03, pretrain_epochs=1)
        values, found = Formulas(both).values, gradients(both, a_batch())
        for part, share in (("gmf", 0.7), ("mlp", 0.3)):
            alone = adapted(data, architecture=part, objective=objective, l2=0.03)
            for variable in alone.trainable_variables:
                variable.assign(values[variable.name.split(":")[0]])
            for name, gradient in gradients(alone, a_batch()).items():
                np.testing.assert_allclose(found[name], share * gradient, rtol=1e-4, atol=1e-6, err_msg=name)

    def test_a_killed_fit_goes_on_in_its_phase(self, tastes, tmp_path):
        def fit(*extra):
            model = NCF(n_factors=4, mlp_layers=(4,), n_negatives=1, pretrain_epochs=2, batch_size=100)
            model.adapt(tastes)
            model.compile("sgd")
            model.fit(model.training_data(tastes), epochs=4, callbacks=list(extra), verbose=0)
            return model.weights

        def kill(epoch, logs):
            if epoch == 1:
                raise InterruptedError

        backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        with pytest.raises(InterruptedError):
            fit(backup, tf.keras.callbacks.LambdaCallback(on_epoch_begin=kill))
        for left, right in zip(fit(backup), fit(), strict=True):
            np.testing.assert_array_equal(left, right)


class TestLearning:
    @pytest.mark.parametrize(
        ("architecture", "objective", "sampler"),
        [("gmf", "bpr", "popularity"), ("gmf", "bce", "dynamic_hard"), ("mlp", "bce", "in_batch")],
    )
    def test_it_finds_the_groups(self, tastes, architecture, objective, sampler):
        model = NCF(
            architecture=architecture, objective=objective, sampler=sampler, n_factors=8, mlp_layers=(16, 8), l2=0.002,
            learning_rate=0.02, batch_size=64,
        )  # fmt: skip
        losses = model.fit(tastes, epochs=12, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        own = np.arange(60)[:, None] % 3 == np.arange(30)[None, :] % 3
        best = np.argsort(-model.score(np.arange(60)).numpy(), axis=1)[:, :10]
        assert np.take_along_axis(own, best, axis=1).mean() > 0.8

    def test_the_learning_rate_decays(self, data):
        model = NCF(architecture="gmf", learning_rate=0.5, learning_rate_decay=0.5)
        model.fit(data, epochs=3, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.0625


class TestFoldIn:
    def test_a_history_is_the_mean_of_its_items_users(self, data):
        model = NCF(n_factors=3, mlp_layers=(4, 2))
        model.fit(data, epochs=1, verbose=0)
        history = [2, 5, 5, 7]
        for part in model.parts:
            users, means = getattr(model, f"{part}_users"), getattr(model, f"{part}_item_users").numpy()
            for item in range(N_ITEMS - 1):
                expected = users.numpy()[data.user[data.item == item]].mean(axis=0)
                np.testing.assert_allclose(means[item], expected, atol=1e-6)
            assert not means[-1].any()
            users.scatter_nd_update([[0]], means[history].mean(axis=0)[None])
        folded = model.score_histories(tf.ragged.constant([[], history], dtype=tf.int32))
        np.testing.assert_allclose(folded[1], model.score([0])[0], rtol=1e-4, atol=1e-5)
        assert np.isfinite(folded[0]).all()

    def test_a_loaded_model_knows_it(self, data, tmp_path):
        model = NCF(n_factors=3, mlp_layers=(4, 2))
        model.fit(data, epochs=1, verbose=0)
        model.save(tmp_path / "model")
        histories = tf.ragged.constant([[2, 5], [1]], dtype=tf.int32)
        loaded = tfrec.load(tmp_path / "model")
        np.testing.assert_array_equal(loaded.score_histories(histories), model.score_histories(histories))

    def test_strangers_are_served_far_better_than_by_popularity(self, tfrec_data):
        """A fifth of the users of MovieLens-100K are known by their histories alone."""
        data = tfrec.data.movielens("100k", path=tfrec_data / "ml-100k")
        rest, test = tfrec.data.random_split(data, test=0.2, by="user", seed=1)
        train, given = rest.select(rest.user % 5 != 0), rest.select(rest.user % 5 == 0)
        test = test.select(test.user % 5 == 0)
        model = NCF(architecture="gmf", n_factors=16, l2=0.002, learning_rate=0.02, batch_size=2048)
        model.fit(train, epochs=8, verbose=0)
        popular = Popularity()
        popular.fit(train, verbose=0)
        folded, baseline = (tfrec.evaluate(kind, test, given=given, k=10)["ndcg@10"] for kind in (model, popular))
        assert folded > 1.25 * baseline


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"architecture": "ncf"}, ValueError, "architecture must be one of 'gmf', 'mlp', 'neumf'; got 'ncf'"),
            ({"n_factors": 0}, ValueError, "n_factors must be an integer of at least 1; got 0"),
            ({"mlp_layers": ()}, ValueError, "mlp_layers must name at least one width"),
            ({"mlp_layers": (8, 0)}, ValueError, "every width in mlp_layers must be an integer of at least 1; got 0"),
            ({"mlp_layers": (8, 2.5)}, TypeError, "every width in mlp_layers must be an integer"),
            ({"mlp_layers": 64}, TypeError, r"mlp_layers must be a sequence of widths such as .*; got 64"),
            ({"mlp_layers": "64"}, TypeError, "mlp_layers must be a sequence of widths"),
            ({"pretrain_epochs": -1}, ValueError, "pretrain_epochs must be an integer of at least 0"),
            ({"pretrain_epochs": 2, "architecture": "gmf"}, ValueError, "pretrain_epochs is of .*neumf.*; got 'gmf'"),
            ({"gmf_share": 1.5}, ValueError, r"gmf_share must be a number from 0 to 1; got 1\.5"),
            ({"objective": "mse"}, ValueError, "objective must be one of 'bce', 'bpr'; got 'mse'"),
            ({"sampler": "random"}, ValueError, "sampler must be one of 'uniform'"),
            ({"n_negatives": 0}, ValueError, "n_negatives must be an integer of at least 1"),
            ({"l2": -0.1}, ValueError, "l2 must be a finite number of at least 0"),
            ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number above 0"),
            ({"learning_rate_decay": 1.1}, ValueError, r"learning_rate_decay must be .* at most 1; got 1\.1"),
            ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            NCF(**arguments)

    def test_layers_of_yaml_are_a_tuple(self):
        model = NCF(mlp_layers=[8, 4])  # type: ignore[arg-type]
        assert model.get_config()["mlp_layers"] == (8, 4)
