# mypy: no-check-untyped-defs
import gzip
import importlib
import json

import pytest

from tfrec.data import DataError, DataNotFoundError, MalformedRowsWarning, amazon, amazon_split

ROWS = [  # user, item, rating, Unix seconds
    ("A1YJEY40YUW4SE", "B00005N7P0", 5.0, 1005177600),
    ("AH2IFH762VY5U", "0001384719", 1.0, 1004486400),
    ("A1YJEY40YUW4SE", "B00005N7OJ", 3.0, 1174694400),
    ("A1YJEY40YUW4SE", "B00005N7P0", 4.0, 1174694401),  # the same pair again
]
REVIEW = 'He wrote: "asin": "B000000000", {"overall": 1.0} — naïve \\ "reviewerID": "A0"'


def review(row, year):
    user, item, rating, time = row
    if year == 2023:
        return {"rating": rating, "title": "t", "text": REVIEW, "asin": "B0VARIANT0", "parent_asin": item,
                "user_id": user, "timestamp": time * 1000 + 999, "verified_purchase": True}  # fmt: skip
    record = {"reviewerID": user, "asin": item, "reviewText": REVIEW, "overall": rating, "unixReviewTime": time}
    return {"overall": record["overall"], "verified": True, **record} if year == 2018 else {**record, "helpful": [0, 1]}


def json_lines(year, rows=ROWS, ascii_only=True):
    return "".join(json.dumps(review(row, year), ensure_ascii=ascii_only) + "\n" for row in rows)


def csv_lines(order, header=None, milliseconds=False, rows=ROWS):
    lines = [] if header is None else [header]
    for user, item, rating, time in rows:
        first, second = (user, item) if order == "user first" else (item, user)
        lines.append(f"{first},{second},{rating},{time * 1000 + 500 if milliseconds else time}")
    return "\n".join(lines) + "\n"


HEADER = "user_id,parent_asin,rating,timestamp"
FILES = {
    (2014, "5-core"): ("reviews_Toys_5.json", json_lines(2014)),
    (2014, "ratings"): ("ratings_Toys.csv", csv_lines("user first")),
    (2014, "reviews"): ("reviews_Toys.json", json_lines(2014)),
    (2018, "5-core"): ("Toys_5.json", json_lines(2018)),
    (2018, "ratings"): ("Toys.csv", csv_lines("item first")),
    (2018, "reviews"): ("Toys.json", json_lines(2018)),
    (2023, "5-core"): ("5core/rating_only/Toys.csv", csv_lines("user first", HEADER, milliseconds=True)),
    (2023, "ratings"): ("Toys.csv", csv_lines("user first", HEADER, milliseconds=True)),
    (2023, "reviews"): ("Toys.jsonl", json_lines(2023)),
}


def rows_of(data):
    users, items = data.user_ids[data.user], data.item_ids[data.item]
    return list(zip(users.tolist(), items.tolist(), data.rating.tolist(), data.timestamp.tolist(), strict=True))


@pytest.fixture
def write(tmp_path):
    """A function that writes a file and returns its path."""

    def write(name, content, packed=False, root="files"):
        path = tmp_path / root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("edition", "file"), FILES.items())
def test_every_layout(write, edition, file, packed):
    name, text = file
    path = write(name + (".gz" if packed else ""), text, packed)
    for given in (path, path.parents[name.count("/")]):
        data = amazon("Toys", *edition, given)
        assert rows_of(data) == ROWS  # in the file's order, none lost, times in seconds
        assert data.item_ids.tolist() == ["B00005N7P0", "0001384719", "B00005N7OJ"]
        assert data.has_ratings


@pytest.mark.parametrize(("edition", "file"), FILES.items())
def test_found_in_the_data_folder_by_year(write, monkeypatch, tmp_path, edition, file):
    name, text = file
    write(f"amazon/{edition[0]}/{name}", text, root="data")
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert rows_of(amazon("Toys", *edition)) == ROWS


def test_the_folder_of_the_year_goes_before_the_common_one(write, monkeypatch, tmp_path):
    write("amazon/Toys.csv", FILES[2018, "ratings"][1], root="data")
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert len(amazon("Toys", 2018, "ratings")) == 4
    with pytest.raises(DataError, match="expected the header user_id"):
        amazon("Toys", 2023, "ratings")
    write("amazon/2023/Toys.csv.gz", FILES[2023, "ratings"][1], packed=True, root="data")
    assert len(amazon("Toys", 2023, "ratings")) == 4


