"""What is drawn is a function of the arguments: not of the process, the device, the caller or the order of calls."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data.samplers import DynamicHard, InBatch, KnownPositives, Mixed, NegativeSampler, Popularity, Uniform

SCRIPT = Path(__file__).parent / "two_devices.py"


def score(users, candidates):
    return tf.cast((users[:, tf.newaxis, tf.newaxis] * 31 + candidates * 17) % 7, tf.float32)


MAKERS: dict[str, Callable[[KnownPositives], NegativeSampler]] = {
    "uniform": Uniform,
    "popularity": Popularity,
    "in batch": InBatch,
    "hard": lambda known: DynamicHard(Popularity(known), score, n_candidates=3),
    "mixed": lambda known: Mixed([Popularity(known), Uniform(known), InBatch(known)]),
}


@pytest.fixture(params=[*((name, True) for name in MAKERS), ("popularity", False)], ids=str)
def sampler(request, liked, naive):
    name, bitmap = request.param
    return MAKERS[name](naive.known(liked, bitmap))


@pytest.fixture
def sample(sampler):
    users = tf.constant(np.random.default_rng(0).integers(0, 9, 60), tf.int32)
    items = tf.constant(np.random.default_rng(1).integers(1, 20, 60), tf.int32)

    def sample(step, epoch=3, seed=7, users=users):
        return sampler.sample(users, 3, seed=seed, epoch=epoch, step=step, items=items)

    return sample


def test_tf_data_in_parallel_gives_what_eager_calls_give(sample):
    expected = np.stack([sample(step) for step in range(15)])
    for parallel in (1, 4):
        steps = tf.data.Dataset.range(15)
        mapped = steps.map(sample, num_parallel_calls=parallel, deterministic=True).prefetch(2)
        np.testing.assert_array_equal(np.stack([drawn.numpy() for drawn in mapped]), expected)


def test_a_function_gives_what_eager_calls_give(sample):
    function = tf.function(sample)
    for step in (0, 5):
        for epoch in (0, 9):
            arguments = tf.constant(step, tf.int64), tf.constant(epoch, tf.int64)
            np.testing.assert_array_equal(function(*arguments), sample(step, epoch))
    assert function.experimental_get_tracing_count() == 1


def test_shapes_are_known_while_tracing(sample, sampler):
    traced = tf.function(sample).get_concrete_function(tf.TensorSpec([], tf.int64))
    assert traced.structured_outputs.shape == [60, 3]
    any_batch = tf.function(lambda users: sampler.sample(users, 2, seed=0, epoch=0, step=0, items=users))
    traced = any_batch.get_concrete_function(tf.TensorSpec([None], tf.int64))
    assert traced.structured_outputs.shape.as_list() == [None, 2]


def test_seed_epoch_and_step_each_matter(sample):
    results = [sample(*arguments).numpy() for arguments in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]]
    for i, one in enumerate(results):
        for other in results[:i]:
            assert (one != other).mean() > 0.2


def test_order_of_calls_does_not_matter(sample):
    forwards = [sample(step).numpy() for step in range(5)]
    backwards = [sample(step).numpy() for step in reversed(range(5))]
    np.testing.assert_array_equal(forwards, backwards[::-1])


def test_large_and_negative_numbers(sample):
    seen = [sample(2**40, 2**33, seed).numpy() for seed in (2**63, 2**64 - 1, -5)]
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(sample(np.int64(4), np.int32(2), np.int64(3)), sample(4, 2, 3))


def test_another_process_and_two_devices(naive, liked):
    """On two replicas of a strategy too; what this process expects was drawn on one device."""
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    liked = np.random.default_rng(0).random((20, 50)) < 0.5
    known = naive.known(liked)
    for name, kind in (("uniform", Uniform), ("popularity", Popularity)):
        expected = kind(known).sample(tf.range(20), 4, seed=1, epoch=2, step=3).numpy().tolist()
        assert answers[name] == [expected, expected], name


class TestInAModel:
    """A sampler as an attribute of a Keras model."""

    @pytest.fixture
    def model(self, known):
        class Model(tf.keras.Model):
            def __init__(self):
                super().__init__()
                self.sampler = Mixed([Uniform(known), Popularity(known)])
                self.vectors = tf.Variable(tf.random.stateless_normal([37, 4], [1, 2]))
                self.users = tf.Variable(tf.random.stateless_normal([9, 4], [1, 3]))

            def call(self, users):
                return tf.matmul(tf.gather(self.users, users), self.vectors, transpose_b=True)

            def train_step(self, inputs):
                users, items = inputs
                step = self.optimizer.iterations
                negatives = self.sampler.sample(users, 1, seed=0, epoch=0, step=step)[:, 0]
                with tf.GradientTape() as tape:
                    vectors = tf.gather(self.vectors, items) - tf.gather(self.vectors, negatives)
                    margin = tf.reduce_sum(tf.gather(self.users, users) * vectors, axis=1)
                    loss = tf.reduce_mean(tf.nn.softplus(-margin))
                self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
                return {"loss": loss}

        return Model()

    def test_it_learns_and_is_saved_without_the_sampler(self, model, known, tmp_path):
        users = np.repeat(np.arange(9), np.diff(known.splits)).astype(np.int32)
        data = tf.data.Dataset.from_tensor_slices((users, known.items)).shuffle(500, seed=1).batch(32)
        model.compile(tf.keras.optimizers.Adam(0.05))
        losses = model.fit(data, epochs=15, verbose=0).history["loss"]
        assert losses[-1] < 0.7 * losses[0]
        assert {tuple(weight.shape) for weight in model.weights} == {(37, 4), (9, 4)}
        model.save_weights(str(tmp_path / "weights"))
        names = [name for name, _ in tf.train.list_variables(str(tmp_path / "weights"))]
        assert not [name for name in names if "sampler" in name]
        model(tf.constant([1]))  # tells Keras the shape of the input
        model.save(tmp_path / "model", save_format="tf")
        loaded = tf.saved_model.load(str(tmp_path / "model"))
        scores = loaded.signatures["serving_default"](tf.constant([1], tf.int32))
        np.testing.assert_allclose(next(iter(scores.values())), model(tf.constant([1])), rtol=1e-5)
