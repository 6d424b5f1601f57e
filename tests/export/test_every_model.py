"""Every model of the zoo, exported, answers what it answers in Python."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.models import MODELS

ALWAYS = {"serving_default", "recommend", "recommend_from_history", "similar_items", "score"}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, data, tmp_path_factory):
    """A fitted model and the signatures of its export."""
    model = MODELS[request.param]()
    model.fit(data, epochs=min(model.default_epochs, 3), verbose=0)
    version = model.export(tmp_path_factory.mktemp("exports") / request.param)
    loaded = tf.saved_model.load(str(version))
    return model, loaded.signatures


def assert_same(answer, expected):
    assert [[item.decode() for item in row] for row in answer["item_id"].numpy()] == expected.item_id.tolist()
    # The graph may be rewritten where it is loaded, and then adds up in another order.
    np.testing.assert_allclose(answer["score"], expected.score, rtol=1e-5, atol=1e-6)


def test_signatures(exported):
    model, signatures = exported
    of_ratings = {"rate_from_history"} if getattr(model, "predicts_ratings", False) else set()
    assert set(signatures) == ALWAYS | of_ratings


def test_users(exported, data):
    model, signatures = exported
    users = [*data.user_ids, "nobody"]
    answer = signatures["recommend"](
        user_id=tf.constant(users), k=tf.fill([len(users)], 7), exclude=tf.fill([len(users), 1], "")
    )
    assert_same(answer, model.recommend(users, k=7))


def test_histories(exported):
    model, signatures = exported
    histories = tf.constant([["", "item-3", "007"], ["", "unknown", "item-4"], ["", "", ""]])
    answer = signatures["recommend_from_history"](
        history=histories, k=tf.constant([5, 5, 5]), exclude=tf.constant([[""], ["item-2"], [""]])
    )
    expected = model.recommend_from_history(
        [["item-3", "007"], ["unknown", "item-4"], []], k=5, exclude=[[], ["item-2"], []]
    )
    assert_same(answer, expected)


def test_rated_histories(exported):
    model, signatures = exported
    if "rate_from_history" not in signatures:
        with pytest.raises(ValueError, match="finite"):
            model.recommend_from_history([["007"]], ratings=[[float("nan")]])
        return
    answer = signatures["rate_from_history"](
        history=tf.constant([["", "item-3", "007"], ["", "unknown", "item-4"], ["", "", ""]]),
        rating=tf.constant([[0.0, 5.0, 1.0], [0.0, 2.0, 4.0], [0.0, 0.0, 0.0]]),
        k=tf.constant([5, 5, 5]),
        exclude=tf.constant([[""], ["item-2"], [""]]),
    )
    expected = model.recommend_from_history(
        [["item-3", "007"], ["unknown", "item-4"], []],
        k=5,
        ratings=[[5.0, 1.0], [2.0, 4.0], []],
        exclude=[[], ["item-2"], []],
    )
    assert_same(answer, expected)


def test_pairs(exported, data):
    model, signatures = exported
    users, items = np.array([0, 3, 5, 19, -1, 2, -1]), np.array([1, 4, 7, 2, 3, -1, -1])
    raw_users = ["nobody" if user < 0 else data.user_ids[user] for user in users]
    raw_items = ["nothing" if item < 0 else data.item_ids[item] for item in items]
    answer = signatures["score"](user_id=tf.constant(raw_users), item_id=tf.constant(raw_items))["score"]
    answers = model.predict_ratings if "rate_from_history" in signatures else model.answer_pairs
    np.testing.assert_allclose(answer, answers(tf.constant(users, tf.int32), tf.constant(items, tf.int32)), rtol=1e-5)
    assert np.isfinite(answer).all()
