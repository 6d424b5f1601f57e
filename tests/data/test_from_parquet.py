# mypy: no-check-untyped-defs
import builtins
import subprocess
import sys
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from tfrec.data import DataError, DataNotFoundError, Interactions, MalformedRowsWarning

pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install tfrec[parquet]")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path):
    def write(name="data.parquet", **columns):
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return path

    return write


def test_round_trip(small, tmp_path):
    small.to_frame().to_parquet(tmp_path / "small.parquet")
    data = Interactions.from_parquet(tmp_path / "small.parquet")
    assert data.to_frame().equals(small.to_frame())
    assert data.name == "small.parquet"


@pytest.mark.parametrize(
    "users",
    [
        pa.array(["007", "ポ", "007"]),
        pa.array(["007", "ポ", "007"], pa.large_string()),
        pa.array(["007", "ポ", "007"]).dictionary_encode(),
        pa.array(["007", "ポ", "007"], pa.string_view()),
    ],
)
def test_text_ids_of_any_encoding(write, users):
    data = Interactions.from_parquet(write(user=users, item=pa.array(["a\n", "NA", " "])))
    assert data.user_ids.tolist() == ["007", "ポ"]
    assert data.user.tolist() == [0, 1, 0]
    assert data.item_ids.tolist() == ["a\n", "NA", " "]
    assert not data.has_ratings


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()])
def test_whole_number_ids(write, kind):
    data = Interactions.from_parquet(write(user=pa.array([7, 3, 7], kind), item=pa.array([1, 2, 3])))
    assert data.user_ids.tolist() == ["7", "3"]


def test_dictionary_of_numbers(write):
    data = Interactions.from_parquet(write(user=pa.array([7, 3, 7]).dictionary_encode(), item=pa.array([1, 2, 3])))
    assert data.user_ids.tolist() == ["7", "3"]


def test_names_and_types_of_the_other_columns(write):
    path = write(
        who=pa.array([1, 2]),
        what=pa.array([1, 2]),
        stars=pa.array([4.5, 3.0], pa.float32()),
        when=pa.array([978307200999, -1], pa.timestamp("ms", tz="UTC")),
        weight=pa.array([1, 2], pa.uint8()),
        note=pa.array(["x", None]),
    )
    data = Interactions.from_parquet(path, user="who", item="what", rating="stars", timestamp="when", name="mine")
    assert data.rating.tolist() == [4.5, 3.0]
    assert data.timestamp.tolist() == [978307200, -1]
    assert data.weight.tolist() == [1.0, 2.0]
    assert data.name == "mine"
    assert Interactions.from_parquet(path, user="who", item="what", weight=None).weight is None


def test_only_the_needed_columns_are_read(write, monkeypatch):
    path = write(user=pa.array([1]), item=pa.array([2]), rating=pa.array([3]), text=pa.array(["long"]))
    read = []
    original = pq.ParquetFile.read
    monkeypatch.setattr(
        pq.ParquetFile, "read", lambda self, columns=None, **options: read.extend(columns) or original(self, columns)
    )
    Interactions.from_parquet(path, rating=None)
    assert read == ["user", "item"]


def test_as_from_frame(write):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": rng.integers(0, 50, 1000), "item": rng.integers(0, 90, 1000).astype(str)})
    path = write(user=pa.array(frame["user"]), item=pa.array(frame["item"]))
    assert Interactions.from_parquet(path).fingerprint() == Interactions.from_frame(frame).fingerprint()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [1]}, r"the item column 'item' is not among the columns \['user'\]"),
        ({"user": pa.array([], pa.int64()), "item": pa.array([], pa.int64())}, "expected interactions, found no rows"),
        ({"user": [1, None], "item": [1, 2]}, r"row 1 \(counted from 0\): the id in column 'user' is missing"),
        ({"user": ["u", None], "item": [1, 2]}, "row 1 .*is missing"),
        ({"user": [1.5, 2.0], "item": [1, 2]}, r"row 0 .*got 1.5 \(float\)"),
        ({"user": [b"1", b"2"], "item": [1, 2]}, r"row 0 .*got b'1' \(bytes\)"),
        ({"user": [[1], [2]], "item": [1, 2]}, "neither text nor whole numbers"),
        ({"user": [1, 2], "item": [1, 2], "rating": [1, None]}, "row 1 .*column 'rating', got nothing"),
        ({"user": [1, 2], "item": [1, 2], "rating": [True, False]}, "got dtype bool"),
    ],
)
def test_unusable_content(write, columns, message):
    path = write(**{name: pa.array(values) for name, values in columns.items()})
    with pytest.raises(DataError, match=f"^{path}: .*{message}"):
        Interactions.from_parquet(path)


def test_skipped_rows(write):
    path = write(
        user=pa.array(["u", None, "v", "w"]), item=pa.array([1, 2, 3, 4]), rating=pa.array(["5", "4", "good", "2"])
    )
    with pytest.warns(MalformedRowsWarning) as caught:
        data = Interactions.from_parquet(path, on_error="skip")
    assert data.user_ids.tolist() == ["u", "w"]
    assert data.item_ids.tolist() == ["1", "4"]
    assert data.rating.tolist() == [5.0, 2.0]
    assert caught[0].message.count == 2
    assert caught[0].message.problems[0] == f"{path}: row 1 (counted from 0): the id in column 'user' is missing"


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_damaged_files(write, cut):
    path = write(user=pa.array(range(1000)), item=pa.array(range(1000)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"data\.parquet: not a Parquet file, or damaged") as error:
        Interactions.from_parquet(path)
    assert "\n" not in str(error.value)


def test_damaged_within(write):
    path = write(user=pa.array(range(10_000)), item=pa.array(range(10_000)))
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(2000) + content[2004:])
    with pytest.raises(DataError, match="not a Parquet file, or damaged"):
        Interactions.from_parquet(path)


def test_no_file(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"absent\.parquet: there is no such file"):
        Interactions.from_parquet(tmp_path / "absent.parquet")


def test_without_pyarrow_the_extra_is_named(write, monkeypatch):
    path = write(user=pa.array([1]), item=pa.array([2]))
    original = builtins.__import__

    def refuse(name, *rest, **options):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install tfrec\[parquet\]"):
        Interactions.from_parquet(path)


def test_pyarrow_is_not_imported_by_the_package():
    code = "import sys, tfrec.data; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates(write, kind):
    path = write(user=pa.array([1, 2]), item=pa.array([1, 2]), timestamp=pa.array([date(2001, 1, 1), None], kind))
    with pytest.raises(DataError, match=r"row 1 .*the time in column 'timestamp' is missing"):
        Interactions.from_parquet(path)
    with pytest.warns(MalformedRowsWarning):
        assert Interactions.from_parquet(path, on_error="skip").timestamp.tolist() == [978307200]


def test_a_file_in_the_home_folder(write, monkeypatch):
    path = write(user=pa.array([1]), item=pa.array([1]))
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    assert len(Interactions.from_parquet("~/data.parquet")) == 1


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.int64(), pa.string()])
def test_columns_of_arrow(kind):
    times = pa.array([datetime(2001, 1, 1)]) if pa.types.is_timestamp(kind) else pa.array([date(2001, 1, 1)])
    values = pa.array([978307200]).cast(kind) if kind in {pa.int64(), pa.string()} else times.cast(kind)
    frame = pd.DataFrame({"user": [1], "item": [1], "timestamp": values.to_pandas(types_mapper=pd.ArrowDtype)})
    assert Interactions.from_frame(frame).timestamp.tolist() == [978307200]
