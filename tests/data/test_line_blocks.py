# mypy: no-check-untyped-defs
import gzip
import importlib
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError, DataNotFoundError
from tfrec.data.files.line_blocks import first_lines, line_blocks


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1),
    st.integers(21, 60),
    st.integers(0, 3),
    st.booleans(),
)
def test_blocks_are_whole_lines_with_their_numbers(tmp_path_factory, lines, block, skip, packed):
    content = b"\n".join(lines)
    if content.startswith((b"\x1f\x8b", b"\xef\xbb\xbf")):
        return
    file = tmp_path_factory.mktemp("lines") / "file.txt"
    file.write_bytes(gzip.compress(content) if packed else content)
    parts = list(line_blocks(file, skip=skip, block=block))
    kept = b"\n".join(lines[skip:])
    assert b"".join(part.content for part in parts) == kept
    assert all(part.content.endswith(b"\n") for part in parts[:-1])
    found = {number: line for part in parts for number, line in part.lines()}
    expected = {number: line for number, line in enumerate(lines, start=1) if number > skip and line.strip()}
    assert found == {number: line.removesuffix(b"\r") for number, line in expected.items()}


def test_in_a_zip_packed_or_not_with_a_byte_order_mark(tmp_path):
    text = "\ufeffé\r\nb\n".encode()
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plain.txt", text)
        archive.writestr("packed.txt.gz", gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for name in archive.namelist():
            assert first_lines(zipfile.Path(archive, name), 9) == ["é", "b"]


def test_first_lines(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"\n \na\n\xff\n" + b"c\n" * 100_000)
    assert first_lines(file, 3) == ["a", "\ufffd", "c"]
    file.write_bytes(b"x" * 100_000 + b"\na\n")
    assert [len(line) for line in first_lines(file, 2)] == [100_000, 1]
    file.write_bytes(b"\n \n")
    with pytest.raises(DataError, match=r"a\.txt: the file is empty"):
        first_lines(file, 1)


def test_bad_files(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"absent: there is no such file"):
        list(line_blocks(tmp_path / "absent"))
    packed = gzip.compress(b"line\n" * 1000)
    for content in (packed[:-9], packed[:20] + bytes(4) + packed[24:]):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.gz: the compressed file is damaged or cut off"):
            list(line_blocks(tmp_path / "a.gz"))
    (tmp_path / "binary").write_bytes(bytes(1000))
    with pytest.raises(DataError, match=r"binary:1: a line of more than 100 bytes"):
        list(line_blocks(tmp_path / "binary", block=100))


def test_long_files_show_their_progress(tmp_path, monkeypatch, capfd):
    file = tmp_path / "long.txt"
    file.write_bytes(b"line\n" * 1000)
    list(line_blocks(file))
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(importlib.import_module("tfrec.data.files.line_blocks"), "_LONG", 5000)
    list(line_blocks(file, progress=False))
    assert capfd.readouterr().err == ""
    list(line_blocks(file))
    shown = capfd.readouterr().err
    assert "long.txt" in shown
    assert "100%" in shown
