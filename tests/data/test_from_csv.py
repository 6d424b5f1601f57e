# mypy: no-check-untyped-defs
import csv
import gzip
import io
from contextlib import nullcontext

import pytest

from tfrec.data import DataError, DataNotFoundError, Interactions, MalformedRowsWarning
from tfrec.data.files.csv_records import LONGEST_FIELD


@pytest.fixture
def write(tmp_path):
    def write(text, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        content = text.encode(encoding)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def test_ids_are_text(write):
    data = Interactions.from_csv(write("user,item,rating,timestamp\n007,NA,4.5,978300760\n7,null,3,978300761\n"))
    assert data.user_ids.tolist() == ["007", "7"]
    assert data.item_ids.tolist() == ["NA", "null"]
    assert data.rating.tolist() == [4.5, 3.0]
    assert data.timestamp.tolist() == [978300760, 978300761]
    assert data.name == "data.csv"


def test_separator_header_encoding_and_names(write):
    path = write("José|1|5|x\nAda|2|4|y\n", encoding="latin-1")
    data = Interactions.from_csv(
        path,
        user="who",
        item="what",
        sep="|",
        header=["who", "what", "rating", "note"],
        encoding="latin-1",
        name="mine",
    )
    assert data.user_ids.tolist() == ["José", "Ada"]
    assert data.rating.tolist() == [5.0, 4.0]
    assert data.name == "mine"


def test_gzip_byte_order_mark_windows_lines_and_quotes(write):
    text = '\ufeffuser,item,note\r\n"a, b",1,"two\r\nlines"\r\n\r\nc,2,\r\n'
    for name in ("data.csv", "data.csv.gz"):
        data = Interactions.from_csv(write(text, name))
        assert data.user_ids.tolist() == ["a, b", "c"]
        assert not data.has_ratings


def test_round_trip(small, tmp_path):
    small.to_frame().to_csv(tmp_path / "small.csv", index=False)
    data = Interactions.from_csv(tmp_path / "small.csv")
    assert data.to_frame().equals(small.to_frame())


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("user,item,rating\nu,i,4\nv,j,good\n", 3, "expected a finite number in column 'rating', got 'good'"),
        ("user,item,rating\nu,i,4\n\n  \nv,j,\n", 5, "column 'rating', got nothing"),
        ("user,item,rating\nu,i,4\nv,j\n", 3, "column 'rating', got nothing"),
        ("user,item,rating\nu,i,nan\n", 2, "column 'rating', got 'nan'"),
        ("user,item,rating\nu,i,4\n,j,3\n", 3, "the id in column 'user' is missing"),
        ('user,item,note,rating\nu,i,"a\nb\n",4\nv,j,,x\n', 5, "column 'rating', got 'x'"),
        ("user,item,rating\nu,i,4\nv,j,3,2\n", 3, "expected 3 fields, found 4"),
        ("user,item,rating\nu,i,4,1\nv,j,3,2\n", 2, "expected 3 fields, found 4"),
        ("user,item,timestamp\nu,i,12\nv,j,2001-01-01\n", 3, "expected Unix seconds"),
        ('user,item,rating\nu,i,4\nv,j,"3\nw,k,2\n', 3, "quote that is never closed"),
        ("user,item,weight\nu,i,-1\n", 2, "at least zero in column 'weight', got '-1'"),
        ("user,item,rating\nu,i,True\n", 2, "expected a finite number in column 'rating', got 'True'"),
    ],
)
def test_malformed_lines_are_named(write, text, line, message):
    for name in ("data.csv", "data.csv.gz"):
        path = write(text, name)
        with pytest.raises(DataError) as error:
            Interactions.from_csv(path)
        assert str(error.value).startswith(f"{path}:{line}: ")
        assert message in str(error.value)


def test_the_line_without_a_header_line(write):
    path = write("u,i\nv,\n")
    with pytest.raises(DataError, match=r"data\.csv:2: the id in column 'item' is missing"):
        Interactions.from_csv(path, header=["user", "item"])
    with pytest.raises(DataError, match=r"data\.csv:1: expected 2 fields, found 3"):
        Interactions.from_csv(write("u,i,5\n"), header=["user", "item"])


def test_encoding(write):
    path = write("user,item\nAda,1\nJosé,1\n", encoding="latin-1")
    with pytest.raises(DataError, match=r'data\.csv:3: not utf-8 text.*encoding="latin-1"'):
        Interactions.from_csv(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a line of column names, found an empty file"),
        ("user,item\n", "expected interactions, found no rows"),
        ("who,item\nu,i\n", r"the user column 'user' is not among the columns \['who', 'item'\]"),
        ("user,user,item\nu,v,i\n", "stands more than once"),
    ],
)
def test_unusable_files(write, text, message):
    path = write(text)
    with pytest.raises(DataError, match=f"data.csv: .*{message}"):
        Interactions.from_csv(path)


def test_no_file(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"absent\.csv: there is no such file"):
        Interactions.from_csv(tmp_path / "absent.csv")


def test_damaged_gzip(tmp_path):
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(b"user,item\n" + b"u,i\n" * 1000)[:40])
    with pytest.raises(DataError, match=r"data\.csv\.gz: the compressed file is damaged or cut off"):
        Interactions.from_csv(path)


@pytest.mark.parametrize(
    ("name", "pack"), [("data.csv.gz", bytes), ("data.csv", gzip.compress), ("d.GZ", gzip.compress)]
)
def test_the_content_tells_whether_it_is_gzipped(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(b"user,item\nu,i\n"))
    assert Interactions.from_csv(path).user_ids.tolist() == ["u"]
    path.write_bytes(pack(b"user,item\nu,i,3\n"))
    with pytest.raises(DataError, match=":2: expected 2 fields, found 3"):
        Interactions.from_csv(path)


