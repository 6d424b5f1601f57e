"""Fits models on one device and on two logical CPU devices; run in a process of its own by the contract test.

Takes a folder to export to and the names of model classes. Prints one JSON object: for each class how its two fits
differ, and what went wrong, if anything did.
"""

import json
import runpy
import sys
import traceback
from pathlib import Path

from tfrec._tf import tf

# Before TensorFlow has looked at its devices, or not at all.
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import numpy as np  # noqa: E402

from tfrec.data import synthetic  # noqa: E402


def differences(kind: type, arguments: dict, data, strategy, folder: Path) -> dict:
    single = kind(**arguments)
    single.fit(data, epochs=2, verbose=0)
    with strategy.scope():
        mirrored = kind(**arguments)
        mirrored.compile()
    mirrored.fit(data, validation_data=data, epochs=2, verbose=0)
    users = np.arange(data.n_users)
    one, two = np.asarray(single.score(users)), np.asarray(mirrored.score(users))
    served = tf.saved_model.load(str(mirrored.export(folder))).signatures["serving_default"]
    answer = served(user_id=tf.constant(data.user_ids[:5].tolist()))["item_id"].numpy()
    return {
        "replicas": strategy.num_replicas_in_sync,
        "scores": float(np.abs(one - two).max() / np.abs(one).max()),
        "served": [[item.decode() for item in row] for row in answer]
        == mirrored.recommend(data.user_ids[:5], k=100).item_id.tolist(),
    }


def main() -> None:
    data = synthetic(n_users=101, n_items=40, n_interactions=1500, seed=1)
    # This script is no test module, so it cannot have a fixture.
    contract = runpy.run_path(str(Path(__file__).parent / "conftest.py"))
    kinds = {kind.__name__: kind for kind in contract["ALL_MODELS"]}
    # One for all: the collective operations of a second strategy would have the keys of the first one's.
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found = {}
    for name in sys.argv[2:]:
        try:
            arguments = contract["WITHOUT_NOISE"].get(kinds[name], {})
            found[name] = differences(kinds[name], arguments, data, strategy, Path(sys.argv[1]) / name.lower())
        except Exception:
            found[name] = {"error": traceback.format_exc()[-3000:]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
