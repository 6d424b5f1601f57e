# mypy: no-check-untyped-defs
import dataclasses
import importlib
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, DataNotFoundError, MalformedRowsWarning, s3rec_sequences, sequence_split
from tfrec.data.loaders.sequence_split import SEQUENCES

LINES = "1 5 9 7 5\n2 9\n3 7 5\n4 5 9 7\n10\n"


@pytest.fixture
def file(tmp_path):
    """A small file of sequences; the numbers of items are not in numerical order, and have gaps."""
    path = tmp_path / "Beauty.txt"
    path.write_text(LINES)
    return path


def raw(data):
    """Every user's raw items, in the order of rows."""
    sequences = data.sequences()
    return {user: data.item_ids[sequences[index]].tolist() for index, user in enumerate(data.user_ids)}


def naive(path):
    lines = [line.split() for line in path.read_text().splitlines()]
    return {user: items for user, *items in lines}


def test_sequences_keep_their_order(file):
    data = s3rec_sequences("beauty", file, complete=False)
    assert raw(data) == {"1": ["5", "9", "7", "5"], "2": ["9"], "3": ["7", "5"], "4": ["5", "9", "7"], "10": []}
    assert data.user_ids.tolist() == ["1", "2", "3", "4", "10"]  # in numerical order
    assert data.item_ids.tolist() == ["5", "7", "9"]
    assert not data.has_ratings
    assert data.timestamp is None
    assert data.name == "s3rec-beauty"


def test_the_last_is_the_test_and_the_one_before_the_validation(file):
    train, validation, test = sequence_split("beauty", file.parent, complete=False)
    assert raw(train) == {"1": ["5", "9"], "2": ["9"], "3": ["7", "5"], "4": ["5"], "10": []}
    assert raw(validation) == {"1": ["7"], "2": [], "3": [], "4": ["9"], "10": []}
    assert raw(test) == {"1": ["5"], "2": [], "3": [], "4": ["7"], "10": []}
    assert train.item_ids is validation.item_ids is test.item_ids
    assert train.user_ids is validation.user_ids is test.user_ids


@given(st.lists(st.lists(st.integers(1, 30), max_size=8), min_size=1, max_size=8))
def test_nothing_is_lost_and_nothing_is_twice(tmp_path_factory, sequences):
    sequences.append([1, 2, 3])
    file = tmp_path_factory.mktemp("sequences") / "Toys_and_Games.txt"
    file.write_text("".join(" ".join(map(str, [user, *items])) + "\n" for user, items in enumerate(sequences, 1)))
    train, validation, test = map(raw, sequence_split("toys", file, complete=False))
    for user, items in enumerate(map(str, range(1, len(sequences) + 1))):
        assert train[items] + validation[items] + test[items] == [str(item) for item in sequences[user]]
        expected = 1 if len(sequences[user]) >= 3 else 0
        assert len(validation[items]) == len(test[items]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n2 a\n", r"Beauty\.txt:2: expected a user and items"),
        ("1 2 3\n1 4\n", r"Beauty\.txt:2: user 1 was on line 1 already"),
        ("", r"Beauty\.txt: the file is empty"),
    ],
)
def test_malformed_files_are_refused_with_the_line(file, text, message):
    file.write_text(text)
    for load in (s3rec_sequences, sequence_split):
        with pytest.raises(DataError, match=message):
            load("beauty", file, complete=False)


def test_malformed_lines_are_skipped_on_request(file):
    file.write_text(LINES.replace("3 7 5", "3 7,5"))
    with pytest.warns(MalformedRowsWarning, match=r"skipped 1 malformed row: .*Beauty\.txt:3: "):
        data = s3rec_sequences("beauty", file, complete=False, on_error="skip")
    assert data.user_ids.tolist() == ["1", "2", "4", "10"]


def test_skipped_lines_do_not_make_a_part_complete(file):
    file.write_text("1 2 3\nbad line\n")
    for load in (s3rec_sequences, sequence_split):
        with pytest.warns(MalformedRowsWarning), pytest.raises(DataError, match="expected 22,363 users, found 2"):
            load("beauty", file, on_error="skip")


def test_skipped_lines_count_as_users(file, monkeypatch):
    module = importlib.import_module("tfrec.data.loaders.sequence_split")
    known = dataclasses.replace(SEQUENCES["beauty"], users=5, items=3, interactions=10)
    monkeypatch.setattr(module, "SEQUENCES", MappingProxyType({"beauty": known}))
    assert len(s3rec_sequences("beauty", file)) == 10
    file.write_text(LINES.replace("3 7 5", "3 7,5"))
    with pytest.warns(MalformedRowsWarning):
        assert s3rec_sequences("beauty", file, on_error="skip").n_users == 4
    for text, problem in (("6 5\n", "users, found 6"), ("", "items, found 4")):
        file.write_text(LINES.replace("3 7 5", "3 7,5").replace("2 9", "2 9 8" if not text else "2 9") + text)
        with pytest.warns(MalformedRowsWarning), pytest.raises(DataError, match=problem):
            s3rec_sequences("beauty", file, on_error="skip")


def test_bad_arguments(file):
    for load in (s3rec_sequences, sequence_split):
        with pytest.raises(ValueError, match=f"{load.__name__}: expected name to be one of beauty, sports, toys, yelp"):
            load("Beauty")
        with pytest.raises(DataNotFoundError, match=r"TFREC_DATA is not set.*CIKM2020-S3Rec.*sports"):
            load("sports")
        with pytest.raises(DataError, match=r"not the complete file: expected 22,363 users, found 5"):
            load("beauty", file)


def test_found_in_the_data_folder_and_in_a_zip(file, make_zip, monkeypatch, tmp_path):
    make_zip(file.parent, tmp_path / "data" / "beauty.zip", flat=True)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    expected = s3rec_sequences(path=file, complete=False).fingerprint()
    assert s3rec_sequences(complete=False).fingerprint() == expected
    assert s3rec_sequences(path=tmp_path / "data" / "beauty.zip", complete=False).fingerprint() == expected


def test_the_real_beauty_against_a_plain_reading(tfrec_data):
    expected = naive(tfrec_data / "beauty" / "Beauty.txt")
    data = s3rec_sequences()
    assert (data.n_users, data.n_items, len(data)) == (22_363, 12_101, 198_502)
    assert raw(data) == expected
    train, validation, test = sequence_split()
    assert len(validation) == len(test) == 22_363
    parts = raw(train), raw(validation), raw(test)
    assert all(
        parts[0][user] == items[:-2] and parts[1][user] == [items[-2]] and parts[2][user] == [items[-1]]
        for user, items in expected.items()
    )


def test_a_real_file_that_is_cut_is_refused(tfrec_data, tmp_path):
    content = (tfrec_data / "beauty" / "Beauty.txt").read_bytes()
    for cut, message in ((1, "the last line is cut off"), (2, "the last line is cut off|not the complete"), (9, "not")):
        (tmp_path / "Beauty.txt").write_bytes(content[:-cut])
        with pytest.raises(DataError, match=message):
            sequence_split(path=tmp_path)
