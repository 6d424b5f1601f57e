# mypy: no-check-untyped-defs
import numpy as np
import pytest

from tfrec.data import DataError, DataNotFoundError, movielens

SIZES = {"100k": (100_000, 943, 1_682, 19), "1m": (1_000_209, 6_040, 3_706, 18)}


def test_the_small_100k(make_folder):
    data = movielens("100k", make_folder("ml-100k"), complete=False)
    assert data.user_ids.tolist() == ["196", "186"]
    assert data.item_ids.tolist() == ["242", "302"]
    assert data.item_titles.tolist() == ["Kolya (1996)", "Misérables, Les (1997)"]
    assert data.rating.tolist() == [3, 3, 5]
    assert data.timestamp.tolist() == [881250949, 891717742, 878887116]
    features = data.item_features
    assert list(features.columns[features.loc["302"]]) == ["Crime", "Drama", "Romance"]
    assert list(features.columns[features.loc["242"]]) == ["Comedy"]
    assert data.user_features.loc["186"].to_dict() == {
        "age": 39, "gender": "F", "occupation": "executive", "zip_code": "00000",
    }  # fmt: skip
    assert data.name == "ml-100k"


def test_the_small_1m(make_folder):
    data = movielens("1m", make_folder("ml-1m"), complete=False)
    assert data.user_ids.tolist() == ["1", "2"]
    assert data.item_ids.tolist() == ["1193", "661"]  # movie 1 has no rating
    assert data.item_titles.tolist() == ["Cuckoo's Nest: A Misérable Title (1975)", "James and the Giant Peach (1996)"]
    features = data.item_features
    assert list(features.columns[features.loc["661"]]) == ["Animation", "Children's", "Musical"]
    assert data.user_features.loc["2"].to_dict() == {
        "gender": "M", "age": 56, "occupation": "16", "zip_code": "70072",
    }  # fmt: skip


def test_windows_line_ends_and_blank_lines_do_no_harm(make_folder):
    folder = make_folder("ml-1m")
    plain = movielens("1m", folder, complete=False)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    windows = movielens("1m", folder, complete=False)
    assert windows.fingerprint() == plain.fingerprint()
    assert windows.user_features.equals(plain.user_features)
    assert windows.item_features.equals(plain.item_features)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", ["100k", "1m"])
def test_a_zip_is_as_good_as_a_folder(make_folder, make_zip, tmp_path, name, flat):
    folder = make_folder(f"ml-{name}")
    archive = make_zip(folder, tmp_path / "some.zip", flat=flat)
    packed, unpacked = movielens(name, archive, complete=False), movielens(name, folder, complete=False)
    assert packed.fingerprint() == unpacked.fingerprint()
    assert packed.item_titles.tolist() == unpacked.item_titles.tolist()


def test_both_spellings_of_the_name(make_folder):
    folder = make_folder("ml-1m")
    assert movielens("ml-1m", folder, complete=False).name == movielens("1m", folder, complete=False).name
    with pytest.raises(ValueError, match=r"expected name to be one of 100k, 1m, .*latest-small; got '2m'"):
        movielens("2m")


@pytest.mark.parametrize(
    ("name", "file", "text", "where"),
    [
        (
            "ml-100k",
            "u.data",
            "1\t2\t3\t4\n1\t2\t3\n",
            "u.data:2: expected 4 fields (user, item, rating, timestamp), got 3",
        ),
        ("ml-100k", "u.data", "1\t2\t3\t4\n\n1\t2\t3\t4\t5\n", "u.data:3: expected 4 fields"),
        ("ml-100k", "u.data", "1\t2\t3\t4\t\n", "u.data:1: expected 4 fields"),
        ("ml-100k", "u.data", "1 2 3 4\n", "u.data:1: expected 4 fields"),
        ("ml-100k", "u.data", "1\t2\t3\t4\n1\t2\t9\t4\n", "u.data:2: expected rating to be in 1 … 5, found '9'"),
        ("ml-100k", "u.data", "1\tx\t3\t4\n", "u.data:1: expected item to be in 1 … 2147483647, found 'x'"),
        ("ml-100k", "u.data", "1\t2\t3\t4\n0\t2\t3\t4\n", "u.data:2: expected user"),
        ("ml-100k", "u.data", "1\t2\t3.5\t4\n", "u.data:1: expected rating to be in 1 … 5, found '3.5'"),
        ("ml-100k", "u.data", "1\t2\t3\t\n", "u.data:1: expected timestamp"),
        ("ml-100k", "u.data", f"1\t2\t3\t{10**30}\n", "u.data:1: expected timestamp"),
        ("ml-100k", "u.data", "1\t2\té\t4\n", "u.data:1: expected rating"),
        ("ml-100k", "u.data", "", "u.data: the file is empty"),
        ("ml-100k", "u.data", "\n \n", "u.data: the file is empty"),
        ("ml-100k", "u.item", "242|Kolya|x||url|0|1\n", "u.item:1: expected 24 fields, found 7"),
        ("ml-100k", "u.item", "242|Kolya|x||url|" + "|".join("1" * 19) + "\n", "u.item: no line for id 302"),
        ("ml-100k", "u.user", "1|24|M|tech|1\n196|49|M|w|5\n186|old|F|e|0\n", "u.user:3: expected an age, found 'old'"),
        ("ml-100k", "u.user", "196|49|M|w|5\n", "u.user: no line for id 186, which the ratings have"),
        ("ml-1m", "ratings.dat", "1::2::3::4\n1:2::3::4\n", "ratings.dat:2: expected 4 fields"),
        ("ml-1m", "ratings.dat", "1::2::3:4\n", "ratings.dat:1: expected 4 fields"),
        ("ml-1m", "ratings.dat", "1::2::3::4::\n", "ratings.dat:1: expected 4 fields"),
        ("ml-1m", "ratings.dat", "1:::2::3::4\n", "ratings.dat:1: expected item"),
        ("ml-1m", "movies.dat", "661::A::Drama\n1193::B::Dra\n", "movies.dat:2: unknown genres ['Dra']"),
        (
            "ml-1m",
            "movies.dat",
            "661::A::Drama\n1193::B::War\n661::C::War\n",
            "movies.dat:3: id 661 was on line 1 already",
        ),
    ],
)
def test_malformed_files_are_refused_with_the_line(make_folder, name, file, text, where):
    folder = make_folder(name, **{file.replace(".", "_"): text})
    with pytest.raises(DataError) as error:
        movielens(name, folder, complete=False)
    assert str(error.value).startswith(f"{folder}/{where}")
    assert "\n" not in str(error.value)


