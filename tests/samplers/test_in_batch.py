"""In-batch negatives: the formula, the mask, and what the correction is for."""

import numpy as np
import pytest
from scipy.special import logsumexp

from tfrec._tf import tf
from tfrec.data.samplers import InBatch


@pytest.fixture(scope="module")
def rows(liked):
    """All training rows: users and items."""
    users, items = np.nonzero(liked)
    return users.astype(np.int32), items.astype(np.int32)


@pytest.fixture(scope="module")
def scores(liked):
    return np.random.default_rng(3).normal(size=liked.shape).astype(np.float32)


def batch_of(rows, size, seed=0):
    chosen = np.random.default_rng(seed).integers(0, len(rows[0]), size)
    return rows[0][chosen], rows[1][chosen]


class TestLogits:
    def test_formula(self, known, liked, rows, scores):
        users, items = batch_of(rows, 50)
        corrected = InBatch(known).logits(scores[users][:, items], users, items).numpy()
        for row, user in enumerate(users):
            for column, item in enumerate(items):
                if column != row and liked[user, item]:  # accidental hits, own item of another row included
                    assert corrected[row, column] == -np.inf
                else:
                    expected = scores[user, item] - np.log(liked[:, item].sum() / liked.sum())
                    assert corrected[row, column] == pytest.approx(expected, rel=1e-5)

    def test_formula_with_extra_columns(self, known, liked, rows, scores):
        users, items = batch_of(rows, 20)
        sampler = InBatch(known)
        columns = np.append(items, sampler.extra(30, seed=0, epoch=0, step=0))
        corrected = sampler.logits(scores[users][:, columns], users, columns).numpy()
        uniform = 1 / (liked.sum(axis=0) > 0).sum()
        q = (20 * liked[:, columns].sum(axis=0) / liked.sum() + 30 * uniform) / 50
        expected = scores[users][:, columns] - np.log(q)
        hits = liked[users][:, columns]
        hits[np.arange(20), np.arange(20)] = False
        np.testing.assert_allclose(corrected, np.where(hits, -np.inf, expected), rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("extra", [0, 10])
    def test_sum_of_exponentials_is_that_over_all_negatives_on_average(self, known, liked, rows, scores, extra):
        """Σ exp(s - log q) over the columns but the own one, by their number, against the full softmax's Σ exp(s)."""
        sampler = InBatch(known)
        size = 100

        @tf.function
        def other_columns(users, items, step):
            columns = tf.concat([items, sampler.extra(extra, seed=0, epoch=0, step=step)], 0) if extra else items
            logits = tf.gather(tf.gather(scores, users), columns, axis=1)
            return tf.linalg.set_diag(sampler.logits(logits, users, columns), tf.fill([size], -np.inf))

        sums = []  # of each batch, the mean of the rows of each user
        for step in range(300):
            users, items = batch_of(rows, size, step)
            totals = np.exp(other_columns(users, items, tf.constant(step)).numpy().astype(np.float64)).sum(axis=1)
            sums.append([totals[users == user].mean() if (users == user).any() else np.nan for user in range(9)])
        counts = liked.sum(axis=0)
        shares, uniform = counts / liked.sum(), (counts > 0) / (counts > 0).sum()
        mixture = (size * shares + extra * uniform) / (size + extra)
        for user in range(1, 9):
            free = ~liked[user] & (counts > 0)
            # The own column is none of the batch's: with extra columns the shares are a little other than q.
            columns = ((size - 1) * shares + extra * uniform)[free] / mixture[free]
            exact = (np.exp(scores[user, free].astype(np.float64)) * columns).sum()
            batches = np.array(sums)[:, user]
            batches = batches[~np.isnan(batches)]
            error = batches.std() / np.sqrt(len(batches))
            assert abs(batches.mean() - exact) < 4 * error
            assert len(batches) > 100
            if not extra:  # the full sum, times the number of the other columns
                assert exact == pytest.approx((size - 1) * np.exp(scores[user, free].astype(np.float64)).sum())

    def test_without_correction_popular_items_are_pushed_down(self, known, liked, rows):
        """A model that fits the softmax finds log p(item), up to a constant, with the correction; without, nothing."""
        sampler = InBatch(known)
        slopes = {}
        common = liked.sum(axis=0) >= 3
        for corrected in (True, False):
            bias = tf.Variable(tf.zeros([liked.shape[1]]))

            @tf.function
            def step(users, items, bias=bias, corrected=corrected):
                with tf.GradientTape() as tape:
                    logits = tf.tile(tf.gather(bias, items)[tf.newaxis], [64, 1])
                    logits = sampler.logits(logits, users, items) + (0.0 if corrected else sampler.log_q(items))
                    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(64), logits=logits)
                    loss = tf.reduce_mean(losses)
                bias.assign_sub(tf.convert_to_tensor(tape.gradient(loss, bias)))

            for seed in range(400):
                step(*batch_of(rows, 64, seed))
            slopes[corrected] = np.polyfit(np.log(liked[:, common].sum(axis=0)), bias.numpy()[common], 1)[0]
        assert slopes[True] > 0.8
        assert slopes[False] < slopes[True] - 0.8

    def test_a_row_without_negatives(self, known):
        """User 1 has all items but one, and it isn't there: the loss is 0, and so is its gradient."""
        logits = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        with tf.GradientTape() as tape:
            corrected = InBatch(known).logits(logits, [1, 1], [3, 4])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1], logits=corrected)
        assert losses.numpy().tolist() == [0, 0]
        assert np.abs(tape.gradient(losses, logits).numpy()).max() == 0

    def test_half_precision(self, known):
        corrected = InBatch(known).logits(tf.zeros([2, 2], tf.bfloat16), [4, 5], [1, 2])
        assert corrected.dtype == tf.bfloat16

    def test_items_without_rows(self, known, liked):
        """In a test step such an item may be a positive; its column is as that of an item with one row."""
        assert not liked[:, 0].any()
        corrected = InBatch(known).logits(tf.zeros([2, 2]), [0, 4], [0, 36]).numpy()
        np.testing.assert_allclose(corrected, np.log(liked.sum()), rtol=1e-5)

    @pytest.mark.parametrize("shape", [(2, 3), (3, 2)])
    def test_wrong_shape(self, known, shape):
        with pytest.raises(ValueError, match=r"a row for each user and a column for each item, \[2, 2\]; got shape"):
            InBatch(known).logits(tf.zeros(shape), [1, 2], [3, 4])


