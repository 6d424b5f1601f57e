"""Row-sparse Adam beside Keras's Adam, and beside the same thing row by row in numpy."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.optimizers import RowSparseAdam, decay_learning_rate

N_ROWS, DIMENSION = 12, 3
CLIPPING = [{}, {"clipnorm": 0.5}, {"clipvalue": 0.1}, {"global_clipnorm": 0.7}]
SCHEDULE = tf.keras.optimizers.schedules.ExponentialDecay(0.05, 4, 0.7)


def table(n_rows=N_ROWS):
    return tf.Variable(np.random.default_rng(7).normal(size=(n_rows, DIMENSION)).astype(np.float32))


def slices(rows, seed):
    """A gradient of these rows, and what it would be as a dense one."""
    values = np.random.default_rng(seed).normal(size=(len(rows), DIMENSION)).astype(np.float32)
    dense = np.zeros((N_ROWS, DIMENSION), np.float32)
    np.add.at(dense, rows, values)
    shape = tf.constant([N_ROWS, DIMENSION])
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows, tf.int32), shape), tf.constant(dense)


def moments(optimizer):
    """All that the optimizer keeps of tables, by what it calls them."""
    return {variable.name: variable.numpy() for variable in optimizer.variables if variable.shape.rank == 2}


def row_by_row(start, gradients, rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Lazy Adam as a loop: `gradients` is a list of a dict from row to gradient for every step."""
    values = start.astype(np.float64)
    first, second = np.zeros_like(values), np.zeros_like(values)
    for step, gradient in enumerate(gradients, start=1):
        for row, g in gradient.items():
            first[row] = beta_1 * first[row] + (1 - beta_1) * g
            second[row] = beta_2 * second[row] + (1 - beta_2) * g**2
            corrected = rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
            values[row] -= corrected * first[row] / (np.sqrt(second[row]) + epsilon)
    return values, first, second


class TestBesideKeras:
    """Where every row is touched, and where gradients are dense, the two are one."""

    @pytest.mark.parametrize("clipping", CLIPPING, ids=lambda clipping: next(iter(clipping), "free"))
    @pytest.mark.parametrize("by_rows", [True, False], ids=["rows", "dense"])
    def test_steps(self, by_rows, clipping):
        ours, theirs = [table(), tf.Variable(np.ones(4, np.float32))], [table(), tf.Variable(np.ones(4, np.float32))]
        optimizer = RowSparseAdam(0.05, beta_1=0.8, beta_2=0.99, epsilon=1e-5, **clipping)
        keras = tf.keras.optimizers.Adam(0.05, beta_1=0.8, beta_2=0.99, epsilon=1e-5, **clipping)
        generator = np.random.default_rng(0)
        for step in range(12):
            # Every row at least once, some of them several times.
            rows = generator.permutation(np.concatenate([np.arange(N_ROWS), generator.integers(0, N_ROWS, 20)]))
            sparse, dense = slices(rows, step)
            bias = tf.constant(generator.normal(size=4), tf.float32)
            optimizer.apply_gradients(zip([sparse if by_rows else dense, bias], ours, strict=True))
            keras.apply_gradients(zip([dense, bias], theirs, strict=True))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert np.abs(ours[0] - table()).max(axis=1).min() > 0.01  # all rows were learned

    def test_epochs_of_a_fit(self):
        models = [
            fitted(optimizer(SCHEDULE), every_row=True) for optimizer in (RowSparseAdam, tf.keras.optimizers.Adam)
        ]
        for one, other in zip(*(model.get_weights() for model in models), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)

    def test_not_so_where_rows_are_missed(self):
        gradients = [slices([row], row)[0] for row in range(N_ROWS)]
        tables = [table(), table()]
        for optimizer, variable in zip((RowSparseAdam(0.05), tf.keras.optimizers.Adam(0.05)), tables, strict=True):
            for gradient in gradients:
                optimizer.apply_gradients([(gradient, variable)])
        assert np.abs(tables[0] - tables[1].numpy()).max() > 0.01


