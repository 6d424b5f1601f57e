"""Loading one version: warm-up, damaged and foreign SavedModels."""

import json
import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfrec.serving import ModelServer
from tfrec.serving.errors import LoadError
from tfrec.serving.predict import clean_message
from tfrec.serving.servable import load


@pytest.fixture
def version_dir(tmp_path, install):
    return install("shop1", tmp_path, "shop", 1)


def request(signature="", **inputs):
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "shop"
    message.model_spec.signature_name = signature
    for name, value in (inputs or {"user_id": ["u"]}).items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message


def test_warm_up_requests_are_replayed(version_dir, write_warm_up, caplog):
    caplog.set_level("INFO")
    write_warm_up(version_dir, request(), request("score", user_id=["u"], item_id=["i1"]))
    load("shop", 1, version_dir)
    assert "warmed up model shop version 1 with 2 requests" in caplog.text


def test_a_warm_up_request_that_fails(version_dir, write_warm_up):
    write_warm_up(version_dir, request(), request("nope"))
    with pytest.raises(LoadError, match=r'warm-up request 2 failed: Serving signature key "nope" not found'):
        load("shop", 1, version_dir)


def test_a_damaged_warm_up_file(version_dir, write_warm_up):
    write_warm_up(version_dir, request())
    file = version_dir / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(LoadError, match="tf_serving_warmup_requests cannot be read"):
        load("shop", 1, version_dir)


def test_too_many_warm_up_requests(version_dir, write_warm_up):
    write_warm_up(version_dir, *[request()] * 1001)
    with pytest.raises(LoadError, match="more than 1000 requests"):
        load("shop", 1, version_dir)


def test_a_damaged_graph(version_dir):
    (version_dir / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(LoadError, match="damaged or incomplete"):
        load("shop", 1, version_dir)


def test_an_empty_graph(version_dir):
    (version_dir / "saved_model.pb").write_bytes(b"")
    with pytest.raises(LoadError, match="no graph with the tag 'serve'"):
        load("shop", 1, version_dir)


def test_missing_variables(version_dir):
    shutil.rmtree(version_dir / "variables")
    with pytest.raises(LoadError, match="the SavedModel cannot be loaded") as caught:
        load("shop", 1, version_dir)
    assert "\n" not in str(caught.value)


def metadata_file(version_dir):
    folder = version_dir / "assets.extra"
    folder.mkdir(exist_ok=True)
    return folder / "tfrec.json"


@pytest.fixture
def with_unknown_op(version_dir):
    """Renames an op of the SavedModel, so that it looks as it does where the op's library isn't loaded."""

    def rename(op):
        file = version_dir / "saved_model.pb"
        content = file.read_bytes()
        assert content.count(b"TopKV2")
        assert len(op) == len("TopKV2")
        file.write_bytes(content.replace(b"TopKV2", op.encode()))
        return version_dir

    return rename


def test_ops_of_scann(with_unknown_op):
    version_dir = with_unknown_op("Scann>")
    with pytest.raises(LoadError, match=r"comes from the package scann.*`import scann` before the server starts"):
        load("shop", 1, version_dir)


def test_ops_that_the_export_needs_and_nobody_has(version_dir):
    metadata_file(version_dir).write_text(json.dumps({"required_ops": ["magic"]}))
    with pytest.raises(LoadError, match=r"cannot be loaded: this needs the TensorFlow ops of 'magic'"):
        load("shop", 1, version_dir)


@pytest.mark.parametrize("tfrec_json", [None, "not json", "[]", '{"required_ops": 3}'])
def test_ops_of_somebody_else(with_unknown_op, tfrec_json):
    version_dir = with_unknown_op("Foo>Op")
    if tfrec_json is not None:
        metadata_file(version_dir).write_text(tfrec_json)
    with pytest.raises(LoadError, match="the op Foo>Op is not part of TensorFlow; import the package"):
        load("shop", 1, version_dir)


def test_which_signatures_call_python(tmp_path, install):
    servable = load("types", 1, install("types", tmp_path, "types", 1))
    assert [name for name, signature in servable.signatures.items() if signature.python_ops] == ["python"]


def test_a_server_of_nothing_but_broken_models(version_dir):
    (version_dir / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(LoadError, match=r"shop version 1: saved_model.pb is damaged"):
        ModelServer(version_dir.parents[1], grpc_port=0, rest_port=0).start()


@pytest.mark.parametrize(
    ("message", "clean"),
    [
        (
            "Graph execution error:\n\nDetected at node Gather defined at (most recent call last):\n"
            '  File "/secret/model.py", line 3, in f\n    return tf.gather(t, i)\n<stack traces unavailable>\n'
            "indices[0] = 7 is not in [0, 3)\n\t [[{{node Gather}}]] [Op:__inference_signature_wrapper_f_195]",
            "indices[0] = 7 is not in [0, 3)",
        ),
        (
            "{{function_node __wrapped__ParseTensor}} Could not parse `serialized` [Op:ParseTensor]",
            "Could not parse `serialized`",
        ),
        ("", "the model failed on this request"),
    ],
)
def test_messages_of_ops_lose_their_stacks(message, clean):
    assert clean_message(message) == clean
