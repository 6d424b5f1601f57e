"""What uniform and popularity sampling draw, against the distribution computed naively. Seeds are fixed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tfrec._tf import tf
from tfrec.data import DataError
from tfrec.data.samplers import KnownPositives, Popularity, Uniform
from tfrec.data.samplers.complement import Complement
from tfrec.data.samplers.popularity import integer_weights
from tfrec.data.samplers.probability import weight_left

ALPHAS = (-0.5, 0.0, 0.75, 1.0)
N = 40_000


def draws_of_all_users(sampler):
    """Users in turn, as in a batch: int32 [9, N]."""
    users = tf.tile(tf.range(9), [N // 4])
    drawn = sampler.sample(users, 4, seed=0, epoch=0, step=0).numpy()
    return drawn.reshape(N // 4, 9, 4).swapaxes(0, 1).reshape(9, N)


class TestPopularity:
    @pytest.mark.parametrize("alpha", ALPHAS)
    def test_has_the_naive_distribution(self, known, liked, naive, alpha):
        drawn = draws_of_all_users(Popularity(known, alpha=alpha))
        for own, expected in zip(drawn, naive.distribution(liked, alpha), strict=True):
            assert naive.p_value(own, expected) > 1e-4

    def test_another_distribution_is_noticed(self, known, liked, naive):
        drawn = naive.draws(Popularity(known, alpha=0.75), 5, N)
        for alpha in (0.65, 0.85):
            assert naive.p_value(drawn, naive.distribution(liked, alpha)[5]) < 1e-4

    def test_word2vec_by_default(self, known, naive):
        default, explicit = (
            naive.draws(sampler, 4, 400) for sampler in (Popularity(known), Popularity(known, alpha=0.75))
        )
        np.testing.assert_array_equal(default, explicit)


class TestUniform:
    def test_has_the_naive_distribution(self, known, liked, naive):
        drawn = draws_of_all_users(Uniform(known))
        for own, expected in zip(drawn, naive.distribution(liked, 0.0), strict=True):
            assert naive.p_value(own, expected) > 1e-4

    def test_all_items_have_rows(self, naive):
        """Then there is no table of candidates."""
        liked = np.random.default_rng(0).random((5, 40)) < 0.5
        liked[0] = np.arange(40) < 20
        liked[1] = ~liked[0]
        drawn = naive.draws(Uniform(naive.known(liked)), 2, N)
        assert naive.p_value(drawn, naive.distribution(liked, 0.0)[2]) > 1e-4


@pytest.mark.parametrize("kind", [Uniform, Popularity])
class TestBoth:
    def test_places_of_a_row_are_independent(self, known, liked, naive, kind):
        pairs = kind(known).sample(tf.fill([N], 6), 2, seed=3, epoch=0, step=0).numpy()
        assert naive.p_value(*joint(pairs[:, 0], pairs[:, 1], liked, naive, kind)) > 1e-4

    @pytest.mark.parametrize("other", [{"step": 1}, {"epoch": 1}, {"seed": 1}], ids=str)
    def test_calls_are_independent(self, known, liked, naive, kind, other):
        first = naive.draws(kind(known), 6, N)
        second = naive.draws(kind(known), 6, N, **other)
        assert naive.p_value(*joint(first.ravel(), second.ravel(), liked, naive, kind)) > 1e-4

    def test_log_probability(self, known, liked, naive, kind):
        sampler = kind(known)
        users = tf.range(9)
        items = tf.tile(tf.range(-1, liked.shape[1])[tf.newaxis, :], [9, 1])
        logs = sampler.log_probability(users, items).numpy()
        expected = naive.distribution(liked, 0.0 if kind is Uniform else 0.75)
        np.testing.assert_allclose(np.exp(logs[:, 1:]), expected, rtol=1e-5)
        np.testing.assert_array_equal(logs[:, 0], -np.inf)

    def test_users_with_every_item(self, liked, naive, kind):
        liked = liked.copy()
        liked[[2, 4]] = liked.any(axis=0)
        known = naive.known(liked)
        with pytest.raises(DataError, match=r"2 of 9 users have every item .*by index: 2, 4\)"):
            kind(known)
        sampler = kind(known, on_full_history="mask")
        drawn = sampler.sample(tf.constant([4, 5, 2]), 50, seed=0, epoch=0, step=0).numpy()
        assert (drawn[[0, 2]] == -1).all()
        assert not liked[5, drawn[1]].any()
        assert (drawn[1] >= 0).all()
        assert (sampler.log_probability([4], tf.range(liked.shape[1])[tf.newaxis]).numpy() == -np.inf).all()


def joint(first, second, liked, naive, kind):
    """Pairs of draws as one number, and what their distribution is if they are independent."""
    single = naive.distribution(liked, 0.0 if kind is Uniform else 0.75)[6]
    return first * len(single) + second, np.outer(single, single).ravel()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_exact_draws_alone_have_the_distribution(known, liked, naive, alpha):
    """In a whole sampler they are a small part."""
    weights = integer_weights(known.counts, alpha, 40)
    drawn = Complement(known, weights).draw(tf.repeat(tf.range(9), N), tf.constant([12], tf.uint64)).numpy()
    for user, expected in enumerate(naive.distribution(liked, alpha)):
        assert naive.p_value(drawn.reshape(9, -1)[user], expected) > 1e-4


@given(
    counts=arrays.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 10**6)),
    alpha=st.floats(-2, 2),
    bits=st.sampled_from([30, 38, 40]),
)
def test_integer_weights(counts, alpha, bits):
    counts[0] = max(counts[0], 1)
    weights = integer_weights(counts, alpha, bits)
    exact = np.where(counts > 0, np.maximum(counts, 1.0) ** alpha, 0)
    exact *= 2.0**bits / exact.sum()
    assert weights.sum() == 2**bits
    np.testing.assert_array_equal(weights > 0, counts > 0)
    assert np.abs(weights - exact).max() <= 2 + len(counts)


def test_running_sums_may_overflow(naive):
    """Over all users the weights pass 2⁶⁴: the sum wraps around, its differences don't."""
    liked = np.random.default_rng(1).random((200, 30)) < 0.9
    weights = np.full(30, 2**54)
    np.testing.assert_array_equal(weight_left(naive.known(liked), weights), (~liked).sum(axis=1) * 2**54)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "from -2 to 2; got 3", {"alpha": 3}),
        (ValueError, "from -2 to 2; got nan", {"alpha": float("nan")}),
        (TypeError, "alpha must be a number .* got '1', a str", {"alpha": "1"}),
        (TypeError, "alpha must be a number .* got True", {"alpha": True}),
        (ValueError, "on_full_history must be 'raise' or 'mask'; got 'skip'", {"on_full_history": "skip"}),
    ],
)
def test_wrong_arguments(known, error, message, arguments):
    with pytest.raises(error, match=message):
        Popularity(known, **arguments)


def test_known_positives_are_shared(known):
    assert Uniform(known).positives is known
    assert isinstance(known, KnownPositives)
