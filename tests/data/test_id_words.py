# mypy: no-check-untyped-defs
import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec.data.files.id_words import LONGEST, IdColumn, distinct_rows, texts_of, words_in, words_of

texts = st.text(st.characters(exclude_characters="\0,\n", exclude_categories=["Cs"]), min_size=1, max_size=12)
ids = st.lists(texts | st.sampled_from(["a", "aa", "a" * 8, "a" * 9, "0", "00", "é"]), min_size=1, max_size=30)


def coded(values):
    """The reference: codes and ids in the order of first appearance."""
    distinct = list(dict.fromkeys(values))
    return [distinct.index(value) for value in values], distinct


@given(st.lists(ids, min_size=1, max_size=4))
def test_blocks_of_ids(blocks):
    column = IdColumn()
    for block in blocks:
        column.add(words_of([text.encode() for text in block]))
    codes, distinct = column.finish()
    assert (codes.tolist(), distinct) == coded([text for block in blocks for text in block])
    assert codes.dtype == np.int32


@given(ids)
def test_ids_within_a_text(values):
    content = ",".join(values).encode() + b"\n"
    ends = np.flatnonzero(np.isin(np.frombuffer(content, np.uint8), [ord(","), ord("\n")]))
    starts = np.append(0, ends[:-1] + 1)
    np.testing.assert_array_equal(words_in(content, starts, ends), words_of([text.encode() for text in values]))


def test_the_same_with_a_hash_that_tells_nothing_apart(monkeypatch):
    module = importlib.import_module("tfrec.data.files.id_words")
    monkeypatch.setattr(module, "_hashed", lambda words: np.zeros(len(words), np.uint64))
    column = IdColumn()
    values = ["b", "a", "b", "c" * 20]
    column.add(words_of([text.encode() for text in values]))
    codes, distinct = column.finish()
    assert (codes.tolist(), distinct) == coded(values)


@pytest.mark.parametrize("id_", [b"", b"a" * (LONGEST + 1)])
def test_empty_and_long_ids_are_not_words(id_):
    content = b"a," + id_ + b"\n"
    assert words_in(content, np.array([0, 2]), np.array([1, len(content) - 1])) is None
    assert words_in(b"a" * LONGEST, np.array([0]), np.array([LONGEST])) is not None


def test_no_ids():
    codes, distinct = IdColumn().finish()
    assert (codes.tolist(), distinct) == ([], [])
    assert words_of([]).shape[0] == 0


@given(ids)
def test_words_stand_for_their_ids(values):
    words = words_of([text.encode() for text in values])
    rows, codes = distinct_rows(words)
    assert texts_of(words) == values
    assert (codes.tolist(), texts_of(words[rows])) == coded(values)
