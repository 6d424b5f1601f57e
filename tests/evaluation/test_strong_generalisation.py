"""Ranking by what is given of users whom the model needn't know."""

import numpy as np
import pandas as pd
import pytest

from tfrec._tf import tf
from tfrec.data import Interactions, synthetic
from tfrec.evaluation import evaluate
from tfrec.models import EASE, Popularity

K = 10


def frame(*rows, columns=("user", "item", "rating", "timestamp")):
    return Interactions.from_frame(pd.DataFrame(rows, columns=list(columns)))


@pytest.fixture(scope="module")
def parts():
    """Training rows of most users; the first half of the others' rows is given, the rest hidden."""
    data = synthetic(n_users=200, n_items=120, n_interactions=6_000, seed=3)
    is_held_out = data.user % 5 == 0
    rank = pd.Series(data.user).groupby(data.user).cumcount().to_numpy()
    size = np.bincount(data.user, minlength=data.n_users)[data.user]
    is_given = is_held_out & (rank < (size + 1) // 2)
    return data.select(~is_held_out), data.select(is_given), data.select(is_held_out & ~is_given)


@pytest.fixture(scope="module")
def ease(parts):
    model = EASE(l2=50.0)
    model.fit(parts[0], verbose=0)
    return model


def test_as_recommending_from_histories(parts, ease):
    _, given, hidden = parts
    report = evaluate(ease, hidden, given=given, k=K, metrics=["hit_rate", "recall"])
    users = sorted(set(hidden.user.tolist()))
    histories = [given.item_ids[given.item[given.user == user]].tolist() for user in users]
    wanted = [set(hidden.item_ids[hidden.item[hidden.user == user]]) for user in users]
    answers = ease.recommend_from_history(histories, k=K).item_id
    hits = [len(wanted[row] & set(answer)) for row, answer in enumerate(answers)]
    recall = np.mean([n / len(items) for n, items in zip(hits, wanted, strict=True)])
    assert report["recall@10"] == pytest.approx(recall)
    assert report["hit_rate@10"] == pytest.approx(np.mean(np.array(hits) > 0))


def test_given_users_are_better_known_than_unknown_ones(parts, ease):
    _, given, hidden = parts
    known = evaluate(ease, hidden, given=given, k=K, metrics="ndcg")
    popularity = Popularity()
    popularity.fit(parts[0], verbose=0)
    baseline = evaluate(popularity, hidden, given=given, k=K, metrics="ndcg")
    assert known["ndcg@10"] > baseline["ndcg@10"]


def test_given_items_are_left_out_unless_asked_for(parts, ease):
    _, given, _ = parts
    repeated = given.select(np.arange(len(given)))
    out = evaluate(ease, repeated, given=given, k=K, metrics="hit_rate")
    kept = evaluate(ease, repeated, given=given, k=K, metrics="hit_rate", exclude_seen=False)
    assert out["hit_rate@10"] == 0
    assert out.unreachable == 1
    assert kept["hit_rate@10"] > 0
    assert "given part" in out.protocol


def test_the_same_for_every_batch_size(parts, ease):
    _, given, hidden = parts
    reports = [evaluate(ease, hidden, given=given, batch_size=size) for size in (1, 7, 1000)]
    assert reports[0] == reports[1] == reports[2]


class Recorder:
    """Keeps the histories that it is asked about; ranks the items by index."""

    name = "recorder"

    def __init__(self, train):
        self.user_ids, self.item_ids, self.n_items = train.user_ids, train.item_ids, train.n_items
        self.item_counts = tf.constant(np.bincount(train.item, minlength=train.n_items), tf.float32)
        self.recommendable = self.item_counts > 0
        self.asked = []

    def has_history(self, users):
        return tf.ones(tf.shape(users), tf.bool)

    def ranking_scores(self, users):
        raise AssertionError("ranks by histories")

    def seen_items(self, users):
        raise AssertionError("what is given takes their place")

    def ranking_scores_from_histories(self, histories, ratings=None):
        def keep(items, splits, values):
            self.asked.append((tf.RaggedTensor.from_row_splits(items, splits).to_list(), values.numpy().tolist()))
            return np.float32(0)

        values = tf.zeros(0) if ratings is None else ratings.values
        zero = tf.py_function(keep, [histories.values, histories.row_splits, values], tf.float32)
        row = -tf.range(self.n_items, dtype=tf.float32) + tf.ensure_shape(zero, [])
        return tf.tile(row[tf.newaxis], [histories.nrows(tf.int32), 1])


def test_histories_are_oldest_first_with_their_ratings():
    train = frame(("x", "a", 1, 0), ("x", "b", 1, 0), ("x", "c", 1, 0), ("x", "d", 1, 0))
    given = frame(("u", "b", 5, 30), ("u", "a", 4, 10), ("v", "c", 3, 1), ("u", "c", 2, 20), ("u", "zz", 1, 1))
    hidden = frame(("v", "d", 1, 99), ("u", "d", 1, 99))
    model = Recorder(train)
    evaluate(model, hidden, given=given, k=1)
    [(histories, ratings)] = model.asked
    assert histories == [[2], [0, 2, 1]]  # rows are in the order of the hidden part's vocabulary: v, u
    assert ratings == [3.0, 4.0, 2.0, 5.0]


def test_ties_of_time_keep_the_order_of_rows_and_ratings_may_be_absent():
    train = frame(("x", "a", 0), ("x", "b", 0), ("x", "c", 0), columns=("user", "item", "timestamp"))
    given = frame(("u", "c", 7), ("u", "a", 7), columns=("user", "item", "timestamp"))
    model = Recorder(train)
    evaluate(model, frame(("u", "b", 8), columns=("user", "item", "timestamp")), given=given, k=1)
    assert model.asked == [([[2, 0]], [])]


def test_items_without_training_rows_are_not_part_of_a_history():
    train = frame(("x", "a", 1, 0), ("x", "b", 1, 0), ("x", "c", 1, 0)).select([0, 1])
    model = Recorder(train)
    evaluate(model, frame(("u", "b", 1, 9)), given=frame(("u", "c", 1, 0), ("u", "a", 1, 0)), k=1)
    assert model.asked == [([[0]], [1.0])]


def test_nobody_given(parts, ease):
    _, given, hidden = parts
    with pytest.raises(ValueError, match=r"none of the users of the test set .* is in given="):
        evaluate(ease, hidden, given=given.select(given.user == -1))
