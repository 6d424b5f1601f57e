"""SASRec against its paper, in plain numpy, and what its sequences mean."""

from itertools import pairwise

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.models import SASRec
from tfrec.sequences import SequenceBatch

N_ITEMS = 12


def as_interactions(sequences, *, n_items=N_ITEMS, times=True, weight=None, shuffle_seed=None) -> Interactions:
    """Sequences as rows; with times and a seed the rows stand in any order."""
    user = np.repeat(np.arange(len(sequences)), [len(sequence) for sequence in sequences]).astype(np.int32)
    item = np.concatenate(sequences).astype(np.int32)
    order = np.arange(len(user))
    if shuffle_seed is not None:
        order = np.random.default_rng(shuffle_seed).permutation(order)
    return Interactions(
        user=user[order],
        item=item[order],
        timestamp=order if times else None,
        weight=None if weight is None else np.asarray(weight, np.float32)[order],
        user_ids=np.array([f"u{u}" for u in range(len(sequences))], dtype=object),
        item_ids=np.array([f"i{i}" for i in range(n_items)], dtype=object),
    )


def random_sequences(lengths, n_items=N_ITEMS, seed=0) -> list:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, n_items, length).tolist() for length in lengths]


def ragged(histories):
    return tf.ragged.constant(histories, dtype=tf.int32, row_splits_dtype=tf.int64)


@pytest.fixture(scope="module")
def sequences() -> list:
    return random_sequences([5, 2, 1, 9, 4, 7, 3])


@pytest.fixture(scope="module")
def model(sequences) -> SASRec:
    """Two heads, a sequence longer than it looks at, and weights far from where they start."""
    model = SASRec(n_factors=6, n_heads=2, max_length=5, batch_size=3, dropout=0.3, seed=3)
    model.adapt(as_interactions(sequences))
    for place, variable in enumerate(model.trainable_variables):
        variable.assign_add(tf.random.stateless_normal(variable.shape, [9, place], stddev=0.5))
    return model


# The paper in plain numpy, one sequence at a time, one position after the other.


def normalised(value, scale, offset):
    return (value - value.mean()) / np.sqrt(value.var() + 1e-6) * scale + offset


def softmax(values):
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def forward(model, sequence) -> np.ndarray:
    """F after the last block at each position of a sequence of at most `max_length` items: [length, d]."""
    value = {variable.name.split(":")[0]: variable.numpy().astype(np.float64) for variable in model.trainable_variables}
    d, heads, first = model.n_factors, model.n_heads, model.max_length - len(sequence)
    tokens = [
        np.sqrt(d) * value["item_factors"][item] + value["position_factors"][first + t]
        for t, item in enumerate(sequence)
    ]
    for block in range(model.n_blocks):

        def norm(token, place, first=2 * block):
            return normalised(token, value[f"norm_scale_{first + place}"], value[f"norm_offset_{first + place}"])

        before = [norm(token, 0) for token in tokens]
        q, k, v = ([token @ value[f"{name}_{block}"] for token in before] for name in ("queries", "keys", "values"))
        attended = []
        for t in range(len(tokens)):
            parts = []
            for head in np.split(np.arange(d), heads):
                shares = softmax(np.array([q[t][head] @ k[s][head] / np.sqrt(d / heads) for s in range(t + 1)]))
                parts.append(sum(share * v[s][head] for s, share in enumerate(shares)))
            attended.append(tokens[t] + np.concatenate(parts))
        tokens = []
        for token in attended:
            inner = np.maximum(norm(token, 1) @ value[f"inner_{block}"] + value[f"inner_bias_{block}"], 0)
            tokens.append(token + inner @ value[f"outer_{block}"] + value[f"outer_bias_{block}"])
    last = 2 * model.n_blocks
    return np.array([normalised(token, value[f"norm_scale_{last}"], value[f"norm_offset_{last}"]) for token in tokens])


