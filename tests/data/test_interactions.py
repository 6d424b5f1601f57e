# mypy: no-check-untyped-defs
import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tfrec.data import DataError, Interactions

COLUMNS = ("user", "item", "rating", "timestamp", "weight", "user_ids", "item_ids", "item_titles")


def make(**changes):
    arguments = {"user": [0, 1], "item": [1, 0], "user_ids": ["u", "v"], "item_ids": ["i", "j"]}
    return Interactions(**{**arguments, **changes})


def test_dtypes_and_sizes(small):
    dtypes = [getattr(small, name).dtype for name in COLUMNS]
    assert dtypes == [np.int32, np.int32, np.float32, np.int64, np.float32, object, object, object]
    assert (small.n_users, small.n_items, len(small)) == (3, 4, 5)
    assert all(type(text) is str for text in small.user_ids)


def test_arrays_are_read_only(small):
    for name in COLUMNS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(small, name)[0] = getattr(small, name)[1]
    with pytest.raises(dataclasses.FrozenInstanceError):
        small.user = np.zeros(5, np.int32)


def test_the_callers_arrays_stay_theirs():
    user, ids = np.array([0, 1], np.int32), np.array(["u", "v"], dtype=object)
    data = make(user=user, user_ids=ids)
    user[0], ids[0] = 1, "changed"
    assert data.user[0] == 0
    assert data.user_ids[0] == "u"


def test_without_ratings_they_are_ones_and_said_to_be_absent():
    data = make()
    np.testing.assert_array_equal(data.rating, np.ones(2, np.float32))
    assert not data.has_ratings
    assert not data.select([0]).has_ratings
    assert not dataclasses.replace(data, name="other").has_ratings
    assert make(rating=[1, 1]).has_ratings


def test_numpy_strings_become_python_strings():
    data = make(user_ids=np.array(["u", "v"]), item_ids=[np.str_("i"), "j"])
    assert [type(text) for text in [*data.user_ids, *data.item_ids]] == [str] * 4


def test_no_rows_and_no_vocabulary():
    data = Interactions([], [], user_ids=[], item_ids=[])
    assert len(data) == data.n_users == data.n_items == 0
    assert "0 interactions" in repr(data)
    assert data.describe()["density"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": [0, 2]}, "user: expected indices into the vocabulary, 0 … 1, got 2 in row 1"),
        ({"item": [-1, 0]}, "item: .* got -1 in row 0"),
        ({"item": [0]}, "item: expected 2 values, one for each interaction, got 1"),
        ({"user": [2**32, 1]}, "got 4294967296 in row 0"),
        ({"user": [0.0, 1.0]}, "user: expected whole numbers, got dtype float64"),
        ({"user": [[0], [1]]}, "user: expected one dimension"),
        ({"rating": [1, np.nan]}, "rating: expected finite numbers, got nan in row 1"),
        ({"rating": [1, 1e300]}, "rating: expected finite numbers, got inf in row 1"),
        ({"rating": ["5", "4"]}, "rating: expected numbers"),
        ({"rating": [5]}, "rating: expected 2 values"),
        ({"weight": [1, -1]}, "weight: expected finite numbers of at least zero, got -1.0 in row 1"),
        ({"weight": [np.inf, 1]}, "weight: .* got inf in row 0"),
        ({"timestamp": [1.5, 2.0]}, "timestamp: expected whole numbers"),
        ({"timestamp": np.array([2**63, 0], np.uint64)}, "timestamp: .* in row 0"),
        ({"user_ids": ["u", ""]}, "user_ids: an empty id at position 1"),
        ({"user_ids": ["u", "u"]}, "user_ids: ids are unique, got 'u' again at position 1"),
        ({"item_ids": ["i", None]}, "item_ids: ids are strings, got None at position 1"),
        ({"item_ids": ["i", np.nan]}, "item_ids: ids are strings, got nan"),
        ({"item_ids": [196, 7]}, "got 196 at position 0; did you mean '196'?"),
        ({"item_ids": ["i", "\ud800"]}, "UTF-8 cannot encode"),
        ({"item_ids": "ij"}, "item_ids: expected an array of ids, got 'ij'"),
        ({"item_titles": ["one"]}, "item_titles: expected 2 titles"),
        ({"item_titles": ["one", 2]}, "item_titles: titles are strings, got 2"),
        ({"item_features": pd.DataFrame({"x": [1]})}, "item_features: expected 2 rows"),
        ({"item_features": {"x": [1, 2]}}, "item_features: expected a pandas DataFrame, got dict"),
        ({"user_features": pd.DataFrame({"x": [1, 2]}, index=["v", "u"])}, "user_features: .* another order"),
    ],
)
def test_bad_input_is_refused(changes, message):
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        make(**changes)


def test_features_are_indexed_by_the_ids():
    data = make(
        item_features=pd.DataFrame({"year": [1995, 1996]}),
        user_features=pd.DataFrame({"age": [7, 8]}, index=["u", "v"]),
    )
    assert data.item_features.loc["j", "year"] == 1996
    assert list(data.user_features.index) == ["u", "v"]


