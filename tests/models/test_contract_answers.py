"""What every model keeps of the contract about scores, and answers by raw id."""

import numpy as np
import pandas as pd
import pytest

from tfrec._tf import tf
from tfrec.factors import FactorRecommender


class TestScores:
    def test_shape_and_finiteness(self, fitted):
        scores = fitted.score([0, 5, 7])
        assert scores.shape == (3, fitted.n_items)
        assert scores.dtype == tf.float32
        assert np.isfinite(scores).all()

    def test_pairs_and_call_are_the_same_scores(self, fitted):
        users, items = np.array([0, 3, 5]), np.array([1, 2, 4])
        expected = fitted.score(users).numpy()[np.arange(3), items]
        for pairs in (
            fitted.score_pairs(users, items),
            fitted((tf.constant(users), tf.constant(items))),
            fitted({"users": tf.constant(users), "items": tf.constant(items)}),
        ):
            np.testing.assert_allclose(pairs, expected, rtol=1e-5, atol=1e-6)

    def test_a_row_does_not_depend_on_its_batch(self, fitted):
        together = fitted.score(np.arange(fitted.n_users - 1)).numpy()
        alone = np.concatenate([fitted.score([user]) for user in range(fitted.n_users - 1)])
        if isinstance(fitted, FactorRecommender):
            # TensorFlow multiplies matrices of other shapes by other kernels, which add up in other orders.
            np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5 * np.abs(together).max())
        else:
            np.testing.assert_array_equal(together, alone)

    def test_histories(self, fitted):
        histories = tf.ragged.constant([[1, 2], [3]], dtype=tf.int32)
        scores = fitted.score_histories(histories)
        assert scores.shape == (2, fitted.n_items)
        assert np.isfinite(scores).all()

    @pytest.mark.parametrize("users", [[-1], [10_000], [2**32 + 1]])
    def test_indices_out_of_range_are_a_clear_error(self, fitted, users):
        with pytest.raises(ValueError, match="user indices are from 0 to 39"):
            fitted.score(users)

    @pytest.mark.parametrize("users", [[0.7], ["1"], [True], [[3, 4]], None, 3])
    def test_what_are_no_indices(self, fitted, users):
        with pytest.raises(TypeError, match="user indices are whole numbers"):
            fitted.score(users)

    def test_pairs_of_different_lengths(self, fitted):
        with pytest.raises(ValueError, match="1 users and 3 items"):
            fitted.score_pairs([1], [1, 2, 3])

    @pytest.mark.parametrize("histories", [[[1, 31], [3]], [[1], [3, -1]]])
    def test_histories_out_of_range(self, fitted, histories):
        with pytest.raises(ValueError, match="item indices are from 0 to 29"):
            fitted.score_histories(tf.ragged.constant(histories, dtype=tf.int32))

    def test_histories_that_are_not_ragged(self, fitted):
        with pytest.raises(TypeError, match=r"tf\.RaggedTensor"):
            fitted.score_histories([[1, 2], [3]])

    def test_scores_that_are_not_finite_are_an_error(self, model_class, train, tmp_path, fit):
        model = model_class()
        fit(model, train)
        for weight in model.weights:
            if weight.dtype.is_floating and weight is not model.item_counts:
                weight.assign(tf.fill(tf.shape(weight), float("nan")))
        with pytest.raises(ValueError, match="not finite"):
            model.recommend(["u000"])
        with pytest.raises(ValueError, match="not finite"):
            model.export(tmp_path / "model")

    def test_before_fit(self, model_class):
        for ask in (lambda m: m.score([0]), lambda m: m.recommend(["u000"]), lambda m: m.similar_items(["ï1"])):
            with pytest.raises(ValueError, match="knows no data yet: call fit"):
                ask(model_class())


