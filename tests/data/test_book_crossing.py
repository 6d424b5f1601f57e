# mypy: no-check-untyped-defs
import numpy as np
import pytest

from tfrec.data import DataError, DataNotFoundError, MalformedRowsWarning, book_crossing

RATINGS = r""""User-ID";"ISBN";"Book-Rating"
"276725";"034545104X";"0"
"276726";"0155061224";"5"
"48821";"\"8804501367\"";"0"
"183";"393ß704064";"10"
"183";"2.02.032126.2";"0"
"183";" 00
7";"8"
"276726";"0155061224";"0"
"""
HEADER_OF_BOOKS = ";".join(
    f'"{name}"'
    for name in (
        "ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher",
        "Image-URL-S", "Image-URL-M", "Image-URL-L",
    )
)  # fmt: skip
BOOKS = (
    HEADER_OF_BOOKS
    + r"""
"0155061224";"Rites of Passage; ""AT&T"" &amp; \"O\"";"Judith Rae";"2001";"W. W. Norton &amp; Co";"http://s";"http://m";"l"
"034545104X";"Flesh Tones: A Novel";NULL;"0";"Plaza &amp; Jané";"http://s";"http://m";"http://l"
"078946697X";"DK Readers (Level 4: Proficient Readers)\"";"Michael Teitelbaum";"2000";"DK";"http://s";"http://m";"http://l"
" 00
7";"One
Two\\";"A. \Backslash";"unknown";"";"http://s";"http://m";"http://l"
"""
)
USERS = r""""User-ID";"Location";"Age"
"276725";"tyler, texas, usa";NULL
"183";"porto, \"n/a\", &#21271;&#x4eac;";"27"
"48821";"cernusco s
, milan, italy";"0"
"""


@pytest.fixture
def make(tmp_path):
    """A function that writes the three files, in latin-1, and returns their folder."""

    def make(ratings=RATINGS, books=BOOKS, users=USERS):
        folder = tmp_path / "book-crossing"
        folder.mkdir(exist_ok=True)
        for name, text in (("Book-Ratings", ratings), ("Books", books), ("Users", users)):
            if text is not None:
                (folder / f"BX-{name}.csv").write_bytes(text.encode("latin-1"))
        return folder

    return make


def naive(path, separator=b";"):
    """Rows of a file, by a state machine that reads it byte by byte."""
    rows, row, field, quoted, escaped, was_quoted = [], [], bytearray(), False, False, False

    def end_field():
        text = field.decode("latin-1")
        row.append(None if text == "NULL" and not was_quoted else text)
        field.clear()

    for byte in path.read_bytes():
        character = bytes([byte])
        if escaped:
            field.append(byte)
            escaped = False
        elif quoted and character == b"\\":
            escaped = True
        elif character == b'"':
            quoted, was_quoted = not quoted, True
        elif not quoted and character in (separator, b"\n"):
            end_field()
            was_quoted = False
            if character == b"\n":
                rows.append(row)
                row = []
        else:
            field.append(byte)
    return rows


def rows_of(data):
    users, items = data.user_ids[data.user], data.item_ids[data.item]
    return list(zip(users.tolist(), items.tolist(), data.rating.tolist(), strict=True))


def test_every_row_is_a_row(make):
    data = book_crossing(make())
    assert rows_of(data) == [
        ("276725", "034545104X", 0),
        ("276726", "0155061224", 5),
        ("48821", '"8804501367"', 0),
        ("183", "393ß704064", 10),
        ("183", "2.02.032126.2", 0),
        ("183", " 00\n7", 8),
        ("276726", "0155061224", 0),
    ]
    assert data.has_ratings
    assert data.timestamp is None
    assert data.name == "book-crossing"


def test_zero_means_implicit(make):
    folder = make()
    explicit = book_crossing(folder, ratings="explicit")
    assert rows_of(explicit) == [row for row in rows_of(book_crossing(folder)) if row[2] > 0]
    assert explicit.item_ids.tolist() == ["0155061224", "393ß704064", " 00\n7"]  # of the others nothing is known
    implicit = book_crossing(folder, ratings="implicit")
    assert [row[:2] for row in rows_of(implicit)] == [row[:2] for row in rows_of(book_crossing(folder)) if row[2] == 0]
    assert not implicit.has_ratings
    assert implicit.rating.tolist() == [1, 1, 1, 1]
    assert len(implicit.item_titles) == implicit.n_items == len(implicit.item_features)


