"""The demo and the server, as processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tfrec.data import synthetic
from tfrec.models import Popularity

# A test run that was started in the background ignores SIGINT, and so would its children.
HEED_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
TFREC = [sys.executable, "-c", f"{HEED_SIGINT}; from tfrec.cli import main; main()"]


started: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_left():
    """A test that fails leaves no server behind."""
    yield
    while started:
        started.pop().kill()


def start(*arguments, **environment):
    process = subprocess.Popen(
        [*TFREC, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
        start_new_session=True,
    )
    started.append(process)
    return process


def processes_of(group: int) -> list[str]:
    """Commands that still run in a process group."""
    listed = subprocess.run(["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def check_demo(shown: dict) -> None:
    assert shown["metrics"]["EASE"]["ndcg@10"] > 1.2 * shown["metrics"]["Popularity"]["ndcg@10"]
    for answer in shown["recommendations"].values():
        assert len(answer["grpc"]) == 10
        assert [row["title"] for row in answer["grpc"]] == [row["title"] for row in answer["rest"]]


class TestDemo:
    def test_on_movielens(self, tfrec_data, tmp_path):
        demo = start("demo", "--json", tmp_path / "demo.json")
        output, _ = demo.communicate(timeout=300)
        assert demo.returncode == 0, output
        assert processes_of(demo.pid) == []
        shown = json.loads((tmp_path / "demo.json").read_text())
        check_demo(shown)
        assert shown["data"]["name"] == "ml-100k"
        assert shown["recommendations"]["user"]["user_id"] == "196"
        liked = shown["recommendations"]["history"]["items"]
        assert "Star Wars (1977)" in liked
        for text in ("Raiders of the Lost Ark", "Popularity", "gRPC and REST agree", "nothing is left running"):
            assert text in output

    def test_without_data_or_network_it_says_so_and_goes_on(self, tmp_path):
        demo = start(
            "demo", "--json", tmp_path / "demo.json",
            TFREC_DATA=str(tmp_path), TFREC_CACHE=str(tmp_path / "cache"), HTTPS_PROXY="http://127.0.0.1:9",
        )  # fmt: skip
        output, _ = demo.communicate(timeout=300)
        assert demo.returncode == 0, output
        assert "goes on with synthetic data" in output
        check_demo(json.loads((tmp_path / "demo.json").read_text()))


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    model = Popularity()
    model.fit(synthetic(n_users=50, n_items=30, n_interactions=300, seed=0), verbose=0)
    model.export(folder / "popularity")
    return folder


class TestServe:
    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_answers_until_interrupted(self, exports, how):
        server = start("serve", exports, "--port", "0", "--rest-api-port", "0")
        line = ""
        while "REST on" not in line:
            line = server.stdout.readline()
            assert line, "the server ended without listening"
        url = line.partition("REST on ")[2].partition(";")[0]
        request = urllib.request.Request(
            f"{url}/v1/models/popularity:predict",
            data=json.dumps({"instances": [{"user_id": "nobody"}]}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)["predictions"][0]
        assert len(answer["item_id"]) == 100
        server.send_signal(how)
        assert server.wait(timeout=60) == 0
        assert processes_of(server.pid) == []

    def test_a_port_in_use(self, exports):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            server = start("serve", exports, "--port", port, "--rest-api-port", "0")
            output, _ = server.communicate(timeout=120)
        assert server.returncode == 1
        assert f"port {port} is in use" in output
        assert "Traceback" not in output

    def test_an_empty_folder(self, tmp_path):
        server = start("serve", tmp_path / "nothing")
        output, _ = server.communicate(timeout=120)
        assert server.returncode == 1
        assert "Error:" in output
        assert "Traceback" not in output
