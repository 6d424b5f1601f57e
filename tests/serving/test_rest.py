"""The REST API over HTTP: row and column format, versions, labels, status, metadata, and what it refuses."""

import base64
import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tfrec.serving import ModelServer


@pytest.fixture
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def post(server, http):
    def post(path, body):
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        return http.post(f"{server.rest_url}/v1/models/{path}", data=data, timeout=30)

    return post


@pytest.fixture
def get(server, http):
    return lambda path: http.get(server.rest_url + path, timeout=30)


def refused(response, status, words):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"].startswith("application/json")
    message = response.json()["error"]
    assert words in message
    assert "Traceback" not in message
    assert 'File "' not in message


def test_rows_of_bare_values(post):
    response = post("shop:predict", {"instances": ["u1", "u2"]})
    assert response.status_code == 200
    row = {"item_id": ["i6", "i5", "i4"], "score": [6.0, 5.0, 4.0]}
    assert response.json() == {"predictions": [row, row]}


def test_rows_of_objects(post):
    instances = [
        {"user_id": "u1", "k": 2, "exclude": ["", "i6"]},
        {"user_id": "u2", "k": 2, "exclude": ["", ""]},
    ]
    response = post("shop:predict", {"signature_name": "recommend", "instances": instances})
    assert [row["item_id"] for row in response.json()["predictions"]] == [["i5", "i4"], ["i6", "i5"]]


def test_columns(post):
    inputs = {"user_id": ["u1", "u2"], "k": [1, 2], "exclude": [["", "i6"], ["", ""]]}
    response = post("shop:predict", {"signature_name": "recommend", "inputs": inputs})
    assert response.json() == {"outputs": {"item_id": [["i5", "i4"], ["i6", "i5"]], "score": [[5.0, 4.0], [6.0, 5.0]]}}


def test_a_single_output_stands_alone(post):
    body = {"signature_name": "score", "inputs": {"user_id": ["u", ""], "item_id": ["i6", "i5"]}}
    outputs = post("shop:predict", body).json()["outputs"]
    assert outputs == pytest.approx([6.1, 5.0])
    rows = [{"user_id": "u", "item_id": "i6"}, {"user_id": "", "item_id": "i5"}]
    predictions = post("shop:predict", {"signature_name": "score", "instances": rows}).json()["predictions"]
    assert predictions == pytest.approx([6.1, 5.0])


def test_a_single_input_in_column_format(post):
    for inputs in (["u1"], {"user_id": ["u1"]}):
        assert post("shop:predict", {"inputs": inputs}).json()["outputs"]["item_id"] == [["i6", "i5", "i4"]]


def test_a_scalar_output(post):
    assert post("types:predict", {"signature_name": "total", "inputs": [1, 2.5]}).json() == {"outputs": 3.5}
    refused(post("types:predict", {"signature_name": "total", "instances": [1]}), 400, "total")


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("shop", "i6"),
        ("shop/versions/1", "i1"),
        ("shop/versions/2", "i6"),
        ("shop/labels/stable", "i1"),
        ("shop/labels/canary", "i6"),
        ("news", "i1"),
        ("news/versions/7", "i1"),
    ],
)
def test_versions_and_labels(post, path, first):
    assert post(f"{path}:predict", {"instances": ["u"]}).json()["predictions"][0]["item_id"][0] == first


def test_numbers(post):
    body = {
        "signature_name": "numbers",
        "inputs": {"whole": [-(2**62), 3], "real": [0.1, 1e300], "flag": [True, False]},
    }
    outputs = post("types:predict", body).json()["outputs"]
    assert outputs == {"whole": [-(2**62), 3], "real": [0.1, 1e300], "flag": [True, False], "small": [0, 3]}
    assert isinstance(outputs["whole"][1], int)


def test_numbers_that_json_has_no_word_for(post):
    body = '{"signature_name": "numbers", "inputs": {"whole": [1, 2, 3], "flag": [true, true, true], "real": %s}}'
    real = post("types:predict", body % "[NaN, Infinity, -Infinity]").json()["outputs"]["real"]
    assert math.isnan(real[0])
    assert real[1:] == [math.inf, -math.inf]


def test_floats_have_no_noise(post):
    """0.1 as float32 is 0.10000000149…; it is written 0.1, the shortest number that is the same float32."""
    text = post("types:predict", {"signature_name": "total", "inputs": [0.1]}).text
    assert "0.1" in text
    assert "0.100000001" not in text


def test_text_and_bytes(post):
    body = {"signature_name": "text", "instances": ["é", {"b64": base64.b64encode(b"abc").decode()}]}
    assert post("types:predict", body).json()["predictions"] == [
        {"raw_bytes": {"b64": base64.b64encode("é".encode()).decode()}, "text": "é"},
        {"raw_bytes": {"b64": base64.b64encode(b"abc").decode()}, "text": "abc"},
    ]


