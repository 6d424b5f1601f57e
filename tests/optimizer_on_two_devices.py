"""Steps of row-sparse Adam on one device and on two logical CPU devices, in a process of its own.

Prints one JSON object: the values of a table and of a vector at the end, and those of each replica.
"""

import json

from tfrec._tf import tf

# Before TensorFlow has looked at its devices, or not at all.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import numpy as np  # noqa: E402

from tfrec.optimizers import RowSparseAdam  # noqa: E402

ROWS = np.array([[0, 3, 3, 1], [3, 4, 0, 0], [5, 5, 1, 2]], np.int32)  # of every step


def fit(strategy, n_replicas: int) -> list:
    """The variables after a step for each line of `ROWS`, of which each replica has its share."""
    with strategy.scope():
        table = tf.Variable(np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3))
        vector = tf.Variable(np.array([0.5, 1.0, -1.0], np.float32))
        optimizer = RowSparseAdam(0.1, global_clipnorm=2.0)

    @tf.function(autograph=False)
    def step(rows):
        def of_replica():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            share = tf.reshape(rows, [n_replicas, -1])[replica]
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.square(tf.linalg.matvec(tf.gather(table, share), vector) - 1.0))
            optimizer.minimize(loss, [table, vector], tape=tape)

        strategy.run(of_replica)

    for rows in ROWS:
        step(tf.constant(rows))
    return [table, vector]


def main() -> None:
    """Both, and what they come to."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    single = fit(tf.distribute.get_strategy(), 1)
    mirrored = fit(strategy, 2)
    found = {
        "replicas": strategy.num_replicas_in_sync,
        "single": [variable.numpy().tolist() for variable in single],
        "mirrored": [
            [value.numpy().tolist() for value in strategy.experimental_local_results(variable)] for variable in mirrored
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
