"""The tables of results that `tfrec reproduce` fills: what stands in them, and how they are written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tfrec import files
from tfrec.config_sections import ConfigError, PublishedConfig, nearest


@dataclass(frozen=True)
class ResultRow:
    """One model on one data set.

    Attributes:
        config: the configuration, by the name that it has in `configs/`.
        label: what the table calls it.
    """

    config: str
    label: str


@dataclass(frozen=True)
class ResultTable:
    """Several models under one protocol.

    Attributes:
        name: what the command line calls it.
        title: its heading.
        protocol: how the figures are measured, in a paragraph.
        figures: the names of the figures, such as "ndcg@10", to their headings.
        rows: the models, in the order of the table.
    """

    name: str
    title: str
    protocol: str
    figures: Mapping[str, str]
    rows: tuple[ResultRow, ...]


@dataclass(frozen=True)
class Result:
    """A row, filled.

    Attributes:
        row: which.
        figures: what was found, by name.
        published: what others report, if there is anything.
        tolerance: how far a figure may be from the expected one; None if nothing is expected.
        shortfalls: the expected figures that were missed, in words.
        about: `fit_seconds`, `evaluation_seconds` and `hardware`.
    """

    row: ResultRow
    figures: Mapping[str, float]
    published: PublishedConfig | None
    tolerance: float | None
    shortfalls: Sequence[str]
    about: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """Whether the expected figures were reached."""
        if self.tolerance is None:
            return ""
        return f"{'no' if self.shortfalls else 'yes'}, ± {self.tolerance:g}"


_RANKED = MappingProxyType({"hit_rate@10": "HR@10", "ndcg@10": "nDCG@10"})
_RATED = MappingProxyType({"rmse": "RMSE", "mae": "MAE"})
_OF_ALL = MappingProxyType({"recall@20": "Recall@20", "ndcg@20": "nDCG@20"})

TABLES: Mapping[str, ResultTable] = MappingProxyType(
    {
        table.name: table
        for table in (
            ResultTable(
                "ncf",
                "MovieLens-1M, leave one out, 99 sampled negatives",
                "The split of He et al. 2017, Neural Collaborative Filtering, as they published it: the last item of "
                "each of 6,040 users is ranked among 99 items that the user hasn't rated. Figures are means over "
                "users.",
                _RANKED,
                (
                    ResultRow("ml-1m-ncf/popularity", "Popularity"),
                    ResultRow("ml-1m-ncf/ease", "EASE"),
                    ResultRow("ml-1m-ncf/slim", "SLIM"),
                    ResultRow("ml-1m-ncf/svd", "SVD, truncated (PureSVD)"),
                    ResultRow("ml-1m-ncf/als", "ALS"),
                    ResultRow("ml-1m-ncf/gmf", "NCF, GMF"),
                    ResultRow("ml-1m-ncf/neumf", "NCF, NeuMF, pre-trained"),
                    ResultRow("ml-1m-ncf/lightgcn", "LightGCN"),
                ),
            ),
            ResultTable(
                "ratings",
                "MovieLens-100K and MovieLens-1M, prediction of ratings",
                "Cross-validation in five folds of random rows: each rating is predicted once, by a model fitted to "
                "the other folds. Figures are means over the folds.",
                _RATED,
                (
                    ResultRow("ml-100k/svd", "SVD, MovieLens-100K"),
                    ResultRow("ml-100k/svdpp", "SVD++, MovieLens-100K"),
                    ResultRow("ml-1m/svd", "SVD, MovieLens-1M"),
                    ResultRow("ml-1m/svdpp", "SVD++, MovieLens-1M"),
                ),
            ),
            ResultTable(
                "sequential",
                "MovieLens-1M and Beauty, the next item",
                "Leave one out: the last item of each user is the test, the one before it the validation. All items "
                "that the user hasn't had are ranked, from everything before the test item. MovieLens-1M is 5-core "
                "(6,040 users, 3,416 items); Beauty is the 5-core data that Zhou et al. 2020 published with S3-Rec "
                "(22,363 users, 12,101 items). Figures are means over users.",
                _RANKED,
                (
                    ResultRow("ml-1m-loo/popularity", "Popularity, MovieLens-1M"),
                    ResultRow("ml-1m-loo/ease", "EASE, MovieLens-1M"),
                    ResultRow("ml-1m-loo/sasrec", "SASRec, MovieLens-1M"),
                    ResultRow("beauty/popularity", "Popularity, Beauty"),
                    ResultRow("beauty/ease", "EASE, Beauty"),
                    ResultRow("beauty/sasrec", "SASRec, Beauty"),
                ),
            ),
            ResultTable(
                "gowalla",
                "Gowalla, ranking of all items",
                "The split that He et al. 2020 published with LightGCN: 29,858 users, 40,981 places, of which all that "
                "a user hasn't been to in training are ranked. Figures are means over users.",
                _OF_ALL,
                (
                    ResultRow("gowalla/popularity", "Popularity"),
                    ResultRow("gowalla/ease", "EASE"),
                    ResultRow("gowalla/slim", "SLIM"),
                    ResultRow("gowalla/als", "ALS"),
                    ResultRow("gowalla/lightgcn", "LightGCN"),
                ),
            ),
        )
    }
)
"""All tables, by name."""


def find_table(name: str) -> ResultTable:
    """The table of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TABLES:
        raise ConfigError(f"there is no table {name!r}{nearest(name, TABLES)}; tfrec has {', '.join(TABLES)}")
    return TABLES[name]


