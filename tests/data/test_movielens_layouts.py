# mypy: no-check-untyped-defs
"""The layouts of 10M and later, of which no official files are at hand: small files in exactly their form."""

import hashlib
import importlib
import re
import zipfile
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from tfrec.data import DataError, DataNotFoundError, MalformedRowsWarning, movielens
from tfrec.data.loaders.movielens_layouts import MOVIELENS

FILES_10M = {
    "ratings.dat": "1::122::5::838985046\n1::185::4.5::838983525\n2::122::0.5::868244562\n",
    "movies.dat": (
        "122::Boomerang (1992)::Comedy|Romance\n"
        '185::Misérables, Les: The "Net" (1995)::Action|Children|IMAX\n'
        "8606::Pull My Daisy (1958)::(no genres listed)\n"
    ),
    "tags.dat": "15::4973::excellent!::1215184630\n",
}
FILES_CSV = {
    "ratings.csv": (
        "userId,movieId,rating,timestamp\n"
        "1,296,5.0,1147880044\n1,11,3.5,1147868817\n7,114335,0.5,1439474476\n7,296,4,1439474477\n"
    ),
    "movies.csv": (
        "movieId,title,genres\n"
        "1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy\n"
        '11,"American President, The (1995)",Comedy|Drama|Romance\n'
        "296,Pulp Fiction ★ ポケモン (1994),Comedy|Crime|Drama|Thriller|IMAX\n"
        '114335,"""Great Performances"" Cats, again (1998)",(no genres listed)\n'
    ),
    "links.csv": "movieId,imdbId,tmdbId\n1,0114709,862\n11,0112346,9087\n296,0110912,680\n114335,0207972,\n",
    "tags.csv": "userId,movieId,tag,timestamp\n",
}
CSV_NAMES = ["20m", "25m", "32m", "latest-small"]


