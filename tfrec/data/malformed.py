"""What a loader does with a row that it can't read: raise, or skip it, count it and say so."""

import warnings
from typing import Literal

from tfrec.data.errors import DataError

OnError = Literal["raise", "skip"]

_SHOWN = 5
_LONG = 80  # characters of a cell that a message quotes


def shown(value: object) -> str:
    """What a message quotes of a cell: its repr, clipped."""
    text = repr(value[: _LONG + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


class MalformedRowsWarning(UserWarning):
    """Rows of a file were skipped because they are malformed.

    Attributes:
        file: The file.
        count: How many rows were skipped.
        problems: The first few, each as ``path:line: what is wrong``.
    """

    def __init__(self, file: str, count: int, problems: tuple[str, ...]) -> None:
        rows = "1 malformed row" if count == 1 else f"{count:,} malformed rows"
        more = f"; and {count - len(problems):,} more" if count > len(problems) else ""
        super().__init__(f"{file}: skipped {rows}: {'; '.join(problems)}{more}")
        self.file = file
        self.count = count
        self.problems = problems


class MalformedRows:
    """The malformed rows of one file: the first is an error, or with ``on_error="skip"`` they are counted.

    Raises:
        ValueError: If ``on_error`` is something else.
    """

    def __init__(self, file: object, on_error: OnError = "raise") -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f'expected on_error to be "raise" or "skip", got {on_error!r}')
        self.file = str(file)
        self.skip = on_error == "skip"
        self.count = 0
        self._problems: list[str] = []

    def add(self, line: int, problem: str) -> None:
        """Note a malformed row, which begins on this line, counted from 1.

        Raises:
            DataError: Unless malformed rows are skipped; the message starts with ``path:line:``.
        """
        message = f"{self.file}:{line}: {problem}"
        if not self.skip:
            raise DataError(message)
        self.count += 1
        if len(self._problems) < _SHOWN:
            self._problems.append(message)

    def report(self) -> None:
        """Warn, once, if rows were skipped."""
        if self.count:
            warnings.warn(MalformedRowsWarning(self.file, self.count, tuple(self._problems)), stacklevel=2)