def test_genre_flags_are_checked(make_folder):
    item = "\n".join(f"{i}|T|d||u|" + "|".join("2" * 19) for i in (242, 302)) + "\n"
    with pytest.raises(DataError, match=r"u\.item:1: expected 19 genre flags, 0 or 1"):
        movielens("100k", make_folder("ml-100k", u_item=item), complete=False)


@pytest.mark.parametrize(("name", "file"), [("ml-100k", "u.item"), ("ml-1m", "users.dat"), ("ml-1m", "ratings.dat")])
def test_a_file_that_is_missing_is_named(make_folder, make_zip, tmp_path, name, file):
    folder = make_folder(name, **{file.replace(".", "_"): None})
    for path in (folder, make_zip(folder, tmp_path / "some.zip")):
        with pytest.raises(DataNotFoundError, match=file):
            movielens(name, path, complete=False)


def test_a_short_file_is_refused_unless_that_is_meant(make_folder):
    folder = make_folder("ml-100k")
    with pytest.raises(
        DataError, match=r"u\.data: not the complete file: expected 100,000 rows, found 3; .*complete=False"
    ):
        movielens("100k", folder)
    assert len(movielens("100k", folder, complete=False)) == 3


@pytest.mark.parametrize("name", ["100k", "1m"])
def test_real_files_against_a_plain_reading(tfrec_data, name):
    n_ratings, n_users, n_items, n_genres = SIZES[name]
    data = movielens(name)
    assert (len(data), data.n_users, data.n_items) == (n_ratings, n_users, n_items)
    file, separator = {"100k": ("u.data", "\t"), "1m": ("ratings.dat", "::")}[name]
    fields = (tfrec_data / f"ml-{name}" / file).read_text(encoding="ascii").replace(separator, " ").split()
    users, items, ratings, times = (fields[column::4] for column in range(4))
    assert data.user_ids[data.user].tolist() == users
    assert data.item_ids[data.item].tolist() == items
    np.testing.assert_array_equal(data.rating, np.array(ratings, dtype=np.float32))
    np.testing.assert_array_equal(data.timestamp, np.array(times, dtype=np.int64))
    assert data.user_ids.tolist() == list(dict.fromkeys(users))
    assert data.item_titles[data.item_ids == "1"].tolist() == ["Toy Story (1995)"]
    assert data.item_features.shape == (n_items, n_genres)
    assert list(data.item_features.columns[data.item_features.loc["1"]]) == ["Animation", "Children's", "Comedy"]
    assert data.user_features.shape == (n_users, 4)
    assert data.user_features.loc["1", "age"] == {"100k": 24, "1m": 1}[name]


@pytest.mark.parametrize("cut", [1, 2, 5, 9, 15, 24, 200])
def test_a_real_file_cut_anywhere_is_refused(tfrec_data, tmp_path, cut):
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    for file in ("u.data", "u.item", "u.user"):
        content = (tfrec_data / "ml-100k" / file).read_bytes()
        (folder / file).write_bytes(content[:-cut] if file == "u.data" else content)
    with pytest.raises(DataError, match=r"u\.data(:\d+)?: "):
        movielens("100k", folder)
