"""Loads exports with plain TensorFlow and asks them what a JSON file says; run in a process of its own.

Takes the file: {"exports": {name: folder}, "requests": {signature: {input: [type, values]}}, "scann": bool}. Prints one
JSON object: for each export the answers of each of the signatures that it has.
"""

import json
import sys

import tensorflow as tf


def answer(function, inputs: dict) -> dict:
    tensors = {name: tf.constant(values, dtype) for name, (dtype, values) in inputs.items()}
    outputs = {name: output.numpy().tolist() for name, output in function(**tensors).items()}
    if "item_id" in outputs:
        outputs["item_id"] = [[item.decode() for item in row] for row in outputs["item_id"]]
    return outputs


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    if asked["scann"]:
        import scann  # noqa: F401  # registers its ops
    found = {}
    for name, folder in asked["exports"].items():
        loaded = tf.saved_model.load(folder)  # owns the tables that its signatures read
        known = {key: inputs for key, inputs in asked["requests"].items() if key in loaded.signatures}
        found[name] = {key: answer(loaded.signatures[key], inputs) for key, inputs in known.items()}
    strangers = [module for module in sys.modules if module.split(".")[0] in ("tfrec", "tensorflow_recommenders")]
    print(json.dumps({"found": found, "strangers": strangers}))


if __name__ == "__main__":
    main()
