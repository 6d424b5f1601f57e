"""Keras's own callbacks, on every model."""

import csv

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf


def monitored(cls, **arguments):
    return cls(monitor="val_ndcg@10", **arguments)


class TestCallbacks:
    def test_all_of_them_together(self, model_class, train, held_out, tmp_path, custom_objects):
        keras = tf.keras.callbacks
        model = model_class()
        history = model.fit(
            train,
            validation_data=held_out,
            epochs=3,
            verbose=0,
            callbacks=[
                monitored(keras.ModelCheckpoint, filepath=str(tmp_path / "full"), save_best_only=True),
                monitored(keras.ModelCheckpoint, filepath=str(tmp_path / "best.weights.h5"), save_weights_only=True),
                monitored(keras.EarlyStopping, patience=5, restore_best_weights=True),
                monitored(keras.ReduceLROnPlateau, patience=1),
                keras.CSVLogger(str(tmp_path / "history.csv")),
                keras.TensorBoard(str(tmp_path / "logs")),
                keras.BackupAndRestore(str(tmp_path / "backup")),
            ],
        )
        with open(tmp_path / "history.csv") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["val_ndcg@10"]) for row in rows] == pytest.approx(history.history["val_ndcg@10"])
        best = tfrec.load(tmp_path / "full", custom_objects)
        assert best.evaluate(held_out)["ndcg@10"] == max(history.history["val_ndcg@10"])
        written = {
            value.tag
            for path in (tmp_path / "logs").rglob("*tfevents*")
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        }
        assert {"epoch_loss", "epoch_ndcg@10"} <= written

    @pytest.mark.parametrize("mode", ["auto", "min"])
    def test_ranking_metrics_are_maximised(self, mode):
        from tfrec.callbacks import prepare

        keras = tf.keras.callbacks
        stopping, checkpoint, plateau = prepare(
            [
                monitored(keras.EarlyStopping, min_delta=0.01, mode=mode),
                monitored(keras.ModelCheckpoint, filepath="x", mode=mode),
                monitored(keras.ReduceLROnPlateau, mode=mode),
            ]
        )
        assert stopping.monitor_op is np.greater
        assert stopping.min_delta == 0.01
        assert checkpoint.monitor_op is np.greater
        assert checkpoint.best == -np.inf
        assert plateau.monitor_op(0.5, 0.4)

    def test_losses_are_still_minimised(self):
        from tfrec.callbacks import prepare

        (stopping,) = prepare(tf.keras.callbacks.EarlyStopping(monitor="val_loss"))
        assert stopping.monitor_op is np.less

    def test_early_stopping_keeps_the_best_epoch(self, train, held_out):
        """A model whose validation nDCG only falls must stop after `patience` epochs, with its first weights."""
        from tfrec.models import Popularity

        class Worsening(Popularity):
            def end_epoch(self, epoch):
                logs = super().end_epoch(epoch)
                if epoch:
                    self.popularity.assign(-self.popularity)
                return logs

        model = Worsening()
        stopping = monitored(tf.keras.callbacks.EarlyStopping, patience=2, restore_best_weights=True)
        history = model.fit(train, validation_data=held_out, epochs=9, callbacks=[stopping], verbose=0)
        assert len(history.history["loss"]) == 3
        assert (model.popularity.numpy() >= 0).all()

    def test_an_iterator_of_callbacks(self, model_class, train):
        ended = []
        spy = tf.keras.callbacks.LambdaCallback(on_train_end=lambda logs: ended.append(True))
        model_class().fit(train, epochs=1, callbacks=iter([spy]), verbose=0)
        assert ended == [True]

    def test_what_is_no_callback_is_refused(self, model_class, train):
        with pytest.raises(TypeError, match="fit takes callbacks that are"):
            model_class().fit(train, callbacks=[print])

    @pytest.mark.parametrize(("frequency", "validated"), [(2, [1, 3]), ([1, 4], [0, 3])])
    def test_validation_frequency(self, train, held_out, frequency, validated):
        from tfrec.models import Popularity

        seen = []
        spy = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append("val_ndcg@10" in logs))
        Popularity().fit(
            train, validation_data=held_out, validation_freq=frequency, epochs=4, callbacks=[spy], verbose=0
        )
        assert [epoch for epoch, found in enumerate(seen) if found] == validated

    def test_a_backup_in_the_middle_of_a_closed_form_is_refused(self, train, tmp_path):
        from tfrec.models import EASE

        backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path), save_freq=1)
        with pytest.raises(ValueError, match='save_freq="epoch"'):
            EASE().fit(train, callbacks=[backup], verbose=0)


class KilledError(Exception):
    pass


class TestResume:
    def test_a_killed_fit_ends_with_the_same_weights(self, model_class, train, tmp_path):
        def fit(model, *extra):
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
            model.adapt(train)
            return model.fit(model.training_data(train), epochs=4, callbacks=[backup, *extra], verbose=0)

        def kill(epoch, logs):
            if epoch == 2:
                raise KilledError

        with pytest.raises(KilledError):
            fit(model_class(), tf.keras.callbacks.LambdaCallback(on_epoch_begin=kill))
        resumed, whole = model_class(), model_class()
        history = fit(resumed)
        assert len(history.epoch) == 2
        whole.fit(train, epochs=4, verbose=0)
        for left, right in zip(resumed.weights, whole.weights, strict=True):
            np.testing.assert_array_equal(left, right)
