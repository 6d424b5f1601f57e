"""New versions on a running server: picked up without a restart, and without one failed request."""

import shutil

import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from tfrec.serving import Client, ModelServer, ServingError, predict


def first_item(stub):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shop"
    request.inputs["user_id"].CopyFrom(tf.make_tensor_proto(["u"]))
    response = stub.Predict(request, timeout=30)
    version, item = response.model_spec.version.value, response.outputs["item_id"].string_val[0]
    assert item == {1: b"i1", 2: b"i6", 3: b"i1"}[version], "an answer of another version than it says"
    return version


def test_new_version_over_grpc(tmp_path, install, start_server, stubs, eventually, keep_asking):
    install("shop1", tmp_path, "shop", 1)
    stub = stubs(start_server(tmp_path).grpc_address)[0]
    with keep_asking(lambda: first_item(stub)) as asking:
        install("shop2", tmp_path, "shop", 2)
        eventually(lambda: first_item(stub) == 2)
        install("shop1", tmp_path, "shop", 3)
        eventually(lambda: first_item(stub) == 3)
    assert asking.errors == []
    assert asking.answers[0] == 1
    assert set(asking.answers) == {1, 2, 3}


def test_new_version_over_rest(tmp_path, install, start_server, eventually, keep_asking):
    install("shop1", tmp_path, "shop", 1)
    url = f"{start_server(tmp_path).rest_url}/v1/models/shop:predict"

    def ask():
        response = requests.post(url, json={"instances": ["u"]}, timeout=30)
        response.raise_for_status()
        return response.json()["predictions"][0]["item_id"][0]

    with keep_asking(ask) as asking:
        install("shop2", tmp_path, "shop", 2)
        eventually(lambda: ask() == "i6")
    assert asking.errors == []
    assert set(asking.answers) == {"i1", "i6"}


def test_removing_the_newest_version_goes_back(tmp_path, install, start_server, stubs, eventually, keep_asking):
    install("shop1", tmp_path, "shop", 1)
    newest = install("shop2", tmp_path, "shop", 2)
    server = start_server(tmp_path)
    stub, models = stubs(server.grpc_address)
    assert first_item(stub) == 2
    with keep_asking(lambda: first_item(stub)) as asking:
        newest.rename(tmp_path / "shop" / ".removed")
        eventually(lambda: first_item(stub) == 1)
    assert asking.errors == []
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "shop"

    def states():
        statuses = models.GetModelStatus(request, timeout=30).model_version_status
        return {status.version: status.state for status in statuses}

    state = get_model_status_pb2.ModelVersionStatus
    eventually(lambda: states() == {2: state.END, 1: state.AVAILABLE})


def test_a_broken_version_changes_nothing(tmp_path, install, start_server, stubs, eventually):
    install("shop1", tmp_path, "shop", 1)
    server = start_server(tmp_path)
    stub, _ = stubs(server.grpc_address)
    broken = install("shop2", tmp_path, "shop", ".broken")
    (broken / "variables" / "variables.index").write_bytes(b"")
    broken.rename(tmp_path / "shop" / "2")
    with Client(grpc=server.grpc_address) as client:
        eventually(lambda: len(client.status("shop")) == 2)
    assert first_item(stub) == 1


def test_a_mended_version_is_served(tmp_path, install, stubs, eventually):
    install("shop1", tmp_path, "shop", 1)
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=0.05) as server:
        client = Client(rest=server.rest_url)
        broken = install("shop2", tmp_path, "shop", 2)
        index = broken / "variables" / "variables.index"
        good = index.read_bytes()
        index.write_bytes(b"")
        index.touch()

        def newest():
            return client.status("shop")[0]

        eventually(lambda: newest().version == 2 and newest().state in ("END", "AVAILABLE"))
        index.write_bytes(good)
        eventually(lambda: newest().state == "AVAILABLE")
        assert newest().error == ""
        assert client.recommend("shop", ["u"], 1)[0][0].item_id == "i6"


def test_models_come_and_go(tmp_path, install, eventually):
    install("shop1", tmp_path, "shop", 1)
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=0.05) as server:
        client = Client(rest=server.rest_url)
        with pytest.raises(ServingError, match="news") as caught:
            client.recommend("news", ["u"])
        assert caught.value.code == "NOT_FOUND"
        install("shop2", tmp_path, "news", 1)

        def served():
            try:
                return client.recommend("news", ["u"], 1)[0][0].item_id
            except ServingError:
                return None

        eventually(lambda: served() == "i6")
        shutil.rmtree(tmp_path / "news")
        eventually(lambda: served() is None)
        assert client.recommend("shop", ["u"], 1)[0][0].item_id == "i1"


def test_a_request_under_way_keeps_its_version(tmp_path, install, eventually):
    """Also when a new version took over meanwhile: the old one still computes, and goes when the request is done."""
    install("types", tmp_path, "types", 1)
    with ModelServer(tmp_path, grpc_port=0, rest_port=0, poll_seconds=0.01) as server:
        repository = server._repository
        with repository.borrow("types") as servable:
            install("types", tmp_path, "types", 2)
            eventually(lambda: states(repository) == {2: "AVAILABLE", 1: "UNLOADING"})
            total = predict.run(servable, "total", {"x": tf.constant([1.0, 2.0])})["total"]
            assert (servable.version, float(total)) == (1, 3.0)
        assert states(repository) == {2: "AVAILABLE", 1: "END"}


def states(repository):
    return {status.version: status.state.name for status in repository.status("types")}
