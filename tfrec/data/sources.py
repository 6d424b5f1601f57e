"""Where the files of a data set are: ``TFREC_DATA``, then the cache, then the download."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfrec.data.errors import DataError, DataNotFoundError

Location = Path | zipfile.Path
"""A folder or a file, on disk or inside a zip."""


@dataclass(frozen=True)
class Source:
    """The files of one data set.

    Attributes:
        title: The data set's name in messages.
        folder: Name of the folder that holds the files, and of the zip without its ``.zip``.
        main_file: The file by which the folder is recognised.
        url: Where the zip can be downloaded, or for data without a download where they can be had.
        md5: Checksum of the zip, or None if it can't be downloaded by `fetch`.
    """

    title: str
    folder: str
    main_file: str
    url: str
    md5: str | None = None

    @property
    def archive(self) -> str:
        """Name of the zip."""
        return f"{self.folder}.zip"


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


def locate(source: Source) -> Path | None:
    """The folder or zip of a data set in TFREC_DATA or the cache, or None; nothing is downloaded or opened."""
    return _in_data_folder(source) or next(filter(Path.is_file, [cache_folder() / source.archive]), None)


def fetch(source: Source, path: str | os.PathLike[str] | None = None) -> Path:
    """The folder or zip of a data set, downloaded if it must be.

    Args:
        source: The data set.
        path: A folder or zip to use instead of searching.

    Raises:
        DataNotFoundError: If there is none; the message says what to put where.
    """
    if path is not None:
        return _given(Path(path).expanduser(), source)
    found = _in_data_folder(source)
    if found is not None:
        return found
    if source.md5 is None:
        raise DataNotFoundError(f"{source.title} was not found, and has no automatic download. {_advice(source)}")
    return _download(source, source.md5)


def _in_data_folder(source: Source) -> Path | None:
    root = data_folder()
    candidates = [] if root is None else [root / source.folder, root / source.archive]
    return next((candidate for candidate in candidates if candidate.exists()), None)


def _given(path: Path, source: Source) -> Path:
    for candidate in (path, path / source.folder, path / source.archive):
        if candidate.is_file() or (candidate / source.main_file).is_file():
            return candidate
    if path.exists():
        raise DataNotFoundError(f"{path}: {source.main_file} of {source.title} is not in it")
    raise DataNotFoundError(f"{path}: there is no such file or folder")


def _download(source: Source, md5: str) -> Path:
    """The zip in the cache; fetched if it isn't there or its checksum is wrong."""
    import pooch

    try:
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
        return Path(pooch.retrieve(source.url, f"md5:{md5}", source.archive, cache_folder(), downloader=downloader))
    except (OSError, ValueError) as error:  # no network, no room, no permission; a wrong checksum is a ValueError
        reason = " ".join(str(error).split())
        raise DataNotFoundError(
            f"{source.title} was not found, and could not be downloaded from {source.url} "
            f"({type(error).__name__}: {reason}). {_advice(source)}"
        ) from None


def _advice(source: Source) -> str:
    root = data_folder()
    if root is None:
        searched = "TFREC_DATA is not set"
    elif not root.is_dir():
        searched = f"TFREC_DATA is {root}, which is not a folder"
    else:
        searched = f"TFREC_DATA is {root}, which holds neither {source.folder}/ nor {source.archive}"
    if source.md5 is None:
        return (
            f"{searched}. Get the files from {source.url}, put them in a folder {source.folder}, "
            "and set TFREC_DATA to the folder above it, or pass path="
        )
    cache = cache_folder()
    damaged = f" (its {source.archive} has a wrong checksum)" if (cache / source.archive).is_file() else ""
    return (
        f"{searched}; the cache is {cache}{damaged}. On a machine with a network get {source.archive} from "
        f"{source.url}, and put it in the cache; or put it, or the unpacked folder {source.folder}, in another folder "
        "and set TFREC_DATA to that one; or pass path="
    )


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
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: not a zip archive, or cut off ({error}): fetch it again") from None
    with archive:
        yield _within(zipfile.Path(archive), source)


def _within(root: Location, source: Source) -> Location:
    for folder in (root, root / source.folder):
        if (folder / source.main_file).is_file():
            return folder
    raise DataNotFoundError(f"{root}: {source.main_file} of {source.title} is not in it")
