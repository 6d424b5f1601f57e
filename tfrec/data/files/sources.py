"""Where the files of a data set are: ``TFREC_DATA``, then the cache, then the download."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfrec.data.errors import DataError, DataNotFoundError
from tfrec.data.files.downloads import ChecksumError, download, problem_of, published_md5, unfinished

Location = Path | zipfile.Path
"""A folder or a file, on disk or inside a zip."""


_ENCRYPTED = 0x1  # in a file's flags
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True)
class Source:
    """A data set of several files, in a folder or a zip.

    Attributes:
        title: The data set's name in messages.
        folder: Name of the folder that holds the files, and of the zip without its ``.zip``.
        main_file: The file by which the folder is recognised.
        url: Where the zip can be downloaded, or for data without a download where they can be had.
        md5: Checksum of the zip, or None if none is known.
        md5_url: Where the checksum is published, for a zip that changes; or None.
        inner_folder: Name of the folder in the zip, if it isn't ``folder``.
    """

    title: str
    folder: str
    main_file: str
    url: str
    md5: str | None = None
    md5_url: str | None = None
    inner_folder: str | None = None

    @property
    def archive(self) -> str:
        """Name of the zip."""
        return f"{self.folder}.zip"

    @property
    def downloadable(self) -> bool:
        """Whether `fetch` can download it: not without a checksum."""
        return self.md5 is not None or self.md5_url is not None

    @property
    def names(self) -> tuple[str, ...]:
        """What it is looked for as: folder first, and the zip, by which name it is cached, last."""
        inner = () if self.inner_folder is None else (self.inner_folder,)
        return (self.folder, *inner, self.archive)


@dataclass(frozen=True)
class FileSource:
    """A data set that is one file.

    Attributes:
        title: The data set's name in messages.
        folder: Name of the folder that holds the file, in TFREC_DATA and in the cache.
        name: The file's name.
        url: Where the file can be downloaded, or for data without a download where it can be had.
        md5: Its checksum, or None if none is known.
        downloadable: Whether `fetch_file` may download it.
    """

    title: str
    folder: str
    name: str
    url: str
    md5: str | None
    downloadable: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What it is looked for, and cached, as."""
        return (f"{self.folder}/{self.name}",)


def data_folder() -> Path | None:
    """The folder that the environment variable TFREC_DATA names."""
    folder = os.environ.get("TFREC_DATA")
    return Path(folder).expanduser() if folder else None


def cache_folder() -> Path:
    """Where downloads are kept: TFREC_CACHE, or the platform's cache folder."""
    folder = os.environ.get("TFREC_CACHE")
    if folder:
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("tfrec"))


def locate(source: Source | FileSource) -> Path | None:
    """The file, folder or zip of a data set in TFREC_DATA or the cache, or None; nothing is downloaded or opened."""
    cached = _cached(source)
    return _in_data_folder(source) or (cached if cached.is_file() else None)


def fetch(source: Source, path: str | os.PathLike[str] | None = None) -> Path:
    """The folder or zip of a data set, downloaded if it must be.

    Args:
        source: The data set.
        path: A folder or zip to use instead of searching.

    Raises:
        DataNotFoundError: If there is none; the message says what to put where.
    """
    if path is None:
        return _in_data_folder(source) or _from_cache(source)
    given = Path(path).expanduser()
    for candidate in (given, *(given / name for name in source.names)):
        if _holds(candidate, source):
            return candidate
    raise _not_in(given, source.main_file, source)


def fetch_file(source: FileSource, path: str | os.PathLike[str] | None = None) -> Path:
    """The file of a data set, downloaded if it must be.

    Args:
        source: The data set.
        path: The file, or a folder that holds it (or holds its folder), to use instead of searching.

    Raises:
        DataNotFoundError: If there is none; the message says what to put where.
    """
    if path is None:
        return _in_data_folder(source) or _from_cache(source)
    given = Path(path).expanduser()
    for candidate in (given, given / source.name, given / source.folder / source.name):
        if candidate.is_file():
            return candidate
    raise _not_in(given, source.name, source)


def _not_in(path: Path, file: str, source: Source | FileSource) -> DataNotFoundError:
    if path.exists():
        return DataNotFoundError(f"{path}: {file} of {source.title} is not in it")
    return DataNotFoundError(f"{path}: there is no such file or folder")


def _in_data_folder(source: Source | FileSource) -> Path | None:
    root = data_folder()
    candidates = [] if root is None else [root / name for name in source.names]
    return next((candidate for candidate in candidates if _holds(candidate, source)), None)


