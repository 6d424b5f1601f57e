"""Losses of a positive beside negatives, each beside a naive line of numpy."""

from functools import partial

import numpy as np
import pytest
from scipy.special import logsumexp

from tfrec import losses
from tfrec._tf import tf
from tfrec.losses import (
    bayesian_personalised_ranking,
    binary_cross_entropy,
    calibration_power,
    cross_entropy_over_products,
    sampled_softmax,
)

LOSSES = [bayesian_personalised_ranking, binary_cross_entropy, sampled_softmax]
all_losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def naive_bpr(positive, negatives):
    return -np.mean([np.log(sigmoid(positive - s)) for s in negatives]) if len(negatives) else 0.0


def naive_bce(positive, negatives):
    return -np.log(sigmoid(positive)) - sum(np.log(1.0 - sigmoid(s)) for s in negatives)


def naive_softmax(positive, negatives):
    return -np.log(np.exp(positive) / np.exp([positive, *negatives]).sum())


NAIVE = dict(zip(LOSSES, (naive_bpr, naive_bce, naive_softmax), strict=True))


def scores(*shape, n=4):
    """Scores of positives and negatives, some of which aren't there; the first row has none, the second all."""
    generator = np.random.default_rng(0)
    positive = generator.normal(size=shape).astype(np.float32)
    negatives = generator.normal(size=(*shape, n)).astype(np.float32)
    is_drawn = generator.random((*shape, n)) < 0.6
    is_drawn.reshape(-1, n)[:2] = np.array([[False], [True]])
    return positive, negatives, is_drawn


def gradients(loss, positive, negatives, is_drawn):
    positive, negatives = tf.constant(positive), tf.constant(negatives)
    with tf.GradientTape() as tape:
        tape.watch([positive, negatives])
        total = tf.reduce_sum(loss(positive, negatives, tf.constant(is_drawn)))
    return [gradient.numpy() for gradient in tape.gradient(total, [positive, negatives])]


@all_losses
@pytest.mark.parametrize("shape", [(30,), (3, 5)])
def test_of_every_row(loss, shape):
    positive, negatives, is_drawn = scores(*shape)
    found = loss(positive, negatives, is_drawn).numpy()
    assert found.shape == shape
    expected = [NAIVE[loss](positive[at], negatives[at][is_drawn[at]]) for at in np.ndindex(shape)]
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5, atol=1e-7)


@all_losses
def test_what_is_not_there_teaches_nothing(loss):
    positive, negatives, is_drawn = scores(30)
    others = np.where(is_drawn, negatives, 1e6).astype(np.float32)
    np.testing.assert_array_equal(loss(positive, others, is_drawn), loss(positive, negatives, is_drawn))
    for scored in (negatives, others):
        _, of_negatives = gradients(loss, positive, scored, is_drawn)
        assert np.all(of_negatives[~is_drawn] == 0)
        assert np.all(of_negatives[is_drawn] > 0)


@pytest.mark.parametrize("loss", [bayesian_personalised_ranking, sampled_softmax], ids=lambda loss: loss.__name__)
def test_a_row_without_negatives_teaches_nothing(loss):
    positive, negatives, is_drawn = scores(30)
    assert loss(positive, negatives, is_drawn).numpy()[0] == 0
    of_positives, _ = gradients(loss, positive, negatives, is_drawn)
    assert abs(of_positives[0]) < 1e-6
    assert np.all(of_positives[is_drawn.any(axis=1)] < 0)


@all_losses
@pytest.mark.parametrize(("positive", "negative"), [(90.0, -90.0), (-90.0, 90.0), (1e4, 1e4), (-1e4, -1e4)])
def test_large_scores_stay_finite(loss, positive, negative):
    arguments = np.full(1, positive, np.float32), np.full((1, 2), negative, np.float32), np.ones((1, 2), bool)
    assert np.isfinite(loss(*arguments).numpy()).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients(loss, *arguments))


