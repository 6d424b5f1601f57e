"""`tfrec reproduce`: train what a table of results is made of, and write our figures beside those in print.

Every row is a run directory, `<runs>/reproduce/<name>`. One that is finished is used again as long as it is what the
configuration says, of the same data and by the same version of tfrec; otherwise it stays until the new one is whole.
"""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tfrec import files, runs
from tfrec.config import Config, build_model, load_config
from tfrec.result_tables import (
    TABLES,
    Result,
    ResultRow,
    ResultTable,
    document,
    figure_cells,
    find_table,
    minutes,
    select_rows,
    update_readme,
)

_FOLDER = "reproduce"


def reproduce(
    name: str,
    runs_folder: Path,
    output: Path,
    *,
    only: Sequence[str] = (),
    fresh: bool = False,
    readme: Path | None = None,
    console: Console | None = None,
) -> list[str]:
    """Fill a table, print it, and write it as a page once all of its rows are there.

    Args:
        name: the table.
        runs_folder: the folder of the runs.
        output: the folder of the pages.
        only: the rows to train; by default all.
        fresh: train these anew, even where a finished or interrupted run could be used.
        readme: a file with a place for the table, to write its figures into, too.
        console: what to print to.

    Returns:
        The expected figures that were missed, in words.

    Raises:
        ConfigError: there is no such table or row.
    """
    console = console or Console(highlight=False)
    table = find_table(name)
    selected = select_rows(table, only)
    results = []
    for row in table.rows:
        config = load_config(row.config)
        if row in selected:
            result = _train(row, config, runs_folder / _FOLDER, fresh, console)
        elif runs.is_current(runs_folder / _FOLDER / config.name, config):
            result = _result(row, config, runs_folder / _FOLDER / config.name)
        else:
            continue
        results.append(result)
    _show(table, [result for result in results if result.row in selected], console)
    if len(results) < len(table.rows):
        missing = [row.config for row in table.rows if row not in {result.row for result in results}]
        _say(console, f"no page is written before all rows are there; missing: {', '.join(missing)}")
    else:
        page = output / f"{table.name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(page, document(table, results))
        _say(console, f"written to {page}")
        if readme is not None:
            update_readme(readme, table, results)
            _say(console, f"written to {readme}")
    return [
        f"{result.row.config}: {line}" for result in results if result.row in selected for line in result.shortfalls
    ]


def list_tables(runs_folder: Path, output: Path, console: Console | None = None) -> None:
    """Print all tables, with the number of rows that there are runs for."""
    shown = Table("table", "what", "rows done", "page", box=None)
    for table in TABLES.values():
        done = 0
        for row in table.rows:
            config = load_config(row.config)
            done += runs.is_run_of(runs_folder / _FOLDER / config.name, config)
        page = output / f"{table.name}.md"
        shown.add_row(table.name, table.title, f"{done} of {len(table.rows)}", str(page) if page.is_file() else "")
    (console or Console(highlight=False)).print(shown)


def _train(row: ResultRow, config: Config, folder: Path, fresh: bool, console: Console) -> Result:
    """The result of a row: of the finished run, if there is one, or of a new one in its place."""
    run_dir = folder / config.name
    if not fresh and runs.is_current(run_dir, config):
        result = _result(row, config, run_dir)
        _say(console, f"{row.config}: there already")
        return result
    _say(console, f"{row.config}: training")
    with console.status(row.label) as status:
        runs.train(
            config,
            folder,
            verbose=0,
            fresh=fresh,
            replace=True,
            keep_model=False,
            callbacks=_told(config, lambda text: status.update(f"{row.label}: {text}")),
            say=lambda line: _say(console, f"{row.config}: {line}"),
        )
    _free_memory()
    return _result(row, config, run_dir)


def _result(row: ResultRow, config: Config, run_dir: Path) -> Result:
    report = runs.load_report(run_dir)
    return Result(
        row=row,
        figures=runs.figures(report),
        published=config.published,
        tolerance=config.expected.tolerance if config.expected.metrics else None,
        shortfalls=runs.shortfalls(config, report),
        about=runs.load_about(run_dir),
    )


def _told(config: Config, tell: Any) -> list:
    """Callbacks that tell how far the fit is."""
    from tfrec._tf import tf

    epochs = config.fit.epochs or build_model(config).default_epochs

    def on_epoch_end(epoch: int, logs: Mapping[str, float]) -> None:
        tell(f"epoch {epoch + 1} of {epochs}, loss {logs.get('loss', float('nan')):.4g}")

    return [tf.keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)]


def _free_memory() -> None:
    """Let go of a model, whose parts refer to each other: the next one may need the room."""
    from tfrec._tf import tf

    tf.keras.backend.clear_session()
    gc.collect()


def _show(table: ResultTable, results: Sequence[Result], console: Console) -> None:
    headings = [cell for heading in table.figures.values() for cell in (heading, "in print")]
    shown = Table("model", *headings, "as expected", "minutes", title=table.title, title_justify="left", box=None)
    for result in results:
        seconds = result.about["fit_seconds"] + result.about["evaluation_seconds"]
        style = "red" if result.shortfalls else None
        shown.add_row(result.row.label, *figure_cells(table, result), result.mark, minutes(seconds), style=style)
    console.print(shown)
    for result in results:
        source = "nothing for this protocol" if result.published is None else result.published.source
        _say(console, f"in print, {result.row.label}: {source}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
