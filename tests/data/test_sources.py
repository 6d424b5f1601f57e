import hashlib
import importlib
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import pytest

from tfrec.data import DataError, DataNotFoundError, amazon, datasets, movielens, ncf_split

NOWHERE = "http://127.0.0.1:9/ml-100k.zip"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """The address of a server of files, and their folder."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def download_from(monkeypatch):
    """A function that has MovieLens-100K downloaded from another address."""

    def change(url, md5="0" * 32):
        module = importlib.import_module("tfrec.data.loaders.movielens")
        known = module.MOVIELENS["100k"]
        changed = replace(known, source=replace(known.source, url=url, md5=md5))
        monkeypatch.setattr(module, "MOVIELENS", MappingProxyType({**module.MOVIELENS, "100k": changed}))

    return change


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def served(server, download_from, make_folder, make_zip):
    """A small MovieLens-100K on the server, to be downloaded with its checksum."""
    url, folder = server
    archive = make_zip(make_folder("ml-100k"), folder / "ml-100k.zip")
    download_from(f"{url}/ml-100k.zip", md5(archive))
    return archive


def test_downloaded_once_checked_and_kept(served, tmp_path, capfd):
    data = movielens("100k", complete=False)
    assert len(data) == 3
    assert "100%" in capfd.readouterr().err  # the progress bar
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["ml-100k.zip"]
    served.unlink()
    assert movielens("100k", complete=False).fingerprint() == data.fingerprint()


def test_a_damaged_file_in_the_cache_is_fetched_again(served, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ml-100k.zip").write_bytes(served.read_bytes()[:100])
    assert len(movielens("100k", complete=False)) == 3


def test_a_damaged_file_in_the_cache_without_a_network(download_from, tmp_path):
    download_from(NOWHERE)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "ml-100k.zip").write_bytes(b"half of it")
    with pytest.raises(DataNotFoundError, match=r"cache \(its ml-100k\.zip has a wrong checksum: remove it\)"):
        movielens("100k")


def test_a_wrong_checksum_is_an_error_and_leaves_nothing(served, tmp_path):
    served.write_bytes(served.read_bytes()[:-1])
    with pytest.raises(
        DataNotFoundError, match=r"could not be downloaded .*the downloaded ml-100k\.zip has a wrong checksum"
    ):
        movielens("100k", complete=False)
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_such_page(server, download_from):
    download_from(f"{server[0]}/absent.zip")
    with pytest.raises(DataNotFoundError, match="404"):
        movielens("100k")


@pytest.mark.parametrize("setting", [None, "", "absent", "empty"])
def test_no_network_and_no_file_is_one_clear_error(download_from, monkeypatch, tmp_path, setting):
    download_from(NOWHERE)
    if setting is not None:
        monkeypatch.setenv("TFREC_DATA", setting and str(tmp_path / setting))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError) as error:
        movielens("100k")
    message = str(error.value)
    state = {"absent": "which is not a folder", "empty": "which holds neither ml-100k nor ml-100k.zip"}
    for part in ("MovieLens-100K", NOWHERE, "ConnectionError", str(tmp_path / "cache"), "ml-100k.zip", "path=",
                 state.get(setting or "", "TFREC_DATA is not set")):  # fmt: skip
        assert part in message
    assert "\n" not in message
    assert error.value.__suppress_context__
    assert isinstance(error.value, FileNotFoundError)


@pytest.mark.usefixtures("served")
def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFREC_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataNotFoundError, match="could not be downloaded"):
        movielens("100k")


def test_the_order_path_then_data_then_cache(download_from, make_folder, make_zip, monkeypatch, tmp_path):
    def row(user):
        return f"{user}\t242\t3\t881250949\n"

    given = make_folder("ml-100k", root=tmp_path / "given", u_data=row(1))
    in_folder = make_folder("ml-100k", root=tmp_path / "data", u_data=row(186))
    make_zip(make_folder("ml-100k", root=tmp_path / "other", u_data=row(196)), tmp_path / "data" / "ml-100k.zip")
    cached = make_zip(make_folder("ml-100k"), tmp_path / "cache" / "ml-100k.zip")
    download_from(NOWHERE, md5(cached))

    def users(**options):
        return movielens("100k", complete=False, **options).user_ids.tolist()

    assert users() == ["196", "186"]
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert users() == ["186"]
    in_folder.rename(tmp_path / "moved")
    assert users() == ["196"]
    (tmp_path / "data" / "ml-100k.zip").unlink()
    assert users() == ["196", "186"]
    assert users(path=given) == ["1"]


def test_path_may_be_the_folder_above(make_folder, make_zip, tmp_path):
    folder = make_folder("ml-100k", root=tmp_path / "above")
    assert len(movielens("100k", folder.parent, complete=False)) == 3
    make_zip(folder, tmp_path / "zipped" / "ml-100k.zip")
    assert len(movielens("100k", str(tmp_path / "zipped"), complete=False)) == 3


def test_a_path_without_the_files(tmp_path):
    with pytest.raises(DataNotFoundError, match="absent: there is no such file or folder"):
        movielens("100k", tmp_path / "absent")
    with pytest.raises(DataNotFoundError, match=r"u\.data of MovieLens-100K is not in it"):
        movielens("100k", tmp_path)


def test_a_folder_without_the_files_hides_nothing(served, make_folder, make_zip, monkeypatch, tmp_path, download_from):
    make_folder("ml-100k", root=tmp_path / "data", u_data=None)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert {info.path for info in datasets()} == {None}
    assert len(movielens("100k", complete=False)) == 3  # downloaded
    cached = tmp_path / "cache" / "ml-100k.zip"
    assert {info.name: info.path for info in datasets() if info.path} == {"ml-100k": cached}
    archive = tmp_path / "data" / "ml-100k.zip"
    archive.write_bytes(cached.read_bytes())
    assert {info.name: info.path for info in datasets() if info.path} == {"ml-100k": archive}
    archive.unlink()
    cached.unlink()
    download_from(NOWHERE)
    with pytest.raises(DataNotFoundError, match=r"TFREC_DATA is .*, whose ml-100k is without u\.data"):
        movielens("100k")


def test_a_folder_within_the_folder(make_folder, monkeypatch, tmp_path):
    make_folder("ml-100k", root=tmp_path / "data" / "ml-100k")
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert len(movielens("100k", complete=False)) == 3
    assert len(movielens("100k", tmp_path / "data", complete=False)) == 3


def test_a_file_of_the_set_is_not_its_folder(make_folder):
    folder = make_folder("ml-1m")
    with pytest.raises(
        DataError, match=f"ratings.dat: expected the folder of MovieLens-1M, .*: pass the folder, {folder}"
    ):
        movielens("1m", folder / "ratings.dat")


@pytest.mark.parametrize(
    ("at", "value", "problem"), [(8, 1, "encrypted"), (10, 97, "compressed in an unsupported way")]
)
def test_zips_that_python_cannot_read(make_folder, make_zip, tmp_path, at, value, problem):
    archive = make_zip(make_folder("ml-100k"), tmp_path / "ml-100k.zip")
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + at] = value
    archive.write_bytes(content)
    with pytest.raises(DataError, match=rf"ml-100k\.zip: its ml-100k/u\.data is {problem}: unpack the zip"):
        movielens("100k", archive, complete=False)
    with pytest.raises(DataError, match=rf"ml-100k\.zip: its ml-100k/u\.data is {problem}: unpack the zip"):
        amazon("Toys", path=archive)


def test_truncated_and_damaged_zips(make_folder, make_zip, tmp_path):
    archive = make_zip(make_folder("ml-100k"), tmp_path / "ml-100k.zip")
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"ml-100k\.zip: not a zip archive, or cut off"):
        movielens("100k", archive, complete=False)
    start = content.index(b"u.data") + len("u.data")
    archive.write_bytes(content[:start] + bytes(8) + content[start + 8 :])
    with pytest.raises(DataError, match=r"ml-100k\.zip.*u\.data: the compressed file is damaged or cut off"):
        movielens("100k", archive, complete=False)


def test_datasets_are_listed_with_their_places(make_folder, make_zip, monkeypatch, tmp_path):
    assert {info.path for info in datasets()} == {None}
    folder = make_folder("ml-1m", root=tmp_path / "data")
    archive = make_zip(make_folder("ml-100k"), tmp_path / "cache" / "ml-100k.zip")
    (tmp_path / "data" / "amazon" / "2018").mkdir(parents=True)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    found = {info.name: info.path for info in datasets() if info.path}
    assert found == {
        "ml-100k": archive,
        "ml-1m": folder,
        "amazon-2014": tmp_path / "data" / "amazon",
        "amazon-2018": tmp_path / "data" / "amazon" / "2018",
        "amazon-2023": tmp_path / "data" / "amazon",
    }


def test_datasets_are_known_by_one_name_each_and_loaded_by_calls_there_are():
    known = datasets()
    names = [info.name for info in known]
    assert len(set(names)) == len(names)
    assert {"ml-100k", "ml-32m", "ml-latest-small", "book-crossing", "gowalla", "beauty", "ml-1m-ncf"} <= set(names)
    for info in known:
        module, function = info.call.split("(")[0].rsplit(".", 1)
        assert callable(getattr(importlib.import_module(module), function)), info.call
    sizes = {info.name: (info.users, info.items, info.interactions) for info in known}
    assert sizes["ml-1m"] == sizes["ml-1m-ncf"] == (6_040, 3_706, 1_000_209)
    assert sizes["amazon-2018"] == (None, None, None)


def test_data_without_a_download_say_where_to_get_them():
    with pytest.raises(DataNotFoundError, match=r"TFREC_DATA is not set.*github\.com/hexiangnan.*ml-1m-ncf"):
        ncf_split()