@pytest.fixture
def make(tmp_path):
    """A function that writes a small data set, some files changed or left out (None), and returns the folder."""

    def make(name, root="files", **changes):
        folder = tmp_path / root / ("ml-10M100K" if name == "10m" else f"ml-{name}")
        folder.mkdir(parents=True)
        changed = {key.replace("_", "."): text for key, text in changes.items()}
        for file, text in {**(FILES_10M if name == "10m" else FILES_CSV), **changed}.items():
            if text is not None:
                (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return make


def genres(data, item):
    flags = data.item_features.loc[item].drop(["imdb_id", "tmdb_id"], errors="ignore")
    return list(flags.index[flags.astype(bool)])


def test_10m(make):
    data = movielens("10m", make("10m"), complete=False)
    assert data.name == "ml-10m"
    assert data.user_ids.tolist() == ["1", "2"]
    assert data.item_ids.tolist() == ["122", "185"]
    assert data.rating.tolist() == [5.0, 4.5, 0.5]
    assert data.timestamp.tolist() == [838985046, 838983525, 868244562]
    assert data.item_titles.tolist() == ["Boomerang (1992)", 'Misérables, Les: The "Net" (1995)']
    assert genres(data, "185") == ["Action", "Children", "IMAX"]
    assert data.user_features is None
    assert {dtype.kind for dtype in data.item_features.dtypes} == {"b"}


@pytest.mark.parametrize("name", CSV_NAMES)
def test_csv_layout(make, name):
    data = movielens(f"ml-{name}", make(name), complete=name == "latest-small")
    assert data.name == f"ml-{name}"
    assert data.user_ids.tolist() == ["1", "7"]
    assert data.item_ids.tolist() == ["296", "11", "114335"]
    assert data.user.tolist() == [0, 0, 1, 1]
    assert data.item.tolist() == [0, 1, 2, 0]
    assert data.rating.tolist() == [5.0, 3.5, 0.5, 4.0]
    assert data.timestamp.tolist() == [1147880044, 1147868817, 1439474476, 1439474477]
    assert data.item_titles.tolist() == [
        "Pulp Fiction ★ ポケモン (1994)", "American President, The (1995)", '"Great Performances" Cats, again (1998)',
    ]  # fmt: skip
    assert genres(data, "296") == ["Comedy", "Crime", "Drama", "Thriller", "IMAX"]
    assert genres(data, "114335") == []
    assert data.item_features["imdb_id"].tolist() == ["0110912", "0112346", "0207972"]
    assert data.item_features["tmdb_id"].tolist() == ["680", "9087", ""]
    assert data.user_features is None


@pytest.mark.parametrize("name", ["10m", "20m"])
def test_windows_line_ends(make, name):
    plain = movielens(name, make(name), complete=False)
    folder = make(name, root="windows")
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    windows = movielens(name, folder, complete=False)
    assert windows.fingerprint() == plain.fingerprint()
    assert windows.item_titles.tolist() == plain.item_titles.tolist()
    assert windows.item_features.equals(plain.item_features)


def test_a_byte_order_mark_does_no_harm(make):
    text = "\ufeff" + FILES_CSV["ratings.csv"]
    assert len(movielens("20m", make("20m", ratings_csv=text), complete=False)) == 4


def test_links_are_optional(make):
    data = movielens("25m", make("25m", links_csv=None), complete=False)
    assert "imdb_id" not in data.item_features


def test_ratings_alone(make):
    data = movielens("25m", make("25m", links_csv=None, movies_csv=None), complete=False, features=False)
    assert len(data) == 4
    assert data.item_titles is data.item_features is data.user_features is None


@pytest.mark.parametrize("name", ["10m", "20m"])
def test_zip_with_the_official_folder(make, make_zip, tmp_path, monkeypatch, name):
    folder = make(name)
    plain = movielens(name, folder, complete=False)
    assert movielens(name, folder.parent, complete=False).fingerprint() == plain.fingerprint()
    archive = make_zip(folder, tmp_path / "data" / f"ml-{name}.zip")
    assert f"{folder.name}/" in zipfile.ZipFile(archive).namelist()[0]
    monkeypatch.setenv("TFREC_DATA", str(archive.parent))
    packed = movielens(name, complete=False)
    assert packed.fingerprint() == plain.fingerprint()
    assert packed.item_titles.tolist() == plain.item_titles.tolist()


def test_the_unpacked_10m_is_found_under_its_own_folder_name(make, monkeypatch):
    monkeypatch.setenv("TFREC_DATA", str(make("10m").parent))
    assert len(movielens("10m", complete=False)) == 3


@pytest.mark.parametrize(
    ("name", "file", "text", "where"),
    [
        ("10m", "ratings.dat", "1::2::5::4\n1::2::0::4\n", "2: .* to be in 0.5 … 5 in steps of 0.5, found '0'"),
        ("10m", "ratings.dat", "1::2::3.7::4\n", "1: expected rating"),
        ("10m", "ratings.dat", "1::2::nan::4\n", "1: expected rating"),
        ("10m", "ratings.dat", "1::2::5.5::4\n", "1: expected rating"),
        ("10m", "ratings.dat", "1::2::::4\n", "1: expected rating"),
        ("10m", "ratings.dat", "1::2::3.5:4\n", "1: expected 4 fields"),
        ("10m", "ratings.dat", "1::2::3.5\n", "1: expected 4 fields"),
        ("10m", "ratings.dat", "1:::2::3.5:4\n", "1: expected 4 fields"),
        ("10m", "ratings.dat", "1::2:x:3.5::4\n", "1: expected 4 fields"),
        ("10m", "ratings.dat", "1::2::3.5::4\x00\n", "1: expected timestamp"),
        ("10m", "ratings.dat", "1::2::3.5::4\r1::2::3.5::5\n", "1: expected 4 fields"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + "7,8,3.5\n", "6: expected 4 fields"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + "7,8,3.5,4,5\n", "6: expected 4 fields"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + '7,"8",3.5,4\n', "6: expected item"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + "7,8,,4\n", "6: expected rating"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + "7,8.5,3,4\n", "6: expected item"),
        ("20m", "ratings.csv", FILES_CSV["ratings.csv"] + "7,4294967297,3,4\n", "6: expected item"),
        ("20m", "ratings.csv", "user,movie,rating,time\n1,2,3,4\n", "1: expected the line 'userId,movieId,"),
        ("20m", "movies.csv", FILES_CSV["movies.csv"] + '5,"Unclosed,Drama\n', "6: .*a quote that is never closed"),
        ("20m", "movies.csv", FILES_CSV["movies.csv"] + "5,No, quotes,Drama\n", "6: expected 3 fields, found 4"),
        ("20m", "movies.csv", FILES_CSV["movies.csv"].encode() + b"5,Les Mis\xe9rables,Drama\n", "6: not utf-8 text"),
        ("20m", "movies.csv", FILES_CSV["movies.csv"].replace("IMAX", "imax"), r"4: unknown genres \['imax'\]"),
        ("20m", "links.csv", "movieId,imdbId,tmdbId\n296,0110912\n", "2: expected 3 fields, found 2"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused_with_the_line(make, name, file, text, where):
    folder = make(name, **{file.replace(".", "_"): text})
    with pytest.raises(DataError, match=f"^{re.escape(str(folder / file))}:{where}"):
        movielens(name, folder, complete=False)


@pytest.mark.parametrize(
    ("name", "file"), [("10m", "ratings.dat"), ("20m", "ratings.csv"), ("latest-small", "ratings.csv")]
)
def test_empty_files(make, name, file):
    folder = make(
        name, **{file.replace(".", "_"): (FILES_CSV if name != "10m" else {}).get(file, "\n").split("\n")[0] + "\n"}
    )
    with pytest.raises(DataError, match=f"{file}: the file is empty"):
        movielens(name, folder, complete=False)


@pytest.mark.parametrize("name", ["10m", "20m", "25m", "32m"])
def test_official_sizes_guard_completeness(make, name):
    with pytest.raises(DataError, match=f"expected {MOVIELENS[name].n_ratings:,} rows, found"):
        movielens(name, make(name))


def test_latest_small_changes_but_must_not_be_cut_off(make):
    text = FILES_CSV["ratings.csv"].removesuffix("\n")
    with pytest.raises(DataError, match=r"ratings\.csv: the last line is cut off"):
        movielens("latest-small", make("latest-small", ratings_csv=text))


def test_latest_small_is_checked_by_the_published_checksum(make, make_zip, tmp_path, monkeypatch):
    archive = make_zip(make("latest-small"), tmp_path / "served" / "ml-latest-small.zip")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    asked = []

    def download(url, target, expected):
        asked.append((url, expected))
        target.parent.mkdir()
        target.write_bytes(archive.read_bytes())

    monkeypatch.setattr("tfrec.data.files.sources.published_md5", lambda url: asked.append(url) or md5)
    monkeypatch.setattr("tfrec.data.files.sources.download", download)
    assert len(movielens("latest-small")) == 4
    url = "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip"
    assert asked == [f"{url}.md5", (url, md5)]
    assert len(movielens("latest-small")) == 4  # from the cache, without a question
    assert len(asked) == 2


def test_every_source_is_well_formed():
    for name, known in MOVIELENS.items():
        assert known.source.url == f"https://files.grouplens.org/datasets/movielens/ml-{name}.zip"
        assert known.source.downloadable
        if known.source.md5 is not None:
            assert re.fullmatch("[0-9a-f]{32}", known.source.md5)


# on_error="skip"


def test_skipped_ratings_are_counted_and_named(make):
    lines = [f"1::{item}::3.5::{item}" for item in range(1, 1001)]
    lines[9], lines[499], lines[999] = "1::2::3", "x::1::2::3", "1::2::9::4"
    movies = "".join(f"{item}::T::Drama\n" for item in range(1, 1001))
    folder = make("10m", ratings_dat="\n".join(lines) + "\n", movies_dat=movies)
    with pytest.warns(MalformedRowsWarning) as caught:
        data = movielens("10m", folder, complete=False, on_error="skip")
    assert len(caught) == 1
    assert caught[0].message.count == 3
    file = folder / "ratings.dat"
    assert [problem.split(": ")[0] for problem in caught[0].message.problems] == [
        f"{file}:10",
        f"{file}:500",
        f"{file}:1000",
    ]
    kept = np.delete(np.arange(1, 1001), [9, 499, 999])
    assert data.timestamp.tolist() == kept.tolist()
    assert data.item_ids.tolist() == [str(item) for item in kept]


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_a_sound_file(make):
    folder = make("20m")
    data = movielens("20m", folder, complete=False, on_error="skip")
    assert data.fingerprint() == movielens("20m", folder, complete=False).fingerprint()


def test_skipped_movies_have_no_title_and_no_genre(make):
    movies = FILES_CSV["movies.csv"].encode().replace("★".encode(), b"\xff").replace(b"Romance", b"Romantic")
    with pytest.warns(
        MalformedRowsWarning, match=r"movies\.csv: skipped 2 malformed rows: .*movies\.csv:4: .*movies\.csv:3:"
    ):
        data = movielens("20m", make("20m", movies_csv=movies), complete=False, on_error="skip")
    assert len(data) == 4
    assert data.item_titles[0] == ""
    assert data.item_titles[1] == ""  # its genres are malformed, and the line is skipped as a whole
    assert genres(data, "296") == genres(data, "11") == []


def test_a_movie_without_a_line_is_counted_if_a_skipped_line_may_be_its_own(make):
    movies = FILES_10M["movies.dat"].replace("185::", "x185:")
    with pytest.warns(
        MalformedRowsWarning, match=r"skipped 2 malformed rows: .*:2: expected 3 fields.*:4: no line"
    ) as w:
        data = movielens("10m", make("10m", movies_dat=movies), complete=False, on_error="skip")
    assert "movies.dat:4: no line for id 185, which the ratings have" in str(w[0].message)
    assert data.item_titles.tolist() == ["Boomerang (1992)", ""]


def test_a_movie_without_a_line_is_an_error_if_fewer_were_skipped(make):
    ratings = FILES_10M["ratings.dat"] + "2::9::3::5\n"
    folder = make("10m", ratings_dat=ratings, movies_dat=FILES_10M["movies.dat"].replace("185::", "x185:"))
    with pytest.raises(DataError, match=r"no line for id 185, .* \(2 ids have none, and 1 lines were skipped\)"):
        movielens("10m", folder, complete=False, on_error="skip")


def test_ids_are_numbers(make):
    ratings = "01::122::5::838985046\n1::0185::4.5::838983525\n"
    data = movielens("10m", make("10m", ratings_dat=ratings), complete=False)
    assert (data.user_ids.tolist(), data.item_ids.tolist()) == (["1"], ["122", "185"])


def test_skipped_users_have_missing_features(make_folder):
    users = "1::F::old::10::48067\n2::M::56::16::70072\n2::M::25::16::70072\n"
    folder = make_folder("ml-1m", users_dat=users)
    with pytest.warns(MalformedRowsWarning, match=r"users\.dat: skipped 2 malformed rows") as caught:
        data = movielens("1m", folder, complete=False, on_error="skip")
    assert "id 2 was on line 2 already" in str(caught[0].message)
    assert data.user_features["age"].isna().tolist() == [True, False]
    assert data.user_features.loc["2", "age"] == 56


def test_a_user_without_a_line_is_an_error_even_then(make_folder):
    folder = make_folder("ml-1m", users_dat="1::F::1::10::48067\n")
    with pytest.raises(DataError, match="no line for id 2"):
        movielens("1m", folder, complete=False, on_error="skip")


def test_skipped_rows_count_for_completeness(make, monkeypatch):
    module = importlib.import_module("tfrec.data.loaders.movielens")
    known = MOVIELENS["20m"]
    small = replace(known, ratings=known.ratings._replace(n_rows=5), items=known.items._replace(n_rows=4),
                    links=known.links._replace(n_rows=4))  # fmt: skip
    monkeypatch.setattr(module, "MOVIELENS", MappingProxyType({"20m": small}))
    folder = make("20m", ratings_csv=FILES_CSV["ratings.csv"] + "bad\n")
    with pytest.warns(MalformedRowsWarning):
        assert len(movielens("20m", folder, on_error="skip")) == 4


def test_no_sound_row_is_an_error(make):
    with pytest.raises(DataError, match=r"ratings\.dat: expected lines of user, item, .*found none that is sound"), \
            pytest.warns(MalformedRowsWarning):  # fmt: skip
        movielens("10m", make("10m", ratings_dat="a\nb\n"), complete=False, on_error="skip")


def test_on_error_is_checked(make):
    with pytest.raises(ValueError, match='expected on_error to be "raise" or "skip", got \'ignore\''):
        movielens("10m", make("10m"), complete=False, on_error="ignore")
    with pytest.raises(DataNotFoundError, match=r"movies\.dat"):
        movielens("10m", make("10m", root="other", movies_dat=None), complete=False, on_error="skip")