def test_titles_and_features(make):
    data = book_crossing(make())
    assert dict(zip(data.item_ids, data.item_titles, strict=True)) == {
        "034545104X": "Flesh Tones: A Novel",
        "0155061224": 'Rites of Passage; "AT&T" & "O"',
        '"8804501367"': "",  # not in the books file
        "393ß704064": "",
        "2.02.032126.2": "",
        " 00\n7": "One\nTwo\\",
    }
    books = data.item_features
    assert books.loc["0155061224"].to_dict() == {"author": "Judith Rae", "year": 2001, "publisher": "W. W. Norton & Co"}
    assert books["author"].isna().tolist() == [True, False, True, True, True, False]
    assert books.loc["034545104X", "publisher"] == "Plaza & Jané"
    assert books.loc[" 00\n7", "author"] == r"A. \Backslash"
    np.testing.assert_array_equal(books["year"], [0, 2001, np.nan, np.nan, np.nan, np.nan])
    users = data.user_features
    assert users.loc["183", "location"] == 'porto, "n/a", 北京'
    assert users.loc["48821", "location"] == "cernusco s\n, milan, italy"
    np.testing.assert_array_equal(users.loc[["276725", "276726", "48821", "183"], "age"], [np.nan, np.nan, 0, 27])
    assert users["location"].isna().tolist() == [False, True, False, False]


def test_windows_line_ends_and_blank_lines_do_no_harm(make):
    plain = book_crossing(make())
    folder = make(RATINGS.replace("\n", "\r\n").replace(" 00\r\n7", " 00\n7") + "\r\n \r\n", BOOKS + "\n\n")
    assert book_crossing(folder).fingerprint() == plain.fingerprint()


def test_the_form_with_commas(tmp_path):
    files = {
        "Ratings.csv": "User-ID,ISBN,Book-Rating\n1,00ß7,0\n2,0155061224,10\n",
        "Books.csv": "ISBN,Book-Title,Book-Author,Year-Of-Publication,Publisher,Image-URL-S,Image-URL-M,Image-URL-L\n"
        '00ß7,"Sand, ""and"" &amp; \\Fog",Me,2002,P,s,m,l\n',
        "Users.csv": 'User-ID,Location,Age\n1,"nyc, new york, usa",\n2,"stockton, usa",18.0\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    data = book_crossing(tmp_path)
    assert rows_of(data) == [("1", "00ß7", 0), ("2", "0155061224", 10)]
    assert data.item_titles.tolist() == ['Sand, "and" & \\Fog', ""]
    assert data.user_features["location"].tolist() == ["nyc, new york, usa", "stockton, usa"]
    np.testing.assert_array_equal(data.user_features["age"], [np.nan, 18])
    (tmp_path / "Ratings.csv").write_bytes(b"User-ID,ISBN,Book-Rating\n1,2,0\n1,\xff,0\n")
    with pytest.raises(DataError, match=r"Ratings\.csv:3: not utf-8 text"):
        book_crossing(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"1";"2"', r"expected 3 fields, found 2: '\"1\";\"2\"'"),
        ('"1";"2";"3";"4"', "expected 3 fields, found 4"),
        ('"1";"2;"3"', "a quote that is not closed, or stands within a field"),
        ('"1";2"2";"3"', "a quote that is not closed, or stands within a field"),
        ('"1";"2";"11"', "expected Book-Rating to be in 0 … 10, found '11'"),
        ('"1";"2";"3.5"', "expected Book-Rating to be in 0 … 10, found '3.5'"),
        ('"1";"2";NULL', "expected Book-Rating to be in 0 … 10, found None"),
        ('"1";"";"3"', "a missing id as ISBN"),
        ('NULL;"2";"3"', "a missing id as User-ID"),
    ],
)
def test_malformed_ratings(make, line, message):
    first, second, *rest = RATINGS.splitlines(keepends=True)
    folder = make(first + second + line + "\n" + "".join(rest))
    with pytest.raises(DataError, match=message) as error:
        book_crossing(folder)
    assert str(error.value).startswith(f"{folder / 'BX-Book-Ratings.csv'}:3: ")
    with pytest.warns(MalformedRowsWarning, match="skipped 1 malformed row") as warned:
        data = book_crossing(folder, on_error="skip")
    assert len(warned) == 1
    assert rows_of(data) == rows_of(book_crossing(make()))  # the rows after the malformed one are there


