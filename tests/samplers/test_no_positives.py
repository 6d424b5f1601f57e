"""No sampler returns a known positive, whatever the data; what it returns has training rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tfrec
from tfrec._tf import tf
from tfrec.data.samplers import DynamicHard, InBatch, KnownPositives, Mixed, Popularity, Uniform


def likes_its_popular(users, candidates):
    """A score that prefers low indices."""
    return -tf.cast(candidates, tf.float32)


def all_samplers(known) -> dict:
    uniform = Uniform(known, on_full_history="mask")
    popularity = Popularity(known, on_full_history="mask")
    in_batch = InBatch(known)
    return {
        "uniform": uniform,
        "popularity": popularity,
        "in batch": in_batch,
        "hard": DynamicHard(popularity, likes_its_popular, n_candidates=4),
        "hard in batch": DynamicHard(in_batch, likes_its_popular, n_candidates=2),
        "mixed": Mixed([popularity, uniform, in_batch], [1, 1, 2]),
    }


NAMES = ("uniform", "popularity", "in batch", "hard", "hard in batch", "mixed")
SIZES = st.tuples(st.integers(1, 6), st.sampled_from([2, 3, 31, 32, 33, 40]))


@settings(max_examples=25)
@given(
    liked=SIZES.flatmap(lambda size: arrays.arrays(bool, size, elements=st.booleans(), fill=st.booleans())),
    bitmap=st.booleans(),
    n=st.integers(1, 3),
    seed=st.integers(0, 2**63 - 1),
    data=st.data(),
)
@pytest.mark.parametrize("name", NAMES)
def test_never_a_positive(naive, name, liked, bitmap, n, seed, data):
    liked[0, 0] = True
    rows, columns = np.nonzero(liked)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=12))
    users, items = rows[chosen].astype(np.int32), columns[chosen].astype(np.int32)
    sampler = all_samplers(naive.known(liked, bitmap))[name]
    drawn = sampler.sample(users, n, seed=seed, epoch=1, step=2, items=items).numpy()
    assert drawn.shape == (len(users), n)
    assert drawn.dtype == np.int32
    candidates = liked.any(axis=0)
    for user, own in zip(users, drawn, strict=True):
        free = candidates & ~liked[user]
        in_batch = free[items].any()
        possible = in_batch if "in batch" in name else free.any()
        assert all(free[item] for item in own) if possible else (own == -1).all()


def test_all_items_but_one(naive):
    """The one that is left is found, without trying forever."""
    n = 2000
    liked = np.ones((3, n), bool)
    liked[0, 1234] = liked[1, 0] = liked[2, n - 1] = False
    for bitmap in (True, False):
        known = naive.known(liked, bitmap)
        for sampler in (Uniform(known), Popularity(known), Mixed([Uniform(known), Popularity(known)])):
            drawn = sampler.sample([0, 1, 2, 0], 7, seed=1, epoch=0, step=0).numpy()
            np.testing.assert_array_equal(drawn, np.tile([[1234], [0], [n - 1], [1234]], 7))


def test_an_empty_batch(known):
    for name, sampler in all_samplers(known).items():
        nobody = tf.zeros([0], tf.int32)
        drawn = sampler.sample(nobody, 2, seed=1, epoch=0, step=0, items=nobody)
        assert drawn.shape == (0, 2), name


def test_movielens(tfrec_data):
    data = tfrec.data.movielens("1m", path=tfrec_data / "ml-1m")
    liked = data.to_csr().toarray() > 0
    known = KnownPositives.of(data)
    users = np.random.default_rng(0).choice(data.user, 20_000)
    for sampler in (Uniform(known), Popularity(known)):
        drawn = sampler.sample(users, 4, seed=1, epoch=0, step=0).numpy()
        assert drawn.min() >= 0
        assert not liked[users[:, None], drawn].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "users must be integers .* of shape", {"users": [[1, 2]]}),
        (ValueError, "users must be integers .* got float32", {"users": [1.0]}),
        (ValueError, "n must be an integer of at least 1; got 0", {"n": 0}),
        (TypeError, "n must be an integer of at least 1; got 1.5", {"n": 1.5}),
    ],
)
def test_wrong_arguments(known, name, error, message, arguments):
    arguments = {"users": [1, 2], "n": 1, "items": [1, 2], **arguments}
    with pytest.raises(error, match=message):
        all_samplers(known)[name].sample(arguments.pop("users"), **arguments, seed=0, epoch=0, step=0)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_user_is_an_error(known, name):
    with pytest.raises(tf.errors.InvalidArgumentError):
        all_samplers(known)[name].sample([10_000], seed=0, epoch=0, step=0, items=[1])
