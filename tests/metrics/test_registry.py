"""Names of metrics, and the weight of importing them."""

import subprocess
import sys
from typing import Any

import pytest

import tfrec.metrics
from tfrec.metrics import METRICS, Metric, get_metric, ndcg

NAMES = {
    "hits": "ndcg recall recall_capped precision f1 hit_rate mrr map map_full r_precision",
    "scores": "auc",
    "ratings": "rmse mae mse r2 explained_variance",
    "items": "user_coverage novelty average_popularity diversity serendipity",
    "catalogue": "coverage gini entropy personalisation",
}


def test_names():
    by_kind = {kind: {metric.name for metric in METRICS.values() if metric.kind == kind} for kind in NAMES}
    assert by_kind == {kind: set(names.split()) for kind, names in NAMES.items()}
    assert all(metric.name == name and get_metric(name) is metric for name, metric in METRICS.items())


def test_a_metric_of_hits_is_the_function_of_lists():
    assert get_metric("ndcg").function is ndcg.of_lists


def test_every_function_is_public_and_explains_itself():
    public = {getattr(tfrec.metrics, name) for name in tfrec.metrics.__all__ if not name.isupper()}
    functions = {getattr(function, "of_lists", function) for function in public}
    for metric in METRICS.values():
        assert metric.function in functions
        assert metric.function.__doc__


def test_only_lists_have_cutoffs():
    without = {name for name, metric in METRICS.items() if not metric.has_cutoff}
    assert without == {"auc", "rmse", "mae", "mse", "r2", "explained_variance"}


def test_which_way_is_better():
    assert {name for name, metric in METRICS.items() if metric.higher_is_better is False} == {
        "rmse",
        "mae",
        "mse",
        "gini",
    }
    assert {name for name, metric in METRICS.items() if metric.higher_is_better is None} == {"average_popularity"}


def test_needs():
    needs = {name: set(metric.needs) for name, metric in METRICS.items() if metric.needs}
    popularity = {"popularity"}
    assert needs == {
        "novelty": popularity,
        "average_popularity": popularity,
        "serendipity": popularity,
        "diversity": {"item_vectors"},
    }


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("nDCG", "ndcg"),
        ("hitrate", "hit_rate"),
        ("hit-rate", "hit_rate"),
        ("HR", "hit_rate"),
        ("recal", "recall"),
        ("average_precision", "map"),
        ("personalization", "personalisation"),
        ("catalog_coverage", "coverage"),
        ("ILD", "diversity"),
        ("RMSE", "rmse"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"unknown metric '{name}'. Did you mean '{nearest}'?"):
        get_metric(name)


@pytest.mark.parametrize("name", ["loveliness", "", 10, None, ["ndcg"]])
def test_a_hopeless_name_is_told_all(name):
    with pytest.raises(
        ValueError, match="Known metrics: ndcg, recall, recall_capped, precision, f1, hit_rate, mrr, map"
    ):
        get_metric(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "hits", ndcg.of_lists), "name of a metric"),
        (("mine@10", "hits", ndcg.of_lists), "without '@'"),
        (("mine", "hit", ndcg.of_lists), "kind must be one of hits, items, catalogue, scores, ratings; got 'hit'"),
        (
            ("mine", "items", ndcg.of_lists, True, {"genres"}),
            "needs must be out of item_vectors, popularity; got genres",
        ),
    ],
)
def test_a_metric_of_ones_own_must_be_sound(arguments, message):
    with pytest.raises(ValueError, match=message):
        Metric(*arguments)


def test_a_metric_of_ones_own_is_a_function():
    function: Any = "ndcg"
    with pytest.raises(TypeError, match="function must be one; got 'ndcg'"):
        Metric("mine", "hits", function)


def test_import_is_light():
    code = "import sys, tfrec.metrics; print({'tensorflow', 'pandas', 'scipy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "set()\n"
