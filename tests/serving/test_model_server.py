"""Starting and stopping the stand-in: ports, folders, the command line, and nobody cut off."""

import errno
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tfrec.serving import Client, ModelServer, PortInUseError, ServingError
from tfrec.serving.model_server import main
from tfrec.serving.options import by_model, parser
from tfrec.serving.ports import bind


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(("which", "option"), [("grpc_port", "--port"), ("rest_port", "--rest-api-port")])
def test_a_port_in_use(export_dir, taken_port, which, option):
    ports = {"grpc_port": 0, "rest_port": 0} | {which: taken_port}
    words = rf"^port {taken_port} is in use: choose another with {option} \({which}=\)$"
    with pytest.raises(PortInUseError, match=words) as caught:
        ModelServer(export_dir, **ports).start()
    assert caught.value.errno == errno.EADDRINUSE


def test_two_servers_never_share_a_port(export_dir):
    with ModelServer(export_dir, grpc_port=0, rest_port=0) as server:
        with pytest.raises(PortInUseError, match=str(server.grpc_port)):
            ModelServer(export_dir, grpc_port=server.grpc_port, rest_port=0).start()
        with pytest.raises(PortInUseError, match=str(server.rest_port)):
            ModelServer(export_dir, grpc_port=0, rest_port=server.rest_port).start()


def test_a_port_taken_while_the_models_load(export_dir, monkeypatch):
    """Between the first look and the binding somebody else may be faster; nothing is left half open."""
    server = ModelServer(export_dir, grpc_port=0, rest_port=0)
    load = server._repository.start
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as gRPC servers do, unless they are told not to

        def load_and_lose_the_port():
            load()
            rival.bind(("127.0.0.1", 0))
            rival.listen()
            server.grpc_port = rival.getsockname()[1]

        monkeypatch.setattr(server._repository, "start", load_and_lose_the_port)
        with pytest.raises(PortInUseError, match="is in use: choose another with --port"):
            server.start()
    assert server.wait(0)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"grpc_port": 70_000}, ValueError, "a port is a number from 0 to 65535, and 70000 came"),
        ({"grpc_port": 8500, "rest_port": 8500}, ValueError, "cannot share port 8500"),
        ({"host": "203.0.113.1"}, OSError, "cannot listen on 203.0.113.1:0"),
        ({"host": "no such host"}, OSError, "cannot listen on no such host:0"),
        ({"versions": {"shop": "newest"}}, ValueError, "must be 'latest', 'all' or a list"),
        ({"labels": {"shop": {"stable": "1"}}}, ValueError, "'stable': '1' came"),
        ({"poll_seconds": 0}, ValueError, "poll_seconds must be a positive number"),
    ],
)
def test_what_cannot_be_listened_on(export_dir, options, error, words):
    with pytest.raises(error, match=words):
        ModelServer(export_dir, **({"grpc_port": 0, "rest_port": 0} | options)).start()


def test_answers_are_sent_at_once():
    """asyncio switches Nagle's algorithm off only for a socket that says it is TCP; with it, an answer takes 40 ms."""
    with bind("127.0.0.1", 0, "--port") as bound:
        assert bound.proto == socket.IPPROTO_TCP


def test_a_folder_without_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no model"):
        ModelServer(tmp_path).start()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ModelServer(tmp_path / "exports").start()


def test_start_and_stop(export_dir):
    server = ModelServer(export_dir, grpc_port=0, rest_port=0)
    with pytest.raises(RuntimeError, match="isn't running"):
        server.wait_ready()
    server.stop()  # nothing to stop yet
    with server:
        server.wait_ready()
        assert server.kind == "stand-in"
        assert server.grpc_address == f"127.0.0.1:{server.grpc_port}"
        assert server.rest_url == f"http://127.0.0.1:{server.rest_port}"
        assert not server.wait(0.01)
        with pytest.raises(RuntimeError, match="started before"):
            server.start()
        assert Client(grpc=server.grpc_address).recommend("shop", ["u"], 1)
        assert Client(rest=server.rest_url).recommend("shop", ["u"], 1)
    server.stop()  # again
    assert server.wait(0)
    assert free(server.grpc_port)
    assert free(server.rest_port)
    with pytest.raises(ServingError, match="is it running"):
        Client(rest=server.rest_url).status("shop")


