"""The real files of Amazon reviews, against a plain reading of each."""

import csv
import gzip
import json

import numpy as np
import pytest

from tfrec.data import DataError, amazon


def rows_of(data):
    ids = zip(data.user_ids[data.user], data.item_ids[data.item], strict=True)
    values = zip(data.rating.tolist(), data.timestamp.tolist(), strict=True)
    return [(*pair, *value) for pair, value in zip(ids, values, strict=True)]


def test_the_real_reviews_of_2014(tfrec_data):
    data = amazon("Musical_Instruments", 2014)
    assert (len(data), data.n_users, data.n_items) == (10_261, 1_429, 900)
    records = [json.loads(line) for line in (tfrec_data / "amazon" / "Musical_Instruments.json").open(encoding="utf-8")]
    expected = [(r["reviewerID"], r["asin"], r["overall"], r["unixReviewTime"]) for r in records]
    assert rows_of(data) == expected
    assert data.user_ids.tolist() == list(dict.fromkeys(row[0] for row in expected))


def test_the_real_reviews_of_2018(tfrec_data):
    data = amazon("AMAZON_FASHION", 2018)
    assert (len(data), data.n_users, data.n_items) == (3_176, 406, 31)
    with gzip.open(tfrec_data / "amazon" / "AMAZON_FASHION_5.json.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    assert rows_of(data) == [(r["reviewerID"], r["asin"], r["overall"], r["unixReviewTime"]) for r in records]
    counts = np.unique(data.user.astype(np.int64) * data.n_items + data.item, return_counts=True)[1]
    assert (counts - 1).sum() == 134


def test_the_real_ratings_of_2018(tfrec_data):
    data = amazon("Magazine_Subscriptions", 2018, "ratings")
    assert (len(data), data.n_users, data.n_items) == (546, 535, 22)
    with (tfrec_data / "amazon" / "Magazine_Subscriptions.csv").open() as file:
        expected = [(user, item, float(rating), int(time)) for item, user, rating, time in csv.reader(file)]
    assert rows_of(data) == expected
    with pytest.raises(DataError, match="other way round"):
        amazon("Magazine_Subscriptions", 2014, "ratings", tfrec_data / "amazon" / "Magazine_Subscriptions.csv")