@pytest.mark.parametrize("rows", [[True, False, True, False, False], [0, 2], np.array([0, 2], np.uint8)])
def test_select_takes_rows_and_shares_vocabularies(small, rows):
    chosen = small.select(np.array(rows))
    for name in ("user", "item", "rating", "timestamp", "weight"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(small, name)[[0, 2]])
        assert not getattr(chosen, name).flags.writeable
    for name in ("user_ids", "item_ids", "item_titles", "name"):
        assert getattr(chosen, name) is getattr(small, name)
    assert len(small) == 5


def test_replace_shares_vocabularies(small):
    assert dataclasses.replace(small, name="other").user_ids is small.user_ids


def test_select_in_another_order_and_nothing(small):
    np.testing.assert_array_equal(small.select([4, 0, 0]).item, [0, 1, 1])
    assert len(small.select([])) == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([True], r"mask of shape \(5,\), got \(1,\)"),
        ([5], "row numbers, 0 … 4, got 5"),
        ([-1], "got -1"),
        ([0.5], "whole"),
    ],
)
def test_select_refuses(small, rows, message):
    with pytest.raises(DataError, match=f"select: .*{message}"):
        small.select(rows)


def test_repr_and_describe(small):
    assert repr(small) == (
        "Interactions('small': 3 users, 4 items, 5 interactions, ratings 0 to 5, 1970-01-01 to 1970-01-01)"
    )
    assert small.describe() == {
        "name": "small",
        "users": 3,
        "items": 4,
        "interactions": 5,
        "density": 4 / 12,
        "ratings": [0.0, 5.0],
        "time": ["1970-01-01", "1970-01-01"],
    }
    assert make().describe()["ratings"] is None
    assert make().describe()["time"] is None


def test_times_that_are_no_unix_seconds_can_still_be_described():
    assert "to 49999-12-27" in repr(make(timestamp=[0, 1_515_680_000_000]))


def test_fingerprint_is_pinned(small):
    # A change of this value makes every recorded fingerprint worthless: change the format's name with it.
    assert small.fingerprint() == "2dea60d2781898494fc80f9305c166c4757ee7c79af5704f928d471879112799"


def test_fingerprint_sees_content_only(small):
    assert dataclasses.replace(small, name="other", item_titles=None).fingerprint() == small.fingerprint()
    ids = small.user_ids
    variants = [
        small,
        small.select([0, 1, 2, 3]),
        small.select([1, 0, 2, 3, 4]),
        dataclasses.replace(small, rating=None),
        dataclasses.replace(small, rating=np.ones(5), has_ratings=True),
        dataclasses.replace(small, timestamp=None),
        dataclasses.replace(small, weight=None),
        dataclasses.replace(small, user_ids=[*ids[:2], "di"]),
        dataclasses.replace(small, user_ids=["an", "nbob", "cy"]),
        dataclasses.replace(small, user_ids=[*ids, "di"]),
    ]
    assert len({variant.fingerprint() for variant in variants}) == len(variants)


def test_import_is_light():
    code = (
        "import sys, tfrec.data; print(*{'pandas', 'scipy', 'pooch', 'tensorflow', 'tqdm'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("column", ["user", "item", "rating", "timestamp", "weight"])
def test_a_view_of_an_array_that_can_be_written_to_is_copied(column):
    dtype = {"rating": np.float32, "weight": np.float32, "timestamp": np.int64}.get(column, np.int32)
    owner = np.zeros(2, dtype)
    view = owner[:].view()
    view.flags.writeable = False
    data = make(**{column: view[:]})
    owner[0] = 1
    assert getattr(data, column).tolist() == [0, 0]


def test_a_view_of_ids_that_can_be_written_to_is_copied():
    owner = np.array(["u", "v"], dtype=object)
    view = owner.view()
    view.flags.writeable = False
    data = make(user_ids=view)
    owner[0] = "w"
    assert data.user_ids.tolist() == ["u", "v"]


def test_arrays_that_nothing_can_change_are_shared():
    owner = np.zeros(2, np.int32)
    owner.flags.writeable = False
    assert make(user=owner).user is owner
    view = owner[:]
    assert make(user=view).user is view
    content = np.frombuffer(bytes(8), np.int32)
    assert make(user=content).user is content


def test_no_time_is_no_time():
    with pytest.raises(DataError, match=r"timestamp: expected Unix seconds .*NaT.* in row 1"):
        make(timestamp=[0, np.iinfo(np.int64).min])
    assert make(timestamp=[0, np.iinfo(np.int64).min + 1]).timestamp is not None


def test_frames_can_be_changed_after_they_were_read():
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "timestamp": [1, 2]})
    data = Interactions.from_frame(frame)
    frame.loc[0, "timestamp"] = 7
    assert data.timestamp.tolist() == [1, 2]