def test_a_model_name_may_be_encoded(post, get):
    assert post("s%68op:predict", {"instances": ["u"]}).status_code == 200
    assert get("/v1/models/s%68op").status_code == 200


RECOMMEND = {"signature_name": "recommend"}
USERS = {"user_id": ["u", "v"], "exclude": [[""], [""]]}


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("shop", b"", 400, "The document is empty"),
        ("shop", b"instances = [1]", 400, "JSON Parse error"),
        ("shop", b'{"instances": ["u"]', 400, "JSON Parse error"),
        ("shop", b"[1, 2]", 400, "s not object"),
        ("shop", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("shop", {"instances": ["u"], "inputs": ["u"]}, 400, "only one of 'inputs' or 'instances'"),
        ("shop", {"instances": []}, 400, "No values in 'instances'"),
        ("shop", {"instances": "u"}, 400, "to be an list/array"),
        ("shop", {"signature_name": 100, "instances": ["u"]}, 400, "'signature_name' key must be a string value"),
        ("shop", {"signature_name": "nope", "instances": ["u"]}, 400, "nope"),
        ("nope", {"instances": ["u"]}, 404, "nope"),
        ("shop/versions/3", {"instances": ["u"]}, 404, "3"),
        ("shop/versions/99999999999999999999", {"instances": ["u"]}, 400, "99999999999999999999"),
        ("shop/labels/beta", {"instances": ["u"]}, 400, "Unrecognized servable version label: beta"),
        ("shop", {"instances": [1]}, 400, "not of expected type: string"),
        ("shop", {"instances": [None]}, 400, "not of expected type: string"),
        ("shop", {"instances": [{"user": "u"}]}, 400, "user"),
        ("shop", {"instances": [{"user_id": "u", "k": 1}]}, 400, "k"),
        ("shop", {"instances": ["u", {"user_id": "v"}]}, 400, "item 1"),
        ("shop", {"instances": [{"user_id": "u"}, "v"]}, 400, "item 1"),
        ("shop", RECOMMEND | {"instances": ["u"]}, 400, "list of objects"),
        ("shop", RECOMMEND | {"inputs": ["u"]}, 400, "expecting an object"),
        ("shop", RECOMMEND | {"inputs": USERS}, 400, "Missing named input: k"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [1.5, 2]}}, 400, "1.5"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [1.0, 2]}}, 400, "1.0"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [True, 2]}}, 400, "int32"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": ["1", 2]}}, 400, "int32"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [2**31, 2]}}, 400, "2147483648"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [1, 2], "exclude": [["", "i1"], [""]]}}, 400, "size: 1"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [1, 2], "exclude": [[""], ""]}}, 400, "incorrect level"),
        ("shop", RECOMMEND | {"inputs": USERS | {"k": [1, [2]]}}, 400, "unexpected level"),
        (
            "shop",
            RECOMMEND | {"instances": [{"user_id": "u", "k": 1, "exclude": [""] * (1 + row)} for row in range(2)]},
            400,
            "Failed to process element: 1 key: exclude",
        ),
        ("types", {"signature_name": "text", "inputs": [{"b64": "a"}]}, 400, "base64"),
        ("types", {"signature_name": "text", "inputs": [{"b64": "YQ==", "x": 1}]}, 400, "base64"),
        ("types", {"signature_name": "total", "inputs": [2**25 + 1]}, 400, "without loss of precision"),
        ("types", {"signature_name": "total", "inputs": [1e300]}, 400, "without loss of precision"),
        ("types", {"signature_name": "total", "inputs": ["1"]}, 400, "not of expected type: float"),
        ("types", {"signature_name": "pick", "inputs": [5]}, 400, "5 is not in [0, 2)"),
    ],
)
def test_predict_refuses(post, path, body, status, words):
    refused(post(f"{path}:predict", body), status, words)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/models/shop", 404),
        ("GET", "/v1/models", 400),
        ("GET", "/v1/foo", 400),
        ("GET", "/v1/models/shop:predict", 400),
        ("GET", "/v1/models/shop/versions/one", 400),
        ("GET", "/v1/models/shop/versions/1/labels/stable", 400),
        ("POST", "/v1/models/shop", 400),
        ("POST", "/v1/models/shop/metadata", 400),
        ("POST", "/v1/models/shop:rank", 400),
        ("PUT", "/v1/models/shop:predict", 400),
        ("DELETE", "/v1/models/shop", 400),
    ],
)
def test_what_is_no_request_of_the_api(server, http, method, path, status):
    response = http.request(method, server.rest_url + path, data="{}", timeout=30)
    assert response.status_code == status


