# mypy: no-check-untyped-defs
import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.data import DataError, Interactions, compact


@pytest.mark.parametrize("features", [False, True])
def test_ids_without_rows_go_and_the_rest_stays(small, features):
    if features:
        small = dataclasses.replace(
            small,
            user_features=pd.DataFrame({"age": [1, 2, 3]}, index=["ann", "bob", "cy"]),
            item_features=pd.DataFrame({"year": [1, 2, 3, 4]}),
        )
    made, report = compact(small)
    assert made.user_ids.tolist() == ["ann", "cy"]
    assert made.item_ids.tolist() == ["a", "b", "d"]
    assert made.item_titles.tolist() == ["A", "B", "D"]
    assert made.to_frame().equals(small.to_frame())
    assert (made.name, made.has_ratings) == ("small", True)
    assert report.before == report.after == (5, 2, 3)
    assert report.details == {"user_ids": 2, "item_ids": 3}
    if features:
        assert made.user_features["age"].to_dict() == {"ann": 1, "cy": 3}
        assert made.item_features["year"].to_dict() == {"a": 1, "b": 2, "d": 4}


def test_nothing_to_remove():
    data = Interactions([1, 0], [0, 1], user_ids=["u", "v"], item_ids=["i", "j"])
    made = compact(data).data
    assert made.fingerprint() == data.fingerprint()
    assert not made.has_ratings
    np.testing.assert_array_equal(made.user, [1, 0])


def test_no_rows_is_an_error():
    with pytest.raises(DataError, match=r"compact\(\) was given no interactions of 'empty'"):
        compact(Interactions([], [], user_ids=["u"], item_ids=["i"], name="empty"))
