# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, drop_duplicates

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5), st.integers(0, 4)), min_size=1)


def from_rows(rows, *, rated=True, timed=True, weighted=True):
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Interactions(
        columns[0],
        columns[1],
        columns[2] if rated else None,
        columns[3] if timed else None,
        columns[2] + 0.5 if weighted else None,
        user_ids=list("abcd"),
        item_ids=list("wxyz"),
        name="repeated",
    )


def reference(data, keep):
    """The rows to keep, as pandas has them, in the order of the data."""
    frame = data.to_frame().reset_index(names="row")
    if "timestamp" in frame:
        frame = frame.sort_values("timestamp", kind="stable")
    grouped = frame.groupby(["user", "item"], sort=False)
    kept = grouped.agg("first" if keep == "first" else "last").reset_index()
    if keep == "mean":
        for name, how in (("rating", "mean"), ("weight", "sum")):
            if name in frame:
                # The rows of a group are in the order of time; the mean doesn't depend on it.
                kept[name] = grouped[name].agg(lambda values, how=how: getattr(values.astype(float), how)()).to_numpy()
    return kept.sort_values("row").drop(columns="row").reset_index(drop=True)


@settings(max_examples=40)
@given(ROWS, st.booleans(), st.booleans(), st.booleans())
@pytest.mark.parametrize("keep", ["first", "last", "mean"])
def test_as_pandas_does_it(keep, rows, rated, timed, weighted):
    data = from_rows(rows, rated=rated, timed=timed, weighted=weighted)
    kept, report = drop_duplicates(data, keep)
    expected = reference(data, keep)
    found = kept.to_frame()
    assert list(found.columns) == [
        name for name in ("user", "item", "rating", "timestamp", "weight") if name in expected
    ]
    for name in found.columns:
        if found[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
        else:
            assert found[name].tolist() == expected[name].tolist()
    assert kept.has_ratings == rated
    assert kept.user_ids is data.user_ids
    assert report.parameters == {"keep": keep}
    assert report.before.rows - report.after.rows == len(rows) - len({row[:2] for row in rows})
    assert drop_duplicates(kept, "error").data.to_frame().equals(found)


def test_first_and_last_are_in_time_and_ties_in_the_order_of_rows():
    rows = [(0, 0, 1, 30), (0, 0, 2, 10), (0, 0, 3, 30), (0, 0, 4, 10)]
    assert drop_duplicates(from_rows(rows), "first").data.rating.tolist() == [2]
    assert drop_duplicates(from_rows(rows)).data.rating.tolist() == [3]
    assert drop_duplicates(from_rows(rows, timed=False), "first").data.rating.tolist() == [1]
    assert drop_duplicates(from_rows(rows, timed=False), "last").data.rating.tolist() == [4]


def test_the_mean_takes_the_last_time_and_all_the_weight():
    kept = drop_duplicates(from_rows([(1, 2, 5, 30), (0, 0, 3, 7), (1, 2, 2, 10)]), "mean").data
    assert kept.to_frame().to_numpy().tolist() == [["b", "y", 3.5, 30, 8.0], ["a", "w", 3.0, 7, 3.5]]


def test_an_error_names_the_first_pair():
    data = from_rows([(0, 0, 1, 0), (3, 1, 1, 0), (1, 1, 1, 0), (1, 1, 1, 5), (3, 1, 1, 0), (3, 1, 2, 9)])
    message = "2 pairs of user and item occur more than once in 'repeated': user 'd' has item 'x' 3 times"
    with pytest.raises(DataError, match=message):
        drop_duplicates(data, "error")


def test_other_ways_are_refused():
    with pytest.raises(ValueError, match="expected keep to be one of first, last, mean, error, got 'all'"):
        drop_duplicates(from_rows([(0, 0, 1, 0)]), "all")
    with pytest.raises(DataError, match=r"drop_duplicates\(keep='last'\) was given no interactions"):
        drop_duplicates(from_rows([(0, 0, 1, 0)]).select([]))
