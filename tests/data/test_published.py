# mypy: no-check-untyped-defs
import io
import zlib

import numpy as np
import pytest
from numpy.lib.npyio import NpzFile

from tfrec.data import Candidates, DataError, DataNotFoundError, MalformedRowsWarning, ncf_split

TRAIN = "0\t32\t4\t978824330\n0\t34\t4\t978824330\n1\t3705\t5\t978301968\n"
TEST = "0\t25\t5\t978824351\n1\t133\t3\t978300174\n"


def negatives(*rows):
    return "".join("\t".join([pair, *map(str, items)]) + "\n" for pair, items in rows)


NEGATIVES = negatives(("(0,25)", range(1000, 1099)), ("(1,133)", [*range(100, 199)]))  # 133 is among the latter


@pytest.fixture
def make(tmp_path):
    """A function that writes a small split and returns its folder."""

    def make(train=TRAIN, test=TEST, negative=NEGATIVES, arrays=None):
        folder = tmp_path / "ml-1m-ncf"
        folder.mkdir(exist_ok=True)
        for name, text in (("train.rating", train), ("test.rating", test), ("test.negative", negative)):
            if text is not None:
                (folder / f"ml-1m.{name}").write_text(text)
        if arrays is not None:
            np.savez_compressed(folder / "ml-1m.train.npz", **arrays)
        return folder

    return make


ARRAYS = {
    "user": np.array([0, 0, 1], np.int16),
    "item": np.array([32, 34, 3705], np.int16),
    "rating": np.array([4, 4, 5], np.int8),
    "ncf_item_to_movie_id": np.arange(1, 3707, dtype=np.int16),
}


def test_text_and_arrays_are_the_same_split(make):
    published = ncf_split(path=make(), complete=False)
    arrays = ncf_split(path=make(train=None, arrays=ARRAYS), complete=False)
    for split in (published, arrays):
        assert split.train.user.tolist() == [0, 0, 1]
        assert split.train.item.tolist() == [32, 34, 3705]
        assert split.train.rating.tolist() == [4, 4, 5]
        assert split.test.item.tolist() == [25, 133]
        assert split.test.timestamp.tolist() == [978824351, 978300174]
        assert split.train.user_ids is split.test.user_ids
        assert split.train.item_ids is split.test.item_ids
        assert (split.train.n_users, split.train.n_items) == (6040, 3706)
        assert split.train.item_ids[3705] == "3705"
    assert published.train.timestamp.tolist() == [978824330, 978824330, 978301968]


def test_movie_ids_come_with_the_arrays(make):
    folder = make(train=None, arrays=ARRAYS)
    split = ncf_split(path=folder, complete=False)
    assert split.train.item_features.loc["3705", "movie_id"] == "3706"
    assert split.test.item_features is not None


