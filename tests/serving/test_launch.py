"""The launcher: which server it takes, what it hands to the real one, and that it leaves nothing behind.

A small program stands in for `tensorflow_model_server` here, so that the handling of its process is tested on machines
without it; with it, the other files run their cases on servers started by the same launcher.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import requests
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfrec.serving import PortInUseError, ServerStartError, launch
from tfrec.serving.real_server import model_config

PROGRAM = """
    #!{python}
    import http.server, json, os, re, signal, sys, time
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    config = open(flags["model_config_file"]).read()
    with open(os.environ["FAKE_SERVER_RECORD"] + ".part", "w") as record:
        json.dump({{"pid": os.getpid(), "flags": flags, "config": config}}, record)
    os.replace(record.name, os.environ["FAKE_SERVER_RECORD"])
    mode = os.environ.get("FAKE_SERVER_MODE", "")
    if mode == "crash":
        sys.exit("Failed to start server. Error: bad luck")
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started = time.monotonic()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ready = mode != "slow" and time.monotonic() - started > 0.3
            state = "AVAILABLE" if ready else "LOADING"
            body = json.dumps({{"model_version_status": [{{"version": "1", "state": state}}]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    http.server.HTTPServer(("127.0.0.1", int(flags["rest_api_port"])), Handler).serve_forever()
"""


@pytest.fixture
def fake(tmp_path, monkeypatch, eventually):
    """Puts the program on the PATH; reads back what it was started with."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tensorflow_model_server"
    program.write_text(textwrap.dedent(PROGRAM).lstrip().format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    record = tmp_path / "record.json"
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SERVER_RECORD", str(record))

    def started():
        eventually(record.exists)
        return json.loads(record.read_text())

    return started


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def start(export_dir, **options):
    return launch.start(export_dir, **({"grpc_port": 0, "rest_port": 0} | options))


def test_the_real_server_is_taken_where_it_is(export_dir, fake):
    with start(export_dir, versions={"shop": "all", "news": [7]}, labels={"shop": {"stable": 1}}) as server:
        assert isinstance(server, launch.Server)
        assert server.kind == "tensorflow_model_server"
        server.wait_ready(30)
        started = fake()
        assert running(started["pid"])
        assert not server.wait(0.01)
    assert not running(started["pid"])
    assert server.wait()
    flags = started["flags"]
    assert server.grpc_address == f"127.0.0.1:{flags['port']}"
    assert server.rest_url == f"http://127.0.0.1:{flags['rest_api_port']}"
    assert not Path(flags["model_config_file"]).parent.exists(), "its files are still there"
    config = text_format.Parse(started["config"], model_server_config_pb2.ModelServerConfig())
    models = {model.name: model for model in config.model_config_list.config}
    assert set(models) == {"shop", "news", "types"}
    assert models["shop"].base_path == str(export_dir / "shop")
    assert models["shop"].model_platform == "tensorflow"
    assert models["shop"].model_version_policy.HasField("all")
    assert dict(models["shop"].version_labels) == {"stable": 1}
    assert list(models["news"].model_version_policy.specific.versions) == [7]
    assert not models["types"].HasField("model_version_policy")


def test_names_that_need_quoting():
    config = model_config(Path('/a "b"'), ["mo'd\"el\\", "é"], {}, {})
    parsed = text_format.Parse(config, model_server_config_pb2.ModelServerConfig())
    assert [model.name for model in parsed.model_config_list.config] == ["mo'd\"el\\", "é"]
    assert parsed.model_config_list.config[1].base_path == '/a "b"/é'


def test_the_stand_in_is_taken_where_there_is_none(export_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with start(export_dir) as server:
        assert isinstance(server, launch.Server)
        assert server.kind == "stand-in"
        server.wait_ready()
    with pytest.raises(FileNotFoundError, match="tensorflow_model_server is not on the PATH"):
        start(export_dir, kind="tensorflow_model_server")


def test_the_stand_in_may_be_asked_for(export_dir, fake):
    with start(export_dir, kind="stand-in") as server:
        assert server.kind == "stand-in"
    with pytest.raises(ValueError, match="and 'real' came"):
        start(export_dir, kind="real")


def test_the_same_errors_before_it_starts(export_dir, tmp_path, fake):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        start(tmp_path / "nowhere")
    with start(export_dir) as server:
        server.wait_ready(30)
        with pytest.raises(PortInUseError, match=f"port {server.rest_port} is in use: choose another with --rest-api"):
            start(export_dir, rest_port=server.rest_port)


def test_a_process_that_ends(export_dir, fake, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER_MODE", "crash")
    with start(export_dir) as server, pytest.raises(ServerStartError, match=r"(?s)is not running.*bad luck"):
        server.wait_ready(30)


def test_a_model_that_never_comes(export_dir, fake, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER_MODE", "slow")
    words = r"news, shop, types not available after 0.5 s"
    with start(export_dir) as server:
        pid = fake()["pid"]
        with pytest.raises(ServerStartError, match=words):
            server.wait_ready(0.5)
    assert not running(pid)


def test_a_process_that_will_not_stop(export_dir, fake, monkeypatch):
    monkeypatch.setenv("FAKE_SERVER_MODE", "deaf")
    server = start(export_dir)
    server.wait_ready(30)
    begin = time.monotonic()
    server.stop(grace=0.3)
    server.stop()
    assert time.monotonic() - begin < 5
    assert not running(fake()["pid"])


def test_nothing_outlives_python(export_dir, fake):
    """Also when nobody stopped the server before the program ended."""
    code = f"""
from tfrec.serving import launch
server = launch.start({str(export_dir)!r}, grpc_port=0, rest_port=0)
server.wait_ready(30)
raise SystemExit(3)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 3, result.stderr
    started = fake()
    assert not running(started["pid"])
    assert not Path(started["flags"]["model_config_file"]).parent.exists()


def test_ctrl_c_reaches_only_its_owner(export_dir, fake):
    with start(export_dir) as server:
        server.wait_ready(30)
        pid = fake()["pid"]
        assert os.getpgid(pid) != os.getpgid(0)
        os.kill(pid, signal.SIGTERM)
        assert server.wait(10)
        with pytest.raises(requests.ConnectionError):
            requests.get(server.rest_url, timeout=5)
