"""Mixtures of samplers."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data.samplers import DynamicHard, InBatch, Mixed, NegativeSampler, Popularity, Uniform


class Constant(NegativeSampler):
    """Always the same."""

    def __init__(self, item):
        self.item = item

    def sample(self, users, n=1, *, seed, epoch, step, items=None):
        return tf.fill([tf.size(users), n], self.item)


@pytest.mark.parametrize("shares", [None, (1, 1, 1), (0.2, 0.3, 0.5), (7, 1, 2)])
def test_shares(naive, shares):
    sampler = Mixed([Constant(0), Constant(1), Constant(2)], shares)
    drawn = sampler.sample(tf.zeros([10_000], tf.int32), 2, seed=1, epoch=0, step=0).numpy()
    expected = np.array(shares or (1, 1, 1)) / sum(shares or (1, 1, 1))
    assert naive.p_value(drawn, expected) > 1e-4
    np.testing.assert_allclose(sampler.shares, expected)
    pairs = drawn[:, 0] * 3 + drawn[:, 1]
    assert naive.p_value(pairs, np.outer(expected, expected).ravel()) > 1e-4


@pytest.mark.parametrize("user", [0, 2, 3, 6])
def test_has_the_mixture_as_its_distribution(known, liked, naive, user):
    sampler = Mixed([Popularity(known, alpha=1.0), Uniform(known)], [0.6, 0.4])
    expected = 0.6 * naive.distribution(liked, 1.0) + 0.4 * naive.distribution(liked, 0.0)
    assert naive.p_value(naive.draws(sampler, user, 40_000), expected[user]) > 1e-4
    items = tf.tile(tf.range(liked.shape[1])[tf.newaxis], [9, 1])
    np.testing.assert_allclose(np.exp(sampler.log_probability(tf.range(9), items)), expected, rtol=1e-5)


def test_equal_samplers_draw_independently(known):
    """One sampler twice is that sampler, not its draws twice."""
    drawn = Mixed([Uniform(known), Uniform(known)]).sample([0] * 500, seed=0, epoch=0, step=0).numpy()
    alone = Uniform(known).sample([0] * 500, seed=0, epoch=0, step=0).numpy()
    assert (drawn == alone).mean() < 0.2


def test_another_sampler_steps_in(known):
    """User 1 has all items but 30: a batch without it holds no negative."""
    mixed = Mixed([InBatch(known), Uniform(known)], [0.99, 0.01])
    drawn = mixed.sample([1, 1], 20, seed=0, epoch=0, step=0, items=[2, 3]).numpy()
    assert (drawn == 30).all()
    in_turn = Mixed([Constant(-1), Constant(5), Constant(6)], [0.5, 0.25, 0.25])
    drawn = in_turn.sample(tf.zeros([2000], tf.int32), seed=0, epoch=0, step=0).numpy()
    assert set(drawn.ravel()) == {5, 6}
    assert (drawn == 5).mean() == pytest.approx(0.75, abs=0.05)
    nothing = Mixed([Constant(-1), Constant(-1)]).sample([0], seed=0, epoch=0, step=0)
    assert nothing.numpy().tolist() == [[-1]]


def test_probabilities_of_a_part_without_any(known):
    hard = DynamicHard(Uniform(known), lambda users, items: tf.cast(items, tf.float32))
    with pytest.raises(NotImplementedError, match="DynamicHard has no probabilities"):
        Mixed([Uniform(known), hard]).log_probability([1], [[2]])


@pytest.mark.parametrize(
    ("error", "message", "samplers", "shares"),
    [
        (TypeError, "at least one NegativeSampler", [], None),
        (TypeError, "at least one NegativeSampler; got .*'uniform'", ["uniform"], None),
        (ValueError, "shares must be 2 numbers above 0.* got .1.", [Constant(1), Constant(2)], [1]),
        (ValueError, "numbers above 0", [Constant(1), Constant(2)], [1, 0]),
        (ValueError, "numbers above 0", [Constant(1), Constant(2)], [1, -1]),
        (ValueError, "numbers above 0", [Constant(1), Constant(2)], [1, float("nan")]),
    ],
)
def test_wrong_arguments(error, message, samplers, shares):
    with pytest.raises(error, match=message):
        Mixed(samplers, shares)
