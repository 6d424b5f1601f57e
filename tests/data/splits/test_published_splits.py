# mypy: no-check-untyped-defs
"""Our splits beside those that others have published."""

import numpy as np

from tfrec.data import Interactions, leave_out, movielens, ncf_split, strong_split, temporal_split


def test_leave_one_out_is_that_of_the_ncf_paper_but_for_equal_times(tfrec_data):
    data = movielens("1m", path=tfrec_data / "ml-1m")
    published = ncf_split(path=tfrec_data / "ml-1m-ncf")
    test = leave_out(data).test

    # The paper counts its users from 0 in ML-1M's order, and numbers the movies anew.
    theirs = {int(user) + 1: row for row, user in enumerate(published.test.user_ids[published.test.user])}
    rows = [theirs[int(user)] for user in data.user_ids[test.user]]
    movies = published.test.item_features["movie_id"].to_numpy()[published.test.item[rows]]
    np.testing.assert_array_equal(published.test.timestamp[rows], test.timestamp)

    # Where a user rated several movies last, in the same second, the paper chose by a rule of its own.
    newest = np.full(data.n_users, np.iinfo(np.int64).min)
    np.maximum.at(newest, data.user, data.timestamp)
    n_newest = np.bincount(data.user[data.timestamp == newest[data.user]])
    only_one = n_newest[test.user] == 1
    assert only_one.sum() == 3_496
    np.testing.assert_array_equal(movies[only_one], data.item_ids[test.item[only_one]])


def test_s3_rec_s_beauty_is_validated_and_tested_on_the_last_two_items(tfrec_data):
    lines = [line.split() for line in (tfrec_data / "beauty" / "Beauty.txt").read_text().splitlines()]
    sequences = [[int(item) - 1 for item in items] for _, *items in lines]
    n_items = max(map(max, sequences)) + 1
    data = Interactions(
        np.repeat(np.arange(len(sequences)), [len(items) for items in sequences]),
        np.concatenate(sequences),
        user_ids=[user for user, *_ in lines],
        item_ids=[str(item) for item in range(1, n_items + 1)],
    )
    rest, test = leave_out(data)
    train, validation = leave_out(rest)
    assert test.item.tolist() == [items[-1] for items in sequences]
    assert validation.item.tolist() == [items[-2] for items in sequences]
    kept = train.sequences()
    assert all(kept[user].tolist() == items[:-2] for user, items in enumerate(sequences))


def test_movielens_by_time(tfrec_data):
    data = movielens("100k", path=tfrec_data / "ml-100k")
    train, test = temporal_split(data)
    assert train.timestamp.max() < test.timestamp.min()
    assert abs(len(test) - 20_000) < 50
    from_1998 = temporal_split(data, date="1998-01-01").test
    assert len(from_1998) == (data.timestamp >= 883_612_800).sum()


def test_held_out_users_of_movielens(tfrec_data):
    data = movielens("100k", path=tfrec_data / "ml-100k")
    train, given, hidden = strong_split(data)
    n = np.bincount(data.user)[np.unique(hidden.user)]
    assert len(n) == 94
    assert len(given) == np.clip(np.rint(0.8 * n), 1, n - 1).sum()
    assert len(train) == len(data) - n.sum()
