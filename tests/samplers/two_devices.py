"""Draws on two logical CPU devices, in a process of its own.

Prints one JSON object: for each sampler, the draws of each replica."""

import json

from tfrec._tf import tf

# Before TensorFlow has looked at its devices, or not at all.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import numpy as np  # noqa: E402
from scipy import sparse  # noqa: E402

from tfrec.data.samplers import KnownPositives, Popularity, Uniform  # noqa: E402


def main() -> None:
    matrix = sparse.csr_array(np.random.default_rng(0).random((20, 50)) < 0.5)
    known = KnownPositives(matrix.indptr, matrix.indices, 50)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    answers = {}
    for name, kind in (("uniform", Uniform), ("popularity", Popularity)):
        with strategy.scope():
            sampler = kind(known)

        @tf.function
        def draw(sampler=sampler):
            return strategy.run(lambda: sampler.sample(tf.range(20), 4, seed=1, epoch=2, step=3))

        replicas = strategy.experimental_local_results(draw())
        answers[name] = [drawn.numpy().tolist() for drawn in replicas]
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
