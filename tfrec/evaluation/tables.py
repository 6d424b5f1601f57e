"""Tables of figures for people: plain text for logs, rich in a terminal, HTML in a notebook."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tfrec.metrics import METRICS

Cell = tuple[int, int]


class Tabular:
    """What shows itself as a table: ``print`` gives plain text, `show` a rich table, a notebook HTML."""

    def table(self) -> "Table":
        """The table."""
        raise NotImplementedError(f"{type(self).__name__} must implement table")

    def __str__(self) -> str:
        return self.table().to_text()

    def __rich__(self) -> Any:
        return self.table().to_rich()

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def show(self, console: Any = None) -> None:
        """Print it, in colour and fitted to the width of the terminal.

        Args:
            console: a `rich.console.Console` to print to. By default the standard output, which gets plain text where
                it is neither a terminal nor a notebook, so that logs and files hold no lines cut to some width.
        """
        from rich.console import Console

        if console is None:
            console = Console()
            if not (console.is_terminal or console.is_jupyter):
                print(self)
                return
        console.print(self)


@dataclass(frozen=True)
class Table(Tabular):
    """Cells that are ready to be shown.

    Attributes:
        header: a name for each column; the first is empty where the rows' labels need none.
        rows: cells of text, as many in each row as in the header; the first is the row's label.
        heading: lines above.
        notes: lines below.
        styles: (row, column) to a style of `rich`: "bold", "green" or "red".
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    heading: Sequence[str] = ()
    notes: Sequence[str] = ()
    styles: Mapping[Cell, str] = field(default_factory=dict)

    __str__ = Tabular.__str__

    def table(self) -> "Table":
        """Itself."""
        return self

    def to_text(self) -> str:
        """Columns of equal width, the first to the left, the others to the right."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = [
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        ]
        return "\n".join([*self.heading, *([""] if self.heading else []), *body, *self._notes()])

    def _notes(self) -> list[str]:
        return ["", *self.notes] if self.notes else []

    def to_rich(self) -> Any:
        """A renderable of `rich`."""
        from rich import box
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for number, name in enumerate(self.header):
            table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
        for row, cells in enumerate(self.rows):
            table.add_row(*(Text(cell, self.styles.get((row, number), "")) for number, cell in enumerate(cells)))
        above = [Text(line, "dim" if number else "bold") for number, line in enumerate(self.heading)]
        return Group(*above, table, *(Text(line, "dim") for line in self.notes))

    def to_html(self) -> str:
        """A ``<table>``, with heading and notes as paragraphs."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.header)
        body = "".join(
            f"<tr><th>{escape(cells[0])}</th>"
            + "".join(
                f"<td{self._html_style(row, number)}>{escape(cell)}</td>" for number, cell in enumerate(cells) if number
            )
            + "</tr>"
            for row, cells in enumerate(self.rows)
        )
        above, below = ("".join(f"<p>{escape(line)}</p>" for line in lines) for lines in (self.heading, self.notes))
        return f"<div>{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"

    def _html_style(self, row: int, column: int) -> str:
        style = self.styles.get((row, column))
        if style is None:
            return ""
        return ' style="font-weight:bold"' if style == "bold" else f' style="color:{style}"'


def figure_text(value: float | None) -> str:
    """A figure as tables show it; "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def unknown_figure(key: object, known: Iterable[str]) -> str:
    """What to say of a figure that is not among the known ones."""
    known = list(known)
    nearest = difflib.get_close_matches(str(key), known, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"no figure {key!r} was measured.{hint} There are: {', '.join(known)}"


def higher_is_better(key: str) -> bool | None:
    """Whether the larger of two figures, such as "ndcg@10", is the better; None where neither is."""
    metric = METRICS.get(key.partition("@")[0])
    return None if metric is None else metric.higher_is_better


def select_figures(metrics: str | Iterable[str], known: Iterable[str]) -> list[str]:
    """The figures that `metrics` names: as they are, or by a metric, such as "ndcg", for all its cutoffs.

    Raises:
        ValueError: if one is not among the known figures.
    """
    known, chosen = list(known), dict[str, None]()
    for name in [metrics] if isinstance(metrics, str) else metrics:
        found = [key for key in known if name in (key, key.partition("@")[0])]
        if not found:
            raise ValueError(unknown_figure(name, known))
        chosen.update(dict.fromkeys(found))
    return list(chosen)