def test_a_zip_is_as_good_as_a_folder(write, make_zip, monkeypatch, tmp_path):
    path = write("Toys_5.json.gz", json_lines(2018), packed=True)
    archive = make_zip(path.parent, tmp_path / "data" / "amazon.zip", flat=True)
    assert rows_of(amazon("Toys", 2018, path=archive)) == ROWS
    monkeypatch.setenv("TFREC_DATA", str(tmp_path / "data"))
    assert rows_of(amazon("Toys", 2018)) == ROWS
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(DataError, match=r"amazon\.zip: not a zip archive, or cut off"):
        amazon("Toys", 2018)


def test_spaces_in_names(write):
    path = write("Musical Instruments_5.json", json_lines(2018))
    for category in ("Musical Instruments", "Musical_Instruments"):
        data = amazon(category, 2018, path=path.parent)
        assert data.name == "amazon-2018-Musical_Instruments-5-core"


def test_a_file_unpacked_by_the_browser_keeps_its_name(write):
    assert rows_of(amazon("Toys", 2018, path=write("Toys_5.json.gz", json_lines(2018)))) == ROWS


def test_ids_beyond_ascii_and_odd_spellings_of_json(write):
    rows = [("ÄÖ", "日本語", 5.0, 1), ('a"b\\c', "x\ny", 2.0, -5), ("0007", "7", 1.0, 0), ("7", "0007", 3.5, 9)]
    assert rows_of(amazon("Toys", 2018, path=write("a.json", json_lines(2018, rows)))) == rows
    assert rows_of(amazon("Toys", 2018, path=write("b.json", json_lines(2018, rows, ascii_only=False)))) == rows
    loose = json_lines(2018).replace('": ', '"  :   ').replace("}\n", "  }  \r\n\r\n")
    assert rows_of(amazon("Toys", 2018, path=write("c.json", loose))) == ROWS


def test_csv_with_windows_line_ends_or_blank_lines(write):
    text = FILES[2014, "ratings"][1]
    odd = ["\n" + text, text.replace("\n", "\r\n"), text + "\n\n", "\ufeff" + text]
    for content in odd:
        assert rows_of(amazon("Toys", 2014, "ratings", write("r.csv", content))) == ROWS


@pytest.mark.parametrize("edition", [(2014, "ratings"), (2023, "ratings")])
def test_csv_that_is_cut_off(write, edition):
    """Wherever it is cut, also within a time, where what is left looks like a row."""
    text = FILES[edition][1]
    last = text.count("\n")
    for n in range(1, len(text.splitlines()[-1])):
        path = write("Toys.csv", text[:-n])
        with pytest.raises(DataError, match=f"Toys.csv:{last}: the file is cut off: its last line has no line break"):
            amazon("Toys", *edition, path)
        with pytest.warns(MalformedRowsWarning, match="skipped 1 malformed row"):
            assert rows_of(amazon("Toys", *edition, path, on_error="skip")) == ROWS[:-1]


def test_a_key_that_is_there_twice_or_within_another_field(write):
    line = json_lines(2018, ROWS[:1])
    nested = line.replace('"verified"', '"style": {"asin": "B999999999", "overall": 1.0}, "verified"')
    assert rows_of(amazon("Toys", 2018, path=write("a.json", nested))) == ROWS[:1]
    twice = line.replace('"verified"', '"asin": "B999999999", "verified"')
    assert rows_of(amazon("Toys", 2018, path=write("b.json", twice))) == ROWS[:1]  # the last counts


def test_quoted_csv(write):
    text = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in csv_lines("item first").split())
    assert rows_of(amazon("Toys", 2018, "ratings", write("r.csv", text))) == ROWS
    with pytest.raises(DataError, match="other way round"):
        amazon("Toys", 2014, "ratings", write("r.csv", text))
    path = write("s.csv", 'B00005N7P0,"A,1 ""x""",5.0,1\n')
    assert rows_of(amazon("Toys", 2018, "ratings", path)) == [('A,1 "x"', "B00005N7P0", 5.0, 1)]


def test_a_downloaded_file_that_turns_out_wrong_may_be_removed(write, monkeypatch):
    path = write("ratings_Toys.csv", "some text\n")
    monkeypatch.setattr(importlib.import_module("tfrec.data.loaders.amazon_files"), "fetch_file", lambda _: path)
    with pytest.raises(
        DataError, match=f"^{path}:1: expected 4 fields .*; to have {path} downloaded again, remove it$"
    ):
        amazon("Toys", 2014, "ratings")


def test_csv_ids_are_text(write):
    rows = [("0007", "nan", 5.0, 1), ("7", "NA", 5.0, 2), ("7.0", "null", 4.5, 3), ("é", "日本", 1.0, 4)]
    data = amazon("Toys", 2014, "ratings", write("r.csv", csv_lines("user first", rows=rows)))
    assert rows_of(data) == rows