class TestSample:
    def test_is_uniform_over_the_free_columns(self, known, liked, rows, naive):
        users, items = batch_of(rows, 40)
        drawn = InBatch(known).sample(users, 3000, seed=1, epoch=0, step=0, items=items).numpy()
        for row, user in enumerate(users):
            free = ~liked[user, items]
            if free.any():
                expected = np.bincount(items[free], minlength=liked.shape[1]) / free.sum()
                assert naive.p_value(drawn[row], expected) > 1e-4
            else:
                assert (drawn[row] == -1).all()

    def test_over_all_batches_it_is_popularity(self, known, liked, rows, naive):
        sampler = InBatch(known)
        sample = tf.function(lambda users, items, step: sampler.sample(users, seed=0, epoch=0, step=step, items=items))
        drawn: dict[int, list[int]] = {user: [] for user in range(3, 9)}
        for step in range(800):
            users, items = batch_of(rows, 40, step)
            negatives = sample(users, items, tf.constant(step)).numpy()[:, 0]
            first = {user: row for row, user in reversed(list(enumerate(users)))}  # rows of a batch share its columns
            for user, own in drawn.items():
                if user in first and negatives[first[user]] >= 0:
                    own.append(negatives[first[user]])
        expected = naive.distribution(liked, 1.0)
        everything = np.tile(np.arange(liked.shape[1], dtype=np.int32), [9, 1])
        np.testing.assert_allclose(np.exp(sampler.log_probability(np.arange(9), everything)), expected, rtol=1e-5)
        for user, items in drawn.items():
            assert naive.p_value(np.array(items), expected[user]) > 1e-4

    def test_own_item_is_never_a_negative(self, known):
        """Even where it is no training item of the user, as in a test step."""
        drawn = InBatch(known).sample([0, 0, 0], 50, seed=0, epoch=0, step=0, items=[5, 5, 6]).numpy()
        assert (drawn[:2] == 6).all()
        assert (drawn[2] == 5).all()

    def test_without_items(self, known):
        with pytest.raises(ValueError, match="pass items="):
            InBatch(known).sample([1], seed=0, epoch=0, step=0)


def test_extra_columns_are_uniform(known, liked, naive):
    extra = InBatch(known).extra(40_000, seed=2, epoch=0, step=0).numpy()
    rows = liked.sum(axis=0) > 0
    assert naive.p_value(extra, rows / rows.sum()) > 1e-4


def test_log_q_is_a_distribution(known, liked):
    items = np.flatnonzero(liked.any(axis=0)).astype(np.int32)
    for batch, extra in ((1, 0), (10, 0), (10, 30)):
        assert logsumexp(InBatch(known).log_q(items, batch, extra)) == pytest.approx(0, abs=1e-5)
