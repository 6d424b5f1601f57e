"""Tables of results: trained, resumed, written and shown."""

import json
import re
import shutil
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from click.testing import CliRunner

from tfrec import result_tables, runs
from tfrec.cli import main
from tfrec.config import load_config
from tfrec.result_tables import TABLES, Result, ResultRow, ResultTable, document, figures_table, table_in_readme

ROOT = Path(__file__).parents[2]
SOURCE = "Somebody 2020, of these data"
ROWS: dict[str, dict] = {
    "first/ease": {"published": {"metrics": {"ndcg@5": 0.25}, "source": SOURCE}},
    "first/tiny": {"expected": {"metrics": {"ndcg@5": 0.5}, "tolerance": 0.5}},
    "second/tiny": {"split": {"method": "k_fold", "n_folds": 2}},
}


@pytest.fixture
def table(tiny, tmp_path, monkeypatch):
    """The only table, of three rows, in a folder of its own; answers the function that changes a configuration."""
    monkeypatch.chdir(tmp_path)

    def write(row, **sections):
        start = {
            "name": row.replace("/", "-"),
            "data": {"name": "synthetic", "n_users": 60, "n_items": 40, "n_interactions": 900},
            "model": {"name": row.split("/")[1]},
            "evaluation": {"k": 5, "metrics": ["ndcg"]},
        }
        path = tmp_path / row
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(start | ROWS[row] | sections))

    for row in ROWS:
        write(row)
    rows = tuple(ResultRow(row, row.upper()) for row in ROWS)
    small = ResultTable("small", "A small table", "As small as can be.", {"ndcg@5": "nDCG@5"}, rows)
    monkeypatch.setattr(result_tables, "TABLES", MappingProxyType({"small": small}))
    monkeypatch.setattr("tfrec.reproduce.TABLES", result_tables.TABLES)
    return write


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for what making the table wrote and said."""
    return tmp_path_factory.mktemp("kept") / "kept"


@pytest.fixture
def finished(table, kept, tmp_path):
    """The table with its runs finished and its page written."""
    if not kept.exists():
        Path("output.txt").write_text(reproduce("small"))
        shutil.copytree(tmp_path, kept)
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return table


def reproduce(*arguments, code=0):
    done = CliRunner().invoke(main, ["reproduce", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def trained(output):
    return re.findall(r"^(\S+): training$", output, flags=re.MULTILINE)


class TestReproduce:
    def test_a_table(self, finished):
        output = Path("output.txt").read_text()
        assert trained(output) == list(ROWS)
        assert "written to docs/results/small.md" in output
        assert SOURCE in output
        page = Path("docs/results/small.md").read_text()
        ease = json.loads(Path("runs/reproduce/first-ease/metrics.json").read_text())["ndcg@5"]
        assert f"| FIRST/EASE | {ease:.4f} | 0.25 |  |" in page
        assert re.search(r"\| FIRST/TINY \| 0\.\d{4} \|  \| yes, ± 0\.5 \|", page)
        assert f"- FIRST/EASE (`configs/first/ease.yaml`): {SOURCE}" in page
        # Again: nothing is trained, and the page is the same to the last letter.
        assert trained(reproduce("small")) == []
        assert Path("docs/results/small.md").read_text() == page

    def test_it_goes_on_where_it_was(self, table, tiny):
        tiny.killed_in = 3
        output = reproduce("small", code=130)
        assert trained(output) == ["first/ease", "first/tiny"]
        assert not Path("docs").exists()
        output = reproduce("small")
        assert trained(output) == ["first/tiny", "second/tiny"]
        assert "first/tiny: an interrupted run has done 3 of 6 epochs" in output

    def test_what_has_changed_is_trained_anew(self, finished, monkeypatch):
        finished("first/tiny", model={"name": "tiny", "dimension": 3})
        assert trained(reproduce("small")) == ["first/tiny"]
        finished("second/tiny", expected={"metrics": {"ndcg@5": 0.5}, "tolerance": 0.5}, protocol="in other words")
        assert trained(reproduce("small")) == []
        assert "| yes, ± 0.5 |" in Path("docs/results/small.md").read_text().splitlines()[8]
        with monkeypatch.context() as patch:
            patch.setattr(runs, "__version__", "0.0.1")
            assert trained(reproduce("small", "--only", "ease")) == ["first/ease"]
        assert trained(reproduce("small")) == ["first/ease"]
        data = Path("runs/reproduce/first-ease/data.json")
        data.write_text(data.read_text().replace("train", "treno"))
        assert trained(reproduce("small")) == ["first/ease"]
        assert trained(reproduce("small", "--fresh", "--only", "first/ease")) == ["first/ease"]

    def test_the_old_run_stays_until_the_new_one_is_whole(self, table, tiny):
        reproduce("small", "--only", "first/tiny")
        before = Path("runs/reproduce/first-tiny/metrics.json").read_text()
        table("first/tiny", fit={"epochs": 4})
        tiny.killed_in = 2
        reproduce("small", "--only", "first/tiny", code=130)
        assert Path("runs/reproduce/first-tiny/metrics.json").read_text() == before
        assert "has done 2 of 4" in reproduce("small", "--only", "first/tiny")
        assert Path("runs/reproduce/first-tiny/metrics.json").read_text() != before

    def test_single_rows(self, finished):
        for row in ("first-ease", "first-tiny"):
            shutil.rmtree(f"runs/reproduce/{row}")
        output = reproduce("small", "--only", "tiny", "--output", "elsewhere")
        assert trained(output) == ["first/tiny"]  # and of the other one the run is there
        assert "no page is written before all rows are there; missing: first/ease" in output
        assert not Path("elsewhere").exists()
        output = reproduce("small", "--only", "ease", "--output", "elsewhere")
        assert trained(output) == ["first/ease"]
        assert Path("elsewhere/small.md").is_file()

    def test_a_figure_that_is_missed(self, finished):
        finished("first/ease", expected={"metrics": {"ndcg@5": 0.99}})
        output = reproduce("small", code=1)
        assert re.search(r"Error: first/ease: ndcg@5 is 0\.\d{4}, expected 0\.9900 ± 0\.0005$", output.strip())
        assert "| no, ± 0.0005 |" in Path("docs/results/small.md").read_text()

    def test_the_readme(self, finished):
        Path("README.md").write_text("before\n<!-- results: small -->\nold\n<!-- end of results -->\nafter\n")
        reproduce("small", "--readme", "README.md")
        text = Path("README.md").read_text()
        assert text.startswith("before\n<!-- results: small -->\n| model | nDCG@5 | in print | as expected |\n")
        assert text.endswith("\n<!-- end of results -->\nafter\n")
        assert (table_in_readme(text, "small") or "nowhere") in Path("docs/results/small.md").read_text()
        Path("README.md").write_text("nothing")
        assert "README.md has no place for the table small" in reproduce("small", "--readme", "README.md", code=1)

    def test_the_list_of_tables(self, table):
        assert re.search(r"small +A small table +0 of 3 *$", reproduce(), flags=re.MULTILINE)
        reproduce("small", "--only", "ease")
        assert "1 of 3" in reproduce()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["smal"], "there is no table 'smal' (did you mean small?); tfrec has small"),
            (["small", "--only", "first/eas"], "small has no row 'first/eas' (did you mean first/ease?); there are"),
        ],
    )
    def test_unknown_names(self, table, arguments, message):
        assert message in reproduce(*arguments, code=1)

    def test_no_data(self, table, monkeypatch, tmp_path):
        monkeypatch.setenv("TFREC_DATA", str(tmp_path))
        monkeypatch.setenv("TFREC_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        table("first/tiny", data={"name": "ml-100k"})
        output = reproduce("small", code=1)
        assert "first/ease: training" in output
        assert "TFREC_DATA" in output.splitlines()[-1]


class TestPages:
    ABOUT = MappingProxyType({"fit_seconds": 90.0, "evaluation_seconds": 3.0, "hardware": "an abacus"})

    def results(self):
        rows = [ResultRow("a/ease", "EASE"), ResultRow("a/slim", "SLIM")]
        table = ResultTable("one", "Title", "Protocol.", {"rmse": "RMSE", "mae": "MAE"}, tuple(rows))
        config = load_config("ml-100k/ease", ["evaluation.metrics=[rmse, mae]", "expected={}"])
        published = config.model_validate(
            config.model_dump() | {"published": {"metrics": {"rmse": 0.9}, "source": "a book"}}
        ).published
        first = Result(rows[0], {"rmse": 0.91236, "mae": 0.7}, published, 0.002, ["rmse is …"], self.ABOUT)
        return table, [first, Result(rows[1], {"rmse": 1.0}, None, None, [], self.ABOUT)]

    def test_the_figures(self):
        assert figures_table(*self.results()).splitlines() == [
            "| model | RMSE | in print | MAE | in print | as expected |",
            "| --- | --- | --- | --- | --- | --- |",
            "| EASE | 0.9124 | 0.9 | 0.7000 |  | no, ± 0.002 |",
            "| SLIM | 1.0000 |  |  |  |  |",
        ]

    def test_times_stand_apart(self):
        table, results = self.results()
        figures, time = document(table, results).split("## Time")
        assert "- EASE (`configs/a/ease.yaml`): a book\n- SLIM (`configs/a/slim.yaml`): nothing" in figures
        assert "| EASE | 1.50 | 0.05 | an abacus |" in time
        assert not re.search(r"abacus|1\.50", figures)


class TestTablesOfTheRepository:
    @pytest.mark.parametrize(
        ("table", "row"),
        [pytest.param(table, row, id=row.config) for table in TABLES.values() for row in table.rows],
    )
    def test_every_row_has_its_configuration(self, table, row):
        path = ROOT / "configs" / f"{row.config}.yaml"
        assert path.is_file(), f"the table {table.name} has the row {row.config}, and there is no {path.name}"
        config = load_config(path)
        assert set(table.figures) <= set(config.evaluation.figures())
