# mypy: no-check-untyped-defs
"""Downloads against a server of our own that breaks off, ignores ranges or changes its file."""

import hashlib
import multiprocessing
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tfrec.data import DataNotFoundError
from tfrec.data.files.downloads import ChecksumError, download, published_md5, unfinished
from tfrec.data.files.sources import FileSource, fetch_file, locate

CONTENT = np.random.default_rng(0).bytes(3_000_000)
HALF = 1 << 20
MD5 = hashlib.md5(CONTENT).hexdigest()


class _Server(ThreadingHTTPServer):
    """Serves one content under every path.

    Attributes:
        content: The content.
        version: Its ETag, or None to give the time of its last change.
        ranges: Whether ranges are supported.
        break_after: After how many bytes to close the connection, one for each request; None sends all.
        status: Another status to answer with, or None.
        headers: Further headers.
        length: How the length is told: "Content-Length", "chunked" or "none".
        requests: The Range header of each request.
        sent: How many bytes of content were sent.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.version, self.ranges = CONTENT, '"v1"', True
        self.break_after, self.requests, self.sent = [], [], 0
        self.status, self.headers, self.length = None, {}, "Content-Length"
        self.url = f"http://127.0.0.1:{self.server_port}/file.zip"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        changed = formatdate(1_000_000_000, usegmt=True)
        begin = 0
        condition = self.headers.get("If-Range")
        if asked and server.ranges and condition in (None, server.version or changed):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if server.status is None and server.content and begin >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[begin:]
        self.send_response(server.status or (206 if begin else 200))
        for name, value in server.headers.items():
            self.send_header(name, value)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
        if server.version:
            self.send_header("ETag", server.version)
        else:
            self.send_header("Last-Modified", changed)
        if server.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        elif server.length == "Content-Length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stop = server.break_after.pop(0) if server.break_after else None
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that has seen enough
            self.wfile.write(body[:stop])
        server.sent += len(body[:stop])
        self.close_connection = True


@contextmanager
def serving(server):
    with server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server():
    with serving(_Server()) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("tfrec.data.files.downloads.time.sleep", lambda _: None)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "file.zip"


def assert_only(target):
    assert target.read_bytes() == CONTENT
    assert [file.name for file in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_broken_connection_is_continued_where_it_broke(server, target, md5, capfd):
    server.break_after = [HALF, HALF // 2]
    download(server.url, target, md5)
    assert_only(target)
    assert server.requests == [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert server.sent == len(CONTENT)  # no byte twice
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize("md5", [MD5, None])
@pytest.mark.parametrize("version", ['"v1"', None])
def test_a_later_call_continues(server, target, md5, version):
    server.version = version
    server.break_after = [HALF, 0, 0, 0, 0]
    with pytest.raises(OSError, match=r"bytes|IncompleteRead"):
        download(server.url, target, md5)
    assert not target.exists()
    assert unfinished(target).stat().st_size == HALF
    server.break_after = []
    download(server.url, target, md5)
    assert_only(target)
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_server_without_ranges_sends_it_all_again(server, target, md5):
    server.ranges = False
    server.break_after = [HALF]
    download(server.url, target, md5)
    assert_only(target)
    assert server.sent == len(CONTENT) + HALF


def test_a_file_that_changed_meanwhile_is_fetched_anew(server, target):
    server.content, server.version = bytes(2_000_000), '"v0"'
    server.break_after = [HALF, 0, 0, 0, 0]
    with pytest.raises(OSError, match=r"bytes|IncompleteRead"):
        download(server.url, target)
    server.content, server.version = CONTENT, '"v1"'
    download(server.url, target)
    assert_only(target)


def test_a_beginning_that_is_not_of_this_file_is_given_up(server, target):
    target.parent.mkdir()
    unfinished(target).write_bytes(bytes(1_000_000))  # no word of the server on which version that was
    download(server.url, target, MD5)
    assert_only(target)
    assert server.requests == ["bytes=1000000-", None]


def test_without_version_and_checksum_nothing_is_continued(server, target):
    target.parent.mkdir()
    unfinished(target).write_bytes(bytes(1_000_000))
    download(server.url, target)
    assert_only(target)
    assert server.requests == [None]


@pytest.mark.parametrize("surplus", [b"", b"more"])
def test_a_beginning_as_long_as_the_file_or_longer(server, target, surplus):
    target.parent.mkdir()
    unfinished(target).write_bytes(CONTENT + surplus)
    download(server.url, target, MD5)
    assert_only(target)


def test_a_wrong_checksum_leaves_nothing(server, target):
    with pytest.raises(ChecksumError, match=r"file\.zip has a wrong checksum: expected MD5 0000"):
        download(server.url, target, "0" * 32)
    assert list(target.parent.iterdir()) == []


def test_a_wrong_checksum_keeps_what_was_there(server, target):
    target.parent.mkdir()
    target.write_bytes(b"an older version")
    with pytest.raises(ChecksumError):
        download(server.url, target, "0" * 32)
    assert target.read_bytes() == b"an older version"


def test_a_server_that_answers_with_another_part_is_refused(server, target, monkeypatch):
    target.parent.mkdir()
    unfinished(target).write_bytes(CONTENT[:1000])
    send = _Handler.send_header
    monkeypatch.setattr(
        _Handler, "send_header", lambda self, name, value: send(self, name, value.replace("bytes 1000-", "bytes 0-"))
    )
    with pytest.raises(OSError, match="asked for the bytes from 1,000 on"):
        download(server.url, target, MD5)


PAGE = b"  <!DOCTYPE html>\n<html>please log in</html>"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("a.csv", {"status": 204, "content": b""}, "expected a file, got HTTP 204"),
        ("a.csv", {"status": 202}, "expected a file, got HTTP 202"),
        ("a.csv", {"content": b""}, "the downloaded a.csv is empty"),
        ("a.csv", {"content": b" \n"}, "the downloaded a.csv is empty"),
        ("a.csv", {"headers": {"Content-Type": "text/HTML; charset=utf-8"}}, "got a web page"),
        ("a.csv", {"content": PAGE}, "the downloaded a.csv is a web page"),
        ("a.json.gz", {"content": b'{"a": 1}\n'}, "the downloaded a.json.gz is not a gzip"),
        ("a.csv", {"length": "none"}, "doesn't say how long the file is, and no checksum is known"),
        (
            "a.csv",
            {"length": "chunked", "break_after": [HALF, 0, 0, 0, 0]},
            "Connection broken|ended prematurely|Incomplete",
        ),
        ("a.csv", {"status": 416}, "416 Client Error"),
    ],
)
def test_what_cannot_be_the_file_is_not_kept(server, tmp_path, name, changes, message):
    vars(server).update(changes)
    with pytest.raises((OSError, ChecksumError), match=message):
        download(server.url, tmp_path / "cache" / name)
    assert not (tmp_path / "cache" / name).exists()
    assert not any(file.stat().st_size == 0 for file in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize("length", ["chunked", "none"])
def test_without_a_length_the_end_is_known_by_the_chunks_or_the_checksum(server, target, length):
    server.length = length
    download(server.url, target, None if length == "chunked" else MD5)
    assert_only(target)


def test_a_page_may_be_a_page(server, tmp_path):
    server.content, server.headers = PAGE, {"Content-Type": "text/html"}
    download(server.url, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_bytes() == PAGE


@pytest.mark.parametrize("rest", [f"bytes 1000-1999/{len(CONTENT)}", "bytes 1000-", "items 1000-2000/2001"])
def test_a_part_that_does_not_reach_the_end_is_refused(server, target, monkeypatch, rest):
    target.parent.mkdir()
    unfinished(target).write_bytes(CONTENT[:1000])
    send = _Handler.send_header
    monkeypatch.setattr(
        _Handler, "send_header", lambda self, name, value: send(self, name, rest if name == "Content-Range" else value)
    )
    with pytest.raises(OSError, match="asked for the bytes from 1,000 on"):
        download(server.url, target, MD5)


def _download(url, target):
    download(url, target, MD5)


def test_processes_at_once_fetch_it_once(server, target):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_download, args=(server.url, target)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert_only(target)
    assert server.sent == len(CONTENT)


def test_threads_at_once_fetch_it_once(server, target):
    threads = [threading.Thread(target=_download, args=(server.url, target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert_only(target)
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize("text", [f"{MD5}  file.zip\n", f"MD5 (file.zip) = {MD5.upper()}\n", MD5])
def test_published_checksums(server, text):
    server.content = text.encode()
    assert published_md5(f"{server.url}.md5") == MD5


def test_a_page_without_a_checksum(server):
    server.content = b"<html>moved</html>"
    with pytest.raises(ChecksumError, match="expected an MD5 checksum, got '<html>"):
        published_md5(server.url)


# One-file sources


@pytest.fixture
def source(server):
    return FileSource("Some ratings", "some", "ratings.csv", server.url, MD5, downloadable=True)


def test_a_file_is_downloaded_into_its_folder_of_the_cache(server, source, tmp_path):
    assert locate(source) is None
    expected = tmp_path / "cache" / "some" / "ratings.csv"
    assert fetch_file(source) == expected
    assert fetch_file(source) == locate(source) == expected
    assert server.requests == [None]


def test_path_then_data_folder_then_cache(source, tmp_path, monkeypatch):
    cached = fetch_file(source)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert fetch_file(source) == cached
    in_data = tmp_path / "data" / "some" / "ratings.csv"
    in_data.parent.mkdir(parents=True)
    in_data.write_text("mine")
    assert fetch_file(source) == locate(source) == in_data
    given = tmp_path / "given" / "ratings.csv"
    given.parent.mkdir()
    given.write_text("mine")
    assert [fetch_file(source, path) for path in (given, given.parent, str(given))] == [given] * 3
    assert fetch_file(source, tmp_path / "data") == in_data


def test_a_path_without_the_file(source, tmp_path):
    with pytest.raises(DataNotFoundError, match=r"ratings\.csv of Some ratings is not in it"):
        fetch_file(source, tmp_path)
    with pytest.raises(DataNotFoundError, match="absent: there is no such file or folder"):
        fetch_file(source, tmp_path / "absent")


def test_an_unfinished_download_is_mentioned(server, source):
    server.break_after = [HALF, 0, 0, 0, 0]
    with pytest.raises(DataNotFoundError, match=r"holds the beginning of ratings\.csv: the next call continues there"):
        fetch_file(source)
    assert fetch_file(source).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", PAGE])
def test_a_useless_file_in_the_cache_is_fetched_again(server, source, tmp_path, content):
    source = replace(source, md5=None)
    cached = tmp_path / "cache" / "some" / "ratings.csv"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content)
    assert fetch_file(source) == cached
    assert cached.read_bytes() == CONTENT
    cached.write_bytes(content)
    server.status = 500
    with pytest.raises(DataNotFoundError, match=r"its ratings\.csv is (empty|a web page): remove it"):
        fetch_file(source)


def test_nothing_is_said_of_a_beginning_of_no_bytes(server, source):
    server.status = 500
    with pytest.raises(DataNotFoundError) as error:
        fetch_file(source)
    assert "beginning" not in str(error.value)


def test_a_file_without_download_says_where_to_put_it(tmp_path, monkeypatch):
    source = FileSource("Some ratings", "some", "ratings.csv", "https://example.org/", None, downloadable=False)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path))
    expected = r"no some/ratings\.csv\. Get ratings\.csv from https://example\.org/, put it in a folder some and set"
    with pytest.raises(DataNotFoundError, match=expected):
        fetch_file(source)