@pytest.mark.parametrize(
    ("edition", "content", "message"),
    [
        ((2014, "ratings"), csv_lines("item first"), "other way round: ratings-only files of 2014 have the user first"),
        ((2018, "ratings"), csv_lines("user first"), "other way round: .* those of 2018 the item"),
        ((2014, "ratings"), csv_lines("user first", HEADER), "the header .* is of the edition of 2023: pass year=2023"),
        ((2023, "ratings"), csv_lines("user first"), f"expected the header {HEADER}, found .* pass their year"),
        ((2023, "ratings"), json_lines(2023), "expected ratings as CSV, found JSON"),
        ((2018, "5-core"), csv_lines("item first"), 'expected reviews as JSON lines, .* pass kind="ratings"'),
        ((2018, "5-core"), json_lines(2014), "'helpful' is of the edition of 2014, not of 2018: pass year=2014"),
        ((2014, "reviews"), json_lines(2018), "'verified' is of the edition of 2018, not of 2014: pass year=2018"),
        ((2018, "5-core"), json_lines(2023), "'parent_asin' is of the edition of 2023, not of 2018: pass year=2023"),
        ((2018, "5-core"), "{}\n", ":1: expected reviewerID, asin, overall, unixReviewTime among the fields"),
    ],
)
def test_a_file_of_another_layout_is_refused(write, edition, content, message):
    with pytest.raises(DataError, match=message) as error:
        amazon("Toys", *edition, write("file", content))
    assert "\n" not in str(error.value)


GOOD = json_lines(2018, ROWS[:1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"overall": 5.0, "verified": true', "not a line of JSON"),
        ("[1, 2]", r"expected reviewerID, asin, overall, unixReviewTime among the fields, found '\[1, 2\]'"),
        (GOOD.replace("asin", "nisa", 1).replace("5.0", "4.0").strip(), "expected asin among the fields"),
        (GOOD.replace("5.0", "5.5").strip(), "expected overall to be in 1 … 5, found 5.5"),
        (GOOD.replace("5.0", "0.0").strip(), "expected overall to be in 1 … 5, found 0"),
        (GOOD.replace("5.0", '"5.0"').strip(), "expected overall to be a number, found '5.0'"),
        (GOOD.replace("5.0", "NaN").strip(), "expected overall to be in 1 … 5, found nan"),
        (GOOD.replace("5.0", "true", 1).strip().replace('"overall": 5.0', '"overall": true'), "found True"),
        (GOOD.replace("1005177600", "1.5").strip(), "expected unixReviewTime to be a whole number, found 1.5"),
        (GOOD.replace("1005177600", "9" * 30).strip(), "expected unixReviewTime to be a time"),
        (GOOD.replace('"A1YJEY40YUW4SE"', '""').strip(), "an empty id as reviewerID"),
        (GOOD.replace('"A1YJEY40YUW4SE"', "17").strip(), "expected reviewerID to be text, found 17"),
        (GOOD.replace('"A1YJEY40YUW4SE"', '"\\ud800"').strip(), "an id that UTF-8 cannot encode"),
        (GOOD.replace("A1YJEY40YUW4SE", "A" * 65).strip(), "expected reviewerID to have at most 64 bytes"),
        (GOOD.replace("A1YJEY40YUW4SE", "A\\u0000").strip(), "and no NUL"),
        ('{"overall": "\udc80"}', "not UTF-8 text"),
        (GOOD.strip() + GOOD.strip(), "not a line of JSON"),  # two records: neither may be lost
        (GOOD.strip() + "]", "not a line of JSON"),
        (GOOD.strip().replace("naïve", "na").replace('"verified"', '"v\udce9rified"'), "not UTF-8 text"),
        (GOOD.replace("5.0", "9" * 400).strip(), "expected overall to be in 1 … 5, found 999"),
        (GOOD.replace('"asin": "B00005N7P0"', '"style": {"asin": "B999999999"}').strip(), "expected asin among"),
    ],
)
def test_malformed_reviews(write, line, message):
    text = json_lines(2018, ROWS[:2]) + "\n" + line + "\n" + json_lines(2018, ROWS[2:])
    path = write("Toys_5.json.gz", text.encode("utf-8", "surrogateescape"), packed=True)
    with pytest.raises(DataError, match=message) as error:
        amazon("Toys", 2018, path=path)
    assert str(error.value).startswith(f"{path}:4: ")
    with pytest.warns(MalformedRowsWarning, match=f"skipped 1 malformed row: {path}:4: "):
        data = amazon("Toys", 2018, path=path, on_error="skip")
    assert rows_of(data) == ROWS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A1,B1,5.0", r"expected 4 fields \(user_id, parent_asin, rating, timestamp\), found 3: 'A1,B1,5.0'"),
        ("A1,B1,5.0,1000,", "expected 4 fields .*found 5"),
        (",B1,5.0,1000", "an empty id as user_id"),
        ("A1,,5.0,1000", "an empty id as parent_asin"),
        ("A1,B1,x,1000", "expected rating to be a number, found 'x'"),
        ("A1,B1,,1000", "expected rating to be a number, found ''"),
        ("A1,B1,6.0,1000", "expected rating to be in 0 … 5, found 6"),
        ("A1,B1,nan,1000", "expected rating to be a number, found 'nan'"),
        ("A1,B1,inf,1000", "expected rating to be a number, found 'inf'"),
        ("A1,B1,1e300,1000", "expected rating to be in 0 … 5, found 1e\\+300"),
        ("A1,B1,5.00000001,1000", "expected rating to be in 0 … 5, found 5.00000001"),
        ("A1,B1,0_5,1000", "expected rating to be a number, found '0_5'"),
        ("A1,B1,5.0,1e999999999", "expected timestamp to be a time"),
        ("A1,B1,5.0,1e-999999999", "expected timestamp to be a whole number"),
        ('"A1,B1,5.0,1000', "quotes that don't stand around a field"),
        ('"A1"x,B1,5.0,1000', "quotes that don't stand around a field"),
        ("A1,B1,5.0,1000.5", "expected timestamp to be a whole number, found '1000.5'"),
        ("A1,B1,5.0,", "expected timestamp to be a whole number, found ''"),
        (f"A1,B1,5.0,{10**25}", "expected timestamp to be a time"),
        ("A\udc80,B1,5.0,1000", "not UTF-8 text"),
        ("A\0,B1,5.0,1000", "no NUL"),
        ("A" * 65 + ",B1,5.0,1000", "at most 64 bytes"),
    ],
)
def test_malformed_rows_of_csv(write, line, message):
    lines = FILES[2023, "ratings"][1].splitlines()
    text = "\n".join([*lines[:3], line, *lines[3:]]) + "\n"
    path = write("Toys.csv", text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message) as error:
        amazon("Toys", 2023, "ratings", path)
    assert str(error.value).startswith(f"{path}:4: ")
    with pytest.warns(MalformedRowsWarning, match=f"skipped 1 malformed row: {path}:4: "):
        data = amazon("Toys", 2023, "ratings", path, on_error="skip")
    assert rows_of(data) == ROWS


