"""Reports: a mapping, a frame, JSON, tables, folders."""

import copy
import dataclasses
import html.parser
import io
import json
import multiprocessing

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tfrec.evaluation import Report, side_by_side


def comparison_table(*arguments) -> str:
    return str(side_by_side(*arguments))


def make_report(**changes):
    fields = {
        "model": "ease",
        "dataset": "ml-100k",
        "protocol": "full ranking, seen items excluded",
        "n_users": 943,
        "n_test": 20_000,
        "unreachable": 0.0123,
        "k": (5, 10),
        "metrics": {"ndcg@5": 1 / 3, "ndcg@10": 0.4, "hit_rate@5": 0.5, "hit_rate@10": 1.0},
    }
    return Report(**{**fields, **changes})


def make_frames():
    users = pd.DataFrame(
        {"ndcg@5": [0.25, 0.5, 0.25], "hit_rate@10": [1.0, 1.0, 1.0]},
        index=pd.Index(["007", "Zoë", "a\nb\0"], name="user"),
    )
    items = pd.DataFrame({"popularity": [3.0, 0.0], 5: [1, 0], 10: [2, 0]}, index=pd.Index(["x", "y"], name="item"))
    return users, items


@pytest.fixture
def with_frames():
    users, items = make_frames()
    return make_report(n_users=3, per_user=users, exposure=items)


def check_frames(left, right):
    pd.testing.assert_frame_equal(left.per_user, right.per_user)
    pd.testing.assert_frame_equal(left.exposure, right.exposure)


def rich_text(shown, *, colour=False, width=100):
    """What a terminal of this width shows."""
    file = io.StringIO()
    shown.show(Console(file=file, force_terminal=colour, color_system="standard" if colour else None, width=width))
    return file.getvalue()


