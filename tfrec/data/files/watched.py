"""Streams on their way to pandas' C engine, which is lenient about some things."""

import codecs
import io
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_QUOTE, _LF, _CR = ord('"'), ord("\n"), ord("\r")
_LONG = 4 << 20  # bytes without a separator: less than what any reader takes for a field


class WatchedStream(io.RawIOBase):
    """A binary stream that notes what pandas would read as something else.

    Args:
        stream: The stream.
        separator: What stands between fields: one character, or the same one twice.
        quotes: Whether fields may stand between quotes.
        numbers: Whether to watch for what makes ``padded``.

    Attributes:
        quoted: Whether there was a quote.
        lenient: Whether there was a NUL, which pandas takes for the end of a field; a quote in the middle of a field,
            which it drops; or, where there are no quotes, a carriage return alone, which it takes for the end of a
            line; or a byte order mark at the beginning, which it drops. It is True as well for a field of megabytes,
            and may be True for nothing; then some other reader is asked.
        padded: Whether a whole number may have been written otherwise than shortest: as 007, +7 or " 7".
        last: The last byte.
    """

    def __init__(self, stream: IO[bytes], separator: str, *, quotes: bool = False, numbers: bool = False) -> None:
        self._stream = stream
        self._separator = separator
        self._quotes = _Quotes(separator) if quotes else None
        self._numbers = numbers
        self._signs = {b"+", b"-", b" ", b"\t", b"\v", b"\f"} - {separator.encode()}
        self._separators = 0
        self._pairs = 0
        self._unseparated = 0
        self._head = b""
        self._tail = b"\n"
        self.quoted = False
        self.lenient = False
        self.padded = False
        self.last = b""

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """As of any stream."""
        content = self._stream.read(size)
        if content:
            self._look_at(content)
        return content

    read1 = read

    def _look_at(self, content: bytes) -> None:
        characters = np.frombuffer(content, np.uint8)
        separator = characters == ord(self._separator[0])
        if self._quotes is not None:
            self.quoted = self.quoted or b'"' in content
            if self.quoted:
                separator &= ~self._quotes.inside(characters)
                self.lenient = self.lenient or self._quotes.misplaced
        elif b"\r" in content or self.last == b"\r":
            self.lenient = self.lenient or content.count(b"\r") != content.count(b"\r\n")
        count = int(np.count_nonzero(separator))
        self._separators += count
        self._unseparated = 0 if count else self._unseparated + len(content)
        if len(self._separator) == 2:
            self._pairs += int(np.count_nonzero(separator[1:] & separator[:-1]))
            self._pairs += self.last + content[:1] == self._separator.encode()
        if self._numbers and not self.padded:
            self.padded = any(sign in content for sign in self._signs) or self._has_leading_zeros(content)
        if len(self._head) < len(codecs.BOM_UTF8):
            self._head = (self._head + content)[: len(codecs.BOM_UTF8)]
            self.lenient = self.lenient or self._head == codecs.BOM_UTF8
        self.lenient = self.lenient or b"\0" in content or self._unseparated > _LONG
        self.last = content[-1:]

    def _has_leading_zeros(self, content: bytes) -> bool:
        """Whether a field begins with a zero and another digit."""
        seen = self._tail + content
        self._tail = seen[-2:]
        characters = np.frombuffer(seen, np.uint8)
        begins = (characters == ord(self._separator)) | (characters == _LF) | (characters == _CR)
        zeros = np.flatnonzero(begins[:-2] & (characters[1:-1] == ord("0"))) + 1
        following = characters[zeros + 1]
        return bool(((following >= ord("0")) & (following <= ord("9"))).any())

    def has_only(self, n: int) -> bool:
        """Whether there were n separators and no part of one, if no line has too few fields and none is empty.

        Two neighbours are then the two halves of one separator.
        """
        if len(self._separator) == 1:
            return self._separators == n
        return self._separators == 2 * n and self._pairs == n


class _Quotes:
    """Where the quoted parts of a stream are, and whether they are whole fields.

    Attributes:
        misplaced: Whether a field began before its quote, or went on after it.
    """

    def __init__(self, separator: str) -> None:
        self._before = np.array([ord(separator), _LF, _CR, _QUOTE], np.uint8)
        self._open = False
        self._last = np.array([_LF], np.uint8)
        self.misplaced = False

    def inside(self, characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Which characters are in quotes, bool [n]; with the opening quote and without the closing one."""
        seen = np.concatenate([self._last, characters])
        self._last = seen[-1:]
        quotes = seen == _QUOTE
        quotes[0] = False  # it has been counted
        counted = np.cumsum(quotes, dtype=np.uint8)  # it wraps around, and stays odd or even
        inside: npt.NDArray[Any] = ((counted & 1) == 1) ^ self._open
        places = np.flatnonzero(quotes)
        opening = places[inside[places]]
        # The character after a closing quote is looked at where a closing quote is the one before.
        after = np.flatnonzero((seen[:-1] == _QUOTE) & ~inside[:-1] & (seen[1:] != _QUOTE)) + 1
        if not np.isin(seen[opening - 1], self._before).all() or not np.isin(seen[after], self._before).all():
            self.misplaced = True
        self._open = bool(inside[-1])
        return inside[1:]