class TestRows:
    def test_only_those_of_the_gradient(self):
        variable, optimizer = table(), RowSparseAdam(0.01)
        optimizer.apply_gradients([(slices([1, 5], 0)[0], variable)])
        before, kept = variable.numpy(), moments(optimizer)
        optimizer.apply_gradients([(slices([5, 7, 5], 1)[0], variable)])
        others = np.setdiff1d(np.arange(N_ROWS), [5, 7])
        np.testing.assert_array_equal(variable.numpy()[others], before[others])
        assert len(kept) == 2
        for name, value in moments(optimizer).items():
            np.testing.assert_array_equal(value[others], kept[name][others])
            assert np.all(value[[5, 7]] != kept[name][[5, 7]])

    def test_row_by_row(self):
        variable, optimizer = table(), RowSparseAdam(0.01)
        generator, gradients = np.random.default_rng(1), []
        for step in range(25):
            rows = generator.integers(0, N_ROWS, 4)
            sparse, dense = slices(rows, step)
            gradients.append({row: dense.numpy()[row].astype(np.float64) for row in set(rows)})
            optimizer.apply_gradients([(sparse, variable)])
        expected, *expected_moments = row_by_row(table().numpy(), gradients)
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6)
        for found, moment in zip(moments(optimizer).values(), expected_moments, strict=True):
            np.testing.assert_allclose(found, moment, rtol=1e-4, atol=1e-7)

    def test_a_late_first_touch_moves_further_than_an_early_one(self):
        variable, optimizer = table(), RowSparseAdam(0.01)
        moved = []
        for row, steps in ((0, 10_000), (1, 1)):
            before = variable.numpy()
            optimizer.apply_gradients([(slices([row], 3)[0], variable)])
            moved.append(np.abs(variable.numpy() - before)[row])
            optimizer.iterations.assign_add(steps)
        np.testing.assert_allclose(moved[0], 0.01, rtol=1e-3)
        np.testing.assert_allclose(moved[1], 0.01 * 0.1 / np.sqrt(0.001), rtol=1e-3)

    def test_a_gradient_of_zero_is_a_touch(self):
        variable, optimizer = table(), RowSparseAdam(0.01)
        optimizer.apply_gradients([(slices([2], 0)[0], variable)])
        before = variable.numpy()
        nothing = tf.IndexedSlices(tf.zeros([1, DIMENSION]), tf.constant([2]), tf.constant([N_ROWS, DIMENSION]))
        optimizer.apply_gradients([(nothing, variable)])
        assert np.all(variable.numpy()[2] != before[2])

    def test_no_rows_at_all(self):
        variable, optimizer = table(), RowSparseAdam(0.01)
        optimizer.apply_gradients([(slices([], 0)[0], variable)])
        np.testing.assert_array_equal(variable, table())
        assert optimizer.iterations.numpy() == 1

    @pytest.mark.parametrize("clipping", CLIPPING, ids=lambda clipping: next(iter(clipping), "free"))
    def test_nothing_is_computed_for_a_whole_table(self, clipping):
        variable, optimizer = table(1000), RowSparseAdam(0.01, **clipping)
        optimizer.build([variable])

        @tf.function(autograph=False)
        def step(rows):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.square(tf.gather(variable, rows)))
            optimizer.minimize(loss, [variable], tape=tape)

        graph = step.get_concrete_function(tf.TensorSpec([None], tf.int32)).graph
        whole = [op.name for op in graph.get_operations() for output in op.outputs if output.shape == variable.shape]
        dense = [op.name for op in graph.get_operations() if op.type in ("AssignSubVariableOp", "ResourceApplyAdam")]
        assert not whole + dense


