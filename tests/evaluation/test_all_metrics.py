"""Every metric through the evaluator: against the metric itself, on lists made by a plain loop."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.evaluation import NonFiniteScoresError, evaluate
from tfrec.metrics import METRICS, Exposure, HitLists, ItemLists, ItemStatistics, Metric

K = (3, 7, 25)
OF_LISTS = [name for name, metric in METRICS.items() if metric.kind in ("hits", "items", "catalogue")]


def plain_lists(model, test):
    """Lists of the longest cutoff and hits, and the number of relevant items, by user of the test set."""
    items, hits, n_relevant = [], [], []
    scores, may = model.scores.numpy(), model.recommendable.numpy()
    for user in np.unique(test.user):
        left = [i for i in np.argsort(-scores[user], kind="stable") if may[i] and i not in model.rows[user]][: max(K)]
        wanted = set(test.item[test.user == user].tolist())
        items.append(left + [-1] * (max(K) - len(left)))
        hits.append([i in wanted for i in left] + [False] * (max(K) - len(left)))
        n_relevant.append(len(wanted))
    return np.array(items, np.int32), np.array(hits), np.array(n_relevant)


@pytest.fixture(scope="module")
def case(make):
    model, test = make(n_users=40, n_items=60, n_rows=900, seed=11)
    vectors = np.random.default_rng(0).random((60, 4)).astype(np.float32)
    counts = model.popularity.numpy()
    n_users = sum(bool(row) for row in model.rows)
    return model, test, vectors, ItemStatistics(counts, n_users, vectors)


@pytest.fixture(scope="module")
def report(case):
    model, test, vectors, _ = case
    return evaluate(model, test, k=K, metrics=[*OF_LISTS, "auc"], item_vectors=vectors, batch_size=7)


@pytest.mark.parametrize("name", OF_LISTS)
def test_as_the_metric_of_plain_lists(case, report, name):
    model, test, _, statistics = case
    items, hits, n_relevant = plain_lists(model, test)
    metric = METRICS[name]
    if metric.kind == "catalogue":
        exposure = Exposure(model.n_items, K, model.recommendable.numpy())
        exposure.add(items)
        expected = metric.function(exposure)
    else:
        lists = HitLists(hits, n_relevant) if metric.kind == "hits" else ItemLists(items, hits, statistics)
        by_user = metric.function(lists, K)
        np.testing.assert_array_equal(report.per_user[[f"{name}@{k}" for k in K]].to_numpy(), by_user)
        expected = by_user.mean(axis=0)
    assert [report[f"{name}@{k}"] for k in K] == pytest.approx(expected)


def test_auc_is_of_all_that_could_be_recommended(case, report):
    """Test items that can't be come after all others, and are the loss of the model."""
    model, test, _, _ = case
    scores, may = model.scores.numpy(), model.recommendable.numpy()
    for user in np.unique(test.user):
        wanted = np.unique(test.item[test.user == user])
        competes = may.copy()
        competes[model.rows[user]] = False
        competes |= np.isin(np.arange(model.n_items), wanted)
        row = np.where(may & ~np.isin(np.arange(model.n_items), model.rows[user]), scores[user], -1e9)
        expected = roc_auc_score(np.isin(np.arange(model.n_items), wanted)[competes], row[competes])
        assert report.per_user["auc"][test.user_ids[user]] == pytest.approx(expected)


def test_values_of_users_are_under_their_raw_ids(case, report):
    _, test, _, _ = case
    assert report.per_user.index.name == "user"
    assert set(report.per_user.index) == set(test.user_ids[test.user])
    assert report["ndcg@7"] == pytest.approx(report.per_user["ndcg@7"].mean())


def test_exposure_counts_what_was_recommended(case, report):
    model, test, _, statistics = case
    items, _, _ = plain_lists(model, test)
    assert list(report.exposure.index) == list(model.item_ids)
    np.testing.assert_array_equal(report.exposure["popularity"], statistics.popularity)
    for k in K:
        first = items[:, :k]
        np.testing.assert_array_equal(report.exposure[k], np.bincount(first[first >= 0], minlength=model.n_items))


def test_a_metric_of_your_own(case):
    model, test, _, _ = case
    first = Metric("first", "hits", lambda lists, k: np.repeat(lists.hits[:, :1].astype(float), len(k), axis=1))
    report = evaluate(model, test, k=(1, 5), metrics=[first, "precision"])
    assert report["first@5"] == report["first@1"] == report["precision@1"]


