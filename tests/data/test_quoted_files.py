# mypy: no-check-untyped-defs
import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data.files.quoted_files import Dialect, read_records
from tfrec.data.malformed import MalformedRows

BACKSLASH = Dialect(";", "utf-8", backslash=True)
DOUBLED = Dialect(",", "utf-8", backslash=False)
fields = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r") | st.sampled_from('";,\\\n&'), max_size=8
)
tables = st.lists(st.lists(fields, min_size=2, max_size=2), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    file = tmp_path_factory.mktemp("quoted") / "file.csv"

    def read(text, dialect, on_error="raise"):
        file.write_text(text, encoding="utf-8", newline="")
        malformed = MalformedRows(file, on_error)
        rows = [list(record.fields) for record in read_records(file, dialect, ("a", "b"), malformed)]
        return (rows, malformed.count) if on_error == "skip" else rows

    return read


@given(tables)
def test_escaped_by_a_backslash(read, table):
    lines = ['"a";"b"'] + [
        ";".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in row) for row in table
    ]
    assert read("\n".join(lines) + "\n", BACKSLASH) == table


@given(tables, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_doubled_quotes_as_the_csv_module_writes_them(read, table, quoting):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=quoting).writerows([["a", "b"], *table])
    expected = [[None if text == "NULL" and quoting == csv.QUOTE_MINIMAL else text for text in row] for row in table]
    assert read(stream.getvalue(), DOUBLED) == expected


def test_what_is_not_escaped_stays(read):
    text = '"a";"b"\n"C:\\new";NULL\n"NULL";bare\n"";\n'
    assert read(text, BACKSLASH) == [["C:\\new", None], ["NULL", "bare"], ["", ""]]


def test_the_next_row_is_found_on_the_next_line(read):
    text = '"a";"b"\n"1";"2"\n"3;"4"\n"5";"6"\n"7"\n\n"8";"9";"x"\n"10";"11"'
    assert read(text, BACKSLASH, "skip") == ([["1", "2"], ["5", "6"], ["10", "11"]], 3)


@pytest.mark.parametrize("row", ['"' * 200_000, "\\" * 200_000, '"x' * 100_000, ";" * 200_000, '"' + '""' * 100_000])
def test_linear_time_whatever_comes(read, row):
    begun = time.process_time()
    read(f'"a";"b"\n{row}\n"1";"2"\n', BACKSLASH, "skip")
    assert time.process_time() - begun < 5