def select_rows(table: ResultTable, names: Sequence[str]) -> tuple[ResultRow, ...]:
    """The rows that are named by their configurations (`ml-1m/svd`) or by their models (`svd`); without names, all.

    Raises:
        ConfigError: a name fits none.
    """
    selected: set[ResultRow] = set()
    for name in names:
        wanted = name.removeprefix("configs/").removesuffix(".yaml")
        found = {row for row in table.rows if wanted in (row.config, row.config.split("/")[1])}
        if not found:
            known = [row.config for row in table.rows]
            raise ConfigError(f"{table.name} has no row {name!r}{nearest(wanted, known)}; there are {', '.join(known)}")
        selected |= found
    return tuple(row for row in table.rows if row in selected) if names else table.rows


def figures_table(table: ResultTable, results: Sequence[Result]) -> str:
    """The figures beside those in print, as a table in Markdown, which is the same wherever the figures are."""
    headings = [cell for heading in table.figures.values() for cell in (heading, "in print")]
    rows = [[result.row.label, *figure_cells(table, result), result.mark] for result in results]
    return _markdown(["model", *headings, "as expected"], rows)


def figure_cells(table: ResultTable, result: Result) -> list[str]:
    """Each figure, and what is in print: published figures with as many digits as were given."""
    published = {} if result.published is None else result.published.metrics
    cells = []
    for name in table.figures:
        found = result.figures.get(name)
        cells.append("" if found is None else f"{found:.4f}")
        cells.append(f"{published[name]:g}" if name in published else "")
    return cells


def document(table: ResultTable, results: Sequence[Result]) -> str:
    """The page of a table: the figures, where those in print are from, and apart from these the time it took."""
    sources = [
        f"- {result.row.label} (`configs/{result.row.config}.yaml`): "
        f"{'nothing for this protocol' if result.published is None else result.published.source}"
        for result in results
    ]
    return "\n\n".join(
        [
            f"# {table.title}",
            table.protocol,
            figures_table(table, results),
            "As expected: within the tolerance of what the configuration says that it reaches.",
            "## In print",
            "\n".join(sources),
            "## Time",
            "Minutes, which depend on the machine and on what else it does, and no figure above depends on them.",
            _time_table(results),
            f"Made by `tfrec reproduce {table.name}`.\n",
        ]
    )


def _time_table(results: Sequence[Result]) -> str:
    rows = [
        [result.row.label, *(minutes(result.about[f"{what}_seconds"]) for what in ("fit", "evaluation")), hardware]
        for result in results
        for hardware in [result.about["hardware"]]
    ]
    return _markdown(["model", "fit", "evaluation", "on"], rows)


def minutes(seconds: float) -> str:
    """A time as minutes, to a second or so."""
    return f"{seconds / 60:.2f}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def update_readme(path: Path, table: ResultTable, results: Sequence[Result]) -> None:
    """Put the figures between the marks that the file has for this table.

    Raises:
        ValueError: it has none.
    """
    text = path.read_text(encoding="utf-8")
    updated, n = _block(table.name).subn(lambda found: f"{found[1]}{figures_table(table, results)}\n{found[3]}", text)
    if n != 1:
        raise ValueError(
            f"{path} has no place for the table {table.name}: give it the lines <!-- results: {table.name} --> and "
            "<!-- end of results -->"
        )
    files.write_text(path, updated)


def table_in_readme(text: str, name: str) -> str | None:
    """What stands between the marks for a table, if there are any."""
    found = _block(name).search(text)
    return None if found is None else found[2].strip()


def _block(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- results: {re.escape(name)} -->\n)(.*?)(<!-- end of results -->)", re.DOTALL)
