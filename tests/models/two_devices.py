"""Fits every model on one device and on two logical CPU devices; run in a process of its own by the contract test.

Prints one JSON object: for each model the largest difference of its weights and of what it recommends.
"""

import json
import runpy
import sys
from pathlib import Path

from tfrec._tf import tf

# Before TensorFlow has looked at its devices, or not at all.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import numpy as np  # noqa: E402

from tfrec.data import synthetic  # noqa: E402
from tfrec.models import MODELS  # noqa: E402


def main() -> None:
    data = synthetic(n_users=101, n_items=40, n_interactions=1500, seed=1)
    differences = {}
    # The model of the tests that is trained by gradients; this script is no test module, so it cannot have a fixture.
    tiny_factors = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["TinyFactors"]
    for name, kind in {**MODELS, "tiny_factors": tiny_factors}.items():
        single = kind()
        single.fit(data, epochs=2, verbose=0)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            mirrored = kind()
            mirrored.compile()
        mirrored.fit(data, validation_data=data, epochs=2, verbose=0)
        weights = zip(single.weights, mirrored.weights, strict=True)
        folder = f"{sys.argv[1]}/{name}"
        served = tf.saved_model.load(str(mirrored.export(folder))).signatures["serving_default"]
        answer = served(user_id=tf.constant(data.user_ids[:5].tolist()))["item_id"].numpy()
        differences[name] = {
            "replicas": strategy.num_replicas_in_sync,
            "weights": max(float(np.abs(one.numpy() - two.numpy()).max()) for one, two in weights),
            "served": [[item.decode() for item in row if item] for row in answer]
            == [[item for item in row if item] for row in single.recommend(data.user_ids[:5], k=100).item_id],
        }
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
