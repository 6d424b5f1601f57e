"""SASRec's fit: that it learns what comes next, that it can be interrupted, and what it refuses."""

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.data import DataError, Interactions
from tfrec.models import SASRec

SEQUENCES = [[3, 1, 4, 1, 5], [9, 2], [6], [5, 3, 5, 8, 9, 7, 9], [3, 2, 3]]


def in_order(sequences, *, times=True):
    """Rows in the order of the sequences, which is that of time, too."""
    user = np.repeat(np.arange(len(sequences)), [len(items) for items in sequences]).astype(np.int32)
    item = np.concatenate(sequences).astype(np.int32)
    return Interactions(
        user=user,
        item=item,
        timestamp=np.arange(len(user)) if times else None,
        user_ids=np.array([f"u{u}" for u in range(len(sequences))], dtype=object),
        item_ids=np.array([f"i{i}" for i in range(item.max() + 1)], dtype=object),
    )


class TestLearning:
    @pytest.mark.parametrize(
        ("arguments", "k"),
        [
            ({}, 1),
            ({"objective": "sampled_softmax", "n_negatives": 20}, 1),
            # What comes after the next item is a positive of the user, and so no negative.
            ({"objective": "gbce", "n_negatives": 20}, 3),
            ({"precision": "bfloat16", "n_heads": 2}, 1),
        ],
        ids=["cross_entropy", "sampled_softmax", "gbce", "bfloat16"],
    )
    def test_a_cycle(self, arguments, k):
        """Where each item follows the one before it, no more than the last item is needed to know what comes."""
        generator = np.random.default_rng(0)
        starts, lengths = generator.integers(0, 40, 120), generator.integers(4, 12, 120)
        cycles = [[(s + t) % 40 for t in range(n)] for s, n in zip(starts, lengths, strict=True)]
        train, test = tfrec.data.leave_out(in_order(cycles))
        model = SASRec(n_blocks=1, max_length=8, dropout=0.1, batch_size=16, learning_rate=0.01, **arguments)
        losses = model.fit(train, epochs=8, verbose=0).history["loss"]
        assert losses[-1] < 0.5 * losses[0]
        assert tfrec.evaluate(model, test, k=k, metrics="hit_rate")[f"hit_rate@{k}"] > 0.95

    def test_a_fit_killed_within_an_epoch_goes_on_at_its_step(self, tmp_path):
        train = in_order(np.random.default_rng(0).integers(0, 12, [20, 6]).tolist())

        def fit(model, *extra):
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=2)
            model.adapt(train)
            return model.fit(model.training_data(train), epochs=2, callbacks=[backup, *extra], verbose=0)

        def kill(batch, logs):
            if int(killed.epochs_done) == 1 and batch == 3:
                raise KeyboardInterrupt

        killed, resumed, whole = (SASRec(n_factors=4, n_blocks=1, batch_size=4, dropout=0.5) for _ in range(3))
        with pytest.raises(KeyboardInterrupt):
            fit(killed, tf.keras.callbacks.LambdaCallback(on_batch_end=kill))
        assert len(fit(resumed).epoch) == 1
        whole.fit(train, epochs=2, verbose=0)
        for left, right in zip(resumed.weights, whole.weights, strict=True):
            np.testing.assert_array_equal(left, right)

    def test_the_learning_rate_decays(self):
        model = SASRec(n_factors=4, n_blocks=1, learning_rate=0.5, learning_rate_decay=0.5)
        model.fit(in_order(SEQUENCES), epochs=2, verbose=0)
        assert float(model.optimizer.learning_rate) == 0.125


class TestWrongUse:
    def test_data_without_times(self):
        model = SASRec()
        with pytest.raises(DataError, match=r"SASRec learns from the order of items, and .* has no timestamps: if its"):
            model.fit(in_order(SEQUENCES, times=False))
        with pytest.raises(ValueError, match="knows no data yet"):
            model.recommend(["u0"])

    def test_nothing_follows_anything(self):
        with pytest.raises(DataError, match=r"SASRec learns which item follows another, and in .* nobody has two"):
            SASRec().fit(in_order([[1], [2], [3]]))

    def test_what_the_model_knows_survives(self):
        model = SASRec(n_factors=4)
        model.adapt(in_order(SEQUENCES))
        before = model.score([0, 3]).numpy()
        with pytest.raises(DataError):
            model.fit(in_order([[2, 1, 3], [3, 2, 2]], times=False))
        np.testing.assert_array_equal(model.score([0, 3]), before)

    def test_training_data_of_something_else(self):
        model = SASRec(n_factors=4)
        model.adapt(in_order(SEQUENCES))
        with pytest.raises(TypeError, match=r"training_data takes tfrec\.data\.Interactions, got DataFrame"):
            model.training_data(in_order(SEQUENCES).to_frame())
        with pytest.raises(ValueError, match="adapted to other data"):
            model.training_data(in_order(SEQUENCES[:-1]))

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"n_factors": 10, "n_heads": 4}, ValueError, "n_heads must be a divisor of n_factors; got 4 heads for 10"),
            ({"n_blocks": 0}, ValueError, "n_blocks must be an integer of at least 1"),
            ({"max_length": 0}, ValueError, "max_length must be an integer of at least 1"),
            ({"dropout": 1.0}, ValueError, "dropout must be a number from 0 to"),
            ({"dropout": "0.1"}, TypeError, "dropout must be a number"),
            ({"objective": "bpr"}, ValueError, "objective must be one of 'cross_entropy', 'sampled_softmax'"),
            ({"n_negatives": 0}, ValueError, "n_negatives must be an integer of at least 1"),
            ({"sampler": "in_batch"}, ValueError, "sampler must be one of 'uniform', 'popularity'"),
            ({"popularity_alpha": 3}, ValueError, "popularity_alpha must be a number from 0 to 2"),
            ({"calibration": 1.5}, ValueError, "calibration must be a number from 0 to 1"),
            ({"all_windows": 1}, TypeError, "all_windows must be True or False"),
            ({"order": "date"}, ValueError, "order must be one of 'time', 'rows'"),
            ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1"),
            ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number above 0"),
            ({"learning_rate_decay": 1.1}, ValueError, "at most 1; got 1.1"),
            ({"precision": "float16"}, ValueError, "precision must be one of 'float32', 'bfloat16'"),
        ],
    )
    def test_bad_arguments(self, arguments, error, message):
        with pytest.raises(error, match=message):
            SASRec(**arguments)
