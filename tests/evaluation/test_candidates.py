"""The ranking of given candidates (the NCF protocol)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec._tf import tf
from tfrec.data import Candidates
from tfrec.evaluation import evaluate


def draw_candidates(test, n_candidates, rng):
    """Random items, with repetitions, for every user of the vocabulary, some with shorter lists; users shuffled."""
    users = rng.permutation(test.n_users).astype(np.int32)
    items = rng.integers(test.n_items, size=(test.n_users, n_candidates)).astype(np.int32)
    lengths = rng.integers(1, n_candidates + 1, size=(test.n_users, 1))
    return Candidates(users, np.where(np.arange(n_candidates) < lengths, items, -1).astype(np.int32))


def by_id(test, candidates):
    return {
        test.user_ids[user]: {test.item_ids[item] for item in items if item >= 0}
        for user, items in zip(candidates.user, candidates.item, strict=True)
    }


@settings(max_examples=15)
@given(
    n_users=st.integers(1, 12),
    n_items=st.integers(3, 30),
    n_candidates=st.integers(1, 20),
    seed=st.integers(0, 10_000),
    batch_size=st.integers(1, 13),
)
def test_as_the_plain_evaluator(make, naive, n_users, n_items, n_candidates, seed, batch_size):
    model, test = make(n_users, n_items, 100, seed)
    candidates = draw_candidates(test, n_candidates, np.random.default_rng(seed))
    k = (1, 3, 10, 50)
    report = evaluate(model, test, k=k, candidates=candidates, batch_size=batch_size)
    figures, unreachable = naive(model, test, k, candidates=by_id(test, candidates))
    assert report.to_dict() == pytest.approx(figures, rel=1e-12, abs=1e-12)
    assert report.unreachable == pytest.approx(unreachable)


@pytest.mark.parametrize("tied", [0.0, 0.3, 1.0])
def test_the_same_for_every_batch_size(make, tied):
    model, test = make(n_users=50, n_rows=900)
    some = np.random.default_rng(0).random((model.n_users, 1)) < tied
    model.scores.assign(tf.where(some, tf.math.floormod(model.scores, 4.0), model.scores))
    candidates = draw_candidates(test, 15, np.random.default_rng(0))
    reports = [evaluate(model, test, candidates=candidates, batch_size=size) for size in (1, 7, 50, 4096)]
    assert all(report == reports[0] for report in reports)


@pytest.mark.parametrize("n_levels", [1, 2, 5])
def test_all_items_as_candidates_are_the_full_ranking(make, n_levels):
    """Ties too are broken in the same order."""
    model, test = make(n_users=50, n_rows=900)
    model.scores.assign(tf.math.floormod(model.scores, float(n_levels)) - 2)
    everything = np.tile(np.arange(test.n_items, dtype=np.int32), (test.n_users, 1))
    candidates = Candidates(np.arange(test.n_users, dtype=np.int32), everything)
    given = evaluate(model, test, k=(1, 2, 3, 10, 39, 40, 41), candidates=candidates)
    full = evaluate(model, test, k=(1, 2, 3, 10, 39, 40, 41), exclude_seen=False)
    assert given.to_dict() == full.to_dict()
    assert given.unreachable == full.unreachable


class TestOneUser:
    """One user, for whom i0 to i4 are ranked in this order."""

    @pytest.fixture
    def model(self, table, interactions):
        train = interactions(("a", "i0"), ("b", "i1"), ("b", "i2"), ("b", "i3"), ("b", "i4"))
        return table(train, [[5, 4, 3, 2, 1], [0, 0, 0, 0, 0]])

    @pytest.fixture
    def rank(self, model, interactions):
        """Reciprocal rank of a test item among candidates."""

        def reciprocal_rank(item, *rows):
            data = interactions(*(("b" if i else "a", f"i{i}") for i in range(5)), ("a", item))
            candidates = Candidates(np.zeros(len(rows), np.int32), np.array(rows, np.int32))
            return evaluate(model, data.select([5]), k=5, candidates=candidates)["mrr@5"]

        return reciprocal_rank

    def test_only_candidates_compete(self, rank):
        assert rank("i3", [4]) == 1
        assert rank("i3", [1, 4]) == 1 / 2

    def test_seen_items_compete(self, rank):
        assert rank("i3", [0, 4]) == 1 / 2

    def test_a_test_item_among_the_candidates_counts_once(self, rank):
        assert rank("i3", [1, 3, 2]) == rank("i3", [1, 2, -1]) == 1 / 3

    def test_a_repeated_candidate_counts_once(self, rank):
        assert rank("i3", [1, 1, 1]) == 1 / 2

    def test_two_rows_of_a_user_are_one_list(self, rank):
        assert rank("i3", [1, -1], [2, -1]) == 1 / 3

    def test_padding_is_no_item(self, rank):
        assert rank("i1", [4, -1, -1, -1]) == 1


def test_items_without_training_rows_are_not_ranked(table, interactions):
    data = interactions(("a", "x"), ("b", "y"), ("b", "z"), ("a", "y"), ("a", "untrained"), ("b", "x"))
    candidates = Candidates(np.array([0, 1], np.int32), np.array([[2, -1], [3, 2]], np.int32))
    model = table(data.select([0, 1, 2]), [[0, 1, 2, 3], [1, 0, 0, 3]])
    report = evaluate(model, data.select([3, 4, 5]), k=1, candidates=candidates)
    assert report.unreachable == 1 / 3
    assert report["hit_rate@1"] == 1 / 2  # z before y for a; x for b, although the untrained item has the top score


def test_candidates_in_another_vocabulary(make):
    model, test = make()
    candidates = draw_candidates(test, 10, np.random.default_rng(0))
    frame = test.to_frame()
    other = type(test).from_frame(frame.iloc[::-1], name=test.name)
    user = {raw: index for index, raw in enumerate(other.user_ids)}
    item = {raw: index for index, raw in enumerate(other.item_ids)}
    lists = [[item[test.item_ids[i]] for i in row if i >= 0 and test.item_ids[i] in item] for row in candidates.item]
    rows = [(user[test.user_ids[u]], row) for u, row in zip(candidates.user, lists, strict=True)
            if test.user_ids[u] in user]  # fmt: skip
    translated = Candidates(
        np.array([u for u, _ in rows], np.int32),
        np.array([row + [-1] * (10 - len(row)) for _, row in rows], np.int32),
    )
    kept = set(other.item_ids)
    same = np.array([[i if i >= 0 and test.item_ids[i] in kept else -1 for i in row] for row in candidates.item])
    same = -np.sort(-same, axis=1).astype(np.int32)
    expected = evaluate(model, test, candidates=Candidates(candidates.user, same))
    assert evaluate(model, other, candidates=translated).to_dict() == pytest.approx(expected.to_dict(), rel=1e-12)


def test_candidates_of_users_without_test_rows_are_ignored(make):
    model, test = make()
    candidates = draw_candidates(test, 10, np.random.default_rng(0))
    some = test.select(np.isin(test.user, [0, 2, 3]))
    few = np.isin(candidates.user, [0, 2, 3])
    alone = evaluate(model, some, candidates=Candidates(candidates.user[few], candidates.item[few]))
    assert evaluate(model, some, candidates=candidates).to_dict() == alone.to_dict()


def test_the_protocol_is_reported(make):
    model, test = make()
    report = evaluate(model, test, candidates=draw_candidates(test, 10, np.random.default_rng(0)))
    assert report.protocol == "ranking of given candidates (up to 10 a user) and test items"


class TestBadCandidates:
    def test_a_user_without(self, make):
        model, test = make()
        candidates = draw_candidates(test, 10, np.random.default_rng(0))
        left = candidates.user != test.user[0]
        name = test.user_ids[test.user[0]]
        with pytest.raises(ValueError, match=f"1 of {len(set(test.user))} test users, user '{name}' for one"):
            evaluate(model, test, candidates=Candidates(candidates.user[left], candidates.item[left]))

    def test_a_user_with_padding_only(self, make):
        model, test = make()
        candidates = draw_candidates(test, 10, np.random.default_rng(0))
        item = np.where((candidates.user == test.user[0])[:, np.newaxis], -1, candidates.item)
        with pytest.raises(ValueError, match="have no candidates that the model knows"):
            evaluate(model, test, candidates=Candidates(candidates.user, item))

    @pytest.mark.parametrize("what", ["users", "items"])
    def test_indices_of_another_vocabulary(self, make, what):
        model, test = make()
        users = np.arange(test.n_users, dtype=np.int32)
        items = np.zeros((test.n_users, 1), np.int32)
        wrong = users if what == "users" else items
        wrong[-1] += 1000
        with pytest.raises(ValueError, match=f"{what} of the candidates must be indices of the test set's vocabulary"):
            evaluate(model, test, candidates=Candidates(users, items))
