# mypy: no-check-untyped-defs
import gzip

import pytest

from tfrec.data import DataError, DataNotFoundError, Interactions


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
    path.write_bytes(b"user,item\nu,i\n")
    with pytest.raises(DataError, match="damaged or cut off"):
        Interactions.from_csv(path)


def test_separator_of_two_characters(write):
    with pytest.raises(ValueError, match="expected sep to be one character, got '::'"):
        Interactions.from_csv(write("1::2\n"), sep="::")
