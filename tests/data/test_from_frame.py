# mypy: no-check-untyped-defs
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, MalformedRowsWarning

IDS = st.one_of(
    st.text(min_size=1, max_size=4), st.sampled_from(["a", "a\0", "a\0b", "NA", "nan", "None", "01", "1", " "])
)
ROWS = st.lists(
    st.tuples(IDS, IDS, st.floats(-1e6, 1e6, width=32), st.integers(-(2**35), 2**37), st.floats(0, 10, width=32)),
    max_size=30,
)


def to_frame(rows, names=("user", "item", "rating", "timestamp", "weight")):
    return pd.DataFrame(
        {name: pd.Series([row[i] for row in rows], dtype=object if i < 2 else None) for i, name in enumerate(names)}
    )


@given(ROWS)
def test_a_frame_goes_in_and_comes_out(rows):
    data = Interactions.from_frame(to_frame(rows))
    again = Interactions.from_frame(data.to_frame())
    assert list(zip(*(again.to_frame()[name].tolist() for name in again.to_frame()), strict=True)) == rows
    assert data.user_ids.tolist() == list(dict.fromkeys(row[0] for row in rows))
    assert data.item_ids.tolist() == list(dict.fromkeys(row[1] for row in rows))
    if rows:
        assert again.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint64", "Int64", "category", "object"])
def test_whole_numbers_become_their_decimal_strings(dtype):
    frame = pd.DataFrame({"user": pd.Series([7, 3, 7], dtype=dtype), "item": ["x", "y", "x"]})
    data = Interactions.from_frame(frame)
    assert data.user_ids.tolist() == ["7", "3"]
    assert data.user.tolist() == [0, 1, 0]
    assert [type(text) for text in data.user_ids] == [str, str]


@pytest.mark.parametrize("dtype", ["str", "string", "category", object])
def test_text_of_any_dtype(dtype):
    frame = pd.DataFrame({"user": pd.Series(["b", "a", "b"], dtype=dtype), "item": pd.Series([1, 1, 2])})
    data = Interactions.from_frame(frame)
    assert data.user_ids.tolist() == ["b", "a"]
    assert data.to_frame()["user"].tolist() == ["b", "a", "b"]


def test_optional_columns_may_be_absent():
    data = Interactions.from_frame(pd.DataFrame({"user": ["u"], "item": ["i"]}), name="tiny")
    assert (data.has_ratings, data.timestamp, data.weight, data.name) == (False, None, None, "tiny")
    assert list(data.to_frame()) == ["user", "item"]


def test_columns_of_other_names_and_columns_ignored():
    frame = pd.DataFrame({"who": ["u"], "what": ["i"], "stars": [4], "timestamp": ["not a time"], "other": [1]})
    data = Interactions.from_frame(frame, user="who", item="what", rating="stars", timestamp=None)
    assert data.rating.tolist() == [4.0]
    assert data.timestamp is None


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ({"user": "who"}, "user"),
        ({"rating": "stars"}, "rating"),
        ({"timestamp": "when"}, "timestamp"),
        ({"item": None}, "item"),
    ],
)
def test_a_named_column_must_be_there(names, role):
    frame = pd.DataFrame({"user": ["u"], "item": ["i"]})
    with pytest.raises(DataError, match=rf"the {role} column .* is not among the columns \['user', 'item'\]"):
        Interactions.from_frame(frame, **names)


