"""Fixtures of the evaluation tests: made-up data, a model that is a table of scores, and a slow, plain evaluator."""

import math

import numpy as np
import pandas as pd
import pytest

from tfrec._tf import tf
from tfrec.data import Interactions

ALL_METRICS = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")


class Table:
    """A fitted model whose scores are a table; what it knows of the training data it gathers row by row."""

    def __init__(self, train, scores, name="table"):
        self.name = name
        self.user_ids, self.item_ids = train.user_ids, train.item_ids
        self.n_users, self.n_items = train.n_users, train.n_items
        self.rows = [sorted(set(train.item[train.user == user].tolist())) for user in range(train.n_users)]
        self.histories = tf.ragged.constant([*self.rows, []], tf.int32, ragged_rank=1, row_splits_dtype=tf.int64)
        counts = np.bincount(np.concatenate([[], *self.rows]).astype(int), minlength=train.n_items)
        self.popularity = self.item_counts = tf.constant(counts, tf.float32)
        self.recommendable = tf.constant(counts > 0)
        self.scores = tf.Variable(np.asarray(scores, np.float32))
        self.calls = 0  # of Python: one a trace, or one a batch without a graph

    def ranking_scores(self, users):
        self.calls += 1
        known = (users >= 0)[:, tf.newaxis]
        return tf.where(known, tf.gather(self.scores, tf.maximum(users, 0)), self.popularity[tf.newaxis])

    def has_history(self, users):
        return self.seen_items(users).row_lengths() > 0

    def seen_items(self, users):
        return tf.gather(self.histories, tf.where(users >= 0, users, self.n_users))


def naive_figures(model, test, k, exclude_seen=True, candidates=None):
    """The figures of `evaluate`, by loops over users and raw ids, for a model without equal scores; and unreachable."""
    item_index = {raw: index for index, raw in enumerate(model.item_ids)}
    user_index = {raw: index for index, raw in enumerate(model.user_ids)}
    scores, popularity = model.scores.numpy(), model.popularity.numpy()
    wanted: dict[str, set[str]] = {}
    for user, item in zip(test.user, test.item, strict=True):
        wanted.setdefault(test.user_ids[user], set()).add(test.item_ids[item])
    figures: dict[str, list[float]] = {f"{metric}@{cutoff}": [] for metric in ALL_METRICS for cutoff in k}
    reachable = total = 0
    for user, relevant in wanted.items():
        index = user_index.get(user)
        may = {raw for raw in model.item_ids if popularity[item_index[raw]] > 0}
        if candidates is not None:
            may &= candidates[user] | relevant
        elif exclude_seen and index is not None:
            may -= {model.item_ids[item] for item in model.rows[index]}
        row = popularity if index is None else scores[index]
        score = {raw: row[item_index[raw]] for raw in may}
        ranking = sorted(may, key=score.__getitem__, reverse=True)
        reachable, total = reachable + len(may & relevant), total + len(relevant)
        for cutoff in k:
            ranks = [rank for rank, raw in enumerate(ranking[:cutoff], 1) if raw in relevant]
            ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(cutoff, len(relevant)) + 1))
            figures[f"ndcg@{cutoff}"].append(sum(1 / math.log2(rank + 1) for rank in ranks) / ideal)
            figures[f"recall@{cutoff}"].append(len(ranks) / len(relevant))
            figures[f"precision@{cutoff}"].append(len(ranks) / cutoff)
            figures[f"hit_rate@{cutoff}"].append(float(bool(ranks)))
            figures[f"mrr@{cutoff}"].append(1 / ranks[0] if ranks else 0.0)
            precisions = [number / rank for number, rank in enumerate(ranks, 1)]
            figures[f"map@{cutoff}"].append(sum(precisions) / min(cutoff, len(relevant)))
    return {key: sum(values) / len(values) for key, values in figures.items()}, 1 - reachable / total


def make_data(n_users, n_items, n_rows, seed):
    """A training and a test set that share vocabularies, with repeated rows and items in both; popularity is skewed."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(n_users, size=n_rows), (n_items * rng.random(n_rows) ** 2).astype(int)
    frame = pd.DataFrame({"user": [f"u{user}" for user in users], "item": [f"i{item}" for item in items]})
    data = Interactions.from_frame(frame, name="made up")
    is_test = rng.random(n_rows) < 0.4
    is_test[:2] = [False, True]
    return data.select(~is_test), data.select(is_test)


def make_scores(train, seed):
    """Scores without equals, float32 [n_users, n_items]: permutations of whole numbers, some of them negative."""
    rows = np.tile(np.arange(train.n_items) - train.n_items // 2, (train.n_users, 1))
    return np.random.default_rng(seed).permuted(rows, axis=1).astype(np.float32)


@pytest.fixture(scope="session")
def table():
    """The class of models that are a table of scores."""
    return Table


@pytest.fixture(scope="session")
def naive():
    """The slow, plain evaluator."""
    return naive_figures


@pytest.fixture(scope="session")
def make():
    """Maker of (model, test) with distinct scores."""

    def make_model_and_test(n_users=23, n_items=40, n_rows=300, seed=0):
        train, test = make_data(n_users, n_items, n_rows, seed)
        return Table(train, make_scores(train, seed)), test

    return make_model_and_test


@pytest.fixture(scope="session")
def interactions():
    """Maker of interactions from pairs of raw ids."""

    def from_pairs(*pairs, name="made up"):
        users, items = zip(*pairs, strict=True)
        return Interactions.from_frame(pd.DataFrame({"user": users, "item": items}), name=name)

    return from_pairs
