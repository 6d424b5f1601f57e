"""The client, over gRPC and over REST: the same answers and the same errors."""

import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.serving import Client, Recommendation, ServingError
from tfrec.serving.client_inputs import padded_ids
from tfrec.serving.client_rest import RestTransport
from tfrec.serving.client_types import ModelMetadata, ModelSpec, TensorInfo


@pytest.fixture(params=["grpc", "rest"])
def client(request, server):
    address = {"grpc": server.grpc_address, "rest": server.rest_url}[request.param]
    with Client(**{request.param: address}, timeout=30) as client:
        yield client


def ids(rows):
    return [[item.item_id for item in row] for row in rows]


def test_recommend(client):
    rows = client.recommend("shop", ["u", "v"], k=2)
    assert rows == [[Recommendation("i6", 6.0), Recommendation("i5", 5.0)]] * 2
    assert isinstance(rows[0][0].score, float)


def test_every_row_is_cut_at_its_own_k(client):
    assert ids(client.recommend("shop", ["u", "v", "w"], k=[1, 3, 2])) == [["i6"], ["i6", "i5", "i4"], ["i6", "i5"]]


def test_k_larger_than_what_there_is(client):
    assert ids(client.recommend("shop", ["u"], k=50, exclude=[["i1", "i2"]])) == [["i6", "i5", "i4", "i3"]]


def test_exclude_for_each_user(client):
    rows = client.recommend("shop", ["u", "v", "w"], k=2, exclude=[["i6"], [], ["i5", "i6", "unknown"]])
    assert ids(rows) == [["i5", "i4"], ["i6", "i5"], ["i4", "i3"]]


def test_recommend_from_history(client):
    rows = client.recommend_from_history("shop", [["i6", "i5"], [], ["i4"]], k=2, exclude=[["i4"], [], []])
    assert ids(rows) == [["i3", "i2"], ["i6", "i5"], ["i6", "i5"]]


def test_recommend_from_rated_history(client):
    rows = client.recommend_from_history("shop", [["i6", "i5"], ["i1"]], k=1, ratings=[[3.0, 1.5], [0.5]])
    assert rows == [[Recommendation("i4", 4.0 + 4.5)], [Recommendation("i6", 6.5)]]


def test_similar_items(client):
    assert ids(client.similar_items("shop", ["i6", "unknown", "i1"], k=2)) == [["i5", "i4"], [], ["i6", "i5"]]


def test_score(client):
    assert client.score("shop", ["u", ""], ["i6", "i1"]) == [float(np.float32(6.1)), 1.0]


def test_nothing_asked_nothing_sent(client):
    assert client.recommend("no such model", []) == []
    assert client.recommend_from_history("no such model", []) == []
    assert client.similar_items("no such model", []) == []
    assert client.score("no such model", [], []) == []


def test_version_and_label(client):
    assert ids(client.recommend("shop", ["u"], 1, version=1)) == [["i1"]]
    assert ids(client.recommend("shop", ["u"], 1, label="stable")) == [["i1"]]
    assert ids(client.recommend_from_history("shop", [["i1"]], 1, version=1)) == [["i2"]]
    assert client.metadata("shop", label="canary").version == 2


def test_predict_any_signature(client):
    inputs = {"whole": np.array([5], np.int64), "real": np.array([0.1]), "flag": np.array([True])}
    outputs = client.predict("types", "numbers", inputs)
    assert {name: array.dtype.name for name, array in outputs.items()} == {
        "whole": "int64", "real": "float64", "flag": "bool", "small": "uint8",
    }  # fmt: skip
    assert outputs["real"].tolist() == [0.1]


def test_predict_takes_python_values(client):
    outputs = client.predict("shop", "recommend", {"user_id": ["u"], "k": [2], "exclude": [[""]]})
    assert outputs["item_id"].tolist() == [["i6", "i5"]]
    assert outputs["score"].dtype == np.float32
    assert client.predict("types", "total", {"x": [0.5, 1]})["total"] == np.float32(1.5)
    assert client.predict("shop", inputs={"user_id": ["é"]})["item_id"].shape == (1, 3)