def test_candidates_hold_the_positive_first_and_once(make):
    candidates = ncf_split(path=make(), complete=False).candidates
    assert candidates.user.tolist() == [0, 1]
    assert candidates.item[0].tolist() == [25, *range(1000, 1099)]
    assert candidates.item[1].tolist() == [133, *(item for item in range(100, 199) if item != 133), -1]
    assert candidates.item.dtype == candidates.user.dtype == np.int32
    assert len(candidates) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "0\t1\t5\n"}, r"train\.rating:1: expected 4 fields"),
        ({"train": "0\t3706\t5\t1\n"}, r"train\.rating:1: expected item to be in 0 … 3705, found '3706'"),
        ({"test": "0\t25\t5\t1\n6040\t133\t3\t1\n"}, r"test\.rating:2: expected user to be in 0 … 6039"),
        (
            {"test": "0\t26\t5\t1\n1\t133\t3\t1\n"},
            r"test\.negative:1: expected a pair of the test, each once, got \(0,25\)",
        ),
        ({"test": "0\t25\t5\t1\n"}, r"test\.negative:2: expected a pair of the test, each once, got \(1,133\)"),
        (
            {"negative": NEGATIVES[: NEGATIVES.index("(1,")]},
            r"test\.negative: .* each test row, found none for \(1,133\)",
        ),
        ({"negative": NEGATIVES[: NEGATIVES.index("(1,")] * 2}, r"test\.negative:2: expected a pair .* each once"),
        ({"negative": NEGATIVES[:-10]}, r"test\.negative:2: expected 100 fields"),
        ({"negative": NEGATIVES.replace("1050", "-1")}, r"test\.negative:1: expected items in 0 … 3705, found '-1'"),
        ({"negative": NEGATIVES.replace("1050", "3706")}, r"test\.negative:1: .* found '3706'"),
        (
            {"train": None, "arrays": {"user": [0]}},
            r"train\.npz: expected the arrays user, item and rating, found user",
        ),
        (
            {"train": None, "arrays": {**ARRAYS, "item": [1, 2, 9999]}},
            r"expected item in 0 … 3705, found 9999 in row 2",
        ),
        ({"train": None, "arrays": {**ARRAYS, "item": [1, 2]}}, "expected item to be one whole number a row"),
        ({"train": None, "arrays": {**ARRAYS, "rating": [1.0, 2.0, 3.0]}}, "expected rating to be one whole number"),
        ({"train": None, "arrays": {**ARRAYS, "ncf_item_to_movie_id": [1]}}, "expected 3706 values"),
    ],
)
def test_malformed_files_are_refused(make, changes, message):
    folder = make(**changes)
    with pytest.raises(DataError, match=message):
        ncf_split(path=folder, complete=False)


