"""The file that a caller names."""

import os

from tfrec.data.errors import DataNotFoundError


def local_file(path: str | os.PathLike[str], caller: str) -> str:
    """The path of an existing file, with ``~`` expanded.

    Args:
        path: What the caller was given.
        caller: Its name in messages.

    Raises:
        TypeError: If ``path`` is no path in text.
        DataNotFoundError: If there is no such file, or it is a folder.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"{caller}: expected the path of a file (str or pathlib.Path), got {type(path).__name__}")
    file = os.path.expanduser(text)
    if os.path.isdir(file):
        raise DataNotFoundError(f"{file}: expected a file, this is a folder")
    if not os.path.isfile(file):
        raise DataNotFoundError(f"{file}: there is no such file")
    return file
