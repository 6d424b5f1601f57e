"""Figures in print, on the published split of the NCF paper."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import ncf_split
from tfrec.evaluation import evaluate


class Popularity:
    """Items by the number of training users, in plain TensorFlow."""

    name = "popularity"
    personalised = False

    def __init__(self, train):
        self.user_ids, self.item_ids, self.n_items = train.user_ids, train.item_ids, train.n_items
        self.item_counts = tf.constant(np.bincount(train.item, minlength=train.n_items), tf.float32)
        self.recommendable = self.item_counts > 0

    def has_history(self, users):
        return users >= 0  # everybody has one on these data

    def ranking_scores(self, users):
        return tf.tile(self.item_counts[tf.newaxis], [tf.size(users), 1])

    def seen_items(self, users):
        raise AssertionError("seen items take part in the ranking of candidates")


def test_popularity_on_the_ncf_split(tfrec_data):
    """HR@10 .4533 and nDCG@10 .2542 are in print; how ties are broken moves the fourth digit."""
    train, test, candidates = ncf_split(path=tfrec_data / "ml-1m-ncf")
    report = evaluate(Popularity(train), test, k=10, metrics=["hit_rate", "ndcg"], candidates=candidates)
    assert report.n_users == report.n_test == 6040
    assert report["hit_rate@10"] == pytest.approx(0.4533, abs=0.001)
    assert report["ndcg@10"] == pytest.approx(0.2542, abs=0.001)
