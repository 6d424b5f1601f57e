"""Figures of held-out interactions in the logs of a fit."""

import inspect
import math
from typing import Any

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.callbacks import RankingMetrics, prepare
from tfrec.data import Interactions
from tfrec.metrics import METRICS, Metric
from tfrec.models import EASE, Popularity


class TestRankingMetrics:
    def test_the_figures_of_evaluate_are_in_the_logs(self, model_class, train, held_out):
        options: dict[str, Any] = {"k": (3, 7), "metrics": ["recall", "coverage", "auc"], "exclude_seen": False}
        model = model_class()
        metrics = RankingMetrics(held_out, **options)
        history = model.fit(train, epochs=2, callbacks=[metrics], verbose=0).history
        report = tfrec.evaluate(model, held_out, **options)
        assert {name for name in history if name.startswith("val_")} == {f"val_{key}" for key in report}
        assert {key: history[f"val_{key}"][-1] for key in report} == dict(report)

    def test_it_is_what_validation_data_do(self, train, held_out):
        by_argument = EASE().fit(train, validation_data=held_out, verbose=0).history
        by_callback = EASE().fit(train, callbacks=[RankingMetrics(held_out)], verbose=0).history
        assert by_argument.keys() == by_callback.keys()
        assert by_argument["val_ndcg@10"] == by_callback["val_ndcg@10"]

    def test_it_runs_before_the_others_wherever_it_stands(self, train, held_out, tmp_path):
        keras = tf.keras.callbacks
        logged = []
        callbacks = [
            keras.LambdaCallback(on_epoch_end=lambda epoch, logs: logged.append(dict(logs))),
            keras.CSVLogger(str(tmp_path / "history.csv")),
            keras.EarlyStopping("test_coverage@3", patience=9),
            RankingMetrics(held_out, k=3, metrics="coverage", prefix="test_"),
            RankingMetrics(train, k=3, metrics="ndcg", prefix="train_", exclude_seen=False),
        ]
        EASE().fit(train, epochs=2, callbacks=callbacks, verbose=0)
        assert [{"test_coverage@3", "train_ndcg@3"} <= set(logs) for logs in logged] == [True, True]
        assert "test_coverage@3" in (tmp_path / "history.csv").read_text()
        assert callbacks[2].best == max(logs["test_coverage@3"] for logs in logged)

    @pytest.mark.parametrize(("prefix", "folder", "tag"), [
        ("val_", "validation", "epoch_coverage@3"), ("test_", "train", "epoch_test_coverage@3"),
    ])  # fmt: skip
    def test_tensorboard_shows_the_figures_as_scalars(self, train, held_out, tmp_path, prefix, folder, tag):
        metrics = RankingMetrics(held_out, k=3, metrics="coverage", prefix=prefix)
        board = tf.keras.callbacks.TensorBoard(str(tmp_path))
        history = EASE().fit(train, epochs=2, callbacks=[board, metrics], verbose=0).history
        shown = [
            float(tf.make_ndarray(value.tensor))
            for path in (tmp_path / folder).glob("*tfevents*")
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
            if value.tag == tag and value.metadata.plugin_data.plugin_name == "scalars"
        ]
        assert shown == pytest.approx(history[f"{prefix}coverage@3"])

    def test_a_model_of_ratings_is_measured_by_them_too(self, rating_class, train, held_out):
        model = rating_class()
        history = model.fit(train, validation_data=held_out, epochs=2, verbose=0).history
        report = tfrec.evaluate(model, held_out, metrics=["rmse", "mae", "ndcg"])
        assert {name: history[f"val_{name}"][-1] for name in report} == dict(report)

    def test_unless_the_metrics_were_chosen_or_there_are_no_ratings(self, rating_class, train, held_out):
        bare = Interactions(held_out.user, held_out.item, user_ids=held_out.user_ids, item_ids=held_out.item_ids)
        for metrics in (RankingMetrics(bare), RankingMetrics(held_out, metrics="ndcg")):
            history = rating_class().fit(train, callbacks=[metrics], epochs=1, verbose=0).history
            assert "val_ndcg@10" in history
            assert "val_rmse" not in history

    def test_the_same_callback_for_a_model_that_ranks_and_one_of_ratings(self, rating_class, train, held_out):
        metrics = RankingMetrics(held_out, frequency=2)
        for model, has_ratings in ((Popularity(), False), (rating_class(), True), (Popularity(), False)):
            history = model.fit(train, callbacks=[metrics], epochs=2, verbose=0).history
            assert ("val_rmse" in history) == has_ratings
            assert math.isnan(history["val_ndcg@10"][0])
            assert np.isfinite(history["val_ndcg@10"][1])
            assert not has_ratings or math.isnan(history["val_rmse"][0])

    def test_figures_of_ratings_are_known_before_the_fit(self, train, held_out):
        stopping = tf.keras.callbacks.EarlyStopping("val_rmse", patience=1)
        with pytest.raises(ValueError, match=r"EarlyStopping counts epochs.*a patience of at least 3"):
            prepare([RankingMetrics(held_out, frequency=3), stopping])
        with pytest.raises(ValueError, match="two RankingMetrics would both write 'val_rmse'"):
            prepare([RankingMetrics(held_out), RankingMetrics(held_out, metrics="rmse")])
        checkpoint = tf.keras.callbacks.ModelCheckpoint("x", "val_mae", save_best_only=True)
        assert prepare([RankingMetrics(held_out), checkpoint])[1].monitor_op is np.less

    def test_frequency(self, train, held_out):
        every_other = RankingMetrics(held_out, k=3, metrics="ndcg", frequency=2)
        history = Popularity().fit(train, epochs=4, callbacks=[every_other], verbose=0).history
        assert [math.isnan(figure) for figure in history["val_ndcg@3"]] == [True, False, True, False]

    def test_the_direction_of_a_metric_of_ones_own(self, held_out):
        def function(lists, k):
            return METRICS["ndcg"].function(lists, k)

        own = [
            Metric("misses", "hits", function, higher_is_better=False),
            Metric("gini", "hits", function, higher_is_better=True),
            Metric("neutral", "hits", function, higher_is_better=None),
        ]
        _, misses, gini, other_gini, neutral = prepare(
            [
                RankingMetrics(held_out, k=3, metrics=own),
                *(tf.keras.callbacks.EarlyStopping(f"val_{name}") for name in ("misses@3", "gini@3", "gini@5")),
                tf.keras.callbacks.EarlyStopping("val_neutral@3", mode="min"),
            ]
        )
        assert misses.monitor_op is np.less
        assert gini.monitor_op is np.greater
        assert other_gini.monitor_op is np.less  # not the callback's
        assert neutral.monitor_op is np.less

    def test_two_that_write_the_same_figure_are_refused(self, train, held_out):
        metrics = RankingMetrics(held_out, k=(3, 10), metrics=["gini", "ndcg"])
        for others in ([metrics, metrics], [metrics, RankingMetrics(train, metrics="ndcg")]):
            with pytest.raises(ValueError, match="two RankingMetrics would both write 'val_"):
                Popularity().fit(train, callbacks=others, verbose=0)
        with pytest.raises(
            ValueError, match="validation_data of fit and a RankingMetrics would both write 'val_ndcg@10'"
        ):
            Popularity().fit(train, validation_data=held_out, callbacks=metrics, verbose=0)
        others = [metrics, RankingMetrics(held_out, k=5, metrics="ndcg")]
        assert "val_ndcg@5" in Popularity().fit(train, callbacks=others, verbose=0).history

    def test_what_the_model_lacks_is_found_before_the_first_epoch(self, train, held_out):
        began = []
        spy = tf.keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: began.append(epoch))
        for options in ({"metrics": "rmse"}, {"memory": 200}):
            with pytest.raises(ValueError, match=r"rmse|memory"):
                Popularity().fit(train, callbacks=[spy, RankingMetrics(held_out, **options)], verbose=0)
        assert began == []

    def test_it_takes_every_option_of_evaluate(self):
        options = set(inspect.signature(tfrec.evaluate).parameters) - {"model", "test"}
        assert options <= set(inspect.signature(RankingMetrics).parameters)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"metrics": "ndgc"}, ValueError, "unknown metric 'ndgc'"),
            ({"k": [10, 0]}, ValueError, "k must be an integer of at least 1; got 0"),
            ({"frequency": 0}, ValueError, r"frequency \(validation_freq of fit\) must be"),
            ({"frequency": "2"}, TypeError, "frequency .* must be an integer"),
            ({"frequency": []}, ValueError, "frequency .* must name at least one epoch"),
            ({"frequency": [0]}, ValueError, "every epoch of frequency .* must be an integer of at least 1"),
            ({"k": []}, ValueError, "k must name at least one"),
            ({"k": [5, 5]}, ValueError, "k must not repeat"),
            ({"metrics": []}, ValueError, "metrics must name at least one"),
            ({"metrics": ["ndcg", "ndcg"]}, ValueError, "metrics must not repeat"),
            ({"metrics": 5}, TypeError, "metrics must be names"),
            ({"metrics": "diversity", "item_vectors": [[1.0]]}, ValueError, "item_vectors must be"),
            ({"memory": 0}, ValueError, "memory must be"),
            ({"batch_size": 1.5}, TypeError, "batch_size must be"),
            ({"exclude_seen": 1}, TypeError, "exclude_seen must be True or False"),
            ({"candidates": 5}, TypeError, r"candidates must be tfrec\.data\.Candidates"),
            ({"given": 5}, TypeError, "given must be"),
            ({"seen": 5}, TypeError, "seen must be"),
            ({"prefix": None}, TypeError, "prefix must be a string"),
            ({"metric": "ndcg"}, TypeError, "unexpected keyword argument 'metric'"),
        ],
    )
    def test_wrong_arguments_cost_no_epoch(self, held_out, options, error, message):
        with pytest.raises(error, match=message):
            RankingMetrics(held_out, **options)

    def test_options_that_contradict_each_other(self, held_out):
        with pytest.raises(ValueError, match="seen= names items to leave out"):
            RankingMetrics(held_out, seen=held_out, exclude_seen=False)

    def test_wrong_data(self, held_out):
        with pytest.raises(TypeError, match=r"takes tfrec\.data\.Interactions, got DataFrame"):
            RankingMetrics(held_out.to_frame())
        with pytest.raises(ValueError, match="nothing to evaluate on"):
            RankingMetrics(held_out.select(np.zeros(len(held_out), bool)))

    def test_models_of_others_are_refused(self, held_out):
        model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
        model.compile(loss="mse")
        with pytest.raises(TypeError, match="evaluates tfrec Recommenders; Sequential is none"):
            model.fit(np.ones((4, 1)), np.ones(4), callbacks=[RankingMetrics(held_out)], verbose=0)