def test_a_column_that_stands_twice_is_refused():
    frame = pd.DataFrame([["u", "v", "i"]], columns=["user", "user", "item"])
    with pytest.raises(DataError, match="the user column 'user' stands more than once"):
        Interactions.from_frame(frame)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": ["u", None, "v"]}, r"row 1 \(counted from 0\): the id in column 'user' is missing"),
        ({"user": [1.0, np.nan, 2.0]}, "row 0 .*missing values turn whole numbers into floats"),
        ({"item": pd.array([1, 2, None], dtype="Int64")}, "row 2 .*column 'item' is missing"),
        ({"user": ["u", "v", ""]}, "row 2 .*an empty id in column 'user'"),
        ({"user": [1.0, 2.0, 3.0]}, r"row 0 .*got 1.0 \(float\) .*\.astype\('int64'\)"),
        ({"user": [True, False, True]}, r"got True \(bool\)"),
        ({"user": [b"u", b"v", b"u"]}, r"got b'u' \(bytes\) .*\.astype\(str\)"),
        ({"user": pd.to_datetime(["2020-01-01"] * 3)}, r"\(Timestamp\)"),
        ({"user": ["u", ["v"], "w"]}, "neither text nor whole numbers"),
        ({"user": ["1", 1, "2"]}, "column 'user' has both '1' and 1"),
        ({"user": pd.Series(["u", "v", "\udcff"], index=[10, 20, 30], dtype=object)}, "row 2 .*UTF-8 cannot encode"),
        ({"rating": [1, np.nan, 2]}, "row 1 .*expected a finite number in column 'rating', got nothing"),
        ({"rating": [1, 2, np.inf]}, "row 2 .*column 'rating', got inf"),
        ({"rating": [1, 2, 1e39]}, "row 2 .*column 'rating', got 1e[+]39"),
        ({"rating": ["5", "4", "good"]}, "row 2 .*column 'rating', got 'good'"),
        ({"rating": [1j, 2j, 3j]}, "column 'rating': expected a finite number, got dtype complex"),
        ({"rating": [True, False, True]}, "column 'rating': expected a finite number, got dtype bool"),
        (
            {"rating": pd.to_datetime(["2020-01-01"] * 3)},
            "column 'rating': expected a finite number, got dtype datetime64",
        ),
        ({"weight": [1, -0.5, 1]}, "row 1 .*a number of at least zero in column 'weight', got -0.5"),
        ({"timestamp": [1, None, 3]}, "row 1 .*expected Unix seconds in column 'timestamp', got nothing"),
        ({"timestamp": ["2020-01-01"] * 3}, "row 0 .*expected Unix seconds .*got '2020-01-01'"),
        (
            {"timestamp": pd.to_datetime(pd.Series(["2020-01-01", None, "2020-01-02"])).array},
            "row 1 .*the time .* is missing",
        ),
        ({"timestamp": [1, 2, 1e25]}, "row 2 .*expected Unix seconds"),
    ],
)
def test_bad_cells_are_refused_with_their_row(changes, message):
    frame = pd.DataFrame({"user": ["u", "v", "w"], "item": ["i", "j", "k"], **changes}, index=[10, 20, 30])
    with pytest.raises(DataError, match=message):
        Interactions.from_frame(frame)


def test_numbers_in_text_are_numbers():
    frame = pd.DataFrame({"user": ["u"], "item": ["i"], "rating": ["4.5"], "timestamp": ["978300760"]})
    data = Interactions.from_frame(frame)
    assert (data.rating[0], data.timestamp[0]) == (4.5, 978300760)


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2001-01-01 00:00:00.9", "1969-12-31 23:59:59.5"]),
        pd.to_datetime(["2001-01-01 00:00:00.9", "1969-12-31 23:59:59.5"]).as_unit("ms"),
        pd.to_datetime(["2001-01-01 02:00:00.9+02:00", "1970-01-01 01:59:59.5+02:00"]),
        [978307200.9, -0.5],
        [978307200, -1],
        pd.array([978307200, -1], dtype="Int64"),
    ],
)
def test_times_become_unix_seconds_rounded_down(times):
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "timestamp": times})
    assert Interactions.from_frame(frame).timestamp.tolist() == [datetime(2001, 1, 1, tzinfo=UTC).timestamp(), -1]


def test_nullable_ratings():
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "rating": pd.array([1.5, 2], dtype="Float64")})
    assert Interactions.from_frame(frame).rating.tolist() == [1.5, 2.0]
    frame["rating"] = pd.array([None, 2], dtype="Int64")
    with pytest.raises(DataError, match=r"row 0 .*got nothing"):
        Interactions.from_frame(frame)


def test_not_a_frame():
    with pytest.raises(DataError, match="expected a pandas DataFrame, got list"):
        Interactions.from_frame([("u", "i")])


# on_error="skip"


def test_skipped_rows_are_counted_and_named():
    frame = pd.DataFrame(
        {
            "user": ["u", None, "v", "w", "", "u", "x"],
            "item": ["i", "j", "k", "l", "m", "n", "i"],
            "rating": [1.0, 2.0, np.nan, 4.0, 5.0, np.inf, 7.0],
            "timestamp": [10, 20, 30, 2**62 + 1024, 50, 60, 70],
            "weight": [1, 1, 1, 1, 1, 1, 2],
        }
    )
    with pytest.warns(MalformedRowsWarning) as caught:
        data = Interactions.from_frame(frame, on_error="skip")
    expected = Interactions.from_frame(frame.iloc[[0, 6]])
    assert data.fingerprint() == expected.fingerprint()  # no id is left of a skipped row
    warning = caught[0].message
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert warning.count == 5
    assert warning.problems[0] == "from_frame: row 1 (counted from 0): the id in column 'user' is missing"
    assert warning.problems[1].startswith(
        "from_frame: row 2 (counted from 0): expected a finite number in column 'rating'"
    )


@given(ROWS, st.sets(st.integers(0, 29)))
def test_what_is_left_is_as_if_the_others_had_never_been(rows, bad):
    bad = {row for row in bad if row < len(rows)}
    frame = to_frame(rows)
    frame["rating"] = frame["rating"].astype(float)
    frame.loc[list(bad), "rating"] = np.nan
    if not bad:
        assert (
            Interactions.from_frame(frame, on_error="skip").fingerprint()
            == Interactions.from_frame(frame).fingerprint()
        )
    elif len(bad) == len(rows):
        with pytest.raises(DataError, match="found no row that is sound"):
            Interactions.from_frame(frame, on_error="skip")
    else:
        with pytest.warns(MalformedRowsWarning, match=f"skipped {len(bad)} malformed row"):
            data = Interactions.from_frame(frame, on_error="skip")
        rest = Interactions.from_frame(frame.drop(index=list(bad)))
        assert data.fingerprint() == rest.fingerprint()


