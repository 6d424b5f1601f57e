# mypy: no-check-untyped-defs
"""The fast paths against the line-by-line ones, and both against what was written; blocks of every size."""

import importlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data import DataError
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
    """A function that reads rows by both paths, in blocks of some size, and returns them."""
    blocks = module.line_blocks
    folder = tmp_path_factory.mktemp("blocks")

    def read_once(file, block, slowly):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "line_blocks", lambda file, **options: blocks(file, block=block, **options))
            if slowly:
                patch.setattr(module, "_parse_csv", lambda *_: None)
                patch.setattr(module, "_search_json", lambda *_: None)
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
    content = "".join(f"{user},{item},{rating},{time}{line_end}" for user, item, rating, time in rows)
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


def test_the_fast_paths_are_taken(module, monkeypatch, tmp_path):
    """Else the comparison above would compare a thing with itself."""
    for name in ("_csv_rows", "_json_rows"):
        monkeypatch.setattr(module, name, None)
    (tmp_path / "a.csv").write_text("007,é,5.0,1\r\n7,NA,1,-2\n")
    got = read_csv_ratings(tmp_path / "a.csv", FIELDS[:4], FIELDS, header=False, on_error="raise")
    assert (got["user_ids"], got["item_ids"]) == (["007", "7"], ["é", "NA"])
    (tmp_path / "a.json").write_text('{"user": "7", "item": "B 1", "t": "}", "rating": 5.0, "time": 3}\n')
    assert read_json_ratings(tmp_path / "a.json", FIELDS, on_error="raise")["item_ids"] == ["B 1"]


def test_a_field_in_a_text_is_not_the_field(module, tmp_path):
    """Within a text every quote has a backslash before it."""
    text = '"user": "A", \\"user\\": \\"B\\"'
    line = json.dumps({"text": text, "user": "C", "item": "I", "rating": 1.0, "time": 1, "end": 'x\\", "user": "D"'})
    (tmp_path / "a.json").write_text(line + "\n")
    assert read_json_ratings(tmp_path / "a.json", FIELDS, on_error="raise")["user_ids"] == ["C"]
    assert module._search_json(line.encode(), module._patterns(FIELDS), FIELDS) is not None


def test_a_line_longer_than_a_block_is_not_a_line(read):
    with pytest.raises(DataError, match=r"file\.json:1: a line of more than 300 bytes: this is not a file of lines"):
        read("x" * 1000, "json", 300)
