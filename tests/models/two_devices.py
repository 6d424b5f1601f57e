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
from tfrec.models import ALS, EASE, SVD  # noqa: E402

# An export takes longer than a fit, and meets variables of two devices in the same way whatever they are the weights
# of: one model that is learned, one that is solved, one that is solved in sweeps.
EXPORTED = (SVD, EASE, ALS)


def differences(kind: type, arguments: dict, data, strategy, folder: Path) -> dict:
    single = kind(**arguments)
    single.fit(data, epochs=2, verbose=0)
    with strategy.scope():
        mirrored = kind(**arguments)
        mirrored.compile()
    mirrored.fit(data, validation_data=data, epochs=2, verbose=0)
    users = np.arange(data.n_users)
    one, two = np.asarray(single.score(users)), np.asarray(mirrored.score(users))
    listed_by_one, listed_by_two = (model.recommend(data.user_ids, k=100) for model in (single, mirrored))
    found = {
        "replicas": strategy.num_replicas_in_sync,
        "scores": float(np.abs(one - two).max() / np.abs(one).max()),
        # Sorted, so that items whose scores differ by rounding may change places.
        "recommended": float(np.abs(listed_by_one.score - listed_by_two.score).max() / np.abs(one).max()),
    }
    if kind in EXPORTED:
        served = tf.saved_model.load(str(mirrored.export(folder))).signatures["serving_default"]
        answer = served(user_id=tf.constant(data.user_ids.tolist()))["item_id"].numpy()
        found["served"] = [[item.decode() for item in row] for row in answer] == listed_by_two.item_id.tolist()
    return found


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
            arguments = contract["SMALL"].get(kinds[name], {}) | contract["WITHOUT_NOISE"].get(kinds[name], {})
            found[name] = differences(kinds[name], arguments, data, strategy, Path(sys.argv[1]) / name.lower())
        except Exception:
            found[name] = {"error": traceback.format_exc()[-3000:]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