def test_predict_text_and_bytes(client):
    outputs = client.predict("types", "text", {"text": np.array(["é", b"abc"], dtype=object)})
    assert outputs["text"].tolist() == ["é", "abc"]
    assert outputs["raw_bytes"].tolist() == ["é".encode(), b"abc"]


def test_metadata(client):
    metadata = client.metadata("shop")
    assert (metadata.model, metadata.version) == ("shop", 2)
    recommend = metadata.signatures["recommend"]
    assert recommend.inputs["exclude"] == ("string", (None, None))
    assert recommend.inputs["k"] == ("int32", (None,))
    assert recommend.outputs["score"].dtype == "float32"
    assert client.metadata("types").signatures["total"].outputs["total"].shape == ()
    assert not any(name.startswith("__") for name in metadata.signatures)


def test_status(client):
    assert client.status("shop") == [(2, "AVAILABLE", ""), (1, "AVAILABLE", "")]
    assert client.status("shop", version=1) == [(1, "AVAILABLE", "")]


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        (lambda client: client.recommend("nope", ["u"]), "NOT_FOUND", "nope"),
        (lambda client: client.recommend("shop", ["u"], version=9), "NOT_FOUND", "9"),
        (lambda client: client.recommend("shop", ["u"], label="beta"), "INVALID_ARGUMENT", "beta"),
        (lambda client: client.predict("shop", "score", {"user_id": ["u"]}), "INVALID_ARGUMENT", "item_id"),
        (lambda client: client.predict("shop", inputs={"user_id": [1]}), "INVALID_ARGUMENT", "string"),
        (lambda client: client.predict("types", "pick", {"index": [9]}), "INVALID_ARGUMENT", "9 is not in [0, 2)"),
        (lambda client: client.status("nope"), "NOT_FOUND", "nope"),
        (lambda client: client.metadata("nope"), "NOT_FOUND", "nope"),
    ],
)
def test_the_server_says_no(client, call, code, words):
    with pytest.raises(ServingError, match=words.replace("[", r"\[").replace(")", r"\)")) as caught:
        call(client)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda client: client.recommend("shop", "u1"), TypeError, r"did you mean \['u1'\]"),
        (lambda client: client.recommend("shop", [196]), TypeError, "did you mean '196'"),
        (lambda client: client.recommend("shop", [None]), TypeError, "strings"),
        (lambda client: client.recommend("shop", ["u"], k=0), ValueError, "k must be at least 1"),
        (lambda client: client.recommend("shop", ["u"], k=[-1]), ValueError, "k must be at least 1"),
        (lambda client: client.recommend("shop", ["u"], k=1.5), TypeError, "whole number"),
        (lambda client: client.recommend("shop", ["u"], k=True), TypeError, "whole number"),
        (lambda client: client.recommend("shop", ["u"], k=[1, 2]), ValueError, "one for each row"),
        (lambda client: client.recommend("shop", ["u"], exclude=["i1"]), TypeError, "must be a list"),
        (lambda client: client.recommend("shop", ["u"], exclude=[]), ValueError, "must have 1 rows"),
        (lambda client: client.recommend_from_history("shop", [["i1", 2]]), TypeError, "did you mean '2'"),
        (lambda client: client.recommend_from_history("shop", "i1"), TypeError, "must be a list"),
        (
            lambda client: client.recommend_from_history("shop", [["i1"]], ratings=[[1, 2]]),
            ValueError,
            "one number for each item",
        ),
        (
            lambda client: client.recommend_from_history("shop", [["i1"]], ratings=[[float("nan")]]),
            ValueError,
            "finite",
        ),
        (lambda client: client.score("shop", ["u"], ["i1", "i2"]), ValueError, "1 and 2 came"),
        (lambda client: client.recommend("", ["u"]), ValueError, "name of a served model"),
        (lambda client: client.recommend("shop", ["u"], version=1, label="a"), ValueError, "not both"),
        (lambda client: client.predict("shop", inputs={"user_id": [["a"], []]}), ValueError, "ragged"),
        (lambda client: client.predict("shop", inputs={"user_id": [{}]}), ValueError, "mixed"),
    ],
)
def test_what_no_server_needs_to_see(client, call, error, words):
    with pytest.raises(error, match=words):
        call(client)


