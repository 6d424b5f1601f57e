"""The exported signatures: every case of the serving contract, against what the model answers in Python."""

import numpy as np
import pytest

from tfrec._tf import tf


@pytest.fixture(scope="session")
def signatures(version):
    loaded = tf.saved_model.load(str(version))
    return loaded.signatures


def ids(values):
    return tf.constant(values, tf.string)


def lists(answer) -> list[list[str]]:
    return [[item.decode() for item in row] for row in answer["item_id"].numpy()]


def test_default_answers_the_k_of_the_export(signatures, model):
    answer = signatures["serving_default"](user_id=ids(["user 0", "user 3"]))
    expected = model.recommend(["user 0", "user 3"], k=5)
    assert lists(answer) == expected.item_id.tolist()
    np.testing.assert_array_equal(answer["score"], expected.score)


def test_recommend(signatures, model):
    users = ["user 0", "nobody", "user 19"]
    answer = signatures["recommend"](
        user_id=ids(users), k=tf.constant([4, 4, 4]), exclude=ids([["", "007"], ["", "unknown"], ["", "é\nü"]])
    )
    expected = model.recommend(users, k=4, exclude=[["007"], [], ["é\nü"]])
    assert lists(answer) == expected.item_id.tolist()
    np.testing.assert_array_equal(answer["score"], expected.score)


def test_a_merged_batch_has_the_largest_k_and_each_row_its_own(signatures, model):
    answer = signatures["recommend"](user_id=ids(["user 0"] * 4), k=tf.constant([1, 3, 0, -2]), exclude=ids([[""]] * 4))
    best = model.recommend(["user 0"], k=3).item_id[0].tolist()
    assert lists(answer) == [[best[0], "", ""], best, [""] * 3, [""] * 3]
    assert (answer["score"].numpy()[2:] == 0).all()


def test_k_is_cut_at_max_k(signatures, model):
    answer = signatures["recommend"](user_id=ids(["nobody"]), k=tf.constant([10**6]), exclude=ids([[""]]))
    assert lists(answer) == model.recommend(["nobody"], k=8).item_id.tolist()


def test_a_short_row_ends_in_padding(signatures, model):
    everything = model.item_ids.tolist()
    answer = signatures["recommend"](user_id=ids(["nobody"]), k=tf.constant([6]), exclude=ids([["", *everything[:8]]]))
    assert set(lists(answer)[0]) == {"item-8", "item-9", "item-10", ""}
    assert lists(answer)[0][3:] == [""] * 3


@pytest.mark.parametrize("history", [["", "007", "é\nü"], ["007", "", "é\nü"], ["007", "é\nü", "unknown"]])
def test_recommend_from_history(signatures, model, history):
    answer = signatures["recommend_from_history"](
        history=ids([history]), k=tf.constant([5]), exclude=ids([["", "item-3"]])
    )
    expected = model.recommend_from_history([["007", "é\nü"]], k=5, exclude=["item-3"])
    assert lists(answer) == expected.item_id.tolist()
    np.testing.assert_array_equal(answer["score"], expected.score)


def test_a_history_with_nothing_left_is_answered_by_popularity(signatures, model):
    histories = ids([["", "unknown"], ["", "item-11"]])  # item-11 has no training row
    answer = signatures["recommend_from_history"](history=histories, k=tf.constant([5, 5]), exclude=ids([[""], [""]]))
    popular = model.recommend(["nobody"], k=5).item_id[0].tolist()
    assert lists(answer) == [popular, popular]


def test_lists_may_be_empty(signatures, model):
    answer = signatures["recommend_from_history"](
        history=tf.zeros([1, 0], tf.string), k=tf.constant([3]), exclude=tf.zeros([1, 0], tf.string)
    )
    assert lists(answer) == model.recommend_from_history([[]], k=3).item_id.tolist()


def test_similar_items(signatures, model):
    answer = signatures["similar_items"](item_id=ids(["007", "unknown", ""]), k=tf.constant([3, 3, 3]))
    assert lists(answer) == model.similar_items(["007", "unknown", ""], k=3).item_id.tolist()
    assert lists(answer)[1:] == [[""] * 3] * 2


def test_score(signatures, model):
    answer = signatures["score"](
        user_id=ids(["user 0", "user 1", "nobody", "user 0", "user 19"]),
        item_id=ids(["007", "item-5", "007", "unknown", "007"]),
    )
    known = model.score([0, 1]).numpy()
    np.testing.assert_allclose(answer["score"], [known[0, 0], known[1, 5], 0, 0, 0], rtol=1e-6)


def test_no_rows_at_all(signatures):
    none = tf.zeros([0], tf.string)
    lists_of_none = tf.zeros([0, 1], tf.string)
    no_k = tf.zeros([0], tf.int32)
    assert signatures["recommend"](user_id=none, k=no_k, exclude=lists_of_none)["item_id"].shape[0] == 0
    assert signatures["similar_items"](item_id=none, k=no_k)["item_id"].shape[0] == 0
    assert signatures["score"](user_id=none, item_id=none)["score"].shape[0] == 0
