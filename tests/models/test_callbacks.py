"""Keras's own callbacks, on every model."""

import csv
import math
import warnings

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf


def monitored(cls, **arguments):
    return cls(monitor="val_ndcg@10", **arguments)


class TestCallbacks:
    def test_all_of_them_together(self, small, train, held_out, tmp_path, custom_objects):
        keras, seen = tf.keras.callbacks, []
        model = small()
        figure, best_of = ("rmse", min) if getattr(model, "predicts_ratings", False) else ("ndcg@10", max)
        monitor = f"val_{figure}"
        listed = [
            keras.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs))),
            keras.ModelCheckpoint(str(tmp_path / "full"), monitor, save_best_only=True),
            keras.ModelCheckpoint(str(tmp_path / "best.weights.h5"), monitor, save_weights_only=True),
            keras.EarlyStopping(monitor, patience=2, restore_best_weights=True),
            keras.ReduceLROnPlateau(monitor, patience=1),
            keras.CSVLogger(str(tmp_path / "history.csv")),
            keras.TensorBoard(str(tmp_path / "logs")),
            keras.BackupAndRestore(str(tmp_path / "backup")),
        ]
        # An iterator will do.
        history = model.fit(train, validation_data=held_out, epochs=8, verbose=0, callbacks=iter(listed)).history
        assert [logs[monitor] for logs in seen] == history[monitor]
        with open(tmp_path / "history.csv") as file:
            assert [float(row[monitor]) for row in csv.DictReader(file)] == pytest.approx(history[monitor])
        for best in (model, tfrec.load(tmp_path / "full", custom_objects)):
            found = best.evaluate(held_out, k=10, metrics=figure.partition("@")[0])[figure]
            assert found == pytest.approx(best_of(history[monitor]), rel=1e-12)
        written = {
            value.tag
            for path in (tmp_path / "logs").rglob("*tfevents*")
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
        }
        assert {"epoch_loss", f"epoch_{figure}"} <= written

    @pytest.mark.filterwarnings("ignore:ReduceLROnPlateau was told")
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

    @pytest.mark.parametrize(
        ("monitor", "operator"),
        [
            ("val_coverage@10", np.greater),
            ("val_r2", np.greater),
            ("val_gini@10", np.less),
            ("val_rmse", np.less),
            ("val_mae", np.less),
            ("val_loss", np.less),
            ("loss", np.less),
            ("val_mymetric@3", np.greater),  # one of the user's: a cutoff says that it ranks
        ],
    )
    @pytest.mark.parametrize("kind", ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"])
    def test_every_metric_has_its_direction(self, kind, monitor, operator):
        from tfrec.callbacks import prepare

        path = {"filepath": "x"} if kind == "ModelCheckpoint" else {}
        (callback,) = prepare(getattr(tf.keras.callbacks, kind)(monitor=monitor, **path))
        assert callback.monitor_op(0.9, 0.4) == operator(0.9, 0.4)
        assert callback.monitor_op(0.4, 0.9) == operator(0.4, 0.9)

    @pytest.mark.parametrize("kind", ["EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau"])
    def test_a_direction_against_the_metric_is_overruled(self, kind):
        from tfrec.callbacks import prepare

        path = {"filepath": "x"} if kind == "ModelCheckpoint" else {}
        told = getattr(tf.keras.callbacks, kind)(monitor="val_rmse", mode="max", **path)
        with pytest.warns(UserWarning, match=f"{kind} was told to maximise 'val_rmse', of which less is better"):
            (callback,) = prepare(told)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            prepare(told)  # as it is now, it is right
        assert callback.monitor_op(0.4, 0.9)
        assert not callback.monitor_op(0.9, 0.4)

    def test_a_metric_without_a_better_side_is_left_to_the_user(self):
        from tfrec.callbacks import prepare

        least, most = prepare(
            [
                tf.keras.callbacks.EarlyStopping("val_average_popularity@10", mode="min"),
                tf.keras.callbacks.EarlyStopping("val_average_popularity@10", mode="max"),
            ]
        )
        assert least.monitor_op is np.less
        assert most.monitor_op is np.greater

    def test_a_prefix_of_ones_own_counts_too(self, held_out):
        from tfrec.callbacks import RankingMetrics, prepare

        _, stopping, other = prepare(
            [
                tf.keras.callbacks.EarlyStopping("tuning_gini@10"),
                tf.keras.callbacks.EarlyStopping("other_gini", mode="max"),
                RankingMetrics(held_out, metrics="gini", prefix="tuning_"),
            ]
        )
        assert stopping.monitor_op is np.less
        assert other.monitor_op is np.greater

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

    def test_what_is_no_callback_is_refused(self, model_class, train):
        with pytest.raises(TypeError, match="fit takes callbacks that are"):
            model_class().fit(train, callbacks=[print])

    @pytest.mark.parametrize(("frequency", "validated"), [(2, [1, 3]), ([1, 4], [0, 3]), (iter([4]), [3])])
    def test_validation_frequency(self, train, held_out, tmp_path, frequency, validated):
        from tfrec.models import Popularity

        logger = tf.keras.callbacks.CSVLogger(str(tmp_path / "history.csv"))
        history = Popularity().fit(
            train, validation_data=held_out, validation_freq=frequency, epochs=4, callbacks=logger, verbose=0
        )
        figures = history.history["val_ndcg@10"]
        assert [epoch for epoch, figure in enumerate(figures) if not math.isnan(figure)] == validated
        assert {len(values) for values in history.history.values()} == {4}
        with open(tmp_path / "history.csv") as file:
            written = [float(row["val_ndcg@10"]) for row in csv.DictReader(file)]
        np.testing.assert_allclose(written, figures)

    @pytest.mark.parametrize(("frequency", "pause"), [(3, 3), ([1, 4, 6], 3), ([5, 6], 5)])
    @pytest.mark.parametrize("kind", ["EarlyStopping", "ReduceLROnPlateau"])
    def test_patience_must_last_from_one_evaluation_to_the_next(self, held_out, kind, frequency, pause):
        from tfrec.callbacks import RankingMetrics, prepare

        metrics = RankingMetrics(held_out, frequency=frequency)
        make = getattr(tf.keras.callbacks, kind)
        with pytest.raises(ValueError, match=f"{kind} counts epochs.*a patience of at least {pause}"):
            prepare([metrics, monitored(make, patience=pause - 1)])
        prepare([metrics, monitored(make, patience=pause), make(monitor="loss", patience=1)])
        with pytest.raises(ValueError, match="counts epochs"):
            prepare(monitored(make, patience=pause - 1), [metrics])

    def test_early_stopping_between_evaluations(self, train, held_out):
        from tfrec.models import Popularity

        stopping = monitored(tf.keras.callbacks.EarlyStopping, patience=2)
        history = Popularity().fit(
            train, validation_data=held_out, validation_freq=2, epochs=9, callbacks=stopping, verbose=0
        )
        assert len(history.epoch) == 4  # the second evaluation is no better than the first

    def test_a_backup_in_the_middle_of_a_closed_form_is_refused(self, train, tmp_path):
        from tfrec.models import EASE

        backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path), save_freq=1)
        with pytest.raises(ValueError, match='save_freq="epoch"'):
            EASE().fit(train, callbacks=[backup], verbose=0)