def test_a_column_of_the_wrong_kind_is_an_error_even_then():
    frame = pd.DataFrame({"user": ["u"], "item": ["i"], "rating": [True]})
    with pytest.raises(DataError, match="got dtype bool"):
        Interactions.from_frame(frame, on_error="skip")
    with pytest.raises(ValueError, match='expected on_error to be "raise" or "skip"'):
        Interactions.from_frame(frame, on_error="warn")


@pytest.mark.parametrize("scale", [1, 10**7, 10**12])
def test_whole_numbers_far_apart_and_negative(scale):
    numbers = np.array([5, 3, 5, 0, 3, 9]) * scale
    for values in (numbers, -numbers, np.sort(numbers), np.sort(-numbers)):
        data = Interactions.from_frame(pd.DataFrame({"user": values, "item": [1] * 6}))
        assert data.user_ids.tolist() == [str(value) for value in dict.fromkeys(values.tolist())]
        assert data.user_ids[data.user].tolist() == list(map(str, values.tolist()))


@pytest.mark.parametrize("values", [[1, True, 1.0], [True, 1, 1.0], [1.0, True, 1]])
def test_ids_of_other_types_that_equal_whole_numbers_are_refused(values):
    frame = pd.DataFrame({"user": pd.Series(values, dtype=object), "item": ["i", "j", "k"]})
    row = next(row for row, value in enumerate(values) if type(value) is not int)
    with pytest.raises(DataError, match=rf"row {row} .*got {values[row]} \({type(values[row]).__name__}\)"):
        Interactions.from_frame(frame)
    with pytest.warns(MalformedRowsWarning, match="skipped 2 malformed rows"):
        data = Interactions.from_frame(frame, on_error="skip")
    assert data.item_ids.tolist() == ["ijk"[[type(value) for value in values].index(int)]]


def test_whole_numbers_of_several_types_are_one_id():
    frame = pd.DataFrame({"user": pd.Series([1, np.int64(1), np.uint8(1)], dtype=object), "item": ["i", "j", "k"]})
    assert Interactions.from_frame(frame).user_ids.tolist() == ["1"]


NINETEEN_NINETY = datetime(1990, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        [datetime(1990, 1, 1, 0, 0, 0, 900000), datetime(1969, 12, 31, 23, 59, 59, 500000)],
        [NINETEEN_NINETY.astimezone(timezone(timedelta(hours=5))), datetime.fromtimestamp(-0.5, UTC)],
        [pd.Timestamp("1990-01-01 00:00:00.9"), pd.Timestamp("1969-12-31 23:59:59.5")],
        [pd.Timestamp("1990-01-01", tz="UTC"), datetime(1969, 12, 31, 23, 59, 59)],
        [date(1990, 1, 1), np.datetime64("1969-12-31T23:59:59.5")],
    ],
)
def test_datetimes_in_columns_of_objects(times):
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "timestamp": pd.Series(times, dtype=object)})
    assert Interactions.from_frame(frame).timestamp.tolist() == [int(NINETEEN_NINETY.timestamp()), -1]


@pytest.mark.parametrize(("cell", "got"), [(None, "nothing"), (pd.NaT, "nothing"), (5, "5"), ("x", "'x'")])
def test_what_is_no_datetime_among_datetimes(cell, got):
    times = pd.Series([date(1990, 1, 1), cell], dtype=object)
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "timestamp": times})
    with pytest.raises(DataError, match=f"row 1 .*expected a datetime in column 'timestamp', got {got}"):
        Interactions.from_frame(frame)


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint64", "float64", object, "str"])
@pytest.mark.parametrize(("time", "unit"), [(978300760123, "milli"), (978300760123456, "micro"), (2**61, "nano")])
def test_times_of_another_unit_are_refused(dtype, time, unit):
    times = pd.Series([253402300799, time]).astype(dtype)
    frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "timestamp": times})
    with pytest.raises(DataError, match=rf"row 1 .*not in the years 1 to 9999: {unit}seconds\? Divide them by 10"):
        Interactions.from_frame(frame)
    with pytest.warns(MalformedRowsWarning):
        assert Interactions.from_frame(frame, on_error="skip").timestamp.tolist() == [253402300799]


def test_messages_quote_little_of_a_long_cell():
    for column in ("user", "rating"):
        values = {"user": ["u", b"x" * 1000], "rating": [1, "x" * 1000]}[column]
        frame = pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], column: pd.Series(values, dtype=object)})
        with pytest.warns(MalformedRowsWarning) as caught:
            Interactions.from_frame(frame, on_error="skip")
        assert len(caught[0].message.problems[0]) < 300