def test_lines_are_counted_through_line_breaks_in_fields(make):
    with pytest.raises(DataError, match=r"BX-Book-Ratings\.csv:10: expected Book-Rating"):
        book_crossing(make(RATINGS + '"1";"2";"x"\n'))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratings": RATINGS.replace("ISBN", "Isbn")}, r'Ratings\.csv:1: expected the header "User-ID";"ISBN";'),
        ({"ratings": RATINGS.partition("\n")[2]}, r"Ratings\.csv:1: expected the header"),
        ({"ratings": RATINGS.partition("\n")[0]}, r"Ratings\.csv: expected rows below the header, found none"),
        ({"ratings": ""}, r"Ratings\.csv: the file is empty"),
        ({"books": BOOKS + '"0155061224";"T";"A";"1";"P";"s";"m";"l"\n'}, r"Books\.csv:8: id 0155061224 was on line 2"),
        ({"books": BOOKS + '"1";"T";"A";"1";"P";"s";"m"\n'}, r"Books\.csv:8: expected 8 fields, found 7"),
        ({"users": USERS + '"";"somewhere";"3"\n'}, r"Users\.csv:6: a missing id as User-ID"),
    ],
)
def test_malformed_files_are_refused(make, changes, message):
    with pytest.raises(DataError, match=message):
        book_crossing(make(**changes))


def test_bad_arguments(make):
    folder = make()
    with pytest.raises(ValueError, match='expected ratings to be "all", "explicit" or "implicit", got \'none\''):
        book_crossing(folder, ratings="none")
    with pytest.raises(ValueError, match='expected on_error to be "raise" or "skip"'):
        book_crossing(folder, on_error="ignore")
    with pytest.raises(DataError, match="expected ratings, found no explicit one"):
        book_crossing(make(RATINGS[: RATINGS.index('"276726"')]), ratings="explicit")
    with pytest.raises(DataError, match=r"not the complete file: expected 1,149,780 rows, found 7"):
        book_crossing(make(), complete=True)
    with pytest.raises(DataNotFoundError, match=r"TFREC_DATA is not set.*BX-CSV-Dump\.zip.*folder book-crossing"):
        book_crossing()
    (folder / "BX-Users.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"BX-Users\.csv: there is no such file"):
        book_crossing(folder)


def test_a_zip_is_as_good_as_a_folder(make, make_zip, monkeypatch, tmp_path):
    folder = make()
    expected = book_crossing(folder)
    make_zip(folder, tmp_path / "data" / "book-crossing.zip", flat=True)
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    packed = book_crossing()
    assert packed.fingerprint() == expected.fingerprint()
    assert packed.item_titles.tolist() == expected.item_titles.tolist()


def test_the_real_files_against_a_state_machine(tfrec_data):
    folder = tfrec_data / "book-crossing"
    data = book_crossing()
    header, *rows = naive(folder / "BX-Book-Ratings.csv")
    assert header == ["User-ID", "ISBN", "Book-Rating"]
    assert (len(data), data.n_users, data.n_items) == (49_267, 5_228, 36_321)
    assert rows_of(data) == [(user, book, float(rating)) for user, book, rating in rows]
    assert (data.rating == 0).mean() == pytest.approx(0.64, abs=0.005)

    books = {isbn: fields for isbn, *fields in naive(folder / "BX-Books.csv")[1:]}
    titles = dict(zip(data.item_ids, data.item_titles, strict=True))
    known = [isbn for isbn in titles if isbn in books]
    assert len(known) > 3_000
    assert all(titles[isbn] == books[isbn][0].replace("&amp;", "&").replace("&lt;", "<") for isbn in known)
    assert all(title == "" for isbn, title in titles.items() if isbn not in books)
    assert [int(year) for year in data.item_features.loc[known, "year"]] == [int(books[isbn][2]) for isbn in known]

    users = {user: fields for user, *fields in naive(folder / "BX-Users.csv")[1:]}
    assert len(users) == 9_999  # one of the 10,001 lines is the header, and one user has two
    ages = data.user_features["age"]
    for user in data.user_ids:
        age = users.get(user, [None, None])[1]
        assert np.isnan(ages[user]) if age is None else ages[user] == int(age)


def test_real_quirks(tfrec_data):
    data = book_crossing()
    assert {'"8804501367"', "393ß704064", "2.02.032126.2", "076791404x"} <= set(data.item_ids)
    assert any(isbn.startswith("00") for isbn in data.item_ids)
    assert any('"' in title for title in data.item_titles)
    assert not any("&amp;" in title for title in data.item_titles)
    assert 'rimini, "n/a", italy' in set(data.user_features["location"])
    explicit, implicit = book_crossing(ratings="explicit"), book_crossing(ratings="implicit")
    assert len(explicit) + len(implicit) == len(data)
    assert explicit.rating.min() >= 1


def test_a_byte_order_mark_does_no_harm(make):
    folder = make()
    expected = book_crossing(folder).fingerprint()
    for file in folder.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert book_crossing(folder).fingerprint() == expected