@all_losses
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_keeps_the_dtype(loss, dtype):
    positive, negatives, is_drawn = scores(30)
    found = loss(tf.cast(positive, dtype), tf.cast(negatives, dtype), is_drawn)
    assert found.dtype == dtype
    tolerance = 5e-2 if dtype == "bfloat16" else 1e-5
    np.testing.assert_allclose(
        tf.cast(found, tf.float32), loss(positive, negatives, is_drawn), rtol=tolerance, atol=tolerance
    )


def test_softmax_over_all_items_is_cross_entropy():
    logits = np.random.default_rng(1).normal(size=(20, 7)).astype(np.float32)
    labels = np.arange(20) % 7
    others = np.stack([np.delete(row, label) for row, label in zip(logits, labels, strict=True)])
    found = sampled_softmax(logits[np.arange(20), labels], others, np.ones_like(others, bool))
    np.testing.assert_allclose(
        found, tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(found, logsumexp(logits, axis=1) - logits[np.arange(20), labels], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampling_rate", [0.001, 0.1, 1.0])
def test_calibration_goes_from_plain_to_that_of_all_negatives(sampling_rate):
    assert calibration_power(sampling_rate, 0.0) == pytest.approx(1.0)
    assert calibration_power(sampling_rate, 1.0) == pytest.approx(sampling_rate)
    half = calibration_power(sampling_rate, 0.5)
    assert half == pytest.approx((1.0 + sampling_rate) / 2)


@pytest.mark.parametrize("sampling_rate", [0.01, 0.3])
@pytest.mark.parametrize("probability", [0.02, 0.4, 0.9])
def test_calibrated_scores_are_log_odds(sampling_rate, probability):
    """Where an item is the positive with a probability p and else a negative that is drawn at a rate α: the loss
    that is expected of its score is least at log p / (1 - p)."""
    power = calibration_power(sampling_rate, 1.0)

    def expected_loss(score):
        as_positive = binary_cross_entropy(score, tf.zeros([1]), tf.constant([False]), power)
        as_negative = binary_cross_entropy(score, score[tf.newaxis], tf.constant([True]), 0.0)
        return probability * as_positive + (1 - probability) * sampling_rate * as_negative

    score = tf.constant(np.log(probability / (1 - probability)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(score)
        loss = expected_loss(score)
    assert abs(tape.gradient(loss, score).numpy()) < 1e-7
    assert all(expected_loss(score + shift).numpy() > loss.numpy() for shift in (-0.3, 0.3))


class TestCrossEntropyOverProducts:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr(losses, "_LOGITS", 7 * 20)  # 20 rows of 7 candidates at a time

    @staticmethod
    def with_gradients(function, n, scale=1.0):
        generator = np.random.default_rng(2)
        queries, candidates = (tf.constant(scale * generator.normal(size=(rows, 4)), tf.float32) for rows in (n, 7))
        targets = tf.constant(generator.integers(0, 7, n), tf.int32)
        weights = tf.constant(generator.integers(0, 3, n), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch([queries, candidates])
            loss = 2.0 * function(queries, candidates, targets, weights)
        return [loss.numpy(), *(tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, [queries, candidates]))]

    @staticmethod
    def plain(queries, candidates, targets, weights):
        logits = tf.matmul(queries, candidates, transpose_b=True)
        return tf.reduce_sum(weights * tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))

    @pytest.mark.parametrize("n", [0, 1, 19, 20, 21, 60, 95])
    def test_by_parts_as_in_one(self, n):
        traced = tf.function(cross_entropy_over_products, autograph=False)
        for function in (cross_entropy_over_products, traced):
            found = self.with_gradients(function, n)
            for one, other in zip(found, self.with_gradients(self.plain, n), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)

    def test_large_logits_stay_finite(self):
        found = self.with_gradients(cross_entropy_over_products, 50, scale=30.0)
        for one, other in zip(found, self.with_gradients(self.plain, 50, scale=30.0), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)

    def test_twice_alike(self):
        one, other = (self.with_gradients(cross_entropy_over_products, 95) for _ in range(2))
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)

    def test_rounded_factors(self):
        rounded = partial(cross_entropy_over_products, dtype="bfloat16")
        found, expected = self.with_gradients(rounded, 95), self.with_gradients(self.plain, 95)
        assert found[0] != expected[0]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0.02, atol=0.02 * np.abs(other).max())