def test_a_rating_of_zero_is_known_of_2023_only(write):
    row = ("A1YJEY40YUW4SE", "B00005N7P0", 0.0, 1)
    path = write("t.csv", csv_lines("user first", HEADER, milliseconds=True, rows=[*ROWS, row]))
    assert amazon("Toys", 2023, "ratings", path).rating.tolist()[-1] == 0
    with pytest.raises(DataError, match=":5: expected rating to be in 1 … 5, found 0"):
        amazon("Toys", 2014, "ratings", write("u.csv", csv_lines("user first", rows=[*ROWS, row])))


def test_nothing_left(write):
    with pytest.raises(DataError, match="the file is empty"):
        amazon("Toys", 2018, path=write("a.json", "\n \n"))
    with pytest.raises(DataError, match="expected ratings, found no row"):
        amazon("Toys", 2023, "ratings", write("a.csv", HEADER + "\n"))
    with (
        pytest.warns(MalformedRowsWarning),
        pytest.raises(DataError, match="expected ratings, found no sound row"),
    ):
        amazon("Toys", 2018, path=write("b.json", "{}\n{}\n"), on_error="skip")


def test_a_gzip_that_is_cut_off(write):
    content = gzip.compress(json_lines(2018).encode())
    with pytest.raises(DataError, match=r"Toys_5\.json\.gz: the compressed file is damaged or cut off"):
        amazon("Toys", 2018, path=write("Toys_5.json.gz", content[:-20]))


def test_a_plain_name_is_taken_for_5_core_reviews_of_2014_if_they_are(write):
    rows = [(f"A{user}", f"B{item}", 5.0, 1) for user in range(5) for item in range(5)]
    path = write("Toys.json", json_lines(2014, rows))
    assert len(amazon("Toys", 2014, path=path.parent)) == 25
    write("Toys.json", json_lines(2014, rows[:-1]))
    with pytest.raises(DataError, match="not the 5-core reviews of 2014: user A4 has 4 of them; name the file as"):
        amazon("Toys", 2014, path=path.parent)


