"""Equal scores: the order is fixed, fair, and knows nothing of the labels."""

import numpy as np
import pandas as pd
import pytest

from tfrec._tf import tf
from tfrec.data import Candidates, Interactions
from tfrec.evaluation import evaluate

N_USERS, N_ITEMS, K = 3000, 300, 20


@pytest.fixture(scope="module")
def split():
    """Items with very unequal popularity, and a vocabulary in order of first appearance: popular items come first."""
    rng = np.random.default_rng(3)
    popularity = 1 / np.arange(1, N_ITEMS + 1)
    users = np.repeat(np.arange(N_USERS), 15)
    items = rng.choice(N_ITEMS, size=len(users), p=popularity / popularity.sum())
    frame = pd.DataFrame({"user": users.astype(str), "item": items.astype(str)}).drop_duplicates()
    data = Interactions.from_frame(frame.sample(frac=1, random_state=0))
    is_test = rng.random(len(data)) < 0.3
    return data.select(~is_test), data.select(is_test)


class Constant:
    """A model that has learnt nothing."""

    name = "constant"
    personalised = False

    def __init__(self, train, value=0.0):
        self.user_ids, self.item_ids, self.n_items = train.user_ids, train.item_ids, train.n_items
        self.recommendable, self.item_counts = tf.ones([self.n_items], tf.bool), tf.ones([self.n_items])
        self.value = value
        matrix = train.to_csr()
        self.seen = tf.RaggedTensor.from_row_splits(matrix.indices.astype(np.int32), matrix.indptr.astype(np.int64))

    def ranking_scores(self, users):
        return tf.fill([tf.size(users), self.n_items], self.value)

    def has_history(self, users):
        return self.seen_items(users).row_lengths() > 0

    def seen_items(self, users):
        return tf.gather(self.seen, users)


@pytest.mark.parametrize("value", [0.0, -7.25, 1e30])
def test_a_constant_model_scores_at_chance(split, value):
    train, test = split
    report = evaluate(Constant(train, value), test, k=K, metrics=["recall", "precision"])
    n_left = N_ITEMS - np.bincount(train.user, minlength=N_USERS)
    n_relevant = np.bincount(test.user, minlength=N_USERS)
    tested = n_relevant > 0
    chance = {
        "recall@20": (K / n_left)[tested].mean(),
        "precision@20": (n_relevant / n_left)[tested].mean(),
    }
    assert report.to_dict() == pytest.approx(chance, rel=0.1)


def test_breaking_ties_by_index_would_be_seen(split):
    """The test above can fail: on these data the first items of the vocabulary are the popular ones."""
    train, test = split
    seen = train.to_csr().toarray() > 0
    first = np.argsort(seen, axis=1, kind="stable")[:, :K]
    relevant = test.to_csr().toarray() > 0
    tested = relevant.any(axis=1)
    recall = np.take_along_axis(relevant, first, axis=1).sum(axis=1)[tested] / relevant.sum(axis=1)[tested]
    assert recall.mean() > 3 * K / N_ITEMS


def test_a_constant_model_scores_at_chance_among_candidates(split):
    train, test = split
    rng = np.random.default_rng(0)
    last = np.unique(test.user, return_index=True)[1]
    one_each = test.select(last)
    negatives = np.array(
        [rng.choice(np.setdiff1d(np.arange(100), [item]), 49, replace=False) for item in one_each.item]
    )
    candidates = Candidates(one_each.user, negatives.astype(np.int32))
    report = evaluate(Constant(train), one_each, k=10, metrics=["hit_rate", "mrr"], candidates=candidates)
    chance = {"hit_rate@10": 10 / 50, "mrr@10": sum(1 / rank for rank in range(1, 11)) / 50}
    assert report.to_dict() == pytest.approx(chance, rel=0.1)


