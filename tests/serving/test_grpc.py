"""The gRPC API, driven by the unmodified stubs of `tensorflow-serving-api`."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

from tfrec.serving import ModelServer

AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE
FIRST_ITEM = {1: b"i1", 2: b"i6"}


def predict_request(model="shop", signature="", inputs=None, version=None, label=None, output_filter=()):
    request = predict_pb2.PredictRequest(output_filter=output_filter)
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in (inputs if inputs is not None else {"user_id": ["u1"]}).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def spec(request, model, version=None, label=None):
    request.model_spec.name = model
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    return request


@pytest.fixture
def predictions(server, stubs):
    return stubs(server.grpc_address)[0]


@pytest.fixture
def models(server, stubs):
    return stubs(server.grpc_address)[1]


def failure(call, request):
    """The status a call is refused with."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=30)
    return caught.value.code(), caught.value.details()


def test_predict_takes_the_latest_version_and_the_default_signature(predictions):
    response = predictions.Predict(predict_request(inputs={"user_id": ["u1", "u2"]}), timeout=30)
    assert response.model_spec.name == "shop"
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(response.outputs["item_id"]).tolist() == [[b"i6", b"i5", b"i4"]] * 2
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["score"]), np.array([[6, 5, 4]] * 2, np.float32))


def test_outputs_are_in_the_typed_fields(predictions):
    """Many clients read ``float_val`` and ``string_val`` and nothing else."""
    outputs = predictions.Predict(predict_request(), timeout=30).outputs
    assert list(outputs["score"].float_val) == [6.0, 5.0, 4.0]
    assert list(outputs["item_id"].string_val) == [b"i6", b"i5", b"i4"]
    assert [dim.size for dim in outputs["score"].tensor_shape.dim] == [1, 3]


@pytest.mark.parametrize("asked", [{"version": 1}, {"version": 2}, {"label": "stable"}, {"label": "canary"}])
def test_predict_by_version_and_label(predictions, asked):
    version = asked.get("version") or {"stable": 1, "canary": 2}[asked["label"]]
    response = predictions.Predict(predict_request(**asked), timeout=30)
    assert response.model_spec.version.value == version
    assert response.outputs["item_id"].string_val[0] == FIRST_ITEM[version]


def test_several_models(predictions):
    assert predictions.Predict(predict_request("news"), timeout=30).model_spec.version.value == 7


def test_predict_with_k_and_exclude(predictions):
    inputs = {
        "user_id": ["a", "b"],
        "k": np.array([2, 4], np.int32),
        "exclude": [["", "i6", "i5"], ["", "", ""]],
    }
    response = predictions.Predict(predict_request(signature="recommend", inputs=inputs), timeout=30)
    items = tf.make_ndarray(response.outputs["item_id"])
    assert items.tolist() == [[b"i4", b"i3", b"i2", b"i1"], [b"i6", b"i5", b"i4", b"i3"]]


@pytest.mark.parametrize("n_rows", [0, 1, 300])
def test_batch_sizes(predictions, n_rows):
    inputs = {"user_id": np.array(["u"] * n_rows, dtype=object)}
    request = predict_request(inputs={})
    request.inputs["user_id"].CopyFrom(tf.make_tensor_proto(inputs["user_id"], dtype=tf.string))
    response = predictions.Predict(request, timeout=30)
    assert tf.make_ndarray(response.outputs["score"]).shape == (n_rows, 3)


def test_every_number_type_comes_back_as_it_went(predictions):
    inputs = {
        "whole": np.array([-(2**62), 3], np.int64),
        "real": np.array([0.1, -np.inf], np.float64),
        "flag": np.array([True, False]),
    }
    outputs = predictions.Predict(predict_request("types", "numbers", inputs), timeout=30).outputs
    for name, value in inputs.items():
        array = tf.make_ndarray(outputs[name])
        assert array.dtype == value.dtype
        np.testing.assert_array_equal(array, value)
    assert tf.make_ndarray(outputs["small"]).tolist() == [0, 3]