@pytest.mark.parametrize(
    ("edition", "folder", "url"),
    [
        ((2014, "5-core"), "2014", "snap.stanford.edu/data/amazon/productGraph/categoryFiles/reviews_Toys_5.json.gz"),
        ((2014, "ratings"), "2014", "snap.stanford.edu/data/amazon/productGraph/categoryFiles/ratings_Toys.csv"),
        ((2018, "5-core"), "2018", "public_datasets/data/amazon_v2/categoryFilesSmall/Toys_5.json.gz"),
        ((2018, "ratings"), "2018", "public_datasets/data/amazon_v2/categoryFilesSmall/Toys.csv"),
        ((2018, "reviews"), "2018", "public_datasets/data/amazon_v2/categoryFiles/Toys.json.gz"),
        ((2023, "5-core"), "2023/5core/rating_only", "amazon_2023/benchmark/5core/rating_only/Toys.csv.gz"),
        ((2023, "ratings"), "2023/0core/rating_only", "amazon_2023/benchmark/0core/rating_only/Toys.csv.gz"),
        ((2023, "reviews"), "2023", "amazon_2023/raw/review_categories/Toys.jsonl.gz"),
    ],
)
def test_downloaded_from_its_official_place(write, monkeypatch, edition, folder, url):
    """The address may be wrong only in ways that no test without a network can see."""
    module = importlib.import_module("tfrec.data.loaders.amazon_files")
    asked = []
    path = write("some", FILES[edition][1])
    monkeypatch.setattr(module, "fetch_file", lambda source: asked.append(source) or path)
    assert len(amazon("Toys", *edition)) == 4
    (source,) = asked
    assert source.url.startswith("https://")
    assert source.url.endswith(url)
    assert source.folder == f"amazon/{folder}"
    assert source.name == url.rpartition("/")[2]
    assert source.downloadable


def test_bad_arguments(write, tmp_path):
    with pytest.raises(ValueError, match=r"expected one of year=2014, kind='5-core'.*got year=2015, kind='5-core'"):
        amazon("Toys", 2015)
    with pytest.raises(ValueError, match="got year=2018, kind='csv'"):
        amazon("Toys", 2018, "csv")
    for category in ("", "../etc/passwd", "a/b", None):
        with pytest.raises(ValueError, match="expected a category such as"):
            amazon(category)
    with pytest.raises(ValueError, match='expected on_error to be "raise" or "skip"'):
        amazon("Toys", path=write("Toys_5.json", json_lines(2018)), on_error="ignore")
    with pytest.raises(DataNotFoundError, match=r"none of Books_5\.json\.gz, Books_5\.json is in it"):
        amazon("Books", path=tmp_path)
    with pytest.raises(DataNotFoundError, match="absent: there is no such file or folder"):
        amazon("Books", path=tmp_path / "absent")


SPLIT = {"train": ROWS[:2], "valid": ROWS[2:3], "test": [("A9", "B00005N7P0", 2.0, 5)]}


@pytest.mark.parametrize("history", [False, True])
def test_the_ready_splits(write, history):
    for part, rows in SPLIT.items():
        text = csv_lines("user first", HEADER, milliseconds=True, rows=rows)
        if history:
            text = "".join(f"{line},{'history' if line == HEADER else 'B1 B2'}\n" for line in text.splitlines())
        folder = "last_out_w_his" if history else "last_out"
        path = write(f"benchmark/5core/{folder}/Toys.{part}.csv.gz", text, packed=True)
    split = amazon_split("Toys", path=path.parents[3])
    assert [rows_of(part) for part in split] == list(SPLIT.values())
    assert split.train.user_ids.tolist() == ["A1YJEY40YUW4SE", "AH2IFH762VY5U", "A9"]
    assert split.train.user_ids is split.test.user_ids
    assert split.train.item_ids is split.validation.item_ids
    assert split.train.name == "amazon-2023-Toys-5-core-last_out"


def test_bad_splits(write):
    for options in ({"by": "random"}, {"kind": "reviews"}):
        with pytest.raises(ValueError, match='expected by to be "last_out" or "timestamp" and kind to be'):
            amazon_split("Toys", **options)
    path = write("5core/last_out/Toys.train.csv", FILES[2023, "ratings"][1])
    with pytest.raises(ValueError, match="expected path to be the folder or zip of three files"):
        amazon_split("Toys", path=path)
    with pytest.raises(DataNotFoundError, match=r"none of .*5core/last_out/Toys\.valid\.csv.* is in it"):
        amazon_split("Toys", path=path.parents[2])
