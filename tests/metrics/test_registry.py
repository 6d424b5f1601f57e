"""Names of metrics, and the weight of importing them."""

import subprocess
import sys

import pytest

from tfrec.metrics import METRICS, get_metric, ndcg


def test_names():
    assert list(METRICS) == ["ndcg", "recall", "precision", "hit_rate", "mrr", "map"]
    assert get_metric("ndcg") is ndcg


@pytest.mark.parametrize(
    ("name", "nearest"), [("nDCG", "ndcg"), ("hitrate", "hit_rate"), ("hit-rate", "hit_rate"), ("recal", "recall")]
)
def test_a_wrong_name_is_told_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"unknown metric '{name}'. Did you mean '{nearest}'?"):
        get_metric(name)


@pytest.mark.parametrize("name", ["serendipity", "", 10, None, ["ndcg"]])
def test_a_hopeless_name_is_told_all(name):
    with pytest.raises(ValueError, match="Known metrics: ndcg, recall, precision, hit_rate, mrr, map"):
        get_metric(name)


def test_import_is_light():
    code = "import sys, tfrec.metrics; print({'tensorflow', 'pandas', 'scipy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "set()\n"