def fitted(optimizer, *, every_row=False, epochs=3, model=None, callbacks=(), **keras):
    """A table read by rows below a dense layer, learned from four batches an epoch."""
    if model is None:
        tf.keras.utils.set_random_seed(0)
        model = tf.keras.Sequential([tf.keras.layers.Embedding(N_ROWS, DIMENSION), tf.keras.layers.Dense(1)])
        model.compile(optimizer, "mse", **keras)
    generator = np.random.default_rng(0)
    rows = generator.integers(0, N_ROWS // 2, (4, 2 * N_ROWS))
    if every_row:
        rows[:, :N_ROWS] = np.arange(N_ROWS)
    targets = generator.normal(size=(*rows.shape, 1))
    data = tf.data.Dataset.from_tensor_slices((rows, targets))
    model.fit(data, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


def assert_same(one, other):
    kept = [model.get_weights() + [v.numpy() for v in model.optimizer.variables] for model in (one, other)]
    for left, right in zip(*kept, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.fixture(scope="module")
def whole():
    return fitted(RowSparseAdam(SCHEDULE))


class TestFit:
    def test_twice_alike(self, whole):
        assert_same(fitted(RowSparseAdam(SCHEDULE)), whole)

    def test_several_steps_in_one_call(self, whole):
        assert_same(fitted(RowSparseAdam(SCHEDULE), steps_per_execution=4), whole)

    def test_killed_and_resumed(self, whole, tmp_path):
        class Kill(tf.keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fitted(RowSparseAdam(SCHEDULE), callbacks=[tf.keras.callbacks.BackupAndRestore(str(tmp_path)), Kill()])
        epochs = []
        noted = tf.keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
        resumed = fitted(RowSparseAdam(SCHEDULE), callbacks=[tf.keras.callbacks.BackupAndRestore(str(tmp_path)), noted])
        assert epochs == [2]
        assert_same(resumed, whole)

    def test_on_two_devices(self):
        script = Path(__file__).parent / "optimizer_on_two_devices.py"
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["replicas"] == 2
        for (one, other), alone in zip(found["mirrored"], found["single"], strict=True):
            assert one == other
            np.testing.assert_allclose(one, alone, rtol=1e-5)


class TestConfig:
    @pytest.mark.parametrize("clipping", CLIPPING, ids=lambda clipping: next(iter(clipping), "free"))
    def test_round_trip(self, clipping):
        optimizer = RowSparseAdam(0.25, 0.5, 0.75, 1e-4, name="lazy", **clipping)
        copy = tf.keras.optimizers.deserialize(json.loads(json.dumps(tf.keras.optimizers.serialize(optimizer))))
        assert type(copy) is RowSparseAdam
        assert copy.get_config() == optimizer.get_config()
        assert (copy.beta_1, copy.beta_2, copy.epsilon, copy.name) == (0.5, 0.75, 1e-4, "lazy")
        assert copy.clipnorm == clipping.get("clipnorm")

    def test_a_schedule(self):
        copy = RowSparseAdam.from_config(RowSparseAdam(SCHEDULE).get_config())
        copy.iterations.assign(8)
        copy.apply_gradients([(slices([0], 0)[0], table())])
        np.testing.assert_allclose(copy.learning_rate, 0.05 * 0.7**2, rtol=1e-6)

    def test_the_learning_rate_is_that_of_now(self):
        optimizer = RowSparseAdam(0.5)
        decay_learning_rate(optimizer, 0.5)
        assert RowSparseAdam.from_config(optimizer.get_config()).learning_rate.numpy() == 0.25

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"learning_rate": -1}, ValueError, "learning_rate must be .* at least 0"),
            ({"learning_rate": "fast"}, TypeError, "learning_rate must be a number"),
            ({"beta_1": 1.0}, ValueError, "beta_1 must be a number from 0 up to but not including 1; got 1.0"),
            ({"beta_2": -0.1}, ValueError, "beta_2 must be"),
            ({"epsilon": 0}, ValueError, "epsilon must be .* above 0"),
            ({"clipnorm": 0}, ValueError, "clipnorm must be .* above 0"),
            ({"clipvalue": -1}, ValueError, "clipvalue must be .* above 0"),
            ({"global_clipnorm": "1"}, TypeError, "global_clipnorm must be a number"),
            ({"clipnorm": 1.0, "global_clipnorm": 1.0}, ValueError, "At most one of"),
            ({"weight_decay": 0.1}, TypeError, "weight_decay"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            RowSparseAdam(**arguments)


def test_a_schedule_is_left_to_itself():
    optimizer = RowSparseAdam(SCHEDULE)
    decay_learning_rate(optimizer, 0.5)
    np.testing.assert_allclose(optimizer.learning_rate, SCHEDULE(0))