def test_the_order_of_the_vocabulary_does_not_matter(split):
    """Whatever the test set's and the model's own order of users and items."""
    train, test = split
    turned = [
        Interactions.from_frame(part.to_frame().sample(frac=1, random_state=seed))
        for seed, part in enumerate((train, test))
    ]
    report, other = evaluate(Constant(train), test), evaluate(Constant(turned[0]), turned[1])
    assert report.to_dict() == pytest.approx(other.to_dict(), abs=1e-12)


def test_the_same_every_time(split):
    train, test = split
    reports = [evaluate(Constant(train), test, batch_size=size) for size in (1024, 999)]
    assert reports[0] == reports[1]


def test_a_tie_beyond_the_first_k_matters_only_to_its_last_place(table, interactions):
    """Scores 3, 2, 1, 1, 1: places 1 and 2 are certain, place 3 goes to each of the last three items equally often."""
    n_users = 600
    data = interactions(*((f"u{user}", f"i{item}") for user in range(n_users) for item in range(5)))
    train, test = data.select(data.user < 1), data.select(data.item == 4)
    model = table(train, np.tile([3, 2, 1, 1, 1], (n_users, 1)))
    report = evaluate(model, test, k=(2, 3, 4, 5), metrics="hit_rate", exclude_seen=False)
    assert report["hit_rate@2"] == 0
    assert report["hit_rate@3"] == pytest.approx(1 / 3, abs=0.06)
    assert report["hit_rate@4"] == pytest.approx(2 / 3, abs=0.06)
    assert report["hit_rate@5"] == 1


@pytest.mark.parametrize("score", [3.0, -3.0, 1e-30, -1e30])
def test_the_closest_of_different_scores_are_no_tie(table, interactions, score):
    """There is a tie elsewhere in the row, so that ties are looked at."""
    n_users = 20
    data = interactions(*((f"u{user}", f"i{item}") for user in range(n_users) for item in range(4)))
    train, test = data.select(data.user < 1), data.select(data.item == 1)
    score = np.float32(score)
    scores = [np.float32(3e30), score, np.nextafter(score, np.float32(np.inf)), np.float32(3e30)]
    report = evaluate(table(train, np.tile(scores, (n_users, 1))), test, k=(3, 4), metrics="mrr", exclude_seen=False)
    assert report["mrr@3"] == 0
    assert report["mrr@4"] == 1 / 4


def test_minus_zero_is_zero(table, interactions):
    n_users = 600
    data = interactions(*((f"u{user}", f"i{item}") for user in range(n_users) for item in range(2)))
    train, test = data.select(data.user < 1), data.select(data.item == 1)
    for scores in ([0.0, -0.0], [-0.0, 0.0]):
        report = evaluate(table(train, np.tile(scores, (n_users, 1))), test, k=1, metrics="mrr", exclude_seen=False)
        assert report["mrr@1"] == pytest.approx(1 / 2, abs=0.06)


def test_a_users_order_does_not_depend_on_who_else_is_evaluated(split):
    train, test = split
    users = np.unique(test.user)[[3, 50, 700]]
    alone = [evaluate(Constant(train), test.select(test.user == user), k=N_ITEMS)[f"ndcg@{N_ITEMS}"] for user in users]
    together = evaluate(Constant(train), test.select(np.isin(test.user, users)), k=N_ITEMS)[f"ndcg@{N_ITEMS}"]
    assert len(set(alone)) == 3
    assert together == pytest.approx(np.mean(alone))


def test_unknown_users_have_different_orders(table, interactions):
    """Popularity ranks for all of them, and every item has one user."""
    n_users, n_items = 500, 4
    train = interactions(*((f"u{item}", f"i{item}") for item in range(n_items)))
    test = interactions(*((f"stranger{user}", "i0") for user in range(n_users)))
    report = evaluate(table(train, np.zeros((n_items, n_items))), test, k=1, metrics="hit_rate")
    assert report["hit_rate@1"] == pytest.approx(1 / n_items, abs=0.06)