@pytest.mark.parametrize("name", ["..%2Fexports%2Fshop", "%2e%2e", "%2Fetc%2Fpasswd", "_unfinished", "shop%00", "%ff"])
def test_a_name_is_only_ever_looked_up(get, name):
    assert get(f"/v1/models/{name}").status_code == 404


def test_status(get):
    states = get("/v1/models/shop").json()["model_version_status"]
    assert states == [
        {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        for version in ("2", "1")
    ]
    assert [state["version"] for state in get("/v1/models/shop/versions/1").json()["model_version_status"]] == ["1"]
    labelled = get("/v1/models/shop/labels/stable").json()["model_version_status"]
    assert "1" in [state["version"] for state in labelled]
    refused(get("/v1/models/nope"), 404, "Could not find any versions of model nope")
    refused(get("/v1/models/shop/versions/9"), 404, "Could not find version 9 of model shop")


def test_metadata(get):
    document = get("/v1/models/shop/versions/1/metadata").json()
    assert document["model_spec"] == {"name": "shop", "signature_name": "", "version": "1"}
    recommend = document["metadata"]["signature_def"]["signature_def"]["recommend"]
    assert recommend["method_name"] == "tensorflow/serving/predict"
    assert set(recommend["outputs"]) == {"item_id", "score"}
    k = recommend["inputs"]["k"]
    assert k["dtype"] == "DT_INT32"
    assert k["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert get("/v1/models/shop/metadata").json()["model_spec"]["version"] == "2"
    assert get("/v1/models/shop/labels/stable/metadata").json()["model_spec"]["version"] == "1"
    assert get("/v1/models/nope/metadata").status_code == 404


def test_many_callers_at_once(server):
    def ask(row):
        body = {"signature_name": "recommend", "instances": [{"user_id": "u", "k": 1 + row % 6, "exclude": [""]}]}
        response = requests.post(f"{server.rest_url}/v1/models/shop:predict", json=body, timeout=60)
        return len(response.json()["predictions"][0]["score"]) == 1 + row % 6

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(100)))


@pytest.fixture(scope="module")
def stand_in(export_dir):
    """Cases in which the stand-in is stricter than the real server, or does less."""
    with ModelServer(export_dir, grpc_port=0, rest_port=0, most_request_bytes=100_000) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("shop:predict", json.dumps({"instances": [["u"]]}), 400, 'input "user_id" expects the shape [?], and [1, 1]'),
        ("shop:predict", json.dumps({"inputs": "u"}), 400, "and [] came"),
        ("shop:predict", b'{"instances": ["\xff"]}', 400, "not UTF-8"),
        ("shop:predict", r'{"instances": ["\ud800"]}', 400, "surrogate"),
        ("shop:predict", '{"instances": ' + "[" * 40_000, 400, "nested too deeply"),
        *(("shop:predict", '{"instances": ' + "[" * deep + "]" * deep + "}", 400, "") for deep in (60, 400, 900, 3000)),
        ("types:predict", '{"signature_name": "pick", "inputs": [' + "9" * 5000 + "]}", 400, "too long"),
        ("types:predict", '{"signature_name": "python", "inputs": [1]}', 400, "Python function"),
        (
            "types:predict",
            json.dumps({"signature_name": "text", "inputs": [{"b64": base64.b64encode(b"\xff").decode()}]}),
            400,
            "not UTF-8",
        ),
        ("shop:classify", "{}", 501, "not supported"),
        ("shop:regress", "{}", 501, "not supported"),
        ("shop:predict", "x" * 100_001, 413, "larger than 100000 bytes"),
    ],
)
def test_the_stand_in_refuses(stand_in, http, path, body, status, words):
    response = http.post(f"{stand_in.rest_url}/v1/models/{path}", data=body, timeout=30)
    refused(response, status, words)


def test_a_chunked_body_is_bounded_too(stand_in, http):
    chunks = (b"x" * 50_000 for _ in range(4))
    refused(http.post(f"{stand_in.rest_url}/v1/models/shop:predict", data=chunks, timeout=30), 413, "larger than")


def test_a_caller_who_hangs_up(stand_in, http, caplog):
    with socket.create_connection(("127.0.0.1", stand_in.rest_port), timeout=10) as connection:
        connection.sendall(b"POST /v1/models/shop:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert http.get(f"{stand_in.rest_url}/v1/models/shop", timeout=30).status_code == 200
    assert "Exception" not in caplog.text


def test_what_is_not_http(stand_in, http):
    with socket.create_connection(("127.0.0.1", stand_in.rest_port), timeout=10) as connection:
        connection.sendall(b"\x00\x01\x02 hello\r\n\r\n")
        assert b"400" in connection.recv(1000)
    assert http.get(f"{stand_in.rest_url}/v1/models/shop", timeout=30).status_code == 200
