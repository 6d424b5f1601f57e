"""Every command and snippet of the README, and the examples, executed."""

import json
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tfrec.cli import main
from tfrec.config import load_config
from tfrec.result_tables import TABLES, table_in_readme

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def here(tfrec_data, tmp_path, monkeypatch):
    """An empty folder that looks like the repository to the commands, to be in."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*command) -> str:
    """The output of a command in a process of its own, which takes seconds to import TensorFlow."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_here(path, capsys) -> str:
    """The output of a script in this process."""
    runpy.run_path(str(path), run_name="__main__")
    return capsys.readouterr().out


def test_python(here):
    snippet, *_ = blocks("python")
    assert len([line for line in snippet.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    output = run(sys.executable, "-c", snippet)
    assert "ndcg" in output
    assert (here / "exports" / "ease" / "1" / "saved_model.pb").is_file()
    assert list((here / "logs").rglob("*tfevents*"))


def test_a_comparison(here, capsys):
    _, snippet, *_ = blocks("python")
    (here / "snippet.py").write_text(snippet)
    output = run_here(here / "snippet.py", capsys)
    assert "k_core(user=10, item=5): rows 100,000" in output
    assert "paired t-test, Holm's correction over 4 tests" in output
    assert "users known by the given part of ml-100k" in output
    assert "3 folds" in output


def test_ratings_and_reasons(here, capsys):
    _, _, snippet, *_ = blocks("python")
    (here / "snippet.py").write_text(snippet)
    output = run_here(here / "snippet.py", capsys)
    assert "for user 196: score" in output
    assert "(1, 32) (1682, 32)" in output


def test_a_million_items(here, capsys):
    *_, snippet = blocks("python")
    (here / "snippet.py").write_text(snippet)
    run_here(here / "snippet.py", capsys)
    about = json.loads((here / "exports" / "als" / "1" / "assets.extra" / "tfrec.json").read_text())
    assert about["retrieval"]["layer"] == "Faiss"


def test_shell(here):
    """What ends runs in this process, one after the other; the server is what a shell would start."""
    commands, request = blocks("sh")
    *lines, serve = commands.splitlines()
    assert len(lines) < 10
    output = ""
    for line in lines:
        command, *arguments = shlex.split(line)
        if command == "tensorboard":  # what it would show is there, and so is the command
            assert arguments == ["--logdir", "runs", "--host", "127.0.0.1", "&"]
            assert len(list((here / "runs").rglob("*tfevents*"))) >= 2
            assert shutil.which("tensorboard", path=BIN)
            continue
        assert command == "tfrec"
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        output += done.output
    assert "written to runs/ease-300" in output
    assert "exported to exports/ease/1" in output

    assert serve == "tfrec serve exports &"
    rest = free_port()
    tfrec = [str(BIN / "tfrec"), "serve", "exports", "--port", "0", "--rest-api-port", str(rest)]
    request = request.replace("8501", str(rest)).replace(
        "curl ", "curl -sf --retry 60 --retry-delay 1 --retry-all-errors "
    )
    with subprocess.Popen(tfrec) as server:
        try:
            answer = json.loads(run("bash", "-c", request))
        finally:
            server.terminate()
    assert len(answer["predictions"][0]["item_id"]) == 100


def test_quickstart_example(here, capsys):
    output = run_here(ROOT / "examples" / "quickstart.py", capsys)
    assert "val_ndcg@10" in output
    assert "exported to exports/ease/1" in output


@pytest.mark.slow  # most of a minute each
@pytest.mark.parametrize("name", ["ncf", "lightgcn", "sasrec"])
def test_example_of_a_model(here, name):
    output = run(sys.executable, ROOT / "examples" / f"{name}.py")
    assert "val_ndcg@10" in output
    assert list((here / "logs").rglob("*tfevents*"))


@pytest.mark.parametrize("name", TABLES)
class TestResults:
    """The tables of results: made by `tfrec reproduce … --readme README.md`."""

    def test_they_are_those_of_the_page(self, name):
        shown = table_in_readme(README, name)
        assert shown is not None, f"the README has no place for the table {name}"
        page = (ROOT / "docs" / "results" / f"{name}.md").read_text(encoding="utf-8")
        assert f"\n{shown}\n" in page, f"run `tfrec reproduce {name} --readme README.md`"

    def test_the_figures_are_those_of_the_configurations(self, name):
        """What stands there against what `tfrec evaluate` holds the configuration to."""
        table = TABLES[name]
        rows = [line.strip("| ").split(" | ") for line in (table_in_readme(README, name) or "").splitlines()[2:]]
        assert [row[0] for row in rows] == [row.label for row in table.rows]
        for row, cells in zip(table.rows, rows, strict=True):
            config = load_config(ROOT / "configs" / f"{row.config}.yaml")
            shown = dict(zip(table.figures, cells[1::2], strict=False))
            for figure, value in config.expected.metrics.items():
                if figure in shown:
                    assert float(shown[figure]) == pytest.approx(value, abs=config.expected.tolerance + 5e-5)


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
