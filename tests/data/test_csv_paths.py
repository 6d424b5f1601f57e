# mypy: no-check-untyped-defs
"""`from_csv` reads a sound file by one path and any other by another: what comes out must be the same, or an error."""

import codecs
import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tfrec.data import DataError, Interactions, MalformedRowsWarning
from tfrec.data.files import csv_files, csv_stream
from tfrec.data.files.csv_records import CsvFile
from tfrec.data.files.watched import WatchedStream
from tfrec.data.malformed import MalformedRows

TEXT_IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
    st.sampled_from(["007", "7", "0", "-1", "+7", " 7", "7 ", "7.0", "1e3", "NA", "a,b", 'a"b', '"', "a\nb", "a\r\nb",
                     "a\0b", "a", "\u2028", "\ufeffx", "9223372036854775808", "\t7", "00"]),
)  # fmt: skip
NUMBER_IDS = st.integers(0, 10**12).map(str)
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-1e6, 1e6, width=32))


def rows(ids):
    return st.lists(st.tuples(ids, ids, NUMBERS, st.integers(-(2**35), 2**37)), min_size=1, max_size=25)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.csv"


def written(rows, header=True, sep=",", quoting=csv.QUOTE_MINIMAL):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=sep, quoting=quoting)
    writer.writerows([["user", "item", "rating", "timestamp"]] if header else [])
    writer.writerows(rows)
    return stream.getvalue().encode()


def check(data, rows):
    assert data.user_ids[data.user].tolist() == [row[0] for row in rows]
    assert data.item_ids[data.item].tolist() == [row[1] for row in rows]
    assert data.user_ids.tolist() == list(dict.fromkeys(row[0] for row in rows))
    assert data.item_ids.tolist() == list(dict.fromkeys(row[1] for row in rows))
    np.testing.assert_array_equal(data.rating, np.array([float(row[2]) for row in rows], np.float32))
    assert data.timestamp.tolist() == [row[3] for row in rows]


@given(rows=st.one_of(rows(TEXT_IDS), rows(NUMBER_IDS)), sep=st.sampled_from(",;\t|:"), quote_all=st.booleans())
def test_ids_are_lossless(tmp_path_factory, rows, sep, quote_all):
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(written(rows, sep=sep, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL))
    check(Interactions.from_csv(path, sep=sep), rows)


def same(fast, careful):
    for role in ("user", "item"):
        assert list(fast[f"{role}_ids"]) == list(careful[f"{role}_ids"])
    assert fast.keys() == careful.keys()
    for role in fast.keys() & {"user", "item", "rating", "timestamp"}:
        np.testing.assert_array_equal(fast[role], careful[role])


FIELDS = st.one_of(
    st.sampled_from(["007", "7", "0", "00", "+7", "-7", " 7", "7 ", "7.0", "1e3", "", '"', '""', '"7"', '"a,b"',
                     '"a\n7"', "a", 'a"b', "\ufeff", "\ufeff7", "\0", "\r", "NA", "nan", "inf", "1_0", "0x7",
                     "٣", "\x85", "é"]),
    st.integers(0, 99).map(str),
)  # fmt: skip


@given(
    lines=st.lists(st.lists(FIELDS, min_size=2, max_size=4), min_size=1, max_size=6),
    marks=st.integers(0, 2),
    titled=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n", "\r", ""]),
    line_break=st.sampled_from(["\n", "\r\n", "\r"]),
)
@example(lines=[["007", "1"], ["7", "2"]], marks=1, titled=False, ending="", line_break="\n")
@example(lines=[["u", "1"], ["v", "2"]], marks=2, titled=False, ending="", line_break="\n")
def test_what_the_fast_path_reads_the_careful_one_reads_alike(
    tmp_path_factory, lines, marks, titled, ending, line_break
):
    names = ["user", "item", "rating", "timestamp"][: len(lines[0])]
    text = line_break.join([*([",".join(names)] if titled else []), *map(",".join, lines)]) + ending
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    path.write_bytes(codecs.BOM_UTF8 * marks + text.encode())
    file = CsvFile(str(path), ",", None if titled else names, "utf-8")
    columns = names if marks < 2 else file.column_names()
    if "user" not in columns:
        return
    present = {name: name for name in columns}
    fast = csv_stream.read_sound_csv(file, columns, present)
    if fast is not None:
        same(fast, csv_files._read_with_care(file, columns, present, MalformedRows(path)))


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz"])
@pytest.mark.parametrize("odd", [None, "07", "x", "+5", "5.0", "-0", " 5", '"5"'])
@pytest.mark.parametrize("at", [0, 5, 29])
def test_ids_that_turn_out_to_be_text_in_a_later_part(tmp_path, monkeypatch, name, odd, at):
    monkeypatch.setattr(csv_stream, "_FIRST", 2)
    monkeypatch.setattr(csv_stream, "_ROWS", 4)
    lines = [f"{number % 7},{number},3,{number}" for number in range(30)]
    expected = [str(number % 7) for number in range(30)]
    if odd is not None:
        lines[at] = f"{odd},{at},3,{at}"
        expected[at] = odd.strip('"')
    content = "\n".join(["user,item,rating,timestamp", *lines]).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    data = Interactions.from_csv(path)
    assert data.user_ids[data.user].tolist() == expected
    assert data.item_ids.tolist() == [str(number) for number in range(30)]