class TestRecommend:
    def test_is_the_order_of_the_scores_without_what_was_seen(self, fitted, train):
        answer = fitted.recommend(["u000", "u007"], k=5)
        for row, user in enumerate([0, 7]):
            scores = fitted.score([user]).numpy()[0]
            scores[train.item[train.user == user]] = -np.inf
            scores[-1] = -np.inf  # no training row
            best = np.argsort(-scores, kind="stable")[:5]
            assert answer.item_id[row].tolist() == train.item_ids[best].tolist()
            np.testing.assert_allclose(answer.score[row], scores[best], rtol=1e-6)

    def test_seen_items_may_be_asked_for(self, fitted, train):
        everything = fitted.recommend(["u000"], k=fitted.n_items, exclude_seen=False)
        assert set(everything.item_id[0]) == {*train.item_ids[:-1], ""}

    def test_exclusion_for_everybody_and_by_row(self, fitted):
        first = fitted.recommend(["u000", "u001"], k=3).item_id
        for_all = fitted.recommend(["u000", "u001"], k=30, exclude=[first[0, 0], "unknown"]).item_id
        assert first[0, 0] not in for_all
        by_row = fitted.recommend(["u000", "u001"], k=3, exclude=[[first[0, 0]], []]).item_id
        assert by_row[0].tolist() == [*first[0, 1:], by_row[0, -1]]
        assert by_row[1].tolist() == first[1].tolist()

    def test_rows_with_fewer_items_left_end_in_padding(self, fitted, train):
        answer = fitted.recommend(["u000"], k=100)
        left = set(train.item_ids[:-1]) - set(train.item_ids[train.item[train.user == 0]])
        assert set(answer.item_id[0][: len(left)]) == left
        assert (answer.item_id[0][len(left) :] == "").all()
        assert (answer.score[0][len(left) :] == 0).all()

    @pytest.mark.parametrize("user", ["nobody", "u039"])
    def test_an_unknown_user_gets_what_is_popular(self, fitted, train, user):
        counts = np.bincount(train.item, minlength=train.n_items)
        expected = train.item_ids[np.argsort(-counts, kind="stable")[:10]]
        assert fitted.recommend([user]).item_id[0].tolist() == expected.tolist()

    def test_many_users_in_one_call(self, fitted):
        users = [f"u{user % 40:03d}" for user in range(1500)]
        answer = fitted.recommend(users, k=2)
        assert len(answer) == 1500
        assert answer.item_id[0].tolist() == answer.item_id[1480].tolist()
        assert len(fitted.recommend([], k=2)) == 0

    def test_frame(self, fitted):
        frame = fitted.recommend(["u000", "nobody"], k=3).to_frame()
        assert frame.columns.tolist() == ["query", "rank", "item", "score", "title"]
        assert frame["query"].tolist() == ["u000"] * 3 + ["nobody"] * 3
        assert frame["rank"].tolist() == [1, 2, 3] * 2
        assert frame["title"][0] == "Title " + frame["item"][0].removeprefix("ï")

    @pytest.mark.parametrize(
        ("users", "k", "error", "message"),
        [
            ([1], 3, TypeError, "did you mean '1'"),
            ("u000", 3, TypeError, r"write \['u000'\]"),
            ([None], 3, TypeError, "got None"),
            (None, 3, TypeError, "expected a list of user ids, got None"),
            ({"user": ["u000"]}, 3, TypeError, "expected a list of user ids"),
            (["u000"], 0, ValueError, "k must be an integer of at least 1; got 0"),
            (["u000"], -3, ValueError, "at least 1; got -3"),
            (["u000"], 2.0, TypeError, "k must be an integer"),
            (["u000"], True, TypeError, "k must be an integer"),
            (["u000"], 10**9, ValueError, "k is at most 1000"),
        ],
    )
    def test_bad_input(self, fitted, users, k, error, message):
        with pytest.raises(error, match=message):
            fitted.recommend(users, k=k)

    def test_ids_of_any_sequence(self, fitted):
        users, expected = ["u000", "u001"], fitted.recommend(["u000", "u001"], k=3, exclude=["ï1"]).to_frame()
        for same in (tuple(users), np.array(users, dtype=object), pd.Series(users), iter(users)):
            assert fitted.recommend(same, k=3, exclude=pd.Series(["ï1"])).to_frame().equals(expected)

    def test_bad_exclusions(self, fitted):
        with pytest.raises(TypeError, match="exclude takes a list"):
            fitted.recommend(["u000"], exclude=5)
        with pytest.raises(TypeError, match="exclude_seen must be True or False"):
            fitted.recommend(["u000"], exclude_seen="no")
        with pytest.raises(ValueError, match="exclude has 1 lists for 2 rows"):
            fitted.recommend(["u000", "u001"], exclude=[["ï1"]])
        with pytest.raises(TypeError, match="did you mean '5'"):
            fitted.recommend(["u000"], exclude=[5])
        with pytest.raises(TypeError, match=r"write \['ï1'\]"):
            fitted.recommend(["u000"], exclude="ï1")


class TestHistories:
    def test_answers_without_the_history_and_what_is_unknown_in_it(self, fitted):
        plain = fitted.recommend_from_history([["ï1", "ï2"]], k=30)
        noisy = fitted.recommend_from_history([["nothing", "ï1", "ï29", "ï2"]], k=30)
        assert plain.item_id.tolist() == noisy.item_id.tolist()
        assert not {"ï1", "ï2", "ï29"} & set(plain.item_id[0])
        assert "ï1" in fitted.recommend_from_history([["ï1"]], k=30, exclude_seen=False).item_id

    @pytest.mark.parametrize("history", [[], ["nothing"], ["ï29"]])
    def test_with_nothing_left_gives_what_is_popular(self, fitted, history):
        answer = fitted.recommend_from_history([history, ["ï1"]], k=5)
        assert answer.item_id[0].tolist() == fitted.recommend(["nobody"], k=5).item_id[0].tolist()

    def test_exclude(self, fitted):
        first = fitted.recommend_from_history([["ï1"]], k=2).item_id[0]
        assert fitted.recommend_from_history([["ï1"]], k=1, exclude=[first[0]]).item_id[0, 0] == first[1]

    @pytest.mark.parametrize(
        ("histories", "error", "message"),
        [
            (["ï1"], TypeError, r"a list of item ids for each row"),
            ("ï1", TypeError, r"a list of item ids for each row"),
            ([[1]], TypeError, "did you mean '1'"),
            ([None], TypeError, "got None for a row"),
            (5, TypeError, r"a list of item ids for each row"),
        ],
    )
    def test_bad_input(self, fitted, histories, error, message):
        with pytest.raises(error, match=message):
            fitted.recommend_from_history(histories)

    @pytest.mark.parametrize(
        ("ratings", "message"), [([[1.0]], "one number for each item"), ([[1.0, float("nan")]], "finite")]
    )
    def test_bad_ratings(self, fitted, ratings, message):
        with pytest.raises(ValueError, match=message):
            fitted.recommend_from_history([["ï1", "ï2"]], ratings=ratings)

    def test_similar_items_are_others(self, fitted):
        answer = fitted.similar_items(["ï1", "nothing", "ï29"], k=28)
        assert "ï1" not in answer.item_id[0]
        assert (answer.item_id[0] != "").all()
        assert (answer.item_id[1:] == "").all()
        assert (answer.score[1:] == 0).all()
