"""A text file of any size, plain or gzipped, some megabytes of whole lines at a time."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.sources import Location

BLOCK = 16 << 20
_LONG = 64 << 20  # files from this size on show their progress
_BOM = b"\xef\xbb\xbf"


class LineBlock(NamedTuple):
    """Some whole lines of a file.

    Attributes:
        number: The number of the first of them, counted from 1.
        content: The lines, with their line breaks.
    """

    number: int
    content: bytes

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that aren't blank, with their numbers and without their line breaks."""
        for number, line in enumerate(self.content.split(b"\n"), start=self.number):
            if line.strip():
                yield number, line.removesuffix(b"\r")


def line_blocks(file: Location, *, skip: int = 0, block: int = BLOCK, progress: bool = True) -> Iterator[LineBlock]:
    """The lines of a file, about ``block`` bytes of them at a time.

    Whether the file is gzipped is seen from its first bytes: browsers unpack some files and keep the name.

    Args:
        file: The file, on disk or in a zip.
        skip: How many lines to leave out at the beginning.
        block: How many bytes to read at a time.
        progress: Show the progress, if the file is long.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: If the compressed file is damaged or cut off, or a line is longer than a block.
    """
    if not file.is_file():
        raise DataNotFoundError(f"{file}: there is no such file")
    number, rest = 1, b""
    for chunk in _chunks(file, block, progress):
        content = rest + chunk
        end = content.rfind(b"\n") + 1
        if not end and len(content) > block:
            raise DataError(f"{file}:{number}: a line of more than {block:,} bytes: this is not a file of lines")
        rest = content[end:]
        if end:
            yield from _skipped(LineBlock(number, content[:end]), skip)
            number += content.count(b"\n")
    if rest:
        yield from _skipped(LineBlock(number, rest), skip)


def first_lines(file: Location, n: int) -> list[str]:
    """Up to ``n`` lines from the beginning of a file that aren't blank; what isn't UTF-8 is replaced.

    Raises:
        DataNotFoundError: If there is no such file.
        DataError: As `line_blocks`; or if the file is empty.
    """
    lines: list[str] = []
    for part in line_blocks(file, progress=False):
        for _, line in part.lines():
            lines.append(line.decode("utf-8", errors="replace"))
            if len(lines) == n:
                return lines
    if not lines:
        raise DataError(f"{file}: the file is empty")
    return lines


def _skipped(part: LineBlock, skip: int) -> Iterator[LineBlock]:
    """The block without the file's first lines."""
    content = part.content
    left = max(0, skip + 1 - part.number)
    for _ in range(left):
        content = content.partition(b"\n")[2]
    if content:
        yield LineBlock(part.number + left, content)


def _chunks(file: Location, size: int, progress: bool) -> Iterator[bytes]:
    """The text of a file, unpacked, without a byte order mark."""
    from tqdm import tqdm

    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            n_bytes = _size(file)
            silent = not progress or n_bytes < _LONG
            with tqdm(total=n_bytes, desc=file.name, unit="B", unit_scale=True, disable=silent) as bar:
                first = True
                while chunk := stream.read(size):
                    yield chunk.removeprefix(_BOM) if first else chunk
                    first = False
                    bar.update(raw.tell() - bar.n)
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: the compressed file is damaged or cut off ({error}): fetch it again") from None


def _size(file: Location) -> int:
    """Bytes as `tell` of the opened file counts them."""
    return file.stat().st_size if isinstance(file, Path) else file.root.getinfo(file.at).file_size
