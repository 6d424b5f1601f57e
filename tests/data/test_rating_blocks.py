# mypy: no-check-untyped-defs
"""The fast path against the line-by-line one, and both against what was written; blocks of every size."""

import csv
import importlib
import io
import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import DataError, MalformedRowsWarning
from tfrec.data.files.rating_blocks import RatingFields, read_csv_ratings, read_json_ratings

FIELDS = RatingFields("user", "item", "rating", "time")
ids = st.text(st.characters(exclude_characters="\0,\r\n", exclude_categories=["Cs"]), min_size=1, max_size=9)
rows = st.lists(
    st.tuples(ids, ids, st.sampled_from([1.0, 2.5, 5.0]), st.integers(-(10**12), 10**12)), min_size=1, max_size=12
)


@pytest.fixture(scope="module")
def module():
    return importlib.import_module("tfrec.data.files.rating_blocks")


@pytest.fixture(scope="module")
def read(module, tmp_path_factory):
    """A function that reads rows, those of a CSV by both paths, in blocks of some size, and returns them."""
    blocks = module.line_blocks
    folder = tmp_path_factory.mktemp("blocks")

    def read_once(file, block, slowly):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "line_blocks", lambda file, **options: blocks(file, block=block, **options))
            if slowly:
                patch.setattr(module, "_parse_csv", lambda *_: None)
            if file.suffix == ".csv":
                got = read_csv_ratings(file, FIELDS[:4], FIELDS, header=True, on_error="raise")
            else:
                got = read_json_ratings(file, FIELDS, on_error="raise")
        users, items = ([got[f"{name}_ids"][code] for code in got[name]] for name in ("user", "item"))
        assert got["user_ids"] == list(dict.fromkeys(users))
        assert got["item_ids"] == list(dict.fromkeys(items))
        return list(zip(users, items, got["rating"].tolist(), got["timestamp"].tolist(), strict=True))

    def read(content, kind, block):
        file = folder / f"file.{kind}"
        file.write_text(content, encoding="utf-8", newline="")
        fast, slow = (read_once(file, block, slowly) for slowly in (False, True))
        assert fast == slow
        return fast

    return read


@given(rows, st.integers(150, 400), st.sampled_from(["\n", "\r\n"]))
def test_csv(read, rows, block, line_end):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(rows)
    content = text.getvalue()
    assert read(f"user,item,rating,time{line_end}{content}", "csv", block) == rows


@given(rows, st.integers(600, 900), st.booleans(), st.text(max_size=20))
def test_json(read, rows, block, ascii_only, text):
    content = "".join(
        json.dumps(
            {"text": text, "user": u, "item": i, "rating": r, "x": {"y": [text]}, "time": t}, ensure_ascii=ascii_only
        )
        + "\n"
        for u, i, r, t in rows
    )
    assert read(content, "json", block) == rows


def test_the_fast_path_is_taken(module, monkeypatch, tmp_path):
    """Else the comparison above would compare a thing with itself."""
    monkeypatch.setattr(module, "_csv_rows", None)
    for end in ("\n", "\r\n"):
        (tmp_path / "a.csv").write_text(f"007,é,5.0,1{end}7,NA,1,1234567890123456{end}", newline="")
        got = read_csv_ratings(tmp_path / "a.csv", FIELDS[:4], FIELDS, header=False, on_error="raise")
        assert (got["user_ids"], got["item_ids"]) == (["007", "7"], ["é", "NA"])
        assert got["timestamp"].tolist() == [1, 1234567890123456]


numbers = st.one_of(
    st.sampled_from(
        ["1.0", "1e3", "1.5", "007", "+3", " 4 ", "-5", "", "x", "nan", "inf", "1_0", "5.00000001", ".5", "٣"]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.text('0123456789.eE+- \r"', max_size=6),
)


@given(st.lists(st.tuples(st.sampled_from(["a", '"a"', "é", ""]), numbers, numbers), min_size=1, max_size=4))
@settings(max_examples=300)
def test_the_verdict_on_a_line_is_the_same_in_any_company(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("verdicts")

    def read_lines(lines):
        file = folder / "file.csv"
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", MalformedRowsWarning)
            try:
                got = read_csv_ratings(file, FIELDS[:4], FIELDS, header=False, on_error="skip")
            except DataError:
                return []
        return list(zip(got["rating"].tolist(), got["timestamp"].tolist(), strict=True))

    lines = [f"{id_},i,{rating},{time}" for id_, rating, time in cells]
    alone = [row for line in lines for row in read_lines([line])]
    assert read_lines(lines) == alone
    assert read_lines([*lines, "a,i,5.0,1"]) == [*alone, (5.0, 1)]
    assert read_lines(["x", *lines]) == alone


@pytest.mark.parametrize(("cell", "time"), [("1.0", 1), ("1e3", 1000), ("1.5e1", 15), ("+7", 7), ("-7.00", -7)])
def test_whole_numbers_in_other_words(tmp_path, cell, time):
    (tmp_path / "a.csv").write_text(f"u,i,5.0,{cell}\n")
    got = read_csv_ratings(tmp_path / "a.csv", FIELDS[:4], FIELDS, header=False, on_error="raise")
    assert got["timestamp"].tolist() == [time]


def test_a_field_in_a_text_is_not_the_field(tmp_path):
    text = '"user": "A", \\"user\\": \\"B\\"'
    line = json.dumps({"text": text, "user": "C", "item": "I", "rating": 1.0, "time": 1, "end": 'x\\", "user": "D"'})
    (tmp_path / "a.json").write_text(line + "\n")
    assert read_json_ratings(tmp_path / "a.json", FIELDS, on_error="raise")["user_ids"] == ["C"]


def test_a_line_longer_than_a_block_is_not_a_line(read):
    with pytest.raises(DataError, match=r"file\.json:1: a line of more than 300 bytes: this is not a file of lines"):
        read("x" * 1000, "json", 300)