@given(rows=rows(NUMBER_IDS), cut=st.integers(1, 8), place=st.integers(0, 10**6))
def test_a_zero_is_seen_wherever_a_chunk_begins(rows, cut, place):
    content = written(rows, header=False, quoting=csv.QUOTE_NONE)
    lines = content.split(b"\r\n")[:-1]
    number = place % len(lines)
    lines[number] = b"0" + lines[number]
    padded = b"\n".join(lines)
    stream = WatchedStream(io.BytesIO(padded), ",", numbers=True)
    while stream.read(cut):
        pass
    assert stream.padded
    assert stream.has_only(3 * len(rows))


def test_the_fast_path_is_taken_where_it_can_be(path, monkeypatch):
    monkeypatch.setattr(csv_files, "_read_with_care", lambda *_: pytest.fail("the slow path was taken"))
    plain = [(str(user), f"B{user}", 4.5, 7) for user in range(100)]
    path.write_bytes(written(plain))
    check(Interactions.from_csv(path), plain)
    quoted = [(f"a, {user}", f'"B"{user}\n', 4.5, 7) for user in range(100)]
    path.write_bytes(written(quoted))
    check(Interactions.from_csv(path), quoted)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-16", "shift-jis"])
def test_encodings(path, encoding):
    text = {"shift-jis": "表示"}.get(encoding, "José")
    path.write_bytes(f"user,item\n{text},1\nAda,2\n".encode(encoding))
    assert Interactions.from_csv(path, encoding=encoding).user_ids.tolist() == [text, "Ada"]


def test_a_carriage_return_alone_ends_a_line(path):
    path.write_bytes(b"user,item,rating\ru,01,4\rv,j,3\r")
    assert Interactions.from_csv(path).item_ids.tolist() == ["01", "j"]


@pytest.mark.parametrize("field", ['"a"b', 'a"b', 'a"b"', '"a" ', ' "a"', '"a""b"c'])
def test_a_quote_within_a_field_is_an_error_or_kept(path, field):
    path.write_text(f'user,item,note\nu,1,{field}\n"v",2,"x, y"\n{field},3,\n')
    try:
        expected = next(csv.reader([field], strict=True))[0]
    except csv.Error:
        with pytest.raises(DataError, match=r"data\.csv:2: "):
            Interactions.from_csv(path)
    else:
        assert Interactions.from_csv(path).user_ids.tolist() == ["u", "v", expected]


@pytest.mark.parametrize("extra", [",", ",x", ',"x"'])
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("at", [0, 20])
def test_a_line_with_too_many_fields_is_never_cut(path, monkeypatch, extra, quoted, at):
    monkeypatch.setattr(csv_stream, "_FIRST", 2)
    monkeypatch.setattr(csv_stream, "_ROWS", 4)
    user = '"u"' if quoted else "u"
    lines = [f"{user},{number},3,{number}" for number in range(30)]
    lines[at] += extra
    path.write_text("\n".join(["user,item,rating,timestamp", *lines]))
    with pytest.raises(DataError, match=rf"data\.csv:{at + 2}: expected 4 fields, found 5"):
        Interactions.from_csv(path)


# on_error="skip"


def skipping(path, **options):
    with pytest.warns(MalformedRowsWarning) as caught:
        data = Interactions.from_csv(path, on_error="skip", **options)
    assert len(caught) == 1
    return data, caught[0].message