@pytest.mark.parametrize(
    "addresses",
    [
        {},
        {"grpc": "127.0.0.1:1", "rest": "http://127.0.0.1:1"},
        {"grpc": "http://127.0.0.1:8500"},
        {"grpc": "127.0.0.1"},
        {"rest": "127.0.0.1:8501"},
        {"grpc": "127.0.0.1:8500", "timeout": 0},
    ],
)
def test_what_is_no_address(addresses):
    with pytest.raises(ValueError, match=r"give one address|takes|timeout"):
        Client(**addresses)


@pytest.fixture(params=["grpc", "rest"])
def client_of_port(request):
    def connect(port, timeout):
        address = f"127.0.0.1:{port}" if request.param == "grpc" else f"http://127.0.0.1:{port}"
        return Client(**{request.param: address}, timeout=timeout)

    return connect


def test_no_server_there(client_of_port):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, and it refuses
        client = client_of_port(unused.getsockname()[1], timeout=5)
        with pytest.raises(ServingError, match=r"no model server answers at .*is it running") as caught:
            client.recommend("shop", ["u"])
    assert caught.value.code == "UNAVAILABLE"


def test_a_server_that_never_answers(client_of_port):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = client_of_port(silent.getsockname()[1], timeout=0.3)
        with pytest.raises(ServingError, match=r"no (answer within 0.3 s|model server answers)") as caught:
            client.recommend("shop", ["u"])
    assert caught.value.code in ("DEADLINE_EXCEEDED", "UNAVAILABLE")


def test_something_else_answers():
    def answer(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        with pytest.raises(ServingError, match="not as a model server does"):
            Client(rest=f"http://127.0.0.1:{listener.getsockname()[1]}").status("shop")
        thread.join()


def test_a_version_with_other_outputs_took_over(server):
    """JSON names neither the types nor a single output: what the client remembers of a model may be out of date."""
    spec, old = ModelSpec("shop"), {"rank": TensorInfo("int32", (None,))}
    with Client(rest=server.rest_url) as client:
        transport = client._transport
        assert isinstance(transport, RestTransport)
        for signature in ("recommend", "score"):
            transport._known[spec, signature] = old | ({"more": old["rank"]} if signature == "score" else {})
        assert ids(client.recommend("shop", ["u"], 2)) == [["i6", "i5"]]
        assert client.score("shop", [""], ["i1"]) == [1.0]


def test_a_version_that_changes_under_the_request(server, monkeypatch):
    with Client(rest=server.rest_url) as client:
        monkeypatch.setattr(client._transport, "metadata", lambda _: ModelMetadata("shop", 1, {}))
        with pytest.raises(ServingError, match="model shop changed during the request: try again") as caught:
            client.recommend("shop", ["u"])
    assert caught.value.code == "ABORTED"


def test_a_closed_client(server):
    client = Client(grpc=server.grpc_address)
    client.close()
    with pytest.raises(ServingError, match="closed"):
        client.status("shop")


def test_a_client_is_shared_by_threads(client):
    failures = []

    def ask(k):
        try:
            assert len(client.recommend("shop", ["u"], k)[0]) == k
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=[1 + n % 6]) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@given(st.lists(st.lists(st.text(max_size=3), max_size=4), max_size=5))
def test_lists_become_rectangles(lists):
    """Column 0 is padding, whatever comes; each row holds its list, in order, and padding after it."""
    rectangle = padded_ids("exclude", lists, len(lists))
    assert rectangle.shape == (len(lists), 1 + max(map(len, lists), default=0))
    for row, wanted in zip(rectangle.tolist(), lists, strict=True):
        assert row[0] == ""
        assert row[1 : 1 + len(wanted)] == wanted
        assert set(row[1 + len(wanted) :]) <= {""}


@pytest.mark.parametrize(
    "code",
    [
        "import tfrec.serving; dir(tfrec.serving)",
        "from tfrec.serving import ModelServer, ServingError, PortInUseError, launch",
        "from tfrec.serving import Client; Client(rest='http://127.0.0.1:1')",
    ],
)
def test_these_need_no_tensorflow(code):
    program = f"{code}\nimport sys; print('tensorflow' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
