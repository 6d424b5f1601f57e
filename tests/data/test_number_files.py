# mypy: no-check-untyped-defs
"""Numbers are read by one path if all is well and by another if not: a line counts for the same in both."""

import struct
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, MalformedRowsWarning
from tfrec.data.files import number_files as module
from tfrec.data.files.number_files import Column, read_sound_numbers
from tfrec.data.files.official_files import TextFile, read_bytes, read_numbers, read_table

WHOLE = (Column("user", 1, 2**31 - 1, "int32"), Column("item", 0, 99), Column("time", 0, 2**62))
HALVES = (Column("user", 1, 2**31 - 1, "int32"), Column("stars", 0.5, 5, "float32", step=0.5), Column("time", 0, 2**62))
ODD_FIELDS = [
    "", " ", "0", "-1", "+5", " 5", "5 ", "05", "5.0", "5.5", ".5", "5.", "1e1", "1e400", "nan", "inf", "NA", "x", "é",
    "5\0", "\0", '"5"', "5\r", "1_0", "٣", "0x5", "100", str(2**31), str(2**62), str(2**62 + 1), str(2**64),
    "0" * 29 + "1", "0" * 40 + "1", "1" * 40, "5:", ":5", "5;6", "5\t", "#5", "4.9999999999999999999",
]  # fmt: skip
FIELDS = st.one_of(st.integers(1, 5).map(str), st.sampled_from(ODD_FIELDS))
LINES = st.lists(st.lists(FIELDS, min_size=3, max_size=3) | st.lists(FIELDS, max_size=5), max_size=12)


def read(path, layout, columns, **options):
    return read_numbers(path, layout, columns, complete=False, **options)


@given(lines=LINES, separator=st.sampled_from(["::", ",", "\t"]), columns=st.sampled_from([WHOLE, HALVES]),
       many=st.booleans(), last=st.booleans())  # fmt: skip
def test_a_line_counts_for_the_same_alone_and_among_others(tmp_path_factory, lines, separator, columns, many, last):
    folder = tmp_path_factory.mktemp("numbers")
    texts = [separator.join(fields) for fields in lines] + [separator.join("555")] * (300 if many else 1)
    layout = TextFile("file", separator, 3, None)
    alone = []
    for text in dict.fromkeys(texts):
        (folder / "line").write_bytes(text.encode() + b"\n")
        try:
            rows = read(folder / "line", layout, columns)
        except DataError:
            continue
        alone.append((text, [tuple(row) for row in rows.itertuples(index=False)]))
    expected = dict(alone)
    (folder / "file").write_bytes("\n".join(texts).encode() + (b"\n" if last else b""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MalformedRowsWarning)
        together = read(folder / "file", layout, columns, on_error="skip")
    assert [tuple(row) for row in together.itertuples(index=False)] == [
        row for text in texts for row in expected.get(text, [])
    ]
    assert [str(dtype) for dtype in together.dtypes] == [column.dtype for column in columns]
    malformed = [number for number, text in enumerate(texts, start=1) if text.strip() and text not in expected]
    if malformed:
        with pytest.raises(DataError, match=rf"file:{malformed[0]}: "):
            read(folder / "file", layout, columns)


@given(rows=st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(0, 99), st.integers(0, 2**62)), min_size=1))
def test_numbers_are_exact(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("numbers") / "file"
    path.write_text("".join(f"{user}::{item}::{time}\n" for user, item, time in rows))
    frame = read(path, TextFile("file", "::", 3, None), WHOLE)
    assert [tuple(row) for row in frame.itertuples(index=False)] == rows


@pytest.mark.parametrize("bad", [0, 70, 4_999, 9_999])
def test_one_malformed_line_among_many(tmp_path, monkeypatch, bad):
    monkeypatch.setattr(module, "_ROWS", 1000)
    monkeypatch.setattr("tfrec.data.files.official_files._BLOCK", 1 << 14)
    lines = [f"{number + 1}::{number % 100}::{number}" for number in range(10_000)]
    path = tmp_path / "file"
    path.write_text("\n".join(lines) + "\n")
    layout = TextFile("file", "::", 3, None)
    whole = read(path, layout, WHOLE)
    assert whole["time"].tolist() == list(range(10_000))
    lines[bad] = "1::2:3"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"file:{bad + 1}: expected 3 fields \(user, item, time\), got 2: '1::2:3'"):
        read(path, layout, WHOLE)
    with pytest.warns(MalformedRowsWarning, match="skipped 1 malformed row: "):
        assert read(path, layout, WHOLE, on_error="skip")["time"].tolist() == [n for n in range(10_000) if n != bad]


@pytest.mark.parametrize("place", [0, 100, 199])
def test_a_long_malformed_line(tmp_path, place):
    lines = [f"{number + 1},0,{number}" for number in range(200)]
    lines[place] = "x" * 100_000
    path = tmp_path / "file"
    path.write_text("\n".join(lines))
    with pytest.warns(MalformedRowsWarning) as caught:
        data = read(path, TextFile("file", ",", 3, None), WHOLE, on_error="skip")
    assert data["time"].tolist() == [number for number in range(200) if number != place]
    assert len(str(caught[0].message)) < 400


def test_a_stream_from_a_zip_and_its_header(tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", "a,b,c\n" + "1,2,3\n" * 5000)
    file = zipfile.Path(tmp_path / "some.zip", "file")
    numbers = read_sound_numbers(file, ",", WHOLE, header="a,b,c")
    assert numbers.whole
    np.testing.assert_array_equal(numbers.columns["item"], np.full(5000, 2))
    assert read_sound_numbers(file, ",", WHOLE) is None
    assert read_sound_numbers(file, ",", WHOLE, header="a,b") is None


def patched(path, offset_in_local, offset_in_central, value):
    """The zip with one 16-bit field of its only entry's two headers replaced."""
    content = bytearray(path.read_bytes())
    for place in (content.index(b"PK\3\4") + offset_in_local, content.index(b"PK\1\2") + offset_in_central):
        content[place : place + 2] = struct.pack("<H", value)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [((6, 8), 1, "cannot be unpacked .*encrypted"), ((8, 10), 99, "cannot be unpacked .*compression")],
)
@pytest.mark.parametrize(
    "reader",
    [
        read_bytes,
        lambda file: read(file, TextFile("file", ",", 3, None), WHOLE),
        lambda file: read_table(file, TextFile("file", ",", 3, None), complete=False),
    ],
)
def test_zips_that_cannot_be_unpacked(tmp_path, where, value, message, reader):
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("file", "1,2,3\n" * 50)
    patched(tmp_path / "some.zip", *where, value)
    with pytest.raises(DataError, match=rf"some\.zip.file: {message}"):
        reader(zipfile.Path(tmp_path / "some.zip", "file"))


def test_a_message_quotes_little_of_a_long_field(tmp_path):
    path = tmp_path / "file"
    path.write_text(f"1,2,{'9' * 1000}\n")
    with pytest.raises(DataError) as error:
        read(path, TextFile("file", ",", 3, None), WHOLE)
    assert len(str(error.value)) < 300
