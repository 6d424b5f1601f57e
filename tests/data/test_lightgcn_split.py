# mypy: no-check-untyped-defs
import dataclasses
import importlib
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, DataNotFoundError, MalformedRowsWarning, lightgcn_split
from tfrec.data.loaders.lightgcn_split import LIGHTGCN

TRAIN = "0 3 1\n1 0\n2 2 4 1\n"
TEST = "0 2\n1\n2 0 3\n"


@pytest.fixture
def make(tmp_path):
    """A function that writes a small split and returns its folder."""

    def make(train=TRAIN, test=TEST, users=None, items=None):
        folder = tmp_path / "gowalla"
        folder.mkdir(exist_ok=True)
        files = {"train.txt": train, "test.txt": test, "user_list.txt": users, "item_list.txt": items}
        for name, text in files.items():
            if text is not None:
                (folder / name).write_text(text, encoding="utf-8", newline="")
        return folder

    return make


def pairs(data):
    return list(zip(data.user_ids[data.user].tolist(), data.item_ids[data.item].tolist(), strict=True))


def naive(path):
    """Pairs of a file by the simplest reading there is."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(user, item) for user, *items in lines for item in items]


def test_a_small_split(make):
    train, test = lightgcn_split("gowalla", make(), complete=False)
    assert pairs(train) == [("0", "3"), ("0", "1"), ("1", "0"), ("2", "2"), ("2", "4"), ("2", "1")]
    assert pairs(test) == [("0", "2"), ("2", "0"), ("2", "3")]  # user 1 has nothing to test on
    assert train.user_ids.tolist() == ["0", "1", "2"]
    assert train.item_ids.tolist() == ["0", "1", "2", "3", "4"]
    assert train.item_ids is test.item_ids
    assert train.user_ids is test.user_ids
    assert not train.has_ratings
    assert train.timestamp is None
    assert train.name == "gowalla"
    assert train.user_features is None


def test_original_ids_are_features(make):
    users = "org_id remap_id\nU-zéro 0\nu2 2\nu1 1\n"
    items = "org_id remap_id freebase_id\n" + "".join(f"000{item} {item} m.0{item}\n" for item in range(7))
    train, test = lightgcn_split(path=make(users=users, items=items), complete=False)
    assert train.user_ids.tolist() == ["0", "1", "2"]
    assert train.user_features["original_id"].tolist() == ["U-zéro", "u1", "u2"]
    assert train.n_items == 7  # two of them without interactions
    assert test.item_features.loc["6", "original_id"] == "0006"


def test_an_item_that_the_list_lacks_has_no_original_id(make):
    train, _ = lightgcn_split(path=make(items="org_id remap_id\na 0\n"), complete=False)
    assert train.item_features["original_id"].isna().tolist() == [False, True, True, True, True]


def test_line_ends_tabs_and_blank_lines_do_no_harm(make):
    plain = lightgcn_split(path=make(), complete=False)
    odd = lightgcn_split(path=make(train="\r\n0\t3 1 \r\n1 0\r\n\r\n2  2 4 1"), complete=False)
    assert odd.train.fingerprint() == plain.train.fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "0 1\n1 2 x\n"}, r"train\.txt:2: expected a user and items, numbers .*found '1 2 x'"),
        ({"train": "0 1\n1 -2\n"}, r"train\.txt:2: expected a user"),
        ({"train": "0 1\n1 2.0\n"}, r"train\.txt:2: expected a user"),
        ({"train": "0 1\n\n1 99999999999\n"}, r"train\.txt:3: expected a user"),
        ({"train": "0 1\n1 2147483647\n"}, r"train\.txt:2: expected numbers up to 2147483646, found 2147483647"),
        ({"train": "0 1\n1 2\n0 3\n"}, r"train\.txt:3: user 0 was on line 1 already"),
        ({"train": "0\n1\n"}, r"train\.txt: expected lines of a user and items, found no items"),
        ({"test": ""}, r"test\.txt: the file is empty"),
        ({"users": "org_id remap_id\na 0\nb\n"}, r"user_list\.txt:3: expected an original id and a number, found 'b'"),
        ({"users": "org_id remap_id\na x\n"}, r"user_list\.txt:2: expected an original id and a number"),
        ({"items": "org_id remap_id\na 0\nb 0\n"}, r"item_list\.txt:3: number 0 was there already"),
    ],
)
def test_malformed_files_are_refused_with_the_line(make, changes, message):
    folder = make(**changes)
    with pytest.raises(DataError, match=message):
        lightgcn_split(path=folder, complete=False)


def test_malformed_lines_are_skipped_on_request(make):
    folder = make(train="0 3 1\nx y\n1 0\n0 2\n2 2 4 1\n3 99999999999\n")
    with pytest.warns(MalformedRowsWarning, match=r"skipped 3 malformed rows: .*train\.txt:2: .*:4: user 0") as warned:
        train, _ = lightgcn_split(path=folder, complete=False, on_error="skip")
    assert len(warned) == 1
    assert pairs(train) == [("0", "3"), ("0", "1"), ("1", "0"), ("2", "2"), ("2", "4"), ("2", "1")]


FAR = 2_000_000_000


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"train": f"0 3 1\n1 0 {FAR}\n"}, f"train.txt:2: expected items numbered from 0 on, found item {FAR}"),
        ({"train": f"{FAR} 3 1\n1 0\n"}, f"train.txt:1: expected users numbered from 0 on, found user {FAR}"),
        ({"test": f"0 3\n\n2 {FAR}\n"}, f"test.txt:3: expected items .* found item {FAR}"),
        ({"users": f"org_id remap_id\na 0\n{FAR} 999999999\n"}, "user_list.txt:3: expected users .* 999999999"),
        ({"items": "org_id remap_id\na 0\nb 1000000\n"}, "item_list.txt:3: expected items .* no more than 6 different"),
    ],
)
def test_a_number_far_beyond_the_others_is_refused_before_it_is_counted_up_to(make, changes, where):
    for on_error in ("raise", "skip"):
        with pytest.raises(DataError, match=where):
            lightgcn_split(path=make(**changes), complete=False, on_error=on_error)


def test_gaps_are_no_matter_as_long_as_they_cost_little(make):
    train, _ = lightgcn_split(path=make(train="0 3 999999\n7 1\n"), complete=False)
    assert train.n_items == 1_000_000
    assert train.n_users == 8


def test_original_ids_that_are_no_text_are_refused_with_the_line(make):
    folder = make()
    (folder / "user_list.txt").write_bytes(b"\xef\xbb\xbforg_id remap_id\nfine 0\nM\xe9 1\nlast 2\n")
    with pytest.raises(DataError, match=r"user_list\.txt:3: not utf-8 text: 'M"):
        lightgcn_split(path=folder, complete=False)
    with pytest.warns(MalformedRowsWarning, match=r"skipped 1 malformed row: .*user_list\.txt:3"):
        train, _ = lightgcn_split(path=folder, complete=False, on_error="skip")
    assert train.user_features["original_id"].isna().tolist() == [False, True, False]


@pytest.fixture
def small(monkeypatch):
    """TRAIN and TEST as a published data set."""
    module = importlib.import_module("tfrec.data.loaders.lightgcn_split")
    known = dataclasses.replace(LIGHTGCN["gowalla"], users=3, items=5, train=6, test=3)
    monkeypatch.setattr(module, "LIGHTGCN", MappingProxyType({"gowalla": known}))


@pytest.mark.usefixtures("small")
def test_complete_files_are_read(make):
    train, test = lightgcn_split(path=make(items="org_id remap_id\na 0\n"))
    assert (len(train), len(test), train.n_users, train.n_items) == (6, 3, 3, 5)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "0 3 1\n1 0 2 4 1\n"}, r"train\.txt: .* expected 3 users, found 2 lines"),
        ({"train": "0 3 1\n1 0\n3 2 4 1\n"}, r"expected users in 0 … 2, found 0 … 3"),
        ({"train": "0 3 1\n1 0\n2 2 0 1\n"}, r"expected items in 0 … 4, found 0 … 3"),
        ({"train": "0 3 1\n1 0\n2 2 5 1\n"}, r"expected items in 0 … 4, found 0 … 5"),
        ({"users": "a 3\n"}, r"expected users in 0 … 2, found 0 … 3"),
    ],
)
def test_the_published_numbers_of_users_and_items_are_insisted_on(make, changes, message):
    with pytest.raises(DataError, match=message):
        lightgcn_split(path=make(**changes))


@pytest.mark.usefixtures("small")
def test_skipped_lines_count_as_users(make):
    with pytest.warns(MalformedRowsWarning):
        train, _ = lightgcn_split(path=make(train="0 3 1\n1 0\n2 2 4 x\n"), on_error="skip")
    assert (train.n_users, train.n_items) == (3, 5)
    for changes in ({"train": "0 3 1\n2 2 4 x\n"}, {"test": "0 2\nx\n"}, {"train": TRAIN + "x\n"}):
        with pytest.warns(MalformedRowsWarning), pytest.raises(DataError, match=r"expected 3 users, found [24] lines"):
            lightgcn_split(path=make(**changes), on_error="skip")
    with pytest.warns(MalformedRowsWarning), pytest.raises(DataError, match="expected 6 interactions, found 7"):
        lightgcn_split(path=make(train="0 3 1 0 2\n1 0 4 1\n2 x\n"), on_error="skip")


def test_bad_arguments(make, tmp_path):
    with pytest.raises(ValueError, match="expected name to be one of gowalla, yelp2018, amazon-book, got 'yelp'"):
        lightgcn_split("yelp")
    with pytest.raises(ValueError, match='expected on_error to be "raise" or "skip"'):
        lightgcn_split(path=make(), complete=False, on_error="ignore")
    with pytest.raises(DataNotFoundError, match=r"TFREC_DATA is not set.*github\.com/kuandeng/LightGCN.*yelp2018"):
        lightgcn_split("yelp2018")
    (make() / "test.txt").unlink()
    with pytest.raises(DataNotFoundError, match=r"test\.txt: there is no such file"):
        lightgcn_split(path=tmp_path / "gowalla", complete=False)


def test_a_zip_is_as_good_as_a_folder(make, make_zip, tmp_path, monkeypatch):
    folder = make()
    make_zip(folder, tmp_path / "data" / "gowalla.zip")
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    packed, unpacked = lightgcn_split(complete=False), lightgcn_split(path=folder, complete=False)
    assert packed.train.fingerprint() == unpacked.train.fingerprint()
    assert packed.test.fingerprint() == unpacked.test.fingerprint()


def test_a_part_is_refused_unless_that_is_meant(make):
    with pytest.raises(DataError, match=r"train\.txt: not the complete file: expected 810,128 interactions, found 6"):
        lightgcn_split(path=make())


@given(st.dictionaries(st.integers(0, 50), st.lists(st.integers(0, 99), max_size=6), min_size=1))
def test_what_was_written_is_read(tmp_path_factory, lists):
    lists[51] = [7]
    folder = tmp_path_factory.mktemp("split")
    for name in ("train.txt", "test.txt"):
        (folder / name).write_text("".join(" ".join(map(str, [u, *items])) + "\n" for u, items in lists.items()))
    train, test = lightgcn_split(path=folder, complete=False)
    expected = [(str(user), str(item)) for user, items in lists.items() for item in items]
    assert pairs(train) == pairs(test) == expected
    assert train.n_users == 52
    assert train.n_items == 1 + max(item for items in lists.values() for item in items)


def test_the_real_gowalla_against_a_plain_reading(tfrec_data):
    train, test = lightgcn_split()
    assert (len(train), len(test), train.n_users, train.n_items) == (810_128, 217_242, 29_858, 40_981)
    assert pairs(train) == naive(tfrec_data / "gowalla" / "train.txt")
    assert pairs(test) == naive(tfrec_data / "gowalla" / "test.txt")
    assert np.array_equal(train.user_ids[train.user].astype(int), train.user)  # an index is the number
    assert np.intersect1d(train.user * 50_000 + train.item, test.user * 50_000 + test.item).size == 0


@pytest.mark.parametrize("cut", [1, 2, 3, 50])
def test_a_real_file_cut_anywhere_is_refused(tfrec_data, tmp_path, cut):
    for name in ("train.txt", "test.txt"):
        content = (tfrec_data / "gowalla" / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-cut] if name == "train.txt" else content)
    with pytest.raises(DataError, match=r"train\.txt: (not the complete file|the last line is cut off)"):
        lightgcn_split(path=tmp_path)
