"""Further interactions whose items count as seen, such as the validation part in the final test."""

import numpy as np
import pytest

from tfrec.data import Candidates
from tfrec.evaluation import evaluate


@pytest.fixture
def parts(make):
    """A model, and a test set halved into validation and test, in which some pairs of user and item repeat."""
    model, test = make(n_users=30, n_items=40, n_rows=500, seed=5)
    half = np.arange(len(test)) % 2 == 0
    return model, test.select(half), test.select(~half)


def test_seen_items_make_room_for_others(parts, table):
    model, validation, test = parts
    report = evaluate(model, test, seen=validation, k=(5, 10))
    # The same as a model that knew them from training.
    item_of = {raw: index for index, raw in enumerate(model.item_ids)}
    for user, item in zip(validation.user, validation.item, strict=True):
        model.rows[user] = sorted({*model.rows[user], item_of[validation.item_ids[item]]})
    knowing = table.__new__(table)
    knowing.__dict__.update(model.__dict__)
    knowing.histories = type(model.histories).from_row_lengths(
        np.concatenate([np.asarray(row, np.int32) for row in model.rows]),
        np.array([*(len(row) for row in model.rows), 0], np.int64),
    )
    expected = evaluate(knowing, test, k=(5, 10))
    assert report.to_dict() == expected.to_dict()
    assert report.unreachable == expected.unreachable
    assert report != evaluate(model, test, k=(5, 10))


def test_it_is_reported(parts):
    model, validation, test = parts
    protocol = evaluate(model, test, seen=validation, k=5).protocol
    assert protocol == f"full ranking, seen items (with those of made up, {len(validation)} rows) excluded"


def test_users_and_items_that_nobody_knows_do_not_matter(parts, interactions):
    model, _, test = parts
    others = interactions(("nobody", "i1"), (test.user_ids[test.user[0]], "nothing"))
    assert evaluate(model, test, seen=others, k=5).to_dict() == evaluate(model, test, k=5).to_dict()


def test_none_of_its_items_is_known(parts, interactions):
    model, _, test = parts
    with pytest.raises(ValueError, match="none of the items of seen='made up' is known to the model 'table'"):
        evaluate(model, test, seen=interactions((test.user_ids[0], "other")))


def test_nothing_seen_is_no_difference(parts):
    model, validation, test = parts
    assert evaluate(model, test, seen=validation.select([]), k=5) == evaluate(model, test, k=5)


def test_contradictions(parts):
    model, validation, test = parts
    candidates = Candidates(np.arange(test.n_users), np.zeros((test.n_users, 1), np.int32))
    with pytest.raises(ValueError, match="seen= names items to leave out; it was given together with candidates"):
        evaluate(model, test, seen=validation, candidates=candidates)
    with pytest.raises(ValueError, match="together with exclude_seen=False: choose one"):
        evaluate(model, test, seen=validation, exclude_seen=False)
    with pytest.raises(TypeError, match=r"seen must be tfrec.data.Interactions or None; got list"):
        evaluate(model, test, seen=[1])  # type: ignore[arg-type]
