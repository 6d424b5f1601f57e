"""Downloads that are whole or not there: checked, continued where they were interrupted, one process at a time."""

import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import requests

_TIMEOUT = 30.0  # seconds, to connect and between two packets
_ATTEMPTS = 5
_CHUNK = 1 << 16  # bytes; of what arrives when the connection breaks, at most so many are lost


_LOOKED_AT = 1024  # bytes of the beginning of a file without a checksum
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)


class ChecksumError(ValueError):
    """A downloaded file is not the one that it should be: its checksum is another, or it is plainly something else."""


def problem_of(file: Path, md5: str | None, name: str | None = None) -> str | None:
    """What is wrong with a file that has been downloaded, or None.

    Without a checksum it can't be told from another file; but it is looked at, because a server in trouble, or a
    network that wants a login, sends nothing or a page of its own.

    Args:
        file: The file; it is there.
        md5: Its checksum, or None if none is known.
        name: What it is to be called, if it has another name yet.
    """
    with open(file, "rb") as content:
        if md5 is not None:
            return None if hashlib.file_digest(content, _md5).hexdigest() == md5 else "has a wrong checksum"
        beginning = content.read(_LOOKED_AT)
    name = file.name if name is None else name
    if not beginning.strip():
        return "is empty"
    if _PAGE.match(beginning) and not _is_page_name(name):
        return "is a web page"
    if name.endswith(".gz") and not beginning.startswith(b"\x1f\x8b"):
        return "is not a gzip"
    return None


def _is_page_name(name: str) -> bool:
    return name.endswith((".html", ".htm"))


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def unfinished(target: Path) -> Path:
    """Where the beginning of a file waits for the rest."""
    return target.with_name(f"{target.name}.part")


def published_md5(url: str) -> str:
    """The checksum in the small text file that publishers put beside a large one.

    Raises:
        OSError: If it can't be had.
        ChecksumError: If there is no checksum in it.
    """
    import requests

    response = requests.get(url, timeout=_TIMEOUT)
    response.raise_for_status()
    found = re.search(r"\b[0-9a-fA-F]{32}\b", response.text)
    if found is None:
        raise ChecksumError(f"{url}: expected an MD5 checksum, got {response.text[:80]!r}")
    return found.group().lower()


def download(url: str, target: Path, md5: str | None = None) -> None:
    """Fetch a file, with a progress bar.

    What has arrived is kept in a ``.part`` file beside the target, so that an interrupted download continues there, in
    this call (a few times) or in a later one. It starts anew if the server can't continue, or has another file by now.
    A second process waits for the first.

    Args:
        url: Where it is.
        target: The file to make; its folder is made too.
        md5: Its checksum, in hexadecimal digits, or None if none is known.

    Raises:
        OSError: If it can't be fetched or written.
        ChecksumError: If its checksum is wrong, or it has none and is empty, a web page, or no gzip in spite of its
            name; nothing is left of it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(target, url, md5)
    with part.locked():
        if target.is_file() and problem_of(target, md5) is None:  # by another process, while this one waited
            part.remove()
            return
        resumed = part.size() > 0
        if not (resumed and md5 is not None and part.problem() is None):
            part.fetch()
        if resumed and part.problem() is not None:  # what was there was not the beginning of this file
            part.clear()
            part.fetch()
        problem = part.problem()
        if problem is not None:
            part.remove()
            expected = "" if md5 is None else f": expected MD5 {md5}"
            raise ChecksumError(f"the downloaded {target.name} {problem}{expected}")
        os.replace(part.path, target)
        part.validator.unlink(missing_ok=True)


class _Part:
    """The unfinished file of a download, and beside it the server's name for the version that it is a part of."""

    def __init__(self, target: Path, url: str, md5: str | None) -> None:
        self.path = unfinished(target)
        self.validator = self.path.with_name(f"{self.path.name}.version")
        self.name = target.name
        self.url = url
        self.md5 = md5
        self._file: IO[bytes]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file open; other processes and threads wait until it is let go. An empty one isn't left."""
        self._file = self._open_alone()
        with self._file:
            try:
                yield
            finally:
                if not self.size() and self._is_at_path(self._file):
                    self.remove()

    def _open_alone(self) -> IO[bytes]:
        import fcntl

        while True:
            file = open(self.path, "a+b")  # noqa: SIM115  # the caller closes it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{self.path}: waiting for another process that downloads it", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
            # The one that was waited for has renamed or removed this file: then the path leads elsewhere by now.
            if self._is_at_path(file):
                return file
            file.close()

    def _is_at_path(self, file: IO[bytes]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False

    def size(self) -> int:
        """Bytes that have arrived."""
        return os.fstat(self._file.fileno()).st_size

    def problem(self) -> str | None:
        """What is wrong with what has arrived, as the whole file."""
        return problem_of(self.path, self.md5, self.name)

    def clear(self) -> None:
        """Forget what has arrived."""
        self._file.truncate(0)
        self.validator.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing."""
        self.path.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def fetch(self) -> None:
        """Fetch what is missing; a few times, if the connection breaks after something has arrived."""
        import requests

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._request()
                return
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == _ATTEMPTS or not self.size():
                    raise
                time.sleep(0.2 * attempt)

    def _request(self) -> None:
        import requests

        begun = self.size()
        version = self.validator.read_text(encoding="utf-8") if self.validator.is_file() else ""
        headers = {"Accept-Encoding": "identity"}
        if begun and (version or self.md5 is not None):
            headers["Range"] = f"bytes={begun}-"
            if version:
                headers["If-Range"] = version
        with requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if "Range" in headers and response.status_code == requests.codes.requested_range_not_satisfiable:
                self.clear()
                self._request()
                return
            response.raise_for_status()
            self._check_kind(response)
            if not _continues(response, begun):
                self.clear()
                self._remember_version(response)
            self._receive(response)

    def _check_kind(self, response: "requests.Response") -> None:
        """Refuse what can't be the file, or what couldn't be seen to be cut off."""
        import requests

        if response.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise requests.RequestException(f"expected a file, got HTTP {response.status_code} {response.reason}")
        if self.md5 is not None:
            return
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "text/html" and not _is_page_name(self.name):
            raise requests.RequestException("expected a file, got a web page")
        chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
        if not chunked and not response.headers.get("Content-Length", "").isdigit():
            raise requests.RequestException("the server doesn't say how long the file is, and no checksum is known")

    def _remember_version(self, response: "requests.Response") -> None:
        tag = response.headers.get("ETag", "")
        strong = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        if strong:
            self.validator.write_text(strong, encoding="utf-8")

    def _receive(self, response: "requests.Response") -> None:
        import requests
        from tqdm import tqdm

        begun = self.size()
        length = response.headers.get("Content-Length", "")
        total = begun + int(length) if length.isdigit() else None
        with tqdm(total=total, initial=begun, unit="B", unit_scale=True, desc=self.name) as progress:
            try:
                for chunk in response.iter_content(_CHUNK):
                    self._file.write(chunk)
                    progress.update(len(chunk))
            finally:
                self._file.flush()
        if total is not None and self.size() != total:
            raise requests.ConnectionError(f"{self.size():,} of {total:,} bytes arrived")


def _continues(response: "requests.Response", begun: int) -> bool:
    """Whether the server sends the rest, and not the whole."""
    import requests

    if response.status_code != requests.codes.partial_content:
        return False
    found = response.headers.get("Content-Range", "")
    span = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)", found)
    if span is None or int(span[1]) != begun or span[3] not in ("*", str(int(span[2]) + 1)):
        raise requests.RequestException(f"asked for the bytes from {begun:,} on, got {found!r}")
    return True
