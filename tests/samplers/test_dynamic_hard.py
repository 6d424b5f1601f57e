"""The hardest of several candidates."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data.samplers import DynamicHard, Popularity, Uniform

SCORES = tf.constant(np.random.default_rng(0).normal(size=(9, 37)).astype(np.float32))


def score(users, candidates):
    return tf.gather(tf.gather(SCORES, users), candidates, batch_dims=1)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("n_candidates", [1, 2, 7])
def test_is_the_best_of_the_candidates(known, n, n_candidates):
    users = np.random.default_rng(1).integers(0, 9, 200).astype(np.int32)
    other = Popularity(known)
    hard = DynamicHard(other, score, n_candidates=n_candidates)
    drawn = hard.sample(users, n, seed=1, epoch=2, step=3).numpy()
    candidates = other.sample(users, n * n_candidates, seed=1, epoch=2, step=3).numpy()
    for row, user in enumerate(users):
        for place in range(n):
            own = candidates[row, place * n_candidates : (place + 1) * n_candidates]
            assert drawn[row, place] == own[np.argmax(SCORES.numpy()[user, own])]


@pytest.mark.parametrize("user", [0, 3, 5])
def test_distribution_is_that_of_the_largest(known, liked, naive, user):
    """Of M independent draws: P(best is i) = F(i)ᴹ - F(before i)ᴹ, with the items in the order of their scores."""
    drawn = naive.draws(DynamicHard(Popularity(known), score, n_candidates=5), user, 20_000)
    single = naive.distribution(liked, 0.75)[user]
    order = np.argsort(SCORES.numpy()[user])
    cumulative = np.cumsum(single[order]) ** 5
    expected = np.zeros_like(single)
    expected[order] = np.diff(cumulative, prepend=0)
    expected[single == 0] = 0
    assert naive.p_value(drawn, expected / expected.sum()) > 1e-4


def test_follows_the_model(known):
    """Within one function, after an assignment, with no gradient through the choice."""
    weights = tf.Variable(tf.range(37, dtype=tf.float32))
    hard = DynamicHard(Uniform(known), lambda users, items: tf.gather(weights, items), n_candidates=500)

    @tf.function
    def draw():
        with tf.GradientTape() as tape:
            drawn = hard.sample([0, 0], seed=0, epoch=0, step=0)
            loss = tf.reduce_sum(tf.gather(weights, drawn))
        return drawn, tape.gradient(loss, weights)

    drawn, gradient = draw()
    assert drawn.numpy().tolist() == [[35], [35]]
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), 2 * np.eye(37)[35])
    weights.assign(-weights)
    assert draw()[0].numpy().tolist() == [[1], [1]]


def test_the_first_of_equals(known):
    hard = DynamicHard(Uniform(known), lambda users, items: tf.zeros_like(items, tf.float32), n_candidates=4)
    users = tf.range(9)
    candidates = Uniform(known).sample(users, 8, seed=0, epoch=0, step=0).numpy()
    np.testing.assert_array_equal(hard.sample(users, 2, seed=0, epoch=0, step=0), candidates[:, ::4])


def test_candidates_that_are_none_are_not_scored(naive):
    liked = np.ones((2, 5), bool)
    liked[1, 3] = False

    def strict(users, items):
        tf.debugging.assert_non_negative(items)
        return tf.zeros_like(items, tf.float32)

    sampler = DynamicHard(Uniform(naive.known(liked), on_full_history="mask"), strict)
    assert sampler.sample([0, 1], seed=0, epoch=0, step=0).numpy().tolist() == [[-1], [3]]


def test_probabilities_are_not_known(known):
    with pytest.raises(NotImplementedError, match="DynamicHard has no probabilities in closed form"):
        DynamicHard(Uniform(known), score).log_probability([1], [[2]])


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "sampler must be a NegativeSampler; got str", ("uniform", score, 3)),
        (TypeError, "score must be a function .* got int", (None, 3, 3)),
        (ValueError, "n_candidates must be an integer of at least 1; got 0", (None, score, 0)),
    ],
)
def test_wrong_arguments(known, error, message, arguments):
    sampler, scorer, n_candidates = arguments
    with pytest.raises(error, match=message):
        DynamicHard(sampler or Uniform(known), scorer, n_candidates=n_candidates)


@pytest.mark.parametrize("wrong", [lambda users, items: tf.zeros([2, 4]), lambda users, items: tf.zeros([2, 1, 3])])
def test_scores_of_another_shape(known, wrong):
    with pytest.raises(ValueError, match=r"one score for each candidate, of shape \(2, 1, 4\); got shape"):
        DynamicHard(Uniform(known), wrong, n_candidates=4).sample([1, 2], seed=0, epoch=0, step=0)
