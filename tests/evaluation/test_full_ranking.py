"""The full ranking: figures, masks, vocabularies, batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfrec
from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.evaluation import evaluate


@settings(max_examples=15)
@given(
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 30),
    n_rows=st.integers(2, 150),
    seed=st.integers(0, 10_000),
    exclude_seen=st.booleans(),
    batch_size=st.integers(1, 13),
)
def test_as_the_plain_evaluator(make, naive, n_users, n_items, n_rows, seed, exclude_seen, batch_size):
    model, test = make(n_users, n_items, n_rows, seed)
    k = (1, 3, 10, 50)
    report = evaluate(model, test, k=k, exclude_seen=exclude_seen, batch_size=batch_size)
    figures, unreachable = naive(model, test, k, exclude_seen)
    assert report.to_dict() == pytest.approx(figures, rel=1e-12, abs=1e-12)
    assert report.unreachable == pytest.approx(unreachable)


def test_the_report_says_what_was_measured(make):
    model, test = make()
    report = evaluate(model, test, k=[5, 2], metrics=["recall", "ndcg"])
    assert list(report) == ["recall@5", "recall@2", "ndcg@5", "ndcg@2"]
    assert (report.model, report.dataset, report.k) == ("table", "made up", (5, 2))
    assert report.protocol == "full ranking, seen items excluded"
    assert report.n_users == len(set(test.user))
    assert report.n_test == len(set(zip(test.user, test.item, strict=True))) < len(test)
    assert evaluate(model, test, exclude_seen=False).protocol == "full ranking, seen items included"


def test_one_cutoff_and_one_metric(make):
    model, test = make()
    assert list(evaluate(model, test, k=7, metrics="mrr")) == ["mrr@7"]
    assert list(evaluate(model, test, k=np.array([7, 3]), metrics="mrr")) == ["mrr@7", "mrr@3"]


def test_public_name():
    assert tfrec.evaluate is evaluate


def test_the_best_model_reaches_1_and_the_worst_0(table, interactions):
    data = interactions(*((f"u{user}", f"i{item}") for user in range(6) for item in range(6)))
    is_test = (data.user + data.item) % 3 == 0
    train, test = data.select(~is_test), data.select(is_test)
    best = np.zeros((6, 6))
    best[test.user, test.item] = 1
    report = evaluate(table(train, best), test, k=2)
    assert set(report.values()) == {1.0}
    assert set(evaluate(table(train, -best), test, k=2, exclude_seen=False).values()) == {0.0}


@pytest.mark.parametrize("tied", [0.0, 0.3, 1.0])
def test_the_same_for_every_batch_size(make, tied):
    model, test = make(n_users=50, n_rows=900)
    some = np.random.default_rng(0).random((model.n_users, 1)) < tied
    model.scores.assign(tf.where(some, tf.math.floormod(model.scores, 4.0), model.scores))
    reports = [evaluate(model, test, batch_size=size) for size in (1, 7, 50, 4096)]
    assert all(report == reports[0] for report in reports)


def test_scores_are_traced_once_whatever_the_batches(make):
    model, test = make(n_users=23)
    evaluate(model, test, batch_size=5)
    assert model.calls == 1


def test_a_model_fitted_again_is_evaluated_as_it_is_now(make, naive):
    model, test = make()
    evaluate(model, test)
    model.scores = tf.Variable(-model.scores)
    assert evaluate(model, test, k=5).to_dict() == pytest.approx(naive(model, test, [5])[0])


def test_scores_need_no_graph(make, naive):
    model, test = make()
    tf.config.run_functions_eagerly(True)
    try:
        report = evaluate(model, test, k=5, batch_size=10)
    finally:
        tf.config.run_functions_eagerly(False)
    assert model.calls == 3
    assert report.to_dict() == pytest.approx(naive(model, test, [5])[0])


def test_repeated_test_rows_count_once(make):
    model, test = make()
    rows = np.random.default_rng(0).integers(len(test), size=5 * len(test))
    rows = np.concatenate([np.arange(len(test)), rows])
    repeated, once = evaluate(model, test.select(rows)), evaluate(model, test)
    assert (repeated.to_dict(), repeated.n_test) == (once.to_dict(), once.n_test)


def test_seen_and_untrained_items_are_unreachable(table, interactions):
    data = interactions(("a", "seen"), ("b", "other"), ("a", "seen"), ("a", "other"), ("a", "untrained"), ("b", "seen"))
    train, test = data.select([0, 1]), data.select([2, 3, 4, 5])
    scores = [[3, 2, 1], [3, 2, 1]]
    report = evaluate(table(train, scores), test, k=1, metrics=["recall", "hit_rate"])
    assert report.unreachable == 2 / 4
    assert report["recall@1"] == (1 / 3 + 1) / 2
    assert evaluate(table(train, scores), test, k=1, exclude_seen=False).unreachable == 1 / 4


def test_nothing_is_recommended_in_the_place_of_masked_items(table, interactions):
    """All that is left to recommend is what the user has seen: the list is empty, and there is no hit in it."""
    data = interactions(("a", "x"), ("a", "y"), ("a", "x"), ("a", "y"))
    report = evaluate(table(data.select([0, 1]), np.ones((1, 2))), data.select([2, 3]), k=[1, 2, 3])
    assert set(report.values()) == {0.0}
    assert report.unreachable == 1.0


class TestOtherVocabulary:
    """The test set has vocabularies of its own."""

    def renamed(self, test, rng):
        """The test set with vocabularies in another order, and larger."""
        user_order = rng.permutation(test.n_users + 3)
        item_order = rng.permutation(test.n_items + 5)
        user_ids = np.array([*test.user_ids, "new1", "new2", "new3"], dtype=object)
        item_ids = np.array([*test.item_ids, *(f"new{item}" for item in range(5))], dtype=object)
        return Interactions(
            np.argsort(user_order)[test.user].astype(np.int32),
            np.argsort(item_order)[test.item].astype(np.int32),
            user_ids=user_ids[user_order],
            item_ids=item_ids[item_order],
            name=test.name,
        )

    def test_ids_are_what_counts(self, make):
        model, test = make()
        other = self.renamed(test, np.random.default_rng(1))
        assert not np.array_equal(other.item_ids[: test.n_items], test.item_ids)
        assert evaluate(model, other).to_dict() == pytest.approx(evaluate(model, test).to_dict(), rel=1e-12)

    def test_unknown_users_and_items(self, table, naive, interactions):
        train = interactions(("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"), ("b", "y"), ("a", "z"))
        test = interactions(("stranger", "x"), ("c", "never"), ("stranger", "z"), ("c", "z"), ("stranger", "alien"))
        model = table(train, [[1, 2, 3], [1, 2, 3], [1, 2, 3]])
        report = evaluate(model, test, k=[1, 2, 3])
        figures, unreachable = naive(model, test, [1, 2, 3])
        assert report.to_dict() == pytest.approx(figures)
        assert report.unreachable == pytest.approx(unreachable) == 2 / 5
        assert report["recall@1"] == (1 / 3 + 1 / 2) / 2  # x, the most popular, for the stranger; z for c

    def test_no_item_in_common(self, make, interactions):
        model, _ = make()
        with pytest.raises(ValueError, match=r"none of the items of the test set 'elsewhere' .*'alien'.*'i\d+'"):
            evaluate(model, interactions(("u1", "alien"), name="elsewhere"))


def test_a_cutoff_beyond_the_catalogue_costs_nothing(make, naive):
    model, test = make(n_users=20, n_items=30)
    report = evaluate(model, test, k=(30, 10**9))
    assert report["recall@1000000000"] == report["recall@30"]
    assert report["precision@1000000000"] == pytest.approx(report["precision@30"] * 30 / 10**9)
