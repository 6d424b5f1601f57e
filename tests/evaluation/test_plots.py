"""Pictures: what is drawn is what the reports say, and the files are there."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from tfrec.evaluation import Report, plots

K = (1, 5, 20, 50)


def make_report(model="ease", seed=0, **changes):
    rng = np.random.default_rng(seed)
    users = pd.DataFrame(
        {f"{name}@{k}": rng.random(30) for name in ("ndcg", "recall") for k in K},
        index=pd.Index([f"u{number}" for number in range(30)], name="user"),
    )
    popularity = np.sort(rng.integers(0, 20, 40))[::-1].astype(float)
    listed: dict[Any, Any] = {k: rng.binomial(30, min(1.0, k / 40), 40) * (popularity > 0) for k in K}
    exposure = pd.DataFrame(
        {"popularity": popularity, **listed}, index=pd.Index([f"i{n}" for n in range(40)], name="item")
    )
    figures: dict[Any, Any] = {**users.mean().to_dict(), **{f"gini@{k}": 0.9 for k in K}, "auc": 0.8}
    fields = {
        "model": model, "dataset": "made up", "protocol": "full", "n_users": 30, "n_test": 99, "unreachable": 0.0,
        "k": K, "metrics": figures, "per_user": users, "exposure": exposure,
    }  # fmt: skip
    return Report(**{**fields, **changes})


def lines(axes):
    """Label to (x, y) of every line with a label."""
    return {
        line.get_label(): (np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def legend(figure):
    return [text.get_text() for drawn in figure.legends for text in drawn.get_texts()]


@pytest.fixture
def report():
    return make_report()


@pytest.fixture
def reports():
    popularity = make_report().exposure["popularity"]
    other = make_report("slim", seed=1)
    return {
        "EASE": make_report(),
        "SLIM": dataclasses.replace(other, exposure=other.exposure.assign(popularity=popularity)),
    }


class TestMetricByK:
    def test_a_panel_a_metric_and_a_line_a_report(self, reports):
        figure = plots.metric_by_k(reports)
        assert [axes.get_title() for axes in figure.axes] == ["ndcg", "recall", "gini (lower is better)"]
        for axes, name in zip(figure.axes, ["ndcg", "recall", "gini"], strict=True):
            drawn = lines(axes)
            assert list(drawn) == ["EASE", "SLIM"]
            for label, (k, values) in drawn.items():
                assert k.tolist() == [*K]
                assert values.tolist() == [reports[label][f"{name}@{cutoff}"] for cutoff in K]
        assert legend(figure) == ["EASE", "SLIM"]

    def test_bands_are_the_confidence_intervals(self, report):
        figure = plots.metric_by_k(report, level=0.8)
        ends = report.confidence_intervals(0.8, metrics="ndcg")
        (band,) = figure.axes[0].collections
        corners = np.asarray(band.get_paths()[0].vertices)
        for k, low, high in zip(K, ends["low"], ends["high"], strict=True):
            assert {low, high} <= set(corners[corners[:, 0] == k, 1])
        assert "80% confidence" in figure.get_suptitle()
        assert len(figure.axes[2].collections) == 0  # gini has no values of users

    def test_no_bands_without_values_of_users(self, report):
        for figure in (
            plots.metric_by_k(dataclasses.replace(report, per_user=None)),
            plots.metric_by_k(report, level=None),
        ):
            assert all(len(axes.collections) == 0 for axes in figure.axes)
            assert figure.get_suptitle() == "ease on made up: full"

    def test_one_report_has_a_title_and_no_legend(self, report):
        figure = plots.metric_by_k(report, "ndcg")
        assert len(figure.axes) == 1
        assert figure.get_suptitle().startswith("ease on made up: full")
        assert legend(figure) == []

    def test_ticks_are_the_cutoffs(self, report):
        for axes in plots.metric_by_k(report).axes:
            assert axes.get_xticks().tolist() == [*K]
            assert axes.get_xscale() == "log"

    def test_everything_drawn_is_in_the_picture(self, reports):
        for axes in plots.metric_by_k(reports).axes:
            bottom, top = axes.get_ylim()
            assert bottom == 0
            assert all(values.max() < top for _, values in lines(axes).values())

    def test_labels_are_shown_as_they_are(self, report):
        figure = plots.metric_by_k({"_hidden": report, "$x^2$": report})
        assert legend(figure) == [" _hidden", r"\$x^2\$"]

    def test_a_single_cutoff_has_bars(self, report):
        users = report.per_user[["ndcg@5"]]
        one = dataclasses.replace(report, k=(5,), metrics=users.mean().to_dict(), per_user=users, exposure=None)
        figure = plots.metric_by_k(one)
        ((low, high),) = (np.asarray(path.vertices)[:, 1] for path in figure.axes[0].collections[0].get_paths())
        assert [low, high] == one.confidence_intervals().loc["ndcg@5", ["low", "high"]].tolist()
        assert "bars: 95%" in figure.get_suptitle()
        assert "bands" not in figure.get_suptitle()

    def test_diversity_of_one_item_is_left_out(self, report):
        figures = {f"{name}@{k}": 0.1 * k for name in ("diversity", "ndcg") for k in (1, 5)}
        one = dataclasses.replace(report, metrics=figures, per_user=None)
        drawn = {axes.get_title(): next(iter(lines(axes).values()))[0].tolist() for axes in plots.metric_by_k(one).axes}
        assert drawn == {"diversity": [5], "ndcg": [1, 5]}
        only = dataclasses.replace(one, k=(1,), metrics={"diversity@1": 0.0, "ndcg@1": 0.5})
        assert [axes.get_title() for axes in plots.metric_by_k(only).axes] == ["ndcg"]

    def test_ticks_are_those_of_the_panel(self, report):
        other = dataclasses.replace(report, k=(7, 9), metrics={"mrr@7": 0.1, "mrr@9": 0.2}, per_user=None)
        ticks = {axes.get_title(): axes.get_xticks().tolist() for axes in plots.metric_by_k([report, other]).axes}
        assert ticks["mrr"] == [7, 9]
        assert ticks["ndcg"] == [*K]

    def test_a_direction_of_ones_own(self, report):
        own = dataclasses.replace(report, metrics={"misses@5": 0.1}, per_user=None, directions={"misses": False})
        assert plots.metric_by_k(own).axes[0].get_title() == "misses (lower is better)"

    def test_many_metrics_are_not_a_tower(self, report):
        many = dataclasses.replace(report, metrics={f"m{n}@{k}": 0.1 for n in range(25) for k in K}, per_user=None)
        width, height = plots.metric_by_k(many).get_size_inches()
        assert height < 1.2 * width

    @pytest.mark.parametrize(
        "label", ["a long label of a model with many settings, " * 4 + "{}", "x" * 300 + "{}", "m{}"]
    )
    @pytest.mark.parametrize("draw", [plots.metric_by_k, plots.popularity_curve])
    def test_the_whole_legend_and_title_are_in_the_picture(self, report, draw, label):
        report = dataclasses.replace(report, dataset="a name of a data set that is very long " * 5)
        figure = draw({label.format(number): report for number in range(13)})
        figure.draw_without_rendering()
        picture, (drawn,) = figure.bbox, figure.legends
        assert len(drawn.get_texts()) >= 13
        for shown in (drawn, *figure.texts, figure._suptitle):
            extent = shown.get_window_extent()
            assert picture.x0 <= extent.x0 < extent.x1 <= picture.x1
            assert picture.y0 <= extent.y0 < extent.y1 <= picture.y1 + 1
        lowest = min(axes.get_window_extent().y0 for axes in figure.axes)
        assert drawn.get_window_extent().y1 < lowest
        assert all(axes.get_window_extent().height > 100 for axes in figure.axes)

    def test_every_report_has_its_own_look(self, report):
        figure = plots.metric_by_k({f"m{number}": report for number in range(20)}, "ndcg", level=None)
        looks = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].get_lines()]
        assert len(set(looks)) == 20

    def test_refusals(self, report):
        with pytest.raises(ValueError, match="no figure 'mrr' was measured"):
            plots.metric_by_k(report, "mrr")
        with pytest.raises(ValueError, match="no figures with a cutoff"):
            plots.metric_by_k(dataclasses.replace(report, k=(), metrics={"auc": 0.8}, per_user=None))
        with pytest.raises(ValueError, match="no reports"):
            plots.metric_by_k([])
        with pytest.raises(TypeError, match="expected reports"):
            plots.metric_by_k(["report"])  # type: ignore[list-item]


class TestPopularityCurve:
    def test_added_up(self, reports):
        _, added = plots.popularity_curve(reports).axes
        drawn = lines(added)
        assert list(drawn) == ["training data", "EASE", "SLIM"]
        exposure = reports["SLIM"].exposure
        known = exposure[exposure["popularity"] > 0].sort_values("popularity", ascending=False, kind="stable")
        x, y = drawn["SLIM"]
        np.testing.assert_allclose(x, np.arange(len(known) + 1) / len(known))
        np.testing.assert_allclose(y, [0, *np.cumsum(known[50]) / known[50].sum()])
        np.testing.assert_allclose(
            drawn["training data"][1], [0, *np.cumsum(known["popularity"]) / known["popularity"].sum()]
        )

    def test_bins_of_ranks_keep_the_shares(self):
        shares = np.random.default_rng(0).dirichlet(np.ones(500))
        x, y = plots._by_rank(shares)
        edges = np.unique(np.round(np.geomspace(1, 501, 41)).astype(int))
        assert (y * np.diff(edges)).sum() == pytest.approx(1)
        assert ((x > edges[:-1] - 1e-9) & (x < edges[1:])).all()

    def test_a_cutoff(self, report):
        _, added = plots.popularity_curve(report, k=5).axes
        assert "top 5" in added.get_ylabel()
        with pytest.raises(ValueError, match="not the cutoff 7 in common"):
            plots.popularity_curve(report, k=7)

    def test_a_model_that_recommends_nothing(self, report):
        exposure = report.exposure
        exposure[list(K)] = 0
        _, added = plots.popularity_curve(dataclasses.replace(report, exposure=exposure)).axes
        assert list(lines(added)) == ["training data"]

    def test_other_training_data(self, report):
        with pytest.raises(ValueError, match="different training data"):
            plots.popularity_curve({"a": report, "b": make_report(seed=5)})

    def test_no_exposure(self, report):
        with pytest.raises(ValueError, match="exposure is None"):
            plots.popularity_curve(dataclasses.replace(report, exposure=None))


class TestCoverageCurve:
    def test_share_of_the_items_with_training_rows(self, report):
        (axes,) = plots.coverage_curve(report).axes
        known = report.exposure[report.exposure["popularity"] > 0]
        assert len(known) < len(report.exposure)
        ((k, shares),) = lines(axes).values()
        assert k.tolist() == [*K]
        np.testing.assert_allclose(shares, [(known[cutoff] > 0).mean() for cutoff in K])


class TestFiles:
    def test_all_of_them(self, reports, tmp_path):
        files = plots.save_plots(tmp_path / "plots", reports)
        assert [path.name for path in files] == ["metrics.png", "popularity.png", "coverage.png"]
        for path in files:
            pixels = imread(path)
            assert pixels.shape[0] > 300
            assert 0.01 < (pixels[..., :3].mean(axis=2) < 0.9).mean() < 0.5  # something is drawn, on white

    def test_what_there_are_no_data_for_is_left_out(self, report, tmp_path):
        bare = Report.from_json(report.to_json())
        assert [path.name for path in plots.save_plots(tmp_path / "bare", bare)] == ["metrics.png"]
        ratings = dataclasses.replace(bare, k=(), metrics={"rmse": 0.9})
        assert plots.save_plots(tmp_path / "ratings", ratings) == []

    @pytest.mark.parametrize(("epochs", "has_curve"), [(1, False), (3, True)])
    def test_of_a_run(self, report, tmp_path, epochs, has_curve):
        plots.save_run_plots(tmp_path / "plots", {"loss": [1.0] * epochs}, report)
        names = {path.name for path in (tmp_path / "plots").iterdir()}
        assert names == {"metrics.png", "popularity.png", "coverage.png"} | (
            {"learning_curve.png"} if has_curve else set()
        )

    def test_an_existing_folder_is_left_alone(self, report, tmp_path):
        with pytest.raises(FileExistsError):
            plots.save_plots(tmp_path, report)

    def test_learning_curve(self):
        figure = plots.learning_curve({"loss": [3.0, 2.0], "val_ndcg@10": [0.1, 0.2]})
        assert [axes.get_title() for axes in figure.axes] == ["loss", "val_ndcg@10"]
        with pytest.raises(ValueError, match="history is empty"):
            plots.learning_curve({})

    def test_epochs_without_a_figure_are_passed_over(self):
        nan = float("nan")
        history = {"loss": [3.0, 2.0, 1.0, 0.5], "val_ndcg@10": [nan, 0.1, nan, 0.2], "never": [nan] * 4}
        figure = plots.learning_curve(history)
        assert [axes.get_title() for axes in figure.axes] == ["loss", "val_ndcg@10"]
        (line,) = figure.axes[1].get_lines()
        assert np.asarray(line.get_xydata()).tolist() == [[2, 0.1], [4, 0.2]]
        assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
        with pytest.raises(ValueError, match="history is empty"):
            plots.learning_curve({"never": [nan]})
