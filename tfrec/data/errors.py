"""The errors of `tfrec.data`."""


class DataError(ValueError):
    """The data are malformed. Where a file is to blame the message starts with ``path:line:``."""


class RowError(DataError):
    """A cell of a table is malformed.

    Attributes:
        row: Position of the row, counted from 0, by which a reader of files finds the line.
        problem: The message without the row.
    """

    def __init__(self, row: int, problem: str) -> None:
        super().__init__(f"row {row} (counted from 0): {problem}")
        self.row = row
        self.problem = problem


class DataNotFoundError(FileNotFoundError):
    """A data set, or one of its files, is not there. The message says what to put where."""