def targets_by_hand(model, sequence) -> list[tuple[np.ndarray, int]]:
    """The output and the item that follows, for each stretch of `max_length` items from the end."""
    found, end = [], len(sequence) - 1
    while end > 0:
        start = max(end - model.max_length, 0)
        outputs = forward(model, sequence[start:end])
        found += [(outputs[t - start], sequence[t + 1]) for t in range(start, end)]
        end = start
    return found


def losses_of_batches(model, train, **options) -> float:
    """The mean over the targets of all batches."""
    batches = list(model.training_data(train))
    weights = [float(model.loss_weight(batch)) for batch in batches]
    return np.average([float(model.compute_loss(batch, **options)) for batch in batches], weights=weights)


class TestFormula:
    def test_scores_are_the_papers(self, model, sequences):
        scores = model.score(np.arange(len(sequences))).numpy()
        items = model.item_factors.numpy().astype(np.float64)
        for user, sequence in enumerate(sequences):
            np.testing.assert_allclose(scores[user], items @ forward(model, sequence[-5:])[-1], rtol=2e-4, atol=2e-4)

    def test_a_history_has_the_scores_of_the_user_who_has_it(self, model, sequences):
        np.testing.assert_array_equal(model.score_histories(ragged(sequences)), model.score(np.arange(len(sequences))))

    def test_outputs_depend_on_nothing_that_comes_later(self, model):
        one, other = tf.constant([[3, 1, 4, 1, 5]]), tf.constant([[3, 1, 4, 9, 2]])
        lengths = tf.constant([5])
        left, right = (model.encode(items, lengths).numpy() for items in (one, other))
        np.testing.assert_array_equal(left[:3], right[:3])
        assert (np.abs(left[3:] - right[3:]).max(axis=1) > 1e-3).all()

    def test_order_matters(self, model):
        scores = model.score_histories(ragged([[1, 2, 3], [2, 1, 3]])).numpy()
        assert np.abs(scores[0] - scores[1]).max() > 1e-3

    def test_what_is_in_the_padding_matters_as_little_as_how_much_there_is(self, model):
        lengths = tf.constant([3, 2])
        short = tf.constant([[3, 1, 4], [1, 5, 0]])
        padded = tf.constant([[3, 1, 4, 7, 11], [1, 5, 8, 2, 2]])
        np.testing.assert_allclose(
            model.sequence_vectors(short, lengths), model.sequence_vectors(padded, lengths), rtol=1e-5, atol=1e-6
        )

    def test_only_the_last_items_count(self, model):
        scores = model.score_histories(ragged([[1, 2, 3, 4, 5], [9, 8, 7, 1, 2, 3, 4, 5]]))
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)

    def test_scores_do_not_depend_on_the_batch(self, model):
        histories = random_sequences([1, 17, 4, 0, 5, 2])
        together = model.score_histories(ragged(histories)).numpy()
        assert np.isfinite(together).all()
        for row, history in enumerate(histories):
            row_alone = tf.RaggedTensor.from_row_lengths(tf.constant(history, tf.int32), [len(history)])
            alone = model.score_histories(row_alone)
            np.testing.assert_allclose(alone[0], together[row], rtol=1e-5, atol=1e-5)

    def test_no_histories_at_all(self, model):
        nothing = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), tf.constant([0], tf.int64))
        assert model.score_histories(nothing).shape == (0, N_ITEMS)
        assert model.score(np.zeros(0, np.int32)).shape == (0, N_ITEMS)