def test_separator_of_two_characters(write):
    with pytest.raises(ValueError, match="expected sep to be one character, got '::'"):
        Interactions.from_csv(write("1::2\n"), sep="::")


@pytest.mark.parametrize("sep", ['"', "\n", "\r", "\0"])
def test_separators_that_mean_something_else(write, sep):
    with pytest.raises(ValueError, match="another character than a quote or a line break"):
        Interactions.from_csv(write("u,i\n"), sep=sep)


@pytest.mark.parametrize("encoding", ["utf-8", "UTF_8", "U8", "utf-8-sig", "utf8"])
@pytest.mark.parametrize("packed", [False, True])
def test_one_byte_order_mark_is_no_part_of_an_id(tmp_path, encoding, packed):
    path = tmp_path / "data.csv"
    pack = gzip.compress if packed else bytes
    path.write_bytes(pack(b"\xef\xbb\xbf007,1\n7,2\n"))
    assert Interactions.from_csv(path, header=["user", "item"], encoding=encoding).user_ids.tolist() == ["007", "7"]
    path.write_bytes(pack(b"\xef\xbb\xbf\xef\xbb\xbfu,1\n7,2\n"))
    assert Interactions.from_csv(path, header=["user", "item"], encoding=encoding).user_ids.tolist() == ["\ufeffu", "7"]


@pytest.mark.parametrize("encoding", ["utf-99", "base64", "undefined", "a\0b", ""])
def test_encodings_that_are_none(write, encoding):
    with pytest.raises(ValueError, match="from_csv: expected a text encoding, such as"):
        Interactions.from_csv(write("user,item\nu,i\n"), encoding=encoding)


def test_text_of_two_bytes_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes("user,item\nu,i\n".encode("utf-16-le"))
    with pytest.raises(DataError, match=r"data\.csv: not utf-16 text .*BOM"):
        Interactions.from_csv(path, encoding="utf-16")
    assert Interactions.from_csv(path, encoding="utf-16-le").user_ids.tolist() == ["u"]


@pytest.mark.parametrize("header", [0, True, "user,item", b"user,item", [0, 1], ["user", None]])
def test_a_header_is_names(write, header):
    with pytest.raises(TypeError, match=r'expected header to be the names of all columns, such as \["user", "item"\]'):
        Interactions.from_csv(write("u,i\n"), header=header)


def test_options_of_another_type(write):
    with pytest.raises(TypeError, match="expected encoding to be a name"):
        Interactions.from_csv(write("user,item\nu,i\n"), encoding=None)
    with pytest.raises(ValueError, match="expected sep to be one character, got None"):
        Interactions.from_csv(write("user,item\nu,i\n"), sep=None)


@pytest.mark.parametrize("reader", [Interactions.from_csv, Interactions.from_parquet])
@pytest.mark.parametrize("path", [b"data.csv", 3, None, io.BytesIO(b"user,item\nu,i\n")])
def test_a_path_is_text_or_a_path(reader, path):
    with pytest.raises(TypeError, match=r"expected the path of a file \(str or pathlib\.Path\), got"):
        reader(path)


@pytest.mark.parametrize("reader", [Interactions.from_csv, Interactions.from_parquet])
def test_a_folder(reader, tmp_path):
    with pytest.raises(DataNotFoundError, match="expected a file, this is a folder"):
        reader(tmp_path)


def test_a_file_in_the_home_folder(write, monkeypatch):
    path = write("user,item\nu,i\n")
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    assert len(Interactions.from_csv("~/data.csv")) == 1


@pytest.mark.parametrize("bad", ["", "v,j,x,y\n"])
def test_long_fields_are_sound_whatever_the_other_rows(write, bad):
    limit = csv.field_size_limit()
    long = "x" * 200_000
    path = write(f'user,item,note\nu,i,{long}\n{long},j,"{long}"\n{bad}')
    expected = pytest.warns(MalformedRowsWarning, match="skipped 1 malformed row:") if bad else nullcontext()
    with expected:
        data = Interactions.from_csv(path, on_error="skip")
    assert data.user_ids.tolist() == ["u", long]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("bad", ["", "v,j,x,y\n"])
def test_a_field_beyond_the_limit_is_malformed_whatever_the_other_rows(write, quote, bad):
    path = write(f"user,item,note\nu,i,{quote}{'x' * (LONGEST_FIELD + 1)}{quote}\nw,j,\n{bad}")
    with pytest.warns(MalformedRowsWarning, match=r"data\.csv:2: a field of more than 16,777,216 characters"):
        data = Interactions.from_csv(path, on_error="skip")
    assert data.user_ids.tolist() == ["w"]


def test_messages_quote_little_of_a_long_cell(write):
    with pytest.raises(DataError) as error:
        Interactions.from_csv(write(f"user,item,rating\nu,i,{'x' * 1000}\n"))
    assert "xxx…" in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(("time", "unit"), [(978300760123, "milli"), (978300760123456, "micro"), (10**18 + 1, "nano")])
def test_times_of_another_unit_are_refused(write, time, unit):
    with pytest.raises(DataError, match=rf"data\.csv:3: .*got '{time}', which is not in the years .*: {unit}seconds\?"):
        Interactions.from_csv(write(f"user,item,timestamp\nu,i,253402300799\nv,j,{time}\n"))
