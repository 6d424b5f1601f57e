# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, RatingNormaliser, compact, normalise_ratings, random_split, synthetic

METHODS, BY = ("center", "z_score", "min_max"), ("user", "item", "global")
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.5, 1, 2.3, 3.7, 4, 5])), min_size=1, max_size=40
)


def from_rows(rows):
    users, items, ratings = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(users, items, ratings, user_ids=list("abcde"), item_ids=list("vwxyz"), name="rated")


def reference(data, method, by):
    """With pandas: group by, transform."""
    frame = data.to_frame().assign(everyone=0)
    frame["rating"] = frame["rating"].astype(float)
    ratings = frame.groupby({"global": "everyone"}.get(by, by))["rating"]
    shift, low, high = (ratings.transform(name) for name in ("mean", "min", "max"))
    if method == "center":
        return (frame["rating"] - shift).to_numpy()
    if method == "min_max":
        return np.where(high > low, (frame["rating"] - low) / np.where(high > low, high - low, 1), 0.5)
    deviation = ratings.transform("std", ddof=0)
    return np.where(high > low, (frame["rating"] - shift) / np.where(high > low, deviation, 1), 0)


@settings(max_examples=30)
@given(ROWS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("by", BY)
def test_as_pandas_does_it_and_back(by, method, rows):
    data = from_rows(rows)
    normal, report = normalise_ratings(data, method, by)
    np.testing.assert_allclose(normal.rating, reference(data, method, by), atol=2e-6)
    for name in ("user", "item", "user_ids", "item_ids"):
        np.testing.assert_array_equal(getattr(normal, name), getattr(data, name))
    back = report.normaliser.inverse(normal.rating, users=normal.user, items=normal.item)
    np.testing.assert_allclose(back, data.rating, rtol=1e-6)
    assert report.before == report.after
    assert report.to_dict()["parameters"] == {"method": method, "by": by}


@pytest.mark.parametrize(("method", "value"), [("center", 0), ("z_score", 0), ("min_max", 0.5)])
@pytest.mark.parametrize("by", BY)
def test_ratings_that_are_all_alike(method, by, value):
    """3.7 and a third of its sum of three differ in their last bits: a deviation of that would be a great factor."""
    data = from_rows([(1, 1, 3.7)] * 3)
    normal, report = normalise_ratings(data, method, by)
    assert normal.rating.tolist() == [value] * 3
    np.testing.assert_array_equal(
        report.normaliser.inverse(normal.rating, users=data.user, items=data.item), data.rating
    )


@pytest.mark.parametrize("method", METHODS)
def test_users_without_ratings_are_like_all_together(method):
    data = from_rows([(0, 0, 1), (0, 1, 2), (1, 0, 5), (1, 1, 4), (1, 2, 2)])
    normaliser = normalise_ratings(data, method, "user").report.normaliser
    overall = normalise_ratings(data, method, "global").report.normaliser
    values = np.array([-1.0, 0.0, 0.5])
    for unknown in (-1, 2, 4):
        np.testing.assert_allclose(normaliser.inverse(values, users=np.full(3, unknown)), overall.inverse(values))
    assert not np.allclose(normaliser.inverse(values, users=np.full(3, 0)), overall.inverse(values))


def test_a_matrix_of_predictions_goes_back_at_once():
    data = from_rows([(0, 0, 1), (0, 1, 2), (1, 0, 5), (1, 1, 4), (2, 2, 2)])
    normaliser = RatingNormaliser.fit(data, "z_score", "user")
    values, users = np.random.default_rng(0).random((4, 5)), np.array([2, 0, -1, 1])
    matrix = normaliser.inverse(values, users=users[:, np.newaxis])
    for row, user in enumerate(users):
        np.testing.assert_array_equal(matrix[row], normaliser.inverse(values[row], users=user))


def test_test_data_are_normalised_by_the_training_data():
    train, test = random_split(synthetic(30, 40, 500))
    normal, report = normalise_ratings(train, "center", "item")
    means = {item: train.rating[train.item == item].mean(dtype=float) for item in set(train.item.tolist())}
    expected = [r - means.get(item, train.rating.mean()) for item, r in zip(test.item, test.rating, strict=True)]
    np.testing.assert_allclose(report.normaliser.apply(test).rating, expected, atol=1e-5)
    np.testing.assert_array_equal(report.normaliser.apply(train).rating, normal.rating)


def test_bad_arguments():
    data = from_rows([(0, 0, 1), (0, 1, 2)])
    with pytest.raises(ValueError, match="expected method to be one of center, z_score, min_max, got 'zscore'"):
        normalise_ratings(data, "zscore")
    with pytest.raises(ValueError, match="expected by to be one of user, item, global, got 'users'"):
        normalise_ratings(data, "center", "users")
    with pytest.raises(DataError, match=r"normalise_ratings\(method='center', by='user'\): 'rated' has no ratings"):
        normalise_ratings(Interactions([0], [0], user_ids=["u"], item_ids=["i"], name="rated"))
    with pytest.raises(DataError, match="'rated' has no interactions"):
        normalise_ratings(data.select([]))


@pytest.mark.parametrize(
    ("by", "arguments", "error", "message"),
    [
        ("user", {}, ValueError, "ratings normalised by user need users=…"),
        ("item", {"users": [0]}, ValueError, "ratings normalised by item need items=…"),
        ("user", {"users": [5]}, DataError, "expected users in -1 … 4, got 5"),
        ("user", {"users": [-2]}, DataError, "expected users in -1 … 4, got -2"),
        ("item", {"items": [0.5]}, DataError, "expected items to be whole numbers, got dtype float64"),
    ],
)
def test_inverses_that_cannot_be(by, arguments, error, message):
    normaliser = RatingNormaliser.fit(from_rows([(0, 0, 1), (0, 1, 2)]), by=by)
    with pytest.raises(error, match=message):
        normaliser.inverse([0.5], **arguments)


def test_other_vocabularies_and_data_without_ratings_are_refused():
    data = from_rows([(0, 0, 1), (2, 1, 2)])
    normaliser = RatingNormaliser.fit(data)
    with pytest.raises(DataError, match="'rated' has other user ids than the normaliser was fitted on"):
        normaliser.apply(compact(data).data)
    with pytest.raises(DataError, match="'none' has no ratings"):
        normaliser.apply(Interactions([0], [0], user_ids=list("abcde"), item_ids=list("vwxyz"), name="none"))