def test_every_kind_of_malformed_row_is_skipped_and_named(path):
    path.write_bytes(
        b"user,item,rating,timestamp\n"
        b"007,a,4,10\n"
        b"u,b,good,10\n"  # 3
        b",c,4,10\n"  # 4
        b"u,,4,10\n"  # 5
        b"u,d,4\n"  # 6: no time
        b"u,e,4,10,1\n"  # 7
        b"u,f\xff,4,10\n"  # 8
        b'"two\nlines",g,3,11\n'  # 9 and 10
        b"u,h,inf,10\n"  # 11
        b"u,i,4,2001-01-01\n"  # 12
        b'"u"x,j,4,10\n'  # 13
        b"\n"
        b"u,k,2.5,12\n"
    )
    data, warning = skipping(path)
    assert data.user_ids[data.user].tolist() == ["007", "two\nlines", "u"]
    assert data.item_ids.tolist() == ["a", "g", "k"]
    assert data.rating.tolist() == [4.0, 3.0, 2.5]
    assert data.timestamp.tolist() == [10, 11, 12]
    assert warning.count == 9
    assert warning.file == str(path)


@pytest.mark.parametrize("opened", ['v,"j,3', '"v,j,3'])
def test_a_quote_that_is_never_closed_costs_one_row(path, opened):
    lines = ["user,item,rating", "u,i,4", opened, *[f"w,{number},2" for number in range(50)]]
    path.write_text("\n".join(lines) + "\n")
    data, warning = skipping(path)
    assert len(data) == 51
    assert warning.count == 1
    assert "data.csv:3: " in warning.problems[0]


def test_quotes_never_closed_on_many_lines(path):
    lines = [f'u,"i{number},3' if number % 3 else f"u,i{number},3" for number in range(300)]
    path.write_text("\n".join(["user,item,rating", *lines]) + "\n")
    data, warning = skipping(path)
    assert warning.count == 200
    assert data.item_ids.tolist() == [f"i{number}" for number in range(0, 300, 3)]


@given(rows=rows(TEXT_IDS), cut=st.integers(1, 8), sep=st.sampled_from(",;"))
def test_separators_outside_quotes_are_counted_in_any_chunks(rows, cut, sep):
    stream = WatchedStream(io.BytesIO(written(rows, header=False, sep=sep)), sep, quotes=True)
    while stream.read(cut):
        pass
    assert stream.has_only(3 * len(rows))
    assert stream.lenient == (rows[0][0][0] == "\ufeff" or any("\0" in text for row in rows for text in row[:2]))


@given(rows=rows(TEXT_IDS), bad=st.lists(st.integers(0, 24), max_size=5))
def test_the_sound_rows_are_what_is_left(tmp_path_factory, rows, bad):
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    marked = {index for index in bad if index < len(rows) - 1}  # the last one stays
    path.write_bytes(written([(*row[:2], "x", row[3]) if n in marked else row for n, row in enumerate(rows)]))
    kept = [row for n, row in enumerate(rows) if n not in marked]
    if marked:
        data, warning = skipping(path)
        assert warning.count == len(marked)
    else:
        data = Interactions.from_csv(path, on_error="skip")
    check(data, kept)


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_of_a_sound_file(path):
    path.write_text("user,item\nu,i\n")
    assert len(Interactions.from_csv(path, on_error="skip")) == 1


def test_no_sound_row(path):
    path.write_text("user,item,rating\nu,i,x\n")
    with pytest.raises(DataError, match=r"data\.csv: expected interactions, found no row that is sound"):
        Interactions.from_csv(path, on_error="skip")
    path.write_text("user,item,rating\nu,i,3,4\n")
    with pytest.raises(DataError, match=r"data\.csv: expected interactions, found no sound rows"):
        Interactions.from_csv(path, on_error="skip")


def test_a_header_in_another_encoding_is_an_error(path):
    path.write_bytes("user,item,né\nu,i,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"data\.csv:1: not utf-8 text"):
        Interactions.from_csv(path, on_error="skip")


def test_records_know_their_lines(path):
    path.write_text('a,b\n\n"x\ny",1\n  \nz,2\n')
    frame, lines = CsvFile(str(path), ",", None, "utf-8").read(["a", "b"], ["b"], MalformedRows(path))
    assert frame["b"].tolist() == ["1", "2"]
    assert lines == [3, 6]