def _holds(path: Path, source: Source | FileSource) -> bool:
    """Whether it is a file, or a folder with the data set in it: an empty one must not hide what comes after it."""
    return path.is_file() or (isinstance(source, Source) and _folder_in(path, source) is not None)


def _cached(source: Source | FileSource) -> Path:
    return cache_folder() / source.names[-1]


def _from_cache(source: Source | FileSource) -> Path:
    """The file in the cache; fetched if it isn't there or its checksum is wrong."""
    cached = _cached(source)
    try:
        if cached.is_file() and problem_of(cached, source.md5) is None:
            return cached
        if not source.downloadable:
            raise DataNotFoundError(f"{source.title} was not found, and has no automatic download. {_advice(source)}")
        md5_url = source.md5_url if isinstance(source, Source) else None
        download(source.url, cached, source.md5 if md5_url is None else published_md5(md5_url))
    except DataNotFoundError:
        raise
    except (OSError, ChecksumError) as error:  # no network, no room, no permission; another file than expected
        reason = " ".join(str(error).split())
        raise DataNotFoundError(
            f"{source.title} was not found, and could not be downloaded from {source.url} "
            f"({type(error).__name__}: {reason}). {_advice(source)}"
        ) from None
    return cached


def _advice(source: Source | FileSource) -> str:
    """What was searched, and what to put where."""
    root, wanted = data_folder(), " nor ".join(source.names)
    if root is None:
        searched = "TFREC_DATA is not set"
    elif not root.is_dir():
        searched = f"TFREC_DATA is {root}, which is not a folder"
    else:
        searched = f"TFREC_DATA is {root}, which holds {'neither ' if ' nor ' in wanted else 'no '}{wanted}"
        partial = next((name for name in source.names if (root / name).is_dir()), None)
        if partial is not None and isinstance(source, Source):
            searched = f"TFREC_DATA is {root}, whose {partial} is without {source.main_file}"
    if isinstance(source, FileSource):
        get, put = source.name, f"put it in a folder {source.folder} and set TFREC_DATA to the folder above it"
    elif source.downloadable:
        get = source.archive
        put = f"put it, or the unpacked folder {source.folder}, in another folder and set TFREC_DATA to that one"
    else:
        get, put = "the files", f"put them in a folder {source.folder} and set TFREC_DATA to the folder above it"
    if not source.downloadable:
        return f"{searched}. Get {get} from {source.url}, {put}, or pass path="
    cached = _cached(source)
    state = _state(cached, source.md5)
    return (
        f"{searched}; the cache is {cache_folder()}{state}. On a machine with a network get {get} from "
        f"{source.url}, and put it there as {cached}; or {put}; or pass path="
    )


def _state(cached: Path, md5: str | None) -> str:
    problem = problem_of(cached, md5) if cached.is_file() else None
    if problem is not None:
        return f" (its {cached.name} {problem}: remove it)"
    beginning = unfinished(cached)
    if beginning.is_file() and beginning.stat().st_size:
        return f" (it holds the beginning of {cached.name}: the next call continues there)"
    return ""


@contextmanager
def opened(path: Path, source: Source) -> Iterator[Location]:
    """The folder with a data set's files: ``path`` or its subfolder, on disk or in a zip.

    Raises:
        DataError: If ``path`` is a file, and not a sound zip.
        DataNotFoundError: If the data set isn't in it.
    """
    if path.is_dir():
        yield _within(path, source)
        return
    if path.suffix != ".zip" and not zipfile.is_zipfile(path):
        raise DataError(
            f"{path}: expected the folder of {source.title}, or a zip, got another file: pass the folder, {path.parent}"
        )
    with open_zip(path) as archive:
        yield _within(zipfile.Path(archive), source)


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip of which every file can be read.

    Raises:
        DataError: If it is damaged, encrypted, or compressed in a way that Python can't undo.
    """
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: not a zip archive, or cut off ({error}): fetch it again") from None
    for info in archive.infolist():
        problem = "encrypted" if info.flag_bits & _ENCRYPTED else "compressed in an unsupported way"
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _COMPRESSIONS:
            archive.close()
            raise DataError(f"{path}: its {info.filename} is {problem}: unpack the zip, and use the folder")
    return archive


def _within(root: Location, source: Source) -> Location:
    folder = _folder_in(root, source)
    if folder is None:
        raise DataNotFoundError(f"{root}: {source.main_file} of {source.title} is not in it")
    return folder


def _folder_in(root: Location, source: Source) -> Location | None:
    """The folder with the main file: ``root`` or a folder in it."""
    folders = [root, *(root / name for name in (source.folder, source.inner_folder) if name is not None)]
    return next((folder for folder in folders if (folder / source.main_file).is_file()), None)