def test_bytes_are_no_text(predictions):
    inputs = {"text": np.array([b"\xff\x00", "é".encode()], dtype=object)}
    outputs = predictions.Predict(predict_request("types", "text", inputs), timeout=30).outputs
    assert list(outputs["text"].string_val) == [b"\xff\x00", "é".encode()]


def test_output_filter(predictions):
    response = predictions.Predict(predict_request(output_filter=["score"]), timeout=30)
    assert list(response.outputs) == ["score"]


def test_a_scalar_output(predictions):
    inputs = {"x": np.array([1, 2, 3], np.float32)}
    total = predictions.Predict(predict_request("types", "total", inputs), timeout=30).outputs["total"]
    assert tf.make_ndarray(total) == 6.0
    assert tf.make_ndarray(total).shape == ()


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict_request(""), "INVALID_ARGUMENT", "no name"),
        (predict_request("nope"), "NOT_FOUND", "nope"),
        (predict_request("_unfinished"), "NOT_FOUND", "_unfinished"),
        (predict_request("../exports/shop"), "NOT_FOUND", "shop"),
        (predict_request(version=3), "NOT_FOUND", "3"),
        (predict_request(label="beta"), "INVALID_ARGUMENT", "Unrecognized servable version label: beta"),
        (predict_request(label="gone"), "NOT_FOUND", "5"),
        (predict_request(signature="nope"), "FAILED_PRECONDITION", 'Serving signature key "nope" not found'),
        (predict_request(inputs={}), "INVALID_ARGUMENT", "Missing but required: {user_id}"),
        (
            predict_request(inputs={"user_id": ["u"], "k": [1]}),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1",
        ),
        (predict_request(inputs={"user": ["u"]}), "INVALID_ARGUMENT", "user"),
        (predict_request(inputs={"user_id": [1]}), "INVALID_ARGUMENT", "string"),
        (
            predict_request(output_filter=["rank"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: rank",
        ),
        (predict_request(output_filter=["score"] * 2), "INVALID_ARGUMENT", "duplicate output tensor alias: score"),
        (predict_request("types", "pick", {"index": [7]}), "INVALID_ARGUMENT", "7 is not in [0, 2)"),
    ],
)
def test_predict_refuses(predictions, request_, code, words):
    given, details = failure(predictions.Predict, request_)
    assert given is grpc.StatusCode[code], details
    assert words in details
    assert "Traceback" not in details
    assert 'File "' not in details


def test_a_tensor_whose_values_and_shape_disagree(predictions):
    request = predict_request()
    request.inputs["user_id"].tensor_shape.dim[0].size = 10**15
    code, details = failure(predictions.Predict, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "tensor parsing error: user_id" in details


def test_the_server_survives_all_of_that(predictions):
    assert predictions.Predict(predict_request(), timeout=30).model_spec.version.value == 2


def test_metadata(predictions):
    request = spec(
        get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]), "shop", label="stable"
    )
    response = predictions.GetModelMetadata(request, timeout=30)
    assert (response.model_spec.name, response.model_spec.version.value) == ("shop", 1)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    recommend = signatures.signature_def["recommend"]
    assert set(recommend.inputs) == {"user_id", "k", "exclude"}
    assert set(recommend.outputs) == {"item_id", "score"}
    assert recommend.inputs["k"].dtype == tf.int32.as_datatype_enum
    assert [dim.size for dim in recommend.inputs["exclude"].tensor_shape.dim] == [-1, -1]
    assert recommend.method_name == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (
            get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]),
            "INVALID_ARGUMENT",
            "ModelSpec",
        ),
        (spec(get_model_metadata_pb2.GetModelMetadataRequest(), "shop"), "INVALID_ARGUMENT", "metadata_field"),
        (
            spec(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["weights"]), "shop"),
            "INVALID_ARGUMENT",
            "is not supported",
        ),
        (
            spec(get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"]), "nope"),
            "NOT_FOUND",
            "nope",
        ),
    ],
)
def test_metadata_refuses(predictions, request_, code, words):
    given, details = failure(predictions.GetModelMetadata, request_)
    assert given is grpc.StatusCode[code]
    assert words in details


