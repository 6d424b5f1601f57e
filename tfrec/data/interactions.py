"""The one container of interactions, from the loader to the evaluator."""

import copy
import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from tfrec.data import columns, fingerprint, matrix, tables
from tfrec.data.errors import DataError
from tfrec.data.files import csv_files, parquet
from tfrec.data.grouping import group_rows_by_time
from tfrec.data.malformed import OnError
from tfrec.data.sequences import Sequences

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

_ROW_COLUMNS = ("user", "item", "rating", "timestamp", "weight")


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Who interacted with what: one row an interaction, stored by column.

    Users and items are indices into vocabularies of raw ids, which are always strings. Splits and filters share the
    vocabularies (the same array objects), so an index means the same thing in all of them; a user or an item may then
    be in the vocabulary and have no row. All arrays are read-only; two instances compare by identity (compare
    `fingerprint` for content).

    Attributes:
        user: User indices, int32 [n].
        item: Item indices, int32 [n].
        rating: Ratings, float32 [n]; ones where the source has none (``has_ratings`` tells).
        timestamp: Unix seconds, int64 [n], or None.
        weight: Weights of at least zero, float32 [n], or None.
        user_ids: Raw user ids, unique non-empty strings, object [n_users].
        item_ids: Raw item ids, likewise, object [n_items].
        item_titles: Titles, strings, object [n_items], or None.
        user_features: One row a user, in the vocabulary's order and indexed by its ids, or None.
        item_features: One row an item, likewise, or None.
        name: The data set's name in reports.
        has_ratings: Whether the ratings are real; becomes False when ``rating`` is left out.

    Raises:
        DataError: If a column has another length than ``user``, an index outside its vocabulary, a rating or weight
            that isn't finite, a negative weight, a time that is NaT; or if an id is empty, repeated or not a string.
    """

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    rating: npt.NDArray[np.float32] = None  # type: ignore[assignment]  # None becomes ones, with has_ratings False
    timestamp: npt.NDArray[np.int64] | None = None
    weight: npt.NDArray[np.float32] | None = None
    _: KW_ONLY
    user_ids: npt.NDArray[np.object_]
    item_ids: npt.NDArray[np.object_]
    item_titles: npt.NDArray[np.object_] | None = None
    user_features: "pd.DataFrame | None" = None
    item_features: "pd.DataFrame | None" = None
    name: str = "interactions"
    has_ratings: bool = True

    def __post_init__(self) -> None:
        self._set("user_ids", columns.vocabulary("user_ids", self.user_ids))
        self._set("item_ids", columns.vocabulary("item_ids", self.item_ids))
        self._set("user", columns.indices("user", self.user, self.n_users))
        n = len(self.user)
        self._set("item", columns.indices("item", self.item, self.n_items, n))
        if self.rating is None:
            self._set("has_ratings", False)
        self._set("rating", columns.ratings(np.ones(n, np.float32) if self.rating is None else self.rating, n))
        if self.timestamp is not None:
            self._set("timestamp", columns.timestamps(self.timestamp, n))
        if self.weight is not None:
            self._set("weight", columns.weights(self.weight, n))
        if self.item_titles is not None:
            self._set("item_titles", columns.titles(self.item_titles, self.n_items))
        if self.user_features is not None:
            self._set("user_features", columns.features("user_features", self.user_features, self.user_ids))
        if self.item_features is not None:
            self._set("item_features", columns.features("item_features", self.item_features, self.item_ids))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def from_frame(  # noqa: PLR0917  # one column after the other, as they stand in most tables
        cls,
        frame: "pd.DataFrame",
        user: str = "user",
        item: str = "item",
        rating: str | None = "rating",
        timestamp: str | None = "timestamp",
        weight: str | None = "weight",
        *,
        name: str = "interactions",
        on_error: OnError = "raise",
    ) -> Self:
        """Interactions from a table with one row an interaction.

        Whole-number ids become their decimal strings; text is taken as it is. Vocabularies are in the order of first
        appearance. Times are Unix seconds in the years 1 to 9999 (so that milliseconds are an error), datetimes (those
        without a time zone are UTC) or dates; fractions of a second are rounded down. Other columns are ignored.

        Args:
            frame: The table.
            user: Name of the column of user ids.
            item: Name of the column of item ids.
            rating: Name of the column of ratings. A column under its default name may be absent; None ignores it.
            timestamp: Name of the column of times, likewise.
            weight: Name of the column of weights, likewise.
            name: The data set's name in reports.
            on_error: What to do with a row that has a missing or malformed cell: ``"raise"``, or ``"skip"`` it, count
                it and warn (`MalformedRowsWarning`).

        Raises:
            DataError: If a named column is absent, or a cell is missing or malformed (the message names the row).
        """
        names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp, "weight": weight}
        return cls(**tables.read_frame(frame, names, on_error), name=name)

    @classmethod
    def from_csv(  # noqa: PLR0917
        cls,
        path: str | os.PathLike[str],
        user: str = "user",
        item: str = "item",
        rating: str | None = "rating",
        timestamp: str | None = "timestamp",
        weight: str | None = "weight",
        *,
        sep: str = ",",
        header: Sequence[str] | None = None,
        encoding: str = "utf-8",
        name: str | None = None,
        on_error: OnError = "raise",
    ) -> Self:
        """Interactions from a delimited text file, plain or gzipped (its first bytes tell).

        As `from_frame`, but ids are text throughout: leading zeros survive, and ``NA`` is an id like any other.

        Args:
            path: The file. Its first line names the columns, unless ``header`` does.
            user: Name of the column of user ids.
            item: Name of the column of item ids.
            rating: Name of the column of ratings. A column under its default name may be absent; None ignores it.
            timestamp: Name of the column of times, likewise.
            weight: Name of the column of weights, likewise.
            sep: The one character between fields.
            header: Names of all columns, for a file without a header line.
            encoding: The file's encoding. A byte order mark is passed over.
            name: The data set's name in reports; the file's name by default.
            on_error: What to do with a malformed row (too many fields, a field of more than 2**24 characters, a missing
                id, text where a number should be, bytes that aren't text): ``"raise"``, or ``"skip"`` it, count it and
                warn (`MalformedRowsWarning`).

        Raises:
            DataError: If a line is malformed; the message starts with ``path:line:``.
            DataNotFoundError: If there is no such file.
            TypeError: If ``path`` is no path, or ``header`` no list of names.
            ValueError: If ``sep`` is no single character, or ``encoding`` unknown.
        """
        names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp, "weight": weight}
        fields = csv_files.read_csv(path, names, sep=sep, header=header, encoding=encoding, on_error=on_error)
        return cls(**fields, name=os.path.basename(path) if name is None else name)

    @classmethod
    def from_parquet(  # noqa: PLR0917
        cls,
        path: str | os.PathLike[str],
        user: str = "user",
        item: str = "item",
        rating: str | None = "rating",
        timestamp: str | None = "timestamp",
        weight: str | None = "weight",
        *,
        name: str | None = None,
        on_error: OnError = "raise",
    ) -> Self:
        """Interactions from a Parquet file; needs ``pip install tfrec[parquet]``.

        As `from_frame`. Only the columns that are needed are read.

        Args:
            path: The file.
            user: Name of the column of user ids: text or whole numbers, dictionary-encoded or not.
            item: Name of the column of item ids, likewise.
            rating: Name of the column of ratings. A column under its default name may be absent; None ignores it.
            timestamp: Name of the column of times, likewise.
            weight: Name of the column of weights, likewise.
            name: The data set's name in reports; the file's name by default.
            on_error: What to do with a row that has a missing or malformed cell: ``"raise"``, or ``"skip"`` it, count
                it and warn (`MalformedRowsWarning`).

        Raises:
            DataError: If the file is damaged, a named column is absent, or a cell is missing or malformed.
            DataNotFoundError: If there is no such file.
            ImportError: If pyarrow isn't installed.
        """
        names = {"user": user, "item": item, "rating": rating, "timestamp": timestamp, "weight": weight}
        fields = parquet.read_parquet(path, names, on_error)
        return cls(**fields, name=os.path.basename(path) if name is None else name)

    @property
    def n_users(self) -> int:
        """The size of the user vocabulary."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """The size of the item vocabulary."""
        return len(self.item_ids)

    def __len__(self) -> int:
        """The number of interactions."""
        return len(self.user)

    def __repr__(self) -> str:
        parts = [f"{self.n_users:,} users", f"{self.n_items:,} items", f"{len(self):,} interactions"]
        if len(self) and self.has_ratings:
            parts.append(f"ratings {self.rating.min():g} to {self.rating.max():g}")
        if len(self) and self.timestamp is not None:
            parts.append(" to ".join(_days(self.timestamp)))
        return f"Interactions({self.name!r}: {', '.join(parts)})"

    def to_frame(self) -> "pd.DataFrame":
        """Raw ids and the columns there are, under the names that `from_frame` expects, one row an interaction."""
        import pandas as pd

        frame: dict[str, npt.NDArray[Any]] = {"user": self.user_ids[self.user], "item": self.item_ids[self.item]}
        if self.has_ratings:
            frame["rating"] = self.rating
        for name in ("timestamp", "weight"):
            if getattr(self, name) is not None:
                frame[name] = getattr(self, name)
        return pd.DataFrame(frame)

    def to_csr(self, values: Literal["binary", "rating", "weight"] = "binary") -> "sparse.csr_array":
        """The user-item matrix: SciPy CSR array, float32 [n_users, n_items], column indices sorted.

        Args:
            values: What the entries hold, and what becomes of a pair that occurs more than once. ``"binary"``: 1.
                ``"rating"``: the last rating, in the order of rows; a rating of zero is stored. ``"weight"``: the sum
                of the weights (of ones where there are none).

        Raises:
            ValueError: If ``values`` is something else.
        """
        return matrix.to_csr(self, values)

    def sequences(self) -> Sequences:
        """Every user's items, oldest first; ties, and data without times, in the order of rows."""
        splits, rows = group_rows_by_time(self.user, self.timestamp, self.n_users)
        return Sequences(splits, self.item[rows])

    def select(self, mask: Any) -> Self:
        """The chosen rows, as Interactions with the same vocabularies.

        Args:
            mask: bool [n], the rows to keep; or whole numbers [m], the rows to take, in this order.

        Raises:
            DataError: If the mask has another length, or a row number is not in 0 … n - 1.
        """
        rows = np.asarray(mask)
        if rows.dtype == np.bool_:
            if rows.shape != (len(self),):
                raise DataError(f"select: expected a mask of shape ({len(self)},), got {rows.shape}")
            rows = np.flatnonzero(rows)
        else:
            rows = columns.indices("select", rows, len(self), of="row numbers")
        chosen = copy.copy(self)  # what the vocabularies and columns had to pass, they have passed
        for name in _ROW_COLUMNS:
            values = getattr(self, name)
            if values is not None:
                values = values[rows]
                values.setflags(write=False)
                chosen._set(name, values)
        return chosen

    def fingerprint(self) -> str:
        """SHA-256 of the columns and ids, as a hexadecimal string; the same on every machine and in every process."""
        return fingerprint.fingerprint(self)

    def describe(self) -> dict[str, Any]:
        """The figures of a report, ready for JSON.

        Returns:
            ``name``; ``users``, ``items``, ``interactions`` (counts); ``density``, the share of user-item pairs that
            occur; ``ratings``, [lowest, highest] or None; ``time``, [first, last] as ISO dates (UTC) or None.
        """
        rows = len(self)
        pairs = matrix.count_pairs(self)
        return {
            "name": self.name,
            "users": self.n_users,
            "items": self.n_items,
            "interactions": rows,
            "density": pairs / (self.n_users * self.n_items) if rows else 0.0,
            "ratings": [float(self.rating.min()), float(self.rating.max())] if rows and self.has_ratings else None,
            "time": _days(self.timestamp) if rows and self.timestamp is not None else None,
        }


def _days(timestamp: npt.NDArray[np.int64]) -> list[str]:
    """The first and the last day, as ISO dates."""
    ends = np.array([timestamp.min(), timestamp.max()]).astype("datetime64[s]")
    return [str(day) for day in ends.astype("datetime64[D]")]