class Cells(html.parser.HTMLParser):
    """The texts of a page, tag by tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1], data))


class TestMapping:
    def test_reads_like_a_dict(self):
        report = make_report()
        assert report["ndcg@5"] == 1 / 3
        assert list(report) == ["ndcg@5", "ndcg@10", "hit_rate@5", "hit_rate@10"]
        assert len(report) == 4
        assert dict(report) == report.to_dict() == dict(report.metrics)
        assert "ndcg@20" not in report
        assert report.get("ndcg@20") is None

    def test_an_absent_figure_is_told_the_nearest(self):
        with pytest.raises(KeyError, match=r"no figure 'ndgc@5' was measured. Did you mean 'ndcg@5'\?"):
            make_report()["ndgc@5"]

    def test_immutable(self):
        figures = {"ndcg@5": 0.5}
        report = make_report(metrics=figures)
        figures["ndcg@5"] = 0.9
        report.to_dict()["ndcg@5"] = 0.9
        with pytest.raises(TypeError):
            report.metrics["ndcg@5"] = 0.9
        with pytest.raises(dataclasses.FrozenInstanceError):
            report.n_users = 1
        assert report["ndcg@5"] == 0.5

    def test_fingerprints_and_directions_are_immutable_too(self):
        fingerprints = {"test": "abc"}
        report = make_report(fingerprints=fingerprints, directions={"misses": False})
        fingerprints["test"] = "other"
        assert report.fingerprints == {"test": "abc"}
        for mapping in (report.fingerprints, report.directions):
            with pytest.raises(TypeError):
                mapping["test"] = "x"
        assert make_report().fingerprints == {}
        assert report != make_report()

    def test_directions(self):
        report = make_report(directions={"misses": False, "ndcg": None})
        found = [report.higher_is_better(key) for key in ("misses@5", "ndcg@10", "gini@5", "recall@5", "unknown")]
        assert found == [False, None, False, True, None]

    def test_equal_if_everything_is(self):
        assert make_report() == make_report()
        assert make_report() != make_report(unreachable=0.5)
        assert make_report() != make_report(metrics={"ndcg@5": 0.5})

    def test_copies(self):
        assert copy.deepcopy(make_report()) == make_report()


class TestFrames:
    def test_there_are_none_by_default(self):
        assert make_report().per_user is None
        assert make_report().exposure is None

    def test_nobody_changes_them(self, with_frames):
        users, items = make_frames()
        report = make_report(n_users=3, per_user=users, exposure=items)
        users.loc["007", "ndcg@5"] = 9.0
        mine = report.exposure
        mine.loc["x", 5] = 9
        pd.testing.assert_frame_equal(report.per_user, make_frames()[0])
        pd.testing.assert_frame_equal(report.exposure, make_frames()[1])
        with pytest.raises(dataclasses.FrozenInstanceError):
            report.per_user = None

    def test_neither_equality_nor_json_knows_them(self, with_frames):
        bare = make_report(n_users=3)
        assert with_frames == bare
        assert with_frames.to_json() == bare.to_json()
        assert Report.from_json(with_frames.to_json()).per_user is None

    def test_copies_have_them(self, with_frames):
        for again in (copy.copy(with_frames), copy.deepcopy(with_frames), dataclasses.replace(with_frames, model="x")):
            check_frames(again, with_frames)

    def test_another_process_gets_them(self, with_frames):
        reader, writer = multiprocessing.Pipe(duplex=False)
        writer.send(with_frames)  # as worker processes are sent things
        again = reader.recv()
        assert again == with_frames
        check_frames(again, with_frames)

    def test_they_are_keyword_only(self):
        fields = list(vars(make_report()).values())
        with pytest.raises(TypeError, match="positional argument"):
            Report(*fields)

    def test_what_does_not_fit(self):
        users, items = make_frames()
        with pytest.raises(ValueError, match="a row for each of 943 users; got 3 rows"):
            make_report(per_user=users)
        with pytest.raises(ValueError, match="per_user has the column 'mrr@5'"):
            make_report(n_users=3, per_user=users.rename(columns={"ndcg@5": "mrr@5"}))
        with pytest.raises(ValueError, match="finite numbers; the column 'hit_rate@10' has others"):
            make_report(n_users=3, per_user=users.assign(**{"hit_rate@10": [1.0, np.nan, 0.0]}))
        with pytest.raises(TypeError, match="exposure must be a pandas DataFrame or None; got dict"):
            make_report(exposure=items.to_dict())


class TestFolder:
    def test_round_trip(self, with_frames, tmp_path):
        with_frames.save(tmp_path / "new" / "report")
        again = Report.load(str(tmp_path / "new" / "report"))
        assert again == with_frames
        check_frames(again, with_frames)

    def test_without_frames(self, tmp_path):
        make_report().save(tmp_path / "report")
        assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.json"]
        assert Report.load(tmp_path / "report") == make_report()
        assert Report.load(tmp_path / "report").per_user is None

    def test_no_figures_of_users(self, tmp_path):
        nothing = pd.DataFrame(index=make_frames()[0].index, columns=[])
        report = make_report(n_users=3, per_user=nothing, exposure=make_frames()[1])
        report.save(tmp_path / "report")
        check_frames(Report.load(tmp_path / "report"), report)

    def test_what_is_there_stays(self, with_frames, tmp_path):
        make_report().save(tmp_path / "report")
        with pytest.raises(FileExistsError):
            with_frames.save(tmp_path / "report")
        assert Report.load(tmp_path / "report") == make_report()

    @pytest.mark.parametrize("damaged", ["report.json", "per_user.npz", "exposure.npz"])
    @pytest.mark.parametrize("content", ["", "{", "nonsense"])
    def test_a_damaged_file(self, with_frames, tmp_path, damaged, content):
        with_frames.save(tmp_path / "report")
        (tmp_path / "report" / damaged).write_text(content)
        with pytest.raises(ValueError, match=rf"{damaged} is missing or damaged"):
            Report.load(tmp_path / "report")

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not a saved report"):
            Report.load(tmp_path)


class TestJSON:
    def test_round_trip(self):
        report = make_report(dataset="Müller's")
        assert Report.from_json(report.to_json()) == report

    def test_round_trip_of_everything(self):
        report = make_report(fingerprints={"test": "a", "seen": "b"}, directions={"misses": False, "other": None})
        assert Report.from_json(report.to_json()) == report

    def test_what_older_versions_did_not_write(self):
        record = make_report().to_record()
        del record["fingerprints"], record["directions"]
        assert Report.from_json(json.dumps(record)) == make_report()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("model", 5), ("n_users", "943"), ("n_users", -1), ("n_test", True), ("unreachable", None), ("k", 5),
            ("k", ["5"]), ("metrics", [0.5]), ("metrics", {"ndcg@5": "0.5"}), ("metrics", {"ndcg@5": float("nan")}),
            ("fingerprints", {"test": 5}), ("fingerprints", None), ("directions", {"ndcg": "up"}),
        ],
    )  # fmt: skip
    def test_wrong_values(self, name, value):
        text = json.dumps({**make_report().to_record(), name: value})
        with pytest.raises(ValueError, match=f"not the JSON of a report: {name} must be"):
            Report.from_json(text)

    def test_content(self):
        record = json.loads(make_report().to_json())
        assert record["metrics"] == {"ndcg@5": 1 / 3, "ndcg@10": 0.4, "hit_rate@5": 0.5, "hit_rate@10": 1.0}
        assert record["k"] == [5, 10]
        assert record["protocol"] == "full ranking, seen items excluded"

    def test_file(self, tmp_path):
        path = tmp_path / "new" / "report.json"
        path.parent.mkdir()
        path.write_text("old")
        text = make_report().to_json(path)
        assert path.read_text(encoding="utf-8") == text
        assert list(path.parent.iterdir()) == [path]
        assert make_report().to_json(str(tmp_path / "a" / "b" / "report.json")) == text

    def test_a_file_that_cannot_be_written_leaves_the_old_one(self, tmp_path, monkeypatch):
        path = tmp_path / "report.json"
        path.write_text("old")

        def fail(*_):
            raise OSError("no space left")

        monkeypatch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no space left"):
            make_report().to_json(path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("text", ["{}", "[]", '"report"', '{"ndcg@10": 0.5}', "nothing"])
    def test_something_else(self, text):
        with pytest.raises(ValueError, match=r"not the JSON of a report|Expecting value"):
            Report.from_json(text)


class TestFrame:
    def test_rows_are_metrics_and_columns_cutoffs(self):
        frame = make_report().to_frame()
        assert frame.index.tolist() == ["ndcg", "hit_rate"]
        assert frame.index.name == "metric"
        assert frame.columns.tolist() == [5, 10]
        assert frame.loc["ndcg", 10] == 0.4
        np.testing.assert_array_equal(frame.to_numpy(), [[1 / 3, 0.4], [0.5, 1.0]])

    def test_figures_without_a_cutoff_have_a_column(self):
        frame = make_report(metrics={"ndcg@5": 0.5, "auc": 0.75, "ndcg@10": 0.25}).to_frame()
        assert frame.index.tolist() == ["ndcg", "auc"]
        assert frame.columns.tolist() == [5, 10, "all"]
        np.testing.assert_array_equal(frame.to_numpy(float), [[0.5, 0.25, np.nan], [np.nan, np.nan, 0.75]])

    def test_no_cutoffs_at_all(self):
        frame = make_report(k=(), metrics={"rmse": 0.9, "mae": 0.7}).to_frame()
        assert frame.columns.tolist() == ["all"]
        assert frame["all"].to_dict() == {"rmse": 0.9, "mae": 0.7}


class TestText:
    def test_table(self):
        assert str(make_report()) == (
            "ease on ml-100k: full ranking, seen items excluded\n"
            "943 users, 20000 test items, 1.23% of them unreachable\n"
            "\n"
            "              @5     @10\n"
            "ndcg      0.3333  0.4000\n"
            "hit_rate  0.5000  1.0000"
        )

    def test_figures_without_a_cutoff(self):
        lines = str(make_report(metrics={"ndcg@5": 0.5, "ndcg@10": 0.25, "auc": 0.75})).splitlines()
        assert lines[3:] == [
            "          @5     @10     all",
            "ndcg  0.5000  0.2500       -",
            "auc        -       -  0.7500",
        ]

    def test_repr_is_short(self):
        assert repr(make_report()) == "Report('ease' on 'ml-100k': ndcg@5=0.3333, ndcg@10=0.4000, hit_rate@5=0.5000, …)"
        assert repr(make_report(metrics={"mrr@5": 0.5})) == "Report('ease' on 'ml-100k': mrr@5=0.5000)"


class TestTerminal:
    def test_the_same_cells_as_in_the_text(self):
        report = make_report(metrics={"ndcg@5": 0.5, "ndcg@10": 0.25, "auc": 0.75})
        shown = rich_text(report).split()
        assert [word for word in shown if "─" not in word] == str(report).split()

    def test_nothing_is_cut_off_in_a_narrow_terminal(self):
        narrow, wide = ("".join(rich_text(make_report(), width=width).split()) for width in (24, 100))
        assert sorted(narrow.replace("─", "")) == sorted(wide.replace("─", ""))

    def test_markup_in_names_is_text(self):
        assert "[bold]ease[/bold] on" in rich_text(make_report(model="[bold]ease[/bold]"))

    def test_rich_prints_it_as_a_table(self):
        file = io.StringIO()
        Console(file=file).print(make_report())
        assert "───" in file.getvalue()

    def test_logs_get_plain_text(self, capsys):
        make_report().show()
        assert capsys.readouterr().out == f"{make_report()}\n"

    def test_the_best_is_marked(self):
        better = {"ndcg@5": 0.5, "gini@5": 0.7, "average_popularity@5": 9.0}
        worse = {"ndcg@5": 0.4, "gini@5": 0.9, "average_popularity@5": 3.0}
        table = side_by_side([make_report(metrics=worse), make_report(metrics=better)])
        assert table.styles == {(1, 1): "bold", (1, 2): "bold"}
        assert "\x1b[1m0.5000\x1b[0m" in rich_text(table, colour=True)

    def test_the_best_of_a_metric_of_ones_own(self):
        reports = [make_report(metrics={"misses@5": value}, directions={"misses": False}) for value in (0.5, 0.4)]
        assert side_by_side(reports).styles == {(1, 1): "bold"}

    def test_nothing_is_best_of_other_data_of_the_same_name(self):
        table = side_by_side([make_report(fingerprints={"test": text}) for text in "ab"])
        assert table.styles == {}
        assert table.notes == ["The reports are not of the same data: test."]

    def test_nothing_is_best_of_different_test_sets(self):
        assert side_by_side([make_report(), make_report(dataset="ml-1m")]).styles == {}
        assert side_by_side([make_report()]).styles == {}


class TestHTML:
    def test_a_table(self):
        cells = Cells(make_report(model="<ease>")._repr_html_()).texts
        assert [text for tag, text in cells if tag == "td"] == ["0.3333", "0.4000", "0.5000", "1.0000"]
        assert [text for tag, text in cells if tag == "th"] == ["@5", "@10", "ndcg", "hit_rate"]
        assert cells[0] == ("p", "<ease> on ml-100k: full ranking, seen items excluded")

    def test_the_best_is_marked(self):
        page = side_by_side([make_report(), make_report(metrics={"ndcg@5": 0.9})])._repr_html_()
        assert '<td style="font-weight:bold">0.9000</td>' in page


class TestComparison:
    def test_side_by_side(self):
        reports = [make_report(), make_report(model="popularity", metrics={"ndcg@5": 0.1, "mrr@5": 0.25})]
        assert comparison_table(reports, ["ndcg@5", "mrr@5"]) == (
            "ml-100k: full ranking, seen items excluded\n"
            "\n"
            "            ndcg@5   mrr@5\n"
            "ease        0.3333       -\n"
            "popularity  0.1000  0.2500"
        )

    def test_all_figures_under_given_labels(self):
        lines = comparison_table({"first": make_report(), "second": make_report()}).splitlines()
        assert lines[2].split() == ["ndcg@5", "ndcg@10", "hit_rate@5", "hit_rate@10"]
        assert [line.split()[0] for line in lines[3:]] == ["first", "second"]

    def test_a_metric_at_all_cutoffs(self):
        lines = comparison_table([make_report()], "ndcg").splitlines()
        assert lines[2].split() == ["ndcg@5", "ndcg@10"]

    def test_it_is_the_text_of_side_by_side(self):
        reports = {"first": make_report(), "second": make_report()}
        assert comparison_table(reports) == str(side_by_side(reports))

    def test_what_is_no_report(self):
        with pytest.raises(TypeError, match=r"expected reports of tfrec\.evaluate; got str"):
            side_by_side(["ease"])  # type: ignore[list-item]

    def test_one_metric(self):
        assert comparison_table([make_report()], "ndcg@10").splitlines()[-1] == "ease   0.4000"

    def test_figures_that_are_not_comparable_say_so(self):
        reports = {"a": make_report(), "b": make_report(dataset="ml-1m")}
        lines = comparison_table(reports, "ndcg@5").splitlines()
        assert lines[0].split() == ["ndcg@5", "data", "set", "protocol"]
        assert "ml-100k" in lines[1]
        assert "ml-1m" in lines[2]
        assert all(line.endswith("full ranking, seen items excluded") for line in lines[1:])

    def test_an_unknown_figure(self):
        with pytest.raises(ValueError, match="no figure 'mrr@5' was measured"):
            comparison_table([make_report()], "mrr@5")

    @pytest.mark.parametrize("reports", [[], {}])
    def test_no_reports(self, reports):
        with pytest.raises(ValueError, match="no reports to compare"):
            comparison_table(reports)