def test_pickled_and_damaged_arrays_are_refused(make):
    folder = make(train=None)
    stream = io.BytesIO()
    np.savez(stream, **{**ARRAYS, "user": np.array([{"a": 1}], dtype=object)})
    for content in (stream.getvalue(), stream.getvalue()[:200], b"PK\x03\x04", b"none"):
        (folder / "ml-1m.train.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"train\.npz: not a file of numpy arrays, or damaged"):
            ncf_split(path=folder, complete=False)


def test_one_array_under_the_name_of_several_is_refused(make):
    folder = make(train=None)
    with open(folder / "ml-1m.train.npz", "wb") as file:
        np.save(file, ARRAYS["user"])
    with pytest.raises(DataError, match=r"train\.npz: expected several arrays with names \(\.npz\), found one without"):
        ncf_split(path=folder, complete=False)


@pytest.mark.parametrize(
    "error", [zlib.error("invalid block"), RuntimeError("encrypted"), NotImplementedError("method")]
)
def test_arrays_that_cannot_be_unpacked_are_refused(make, monkeypatch, error):
    folder = make(train=None, arrays=ARRAYS)

    def fail(*_):
        raise error

    monkeypatch.setattr(NpzFile, "__getitem__", fail)
    with pytest.raises(DataError, match=rf"train\.npz: not a file of numpy arrays, or damaged \({error}\)"):
        ncf_split(path=folder, complete=False)


def test_missing_files_are_named(make):
    with pytest.raises(DataNotFoundError, match=r"neither ml-1m\.train\.rating nor ml-1m\.train\.npz"):
        ncf_split(path=make(train=None), complete=False)
    folder = make()
    (folder / "ml-1m.test.negative").unlink()
    with pytest.raises(DataNotFoundError, match=r"ml-1m\.test\.negative: there is no such file"):
        ncf_split(path=folder, complete=False)


def test_a_part_is_refused_unless_that_is_meant(make):
    with pytest.raises(DataError, match=r"train\.rating: not the complete file: expected 994,169 rows, found 3"):
        ncf_split(path=make())
    folder = make(arrays=ARRAYS)
    (folder / "ml-1m.train.rating").unlink()
    with pytest.raises(DataError, match=r"train\.npz: not the complete split: expected 994,169 rows, found 3"):
        ncf_split(path=folder)
    with pytest.raises(ValueError, match="expected name to be one of ml-1m, pinterest-20, got 'yelp'"):
        ncf_split("yelp")


def test_malformed_rows_are_skipped_on_request(make):
    folder = make(
        train="0\t32\t4\t978824330\nx\t34\t4\t978824330\n1\t3705\t5\t978301968\n",
        test=TEST + "2\t7\n3\t8\t1\t978300174\n4\t9\t1\t978300174\n",
        negative=NEGATIVES + negatives(("(3,8)", range(98)), ("(4,9)", range(1000, 1099)), ("(5,5)", range(99))),
    )
    with pytest.warns(MalformedRowsWarning) as warned:
        split = ncf_split(path=folder, complete=False, on_error="skip")
    assert [warning.message.count for warning in warned] == [1, 1, 2]
    assert split.train.item.tolist() == [32, 3705]
    assert split.test.user.tolist() == split.candidates.user.tolist() == [0, 1, 4]  # user 3 has no negatives left
    np.testing.assert_array_equal(split.candidates.item[:, 0], split.test.item)


@pytest.mark.parametrize("ending", ["\t1", "\t1\t0"])
def test_pinterest_has_neither_ratings_nor_times(tmp_path, ending):
    files = {
        "train.rating": f"0\t3{ending}\n0\t4{ending}\n55186\t9915{ending}\n",
        "test.rating": f"0\t7{ending}\n55186\t8{ending}\n",
        "test.negative": negatives(("(55186,8)", range(100, 199)), ("(0,7)", range(200, 299))),
    }
    for name, text in files.items():
        (tmp_path / f"pinterest-20.{name}").write_text(text)
    train, test, candidates = ncf_split("pinterest-20", tmp_path, complete=False)
    assert (train.n_users, train.n_items, train.name) == (55_187, 9_916, "pinterest-20")
    assert train.item.tolist() == [3, 4, 9915]
    assert not train.has_ratings
    assert test.timestamp is None
    assert candidates.user.tolist() == test.user.tolist() == [0, 55186]
    assert candidates.item[1].tolist() == [8, *range(100, 199)]
    with pytest.raises(DataError, match=r"train\.rating: not the complete file: expected 1,445,622 rows, found 3"):
        ncf_split("pinterest-20", tmp_path)


def test_the_real_split(tfrec_data):
    train, test, candidates = ncf_split()
    assert (len(train), len(test), len(candidates)) == (994_169, 6_040, 6_040)
    assert (np.bincount(test.user, minlength=6040) == 1).all()
    np.testing.assert_array_equal(candidates.user, test.user)
    np.testing.assert_array_equal(candidates.item[:, 0], test.item)
    assert ((candidates.item == -1).sum(axis=1) == 1).sum() == 156
    seen = train.to_csr()
    assert not seen[candidates.user[:, None], np.maximum(candidates.item, 0)][candidates.item >= 0].any()


def test_popularity_reaches_its_published_figures(tfrec_data):
    """HR@10 .4533 and nDCG@10 .2542 (Rendle et al. 2020); both sides break ties in ways of their own."""
    train, _, candidates = ncf_split()
    popularity = np.bincount(train.item, minlength=train.n_items)
    scores = np.where(candidates.item >= 0, popularity[candidates.item], -1)
    rank = (scores[:, 1:] > scores[:, :1]).sum(axis=1)
    gain = np.where(rank < 10, 1 / np.log2(rank + 2), 0)
    assert (rank < 10).mean() == pytest.approx(0.4533, abs=1e-3)
    assert gain.mean() == pytest.approx(0.2542, abs=1e-3)


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ([0], [1, 2], r"expected user \[U\] and item \[U, C\]"),
        ([0, 1], [[1, 2]], r"got \(2,\) and \(1, 2\)"),
        ([0.0], [[1]], "expected whole numbers"),
        ([-1], [[1]], "negative"),
        ([0], [[-2]], "negative"),
        ([0], [[-1, 3]], "at the end of a row"),
    ],
)
def test_candidates_are_checked(user, item, message):
    with pytest.raises(DataError, match=message):
        Candidates(np.array(user), np.array(item))


def test_candidates_are_read_only():
    candidates = Candidates(np.array([0]), np.array([[3, -1]]))
    with pytest.raises(ValueError, match="read-only"):
        candidates.item[0, 0] = 1
