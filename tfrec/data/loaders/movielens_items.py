"""What MovieLens tells of its movies and users, in the order of a vocabulary."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfrec.data.columns import object_array
from tfrec.data.errors import DataError
from tfrec.data.files.official_files import Table, TextFile, read_bytes, read_table
from tfrec.data.files.sources import Location
from tfrec.data.loaders.movielens_layouts import MovieLens
from tfrec.data.malformed import MalformedRows, OnError

if TYPE_CHECKING:
    import pandas as pd

_NO_GENRES = "(no genres listed)"
_SKIPPED = 0  # the number of no line


def read_items(
    folder: Location, layout: MovieLens, ids: Sequence[str], *, complete: bool, on_error: OnError
) -> tuple[npt.NDArray[np.object_], "pd.DataFrame"]:
    """Titles, object [n]; and features: a bool column for each genre, and the ids elsewhere where they are known.

    A movie whose line was skipped, be it for its genres, has the title "" and no genre; the ids are those of another
    file.
    """
    import pandas as pd

    malformed = MalformedRows(folder / layout.items.name, on_error)
    table = _rows_of(folder, layout.items, ids, complete, malformed)
    flags, sound = _read_genres(table, layout, malformed)
    malformed.report()
    titles = [title if kept else "" for title, kept in zip(table.columns[1], sound.tolist(), strict=True)]
    frame = pd.DataFrame(flags, columns=list(layout.genres))
    if layout.links is not None and (folder / layout.links.name).is_file():
        malformed = MalformedRows(folder / layout.links.name, on_error)
        links = _rows_of(folder, layout.links, ids, complete, malformed)
        malformed.report()
        frame["imdb_id"], frame["tmdb_id"] = links.columns[1:]
    return object_array(titles), frame


def _read_genres(
    table: Table, layout: MovieLens, malformed: MalformedRows
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which genres each movie has, bool [n, n_genres]; and whose genres are sound, bool [n]."""
    cells = list(zip(*table.columns[layout.genre_field :], strict=True))
    code = {combination: position for position, combination in enumerate(dict.fromkeys(cells))}  # few are different
    flags = np.zeros((len(code), len(layout.genres)), dtype=bool)
    sound = np.ones(len(code), dtype=bool)
    for combination, position in code.items():
        try:
            flags[position] = _genre_flags(combination, layout.genres)
        except ValueError as error:
            sound[position] = False
            for number, found in zip(table.numbers, cells, strict=True):
                if found == combination and number != _SKIPPED:
                    malformed.add(number, str(error))
    rows = [code[combination] for combination in cells]
    return flags[rows], sound[rows]


def _genre_flags(cells: Sequence[str], genres: Sequence[str]) -> list[bool]:
    """Which of the genres a movie has.

    Raises:
        ValueError: If what stands there is something else.
    """
    if len(cells) == 1:
        present = [] if cells[0] == _NO_GENRES else cells[0].split("|")
        unknown = set(present).difference(genres)
        if unknown:
            raise ValueError(f"unknown genres {sorted(unknown)}")
        return [genre in present for genre in genres]
    if not set(cells) <= {"0", "1"}:
        raise ValueError(f"expected {len(genres)} genre flags, 0 or 1, found {list(cells)}")
    return [flag == "1" for flag in cells]


def read_users(
    folder: Location, layout: MovieLens, ids: Sequence[str], *, complete: bool, on_error: OnError
) -> "pd.DataFrame | None":
    """What is known of the users, or None; of one whose line was skipped, missing values."""
    import pandas as pd

    if layout.users is None:
        return None
    malformed = MalformedRows(folder / layout.users.name, on_error)
    table = _rows_of(folder, layout.users, ids, complete, malformed)
    ages = table.columns[1 + layout.user_fields.index("age")]
    known = np.array([number != _SKIPPED for number in table.numbers])
    for position, age in enumerate(ages):
        if known[position] and not (age.isascii() and age.isdigit()):
            malformed.add(table.numbers[position], f"expected an age, found {age!r}")
            known[position] = False
    malformed.report()
    frame = pd.DataFrame(dict(zip(layout.user_fields, table.columns[1:], strict=True)))
    if known.all():
        return frame.assign(age=np.array(ages, dtype=np.int64))
    frame.loc[~known] = None
    return frame.astype({"age": "Int64"})


def _rows_of(folder: Location, layout: TextFile, ids: Sequence[str], complete: bool, malformed: MalformedRows) -> Table:
    """The lines that describe the given ids, in their order; empty fields for one that was skipped.

    Raises:
        DataError: If a line is malformed and lines aren't to be skipped, or more ids have no line than were skipped.
    """
    table = read_table(folder / layout.name, layout, complete=complete, malformed=malformed)
    listed, n_skipped = table.columns[0], malformed.count
    if listed == ids:
        return table
    rows = dict(zip(reversed(listed), range(len(listed) - 1, -1, -1), strict=True))  # the first one stays
    if len(rows) < len(listed):
        for row, text in enumerate(listed):
            if rows[text] != row:
                first = table.numbers[rows[text]]
                malformed.add(table.numbers[row], f"id {text} was on line {first} already")
    absent = [text for text in ids if text not in rows]
    if len(absent) > n_skipped:
        skipped = f" ({len(absent):,} ids have none, and {n_skipped:,} lines were skipped)" if n_skipped else ""
        raise DataError(f"{folder / layout.name}: no line for id {absent[0]}, which the ratings have{skipped}")
    if absent:
        _report_missing(folder / layout.name, layout, absent, table.numbers, malformed)
    table.numbers.append(_SKIPPED)
    for column in table.columns:
        column.append("")
    found = [rows.get(text, -1) for text in ids]
    return Table([table.numbers[row] for row in found], [[column[row] for row in found] for column in table.columns])


def _report_missing(
    file: Location, layout: TextFile, absent: Sequence[str], sound: Sequence[int], malformed: MalformedRows
) -> None:
    """Note the ids that not even a skipped line begins with, where their lines are missing: at the end of the file."""
    lines = read_bytes(file).rstrip().split(b"\n")
    separator, is_sound = layout.separator.encode(), set(sound)
    begun = {line.partition(separator)[0] for number, line in enumerate(lines, start=1) if number not in is_sound}
    for text in absent:
        if text.encode() not in begun:
            malformed.add(len(lines) + 1, f"no line for id {text}, which the ratings have")
