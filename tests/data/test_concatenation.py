# mypy: no-check-untyped-defs
import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.data import DataError, concatenate, random_split, synthetic

COLUMNS = ("user", "item", "rating", "timestamp", "weight")


def test_the_rows_of_one_part_after_those_of_the_other(small):
    first, second = small.select(np.array([0, 2])), small.select(np.array([4, 1, 3]))
    made = concatenate(first, second)
    for name in COLUMNS:
        expected = getattr(small, name)[[0, 2, 4, 1, 3]]
        np.testing.assert_array_equal(getattr(made, name), expected)
        assert getattr(made, name).dtype == expected.dtype
    assert made.to_frame().equals(pd.concat([first.to_frame(), second.to_frame()], ignore_index=True))


def test_what_a_split_took_apart():
    data = synthetic(n_users=30, n_items=20, n_interactions=300)
    train, test = random_split(data, test=0.3, seed=1)
    train, validation = random_split(train, test=0.3, seed=1)
    made = concatenate(train, validation, test)
    assert len(made) == len(data)
    order = ["user", "item", "timestamp"]
    both = [part.to_frame().sort_values(order, ignore_index=True) for part in (made, data)]
    assert both[0].equals(both[1])


def test_vocabularies_and_features_are_those_of_the_first(small):
    features = pd.DataFrame({"age": [1, 2, 3]}, index=small.user_ids)
    first = dataclasses.replace(small, user_features=features, name="first")
    made = concatenate(first, dataclasses.replace(small, name="other", item_titles=None))
    assert (made.name, made.n_users, made.n_items, len(made)) == ("first", 3, small.n_items, 10)
    assert made.user_features.equals(features)
    assert made.item_titles.tolist() == small.item_titles.tolist()
    assert made.user_ids is first.user_ids


@pytest.mark.parametrize("name", ["timestamp", "weight"])
def test_a_column_that_none_has(small, name):
    without = dataclasses.replace(small, **{name: None})
    assert getattr(concatenate(without, without), name) is None


def test_equal_vocabularies_need_not_be_the_same_arrays(small):
    copy = dataclasses.replace(small, user_ids=small.user_ids.copy(), item_ids=small.item_ids.copy())
    assert len(concatenate(small, copy)) == 10


def test_parts_without_ratings(small):
    without = dataclasses.replace(small, rating=None)
    made = concatenate(without, without)
    assert not made.has_ratings
    np.testing.assert_array_equal(made.rating, np.ones(10))


def test_one_part_and_an_empty_one(small):
    assert concatenate(small).fingerprint() == small.fingerprint()
    assert concatenate(small, small.select(np.array([], int))).fingerprint() == small.fingerprint()


@pytest.mark.parametrize("name", ["user_ids", "item_ids"])
def test_other_vocabularies_are_refused(small, name):
    others = getattr(small, name).copy()
    others[0] = "somebody else"
    with pytest.raises(DataError, match=rf"expected parts of one data set, .* has other {name} than"):
        concatenate(small, dataclasses.replace(small, **{name: others}, item_titles=None))


@pytest.mark.parametrize("name", ["timestamp", "weight", "rating"])
@pytest.mark.parametrize("first_lacks_it", [False, True])
def test_a_column_that_only_one_has_is_refused(small, name, first_lacks_it):
    parts = [small, dataclasses.replace(small, **{name: None})]
    with pytest.raises(DataError, match=rf"expected (a )?{name}s? in all parts or in none"):
        concatenate(*(reversed(parts) if first_lacks_it else parts))


@pytest.mark.parametrize("position", [0, 1])
def test_what_is_no_interactions(small, position):
    parts = [small, small]
    parts[position] = small.to_frame()
    with pytest.raises(TypeError, match=r"expected tfrec\.data\.Interactions, got DataFrame"):
        concatenate(*parts)