def test_no_thread_is_left_behind(export_dir, eventually):
    before = set(threading.enumerate())
    with ModelServer(export_dir, grpc_port=0, rest_port=0) as server:
        assert Client(rest=server.rest_url).status("shop")
        names = {thread.name for thread in set(threading.enumerate()) - before}
        assert names >= {"tfrec-model-watcher", "tfrec-rest"}

    def left():
        return {thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("tfrec-")}

    eventually(lambda: left() == set())


def test_it_listens_on_this_machine_only(export_dir):
    with ModelServer(export_dir, grpc_port=0, rest_port=0) as server:
        for port in (server.grpc_port, server.rest_port):
            # All of 127/8 is this machine; a socket bound to one address of it answers on that one only.
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.2", port)) != 0


def slow_grpc(server, stubs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "types"
    request.model_spec.signature_name = "slow"
    request.inputs["loops"].CopyFrom(tf.make_tensor_proto([3000]))
    return stubs(server.grpc_address)[0].Predict(request, timeout=60).outputs["done"].int_val[0]


def slow_rest(server, _):
    url = f"{server.rest_url}/v1/models/types:predict"
    response = requests.post(url, json={"signature_name": "slow", "inputs": [3000]}, timeout=60)
    return response.json()["outputs"]


@pytest.mark.parametrize("ask", [slow_grpc, slow_rest])
def test_stopping_lets_requests_finish(export_dir, stubs, ask, eventually):
    answers = []
    with ModelServer(export_dir, grpc_port=0, rest_port=0) as server:
        thread = threading.Thread(target=lambda: answers.append(ask(server, stubs)))
        thread.start()
        models = server._repository._models["types"]
        eventually(lambda: models[1].requests == 1)
        assert answers == [], "too fast to tell"
        server.stop(grace=60)
    thread.join()
    assert answers == [3000]


@pytest.fixture
def run(export_dir):
    """Runs the command line in a process of its own."""
    started = []

    def run(*arguments):
        command = [sys.executable, "-m", "tfrec.serving.model_server", *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_the_command_line(export_dir, run):
    process = run(export_dir, "--port", 0, "--rest-api-port", 0, "--versions", "shop=all", "--label", "shop/stable=1")
    for line in process.stderr:
        if found := re.search(r"serving gRPC at (\S+) and REST at (\S+)", line):
            break
    else:
        pytest.fail("it never started")
    grpc_address, rest_url = found.groups()
    assert Client(rest=rest_url).recommend("shop", ["u"], 1, label="stable")[0][0].item_id == "i1"
    assert Client(grpc=grpc_address).metadata("shop", version=1).version == 1
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "letting the requests under way finish" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(export_dir, caplog, number):
    caplog.set_level("INFO", "tfrec.serving")
    before = signal.getsignal(number)

    class SendOnceStarted(logging.Handler):
        def emit(self, record):
            if "serving gRPC at" in record.getMessage():
                os.kill(os.getpid(), number)

    log = logging.getLogger("tfrec.serving")
    log.addHandler(handler := SendOnceStarted())
    try:
        assert main([str(export_dir), "--port", "0", "--rest-api-port", "0"]) == 0
    finally:
        log.removeHandler(handler)
    assert "letting the requests under way finish" in caplog.text
    assert signal.getsignal(number) is before


def test_the_command_line_refuses(tmp_path, export_dir, run, taken_port):
    cases = {
        "error: the export folder": [tmp_path / "nowhere"],
        f"error: port {taken_port} is in use: choose another with --port": [export_dir, "--port", taken_port],
        "expected MODEL=latest, MODEL=all or MODEL=1,2": [export_dir, "--versions", "shop=newest"],
        "as in ease/stable=3": [export_dir, "--label", "stable=1"],
    }
    processes = {words: run(*arguments) for words, arguments in cases.items()}
    for words, process in processes.items():
        _, text = process.communicate(timeout=60)
        assert process.returncode != 0
        assert words in text
        assert "Traceback" not in text


def test_options():
    options = parser().parse_args(["x", "--versions", "a=1,3", "--versions", "b=all", "--label", "a/s=3"])
    assert dict(options.versions) == {"a": (1, 3), "b": "all"}
    assert by_model(options.label) == {"a": {"s": 3}}
    assert (options.port, options.rest_api_port, options.host) == (8500, 8501, "127.0.0.1")


def test_ipv6(export_dir):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with ModelServer(export_dir, grpc_port=0, rest_port=0, host="::1") as server:
        assert server.rest_url == f"http://[::1]:{server.rest_port}"
        assert Client(grpc=server.grpc_address).status("shop")
        assert Client(rest=server.rest_url).status("shop")