class TestSequences:
    def test_are_in_the_order_of_time(self, sequences):
        model = SASRec(max_length=4)
        model.adapt(as_interactions(sequences, shuffle_seed=1))
        splits, items = model.sequence_splits.numpy(), model.sequence_items.numpy()
        assert [items[a:b].tolist() for a, b in pairwise(splits)] == [s[-4:] for s in sequences]

    def test_or_of_rows(self, sequences):
        model, timed = SASRec(order="rows"), SASRec()
        model.adapt(as_interactions(sequences, times=False))
        timed.adapt(as_interactions(sequences, shuffle_seed=1))
        np.testing.assert_array_equal(model.sequence_items, timed.sequence_items)
        np.testing.assert_array_equal(model.sequence_splits, timed.sequence_splits)

    @pytest.mark.parametrize("all_windows", [True, False])
    def test_every_item_but_the_first_is_a_target_once(self, sequences, all_windows):
        model = SASRec(max_length=3, batch_size=2, all_windows=all_windows)
        train = as_interactions(sequences, shuffle_seed=2)
        model.adapt(train)
        found = []
        for batch in (SequenceBatch(*arrays) for arrays in model.training_data(train).as_numpy_iterator()):
            assert batch.items.shape[1] == batch.lengths.max() <= 3
            assert batch.negatives.shape == (*batch.items.shape, 0)
            np.testing.assert_array_equal(batch.weights, np.arange(batch.items.shape[1]) < batch.lengths[:, np.newaxis])
            for row, length in enumerate(batch.lengths):
                found.append((batch.items[row, :length].tolist(), batch.targets[row, :length].tolist()))
        expected = []
        for sequence in sequences:
            ends = range(len(sequence) - 1, 0, -3) if all_windows else [len(sequence) - 1][: len(sequence) - 1]
            expected += [(sequence[max(e - 3, 0) : e], sequence[max(e - 3, 0) + 1 : e + 1]) for e in ends]
        assert sorted(found) == sorted(expected)

    def test_every_epoch_has_another_order_and_other_negatives(self):
        model = SASRec(objective="bce", n_negatives=3, batch_size=2)
        train = as_interactions(random_sequences(np.full(20, 4)))
        model.adapt(train)
        first, again = (list(model.training_data(train)) for _ in range(2))
        model.epochs_done.assign(1)
        second = list(model.training_data(train))
        for one, same in zip(first, again, strict=True):
            for left, right in zip(one, same, strict=True):
                np.testing.assert_array_equal(left, right)
        for part in ("items", "negatives"):
            one, other = ([getattr(batch, part).numpy().tolist() for batch in epoch] for epoch in (first, second))
            assert one != other

    def test_negatives_are_items_that_the_user_has_not_had(self, sequences):
        model = SASRec(objective="gbce", sampler="popularity", n_negatives=5, batch_size=3)
        train = as_interactions(sequences)
        model.adapt(train)
        owners = {tuple(sequence[:-1]): set(sequence) for sequence in sequences if len(sequence) > 1}
        for batch in model.training_data(train):
            for items, length, negatives in zip(batch.items, batch.lengths, batch.negatives, strict=True):
                drawn = set(negatives.numpy()[: int(length)].ravel().tolist())
                assert drawn
                assert not drawn & owners[tuple(items.numpy()[: int(length)].tolist())]