class TestVectors:
    def test_item_features_are_the_default(self, case):
        model, test, vectors, _ = case
        is_of_genre = vectors > 0.5
        features = pd.DataFrame(is_of_genre, columns=list("abcd")).assign(text="not a genre", year=1999.5)
        featured = Interactions(
            test.user, test.item, user_ids=test.user_ids, item_ids=test.item_ids, item_features=features
        )
        given = evaluate(model, test, k=5, metrics="diversity", item_vectors=is_of_genre)
        assert evaluate(model, featured, k=5, metrics="diversity").to_dict() == given.to_dict()

    def test_they_follow_the_ids_not_the_positions(self, case):
        model, test, vectors, _ = case
        order = np.random.default_rng(1).permutation(test.n_items)
        position = np.argsort(order)
        turned = Interactions(test.user, position[test.item], user_ids=test.user_ids, item_ids=test.item_ids[order])
        expected = evaluate(model, test, k=5, metrics="diversity", item_vectors=vectors)
        assert evaluate(
            model, turned, k=5, metrics="diversity", item_vectors=vectors[order]
        ).to_dict() == pytest.approx(expected.to_dict())

    def test_there_are_none(self, case):
        model, test, _, _ = case
        with pytest.raises(ValueError, match="'diversity' needs to know what the items are like: give item_vectors"):
            evaluate(model, test, metrics="diversity")

    def test_of_another_number_of_items(self, case):
        model, test, vectors, _ = case
        with pytest.raises(ValueError, match=r"item_vectors must be numbers \[60, d\].*got float32 \[59, 4\]"):
            evaluate(model, test, metrics="diversity", item_vectors=vectors[1:])

    @pytest.mark.parametrize(
        ("vectors", "message"),
        [([[1.0], [1.0, 2.0]], "rows of different lengths"), (np.full((60, 2), 1e300), "that float32 can hold")],
    )
    def test_not_a_table_of_numbers(self, case, vectors, message):
        model, test, _, _ = case
        with pytest.raises(ValueError, match=message):
            evaluate(model, test, metrics="diversity", item_vectors=vectors)

    def test_of_text(self, case):
        model, test, _, _ = case
        with pytest.raises(ValueError, match=r"item_vectors must be numbers \[60, d\].*got <U1 \[60, 1\]"):
            evaluate(model, test, metrics="diversity", item_vectors=[["a"]] * 60)


class Rater:
    """Predicts 3 plus a tenth of the item's index; 3 for unknown items, 2 for unknown users."""

    name = "rater"

    def __init__(self, train):
        self.user_ids, self.item_ids, self.n_items = train.user_ids, train.item_ids, train.n_items
        self.item_counts = tf.ones([train.n_items])
        self.recommendable = tf.ones([train.n_items], tf.bool)

    def has_history(self, users):
        raise AssertionError("nothing is ranked")

    ranking_scores = seen_items = has_history

    def predict_ratings(self, users, items):
        known = 3.0 + tf.cast(tf.maximum(items, 0), tf.float32) / 10
        return tf.where(users < 0, 2.0, known)


@pytest.fixture
def rated():
    rows = [("u", "a", 3.0), ("u", "b", 5.0), ("v", "c", 1.0), ("v", "c", 2.0), ("new", "a", 4.0), ("u", "new", 3.5)]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user", "item", "rating"]))


class TestRatings:
    def test_over_all_rows(self, rated):
        model = Rater(rated.select([0, 1, 2]))
        model.user_ids, model.item_ids, model.n_items = rated.user_ids[:2], rated.item_ids[:3], 3
        model.recommendable = model.recommendable[:3]
        report = evaluate(model, rated, metrics=["rmse", "mae"])
        errors = np.array([0.0, 3.1 - 5, 3.2 - 1, 3.2 - 2, 2 - 4, 3 - 3.5])
        assert report["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
        assert report["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-6)
        assert report.protocol == "ratings of the test rows"
        assert report.k == ()
        assert report.n_test == 5
        assert report.unreachable == pytest.approx(1 / 5)
        assert "rmse" in str(report)

    def test_a_model_that_ranks(self, make):
        model, test = make()
        with pytest.raises(ValueError, match="'rmse' is of predicted ratings, and 'table' predicts none"):
            evaluate(model, test, metrics=["ndcg", "rmse"])

    def test_no_ratings(self, rated):
        bare = Interactions(rated.user, rated.item, user_ids=rated.user_ids, item_ids=rated.item_ids)
        with pytest.raises(ValueError, match="the test set 'interactions' has none"):
            evaluate(Rater(rated), bare, metrics="mae")

    def test_a_prediction_that_is_not_finite(self, rated, monkeypatch):
        model = Rater(rated)
        predict = model.predict_ratings
        monkeypatch.setattr(model, "predict_ratings", lambda u, i: tf.where(i == 1, np.nan, predict(u, i)))
        with pytest.raises(NonFiniteScoresError, match="predicts nan for user 'u' and item 'b'"):
            evaluate(model, rated, metrics="rmse")