def test_status(models):
    response = models.GetModelStatus(spec(get_model_status_pb2.GetModelStatusRequest(), "shop"), timeout=30)
    states = [(status.version, status.state, status.status.error_code) for status in response.model_version_status]
    assert states == [(2, AVAILABLE, 0), (1, AVAILABLE, 0)]


def test_status_of_one_version(models):
    response = models.GetModelStatus(spec(get_model_status_pb2.GetModelStatusRequest(), "shop", 1), timeout=30)
    assert [status.version for status in response.model_version_status] == [1]


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (get_model_status_pb2.GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            spec(get_model_status_pb2.GetModelStatusRequest(), "nope"),
            "NOT_FOUND",
            "Could not find any versions of model nope",
        ),
        (
            spec(get_model_status_pb2.GetModelStatusRequest(), "shop", 9),
            "NOT_FOUND",
            "Could not find version 9 of model shop",
        ),
    ],
)
def test_status_refuses(models, request_, code, words):
    given, details = failure(models.GetModelStatus, request_)
    assert given is grpc.StatusCode[code]
    assert words in details


def test_many_callers_at_once(predictions):
    def ask(row):
        inputs = {"user_id": ["u"], "k": np.array([1 + row % 6], np.int32), "exclude": [[""]]}
        response = predictions.Predict(predict_request(signature="recommend", inputs=inputs), timeout=60)
        return len(response.outputs["score"].float_val) == 1 + row % 6

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


@pytest.fixture(scope="module")
def stand_in(export_dir):
    """Cases in which the stand-in is stricter than the real server, or does less."""
    with ModelServer(export_dir, grpc_port=0, rest_port=0) as server:
        yield server


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (predict_request(inputs={"user_id": [["u"]]}), 'input "user_id" expects the shape [?], and [1, 1] came'),
        (predict_request(inputs={"user_id": "u"}), "and [] came"),
        (predict_request("types", "pick", {"index": [1.0]}), 'input "index" expects int32, and float32 came'),
        (predict_request("types", "python", {"x": [1.0]}), "calls a Python function"),
    ],
)
def test_what_does_not_fit_the_signature_never_runs(stand_in, stubs, request_, words):
    code, details = failure(stubs(stand_in.grpc_address)[0].Predict, request_)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in details


def test_a_small_message_cannot_claim_all_memory(stand_in, stubs):
    """One value may stand for a whole tensor: 40 bytes that unfold to 8 GB."""
    request = predict_request("types", "total", {"x": [1.0]})
    request.inputs["x"].tensor_shape.dim[0].size = 2**31
    code, details = failure(stubs(stand_in.grpc_address)[0].Predict, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "more than" in details


def test_an_unknown_type_of_tensor(stand_in, stubs):
    request = predict_request()
    request.inputs["user_id"].dtype = 0
    code, details = failure(stubs(stand_in.grpc_address)[0].Predict, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "tensor parsing error: user_id" in details


def test_a_request_too_large(export_dir, stubs):
    with ModelServer(export_dir, grpc_port=0, rest_port=0, most_request_bytes=10_000) as server:
        request = predict_request(inputs={"user_id": ["u" * 20_000]})
        code, _ = failure(stubs(server.grpc_address)[0].Predict, request)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_is_left_out_says_so(stand_in, stubs):
    predictions, models = stubs(stand_in.grpc_address)
    calls = [
        (predictions.Classify, classification_pb2.ClassificationRequest()),
        (models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
    ]
    for call, request in calls:
        code, details = failure(call, request)
        assert code is grpc.StatusCode.UNIMPLEMENTED
        assert "not supported by this stand-in" in details