class TestLosses:
    @pytest.fixture
    def train(self, sequences) -> Interactions:
        return as_interactions(sequences)

    def with_objective(self, model, train, objective, **arguments) -> tuple[SASRec, float]:
        """A model of the same weights with another objective, and its loss."""
        other = SASRec(**{**model.get_config(), "objective": objective, **arguments})
        other.adapt(train)
        for mine, theirs in zip(other.trainable_variables, model.trainable_variables, strict=True):
            mine.assign(theirs)
        return other, losses_of_batches(other, train)

    def test_cross_entropy_is_over_all_items(self, model, train, sequences):
        items = model.item_factors.numpy().astype(np.float64)
        expected = [
            -np.log(softmax(items @ output)[target])
            for sequence in sequences
            for output, target in targets_by_hand(model, sequence)
        ]
        assert losses_of_batches(model, train) == pytest.approx(np.mean(expected), rel=1e-4)

    @pytest.mark.parametrize(("objective", "calibration", "power"), [("bce", 0.5, 1.0), ("gbce", 0.5, None)])
    def test_binary_losses(self, model, train, objective, calibration, power):
        other, found = self.with_objective(model, train, objective, n_negatives=4, calibration=calibration)
        if power is None:
            rate = 4 / (N_ITEMS - 1)
            power = rate * (calibration * (1 - 1 / rate) + 1 / rate)
        items, expected = model.item_factors.numpy().astype(np.float64), []
        for batch in other.training_data(train):
            for sequence, length, targets, negatives in zip(
                batch.items.numpy(), batch.lengths.numpy(), batch.targets.numpy(), batch.negatives.numpy(), strict=True
            ):
                outputs = forward(model, sequence[:length])
                for t in range(length):
                    loss = power * np.log1p(np.exp(-outputs[t] @ items[targets[t]]))
                    expected.append(loss + np.log1p(np.exp(items[negatives[t]] @ outputs[t])).sum())
        assert found == pytest.approx(np.mean(expected), rel=1e-4)

    @pytest.mark.parametrize("sampler", ["uniform", "popularity"])
    def test_a_large_sample_is_like_all_items(self, model, train, sampler):
        """With many draws the share of each item is its probability, which the correction takes out again."""
        n, power = 60_000, 0.75 if sampler == "popularity" else 0.0
        _, found = self.with_objective(model, train, "sampled_softmax", n_negatives=n, sampler=sampler)
        counts = model.item_counts.numpy().astype(np.float64)
        total = np.where(counts > 0, counts**power, 0).sum()
        items, expected = model.item_factors.numpy().astype(np.float64), []
        for batch in model.training_data(train):
            for sequence, length, targets in zip(*(part.numpy() for part in batch[:3]), strict=True):
                for output, target in zip(forward(model, sequence[:length]), targets, strict=False):
                    scores = items @ output
                    # Each of n draws has an item with probability q, and counts exp(score) / counts^power.
                    others = n / total * sum(np.exp(scores[i]) for i in range(N_ITEMS) if counts[i] and i != target)
                    positive = np.exp(scores[target]) / counts[target] ** power
                    expected.append(-np.log(positive / (positive + others)))
        assert found == pytest.approx(np.mean(expected), rel=2e-2)

    def test_weights_are_those_of_the_targets(self, model, sequences):
        generator = np.random.default_rng(5)
        weight = generator.integers(0, 3, sum(map(len, sequences))).astype(float)
        train = as_interactions(sequences, weight=weight)
        items, losses, weights, first = model.item_factors.numpy().astype(np.float64), [], [], 0
        for sequence in sequences:
            of_rows = dict(enumerate(weight[first : first + len(sequence)]))
            first += len(sequence)
            end = len(sequence) - 1
            while end > 0:
                start = max(end - model.max_length, 0)
                for t, output in enumerate(forward(model, sequence[start:end]), start):
                    losses.append(-np.log(softmax(items @ output)[sequence[t + 1]]))
                    weights.append(of_rows[t + 1])
                end = start
        assert losses_of_batches(model, train) == pytest.approx(np.average(losses, weights=weights), rel=1e-4)

    def test_no_weight_at_all_is_no_nan(self, sequences):
        model = SASRec(n_factors=4, n_blocks=1)
        train = as_interactions(sequences, weight=np.zeros(sum(map(len, sequences))))
        assert model.fit(train, epochs=1, verbose=0).history["loss"] == [0.0]
        assert np.isfinite(model.score([0])).all()

    def test_dropout_is_for_training_only_and_another_in_every_step(self, model, train):
        batch = next(iter(model.training_data(train)))
        plain, noisy, same = (float(model.compute_loss(batch, training=t)) for t in (False, True, True))
        model.steps_done.assign(1)
        later = float(model.compute_loss(batch, training=True))
        model.steps_done.assign(0)
        assert noisy == same
        assert len({plain, noisy, later}) == 3