class KilledError(Exception):
    pass


class TestResume:
    def test_a_killed_fit_ends_with_the_same_weights(self, small, train, fitted, fit, tmp_path, assert_same_weights):
        def fit_with_backup(model, *extra):
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
            model.adapt(train)
            return fit(model, model.training_data(train), callbacks=[backup, *extra])

        def kill(epoch, logs):
            if epoch == 1:
                raise KilledError

        with pytest.raises(KilledError):
            fit_with_backup(small(), tf.keras.callbacks.LambdaCallback(on_epoch_begin=kill))
        resumed = small()
        history = fit_with_backup(resumed)
        assert 1 <= len(history.epoch) <= 2  # a model may find that it is done
        assert_same_weights(fitted, resumed)

    def test_a_fit_after_one_that_was_backed_up(self, fitted_by_gradients, train, tmp_path):
        model = type(fitted_by_gradients)()
        model.fit(train, callbacks=[tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))], verbose=0)
        model.fit(train, verbose=0)
        for left, right in zip(model.weights, fitted_by_gradients.weights, strict=True):
            np.testing.assert_array_equal(left, right)

    def test_a_fit_killed_within_an_epoch_goes_on_at_its_step(self, fitted_by_gradients, train, tmp_path):
        """Three steps of five are done, of which a backup knows two."""

        def fit(model, *extra):
            backup = tf.keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=2)
            model.adapt(train)
            return model.fit(model.training_data(train), callbacks=[backup, *extra], verbose=0)

        def kill(batch, logs):
            if int(killed.epochs_done) == 1 and batch == 3:
                raise KilledError

        killed, resumed = type(fitted_by_gradients)(), type(fitted_by_gradients)()
        with pytest.raises(KilledError):
            fit(killed, tf.keras.callbacks.LambdaCallback(on_batch_end=kill))
        history = fit(resumed)
        assert len(history.epoch) == 2
        for left, right in zip(resumed.weights, fitted_by_gradients.weights, strict=True):
            np.testing.assert_array_equal(left, right)


class TestOrder:
    """The order of what is learned from by gradients."""

    def test_every_row_once_an_epoch_and_another_order_in_each(self, fitted_by_gradients, train):
        model = type(fitted_by_gradients)()
        model.adapt(train)
        batches = model.training_data(train)
        orders = []
        for epoch in range(2):
            model.epochs_done.assign(epoch)
            rows = np.concatenate([np.stack([users, items]).T for users, items, _ in batches.as_numpy_iterator()])
            assert len(np.unique(rows, axis=0)) == len(rows) == model.n_users * model.n_items
            orders.append(rows)
        assert (orders[0] != orders[1]).any()
        assert len(batches) == 5

    def test_what_is_left_of_an_epoch_comes_first(self, fitted_by_gradients, train):
        model = type(fitted_by_gradients)()
        model.adapt(train)
        whole = [users.tolist() for users, _, _ in model.training_data(train).as_numpy_iterator()]
        model.steps_done.assign(3)
        rest = [users.tolist() for users, _, _ in model.training_data(train).as_numpy_iterator()]
        assert rest == [*whole[3:], *whole[:3]]
