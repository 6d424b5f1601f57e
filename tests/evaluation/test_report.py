"""Reports: a mapping, a frame, JSON, a table."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from tfrec.evaluation import Report, comparison_table


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

    def test_equal_if_everything_is(self):
        assert make_report() == make_report()
        assert make_report() != make_report(unreachable=0.5)
        assert make_report() != make_report(metrics={"ndcg@5": 0.5})

    def test_copies(self):
        assert copy.deepcopy(make_report()) == make_report()


class TestJSON:
    def test_round_trip(self):
        report = make_report(dataset="Müller's")
        assert Report.from_json(report.to_json()) == report

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

    def test_repr_is_short(self):
        assert repr(make_report()) == "Report('ease' on 'ml-100k': ndcg@5=0.3333, ndcg@10=0.4000, hit_rate@5=0.5000, …)"
        assert repr(make_report(metrics={"mrr@5": 0.5})) == "Report('ease' on 'ml-100k': mrr@5=0.5000)"


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
        with pytest.raises(ValueError, match="no figure 'ndcg' was measured"):
            comparison_table([make_report()], "ndcg")

    @pytest.mark.parametrize("reports", [[], {}])
    def test_no_reports(self, reports):
        with pytest.raises(ValueError, match="no reports to compare"):
            comparison_table(reports)
