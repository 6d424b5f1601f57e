"""Popularity: counts, weights and decay against sums in plain numpy."""

from dataclasses import replace

import numpy as np
import pytest

import tfrec
from tfrec.data import DataError, Interactions
from tfrec.models import Popularity

DAY = 86_400


def interactions(rows: list[tuple], **columns) -> Interactions:
    """Interactions of (user, item) rows, with further columns."""
    user, item = np.array(rows).T
    return Interactions(
        user=user,
        item=item,
        user_ids=np.array(["a", "b", "c"], dtype=object),
        item_ids=np.array(["x", "y", "z"], dtype=object),
        **columns,
    )


def fitted(data: Interactions, **arguments) -> Popularity:
    model = Popularity(**arguments)
    model.fit(data, verbose=0)
    return model


PAIRS = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]


class TestCounts:
    def test_are_of_users(self):
        assert fitted(interactions(PAIRS)).popularity.numpy().tolist() == [3, 2, 0]

    def test_a_repeated_pair_counts_once(self):
        assert fitted(interactions([*PAIRS, (0, 1), (0, 1)])).popularity.numpy().tolist() == [3, 2, 0]

    def test_loss_is_the_entropy_of_the_catalogue(self, train):
        counts = np.bincount(train.item, minlength=train.n_items)
        share = counts[counts > 0] / counts.sum()
        model = Popularity()
        loss = model.fit(train, verbose=0).history["loss"][0]
        assert loss == pytest.approx(-np.sum(share * np.log(share)), rel=1e-5)
        assert model.evaluate(model.training_data(train), verbose=0) == pytest.approx(loss, rel=1e-5)

    def test_its_mean_over_batches_is_that_over_interactions(self, train, monkeypatch):
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 3)
        model = Popularity()
        loss = model.fit(train, verbose=0).history["loss"][0]
        assert len(model.training_data(train)) > 10
        assert model.evaluate(model.training_data(train), verbose=0) == pytest.approx(loss, rel=1e-5)


class TestWeights:
    def test_are_summed_without_a_warning(self, recwarn):
        model = fitted(interactions(PAIRS, weight=[1, 0.5, 2, 0, 0.25]))
        assert model.popularity.numpy().tolist() == [3, 0.75, 0]
        assert not [warning for warning in recwarn if "weights" in str(warning.message)]

    def test_of_a_repeated_pair_are_summed(self):
        model = fitted(interactions([*PAIRS, (0, 1)], weight=[1, 0.5, 2, 0, 0.25, 4]))
        assert model.popularity.numpy().tolist() == [3, 4.75, 0]

    def test_of_one_change_nothing(self, train):
        ones = replace(train, weight=np.ones(len(train), np.float32))
        np.testing.assert_array_equal(fitted(ones).popularity, fitted(train).popularity)

    def test_do_not_depend_on_the_batches(self, train, monkeypatch):
        weighted = replace(train, weight=np.random.default_rng(0).random(len(train)).astype(np.float32))
        one = fitted(weighted)
        monkeypatch.setattr("tfrec.closed_form._DENSE_BYTES", 4 * train.n_items * 7)
        np.testing.assert_allclose(fitted(weighted).popularity, one.popularity, rtol=1e-6)
        expected = np.bincount(train.item, weighted.weight, minlength=train.n_items)
        np.testing.assert_allclose(one.popularity, expected, rtol=1e-6)

    def test_loss_is_that_of_the_weighted_interactions(self, train):
        weight = np.random.default_rng(1).random(len(train)).astype(np.float32) / 10
        weighted = replace(train, weight=weight)
        model = Popularity()
        loss = model.fit(weighted, verbose=0).history["loss"][0]
        popularity = np.bincount(train.item, weight, minlength=train.n_items)
        expected = -np.sum(weight * np.log(popularity[train.item] / weight.sum())) / weight.sum()
        assert loss == pytest.approx(expected, rel=1e-5)
        assert model.evaluate(model.training_data(weighted), verbose=0) == pytest.approx(loss, rel=1e-5)

    def test_rank_for_unknown_people_too(self):
        model = fitted(interactions(PAIRS, weight=[1, 5, 1, 1, 5]))
        for answer in (model.recommend(["a", "stranger"], exclude_seen=False), model.recommend_from_history([[]])):
            assert all(row[:2].tolist() == ["y", "x"] for row in answer.item_id)

    def test_all_zero_are_an_error_that_costs_no_model(self, train):
        model = fitted(train)
        with pytest.raises(DataError, match=r"every weight of .* is zero"):
            model.fit(replace(train, weight=np.zeros(len(train), np.float32)))
        np.testing.assert_array_equal(model.popularity, fitted(train).popularity)

    def test_a_loaded_model_learns_them_again(self, train, tmp_path):
        weighted = replace(train, weight=np.random.default_rng(2).random(len(train)).astype(np.float32))
        model = fitted(weighted)
        model.save(tmp_path / "model")
        again = tfrec.load(tmp_path / "model")
        again.compile()
        again.fit(again.training_data(weighted), verbose=0)
        np.testing.assert_array_equal(again.popularity, model.popularity)


class TestDecay:
    TIMES = (np.array([0, 10, 20, 30, 30]) * DAY).tolist()

    def test_halves_what_is_a_half_life_older_than_the_last_interaction(self):
        model = fitted(interactions(PAIRS, timestamp=self.TIMES), half_life=10.0)
        assert model.popularity.numpy().tolist() == [1 / 8 + 1 / 2 + 1, 1 / 4 + 1, 0]

    def test_goes_with_weights(self):
        data = interactions(PAIRS, timestamp=self.TIMES, weight=[8, 4, 2, 1, 0])
        assert fitted(data, half_life=10.0).popularity.numpy().tolist() == [3, 1, 0]

    @pytest.mark.parametrize("order", [[0, 1], [1, 0]])
    def test_of_a_repeated_pair_is_that_of_its_last_time(self, order):
        pairs, days = [(0, 0), (0, 0)], np.array([0, 20])
        data = interactions([*(pairs[i] for i in order), (1, 1)], timestamp=np.append(days[order], 30) * DAY)
        assert fitted(data, half_life=10.0).popularity.numpy().tolist() == [0.5, 1, 0]

    def test_of_a_repeated_pair_with_weights_is_that_of_each(self):
        data = interactions([(0, 0), (0, 0), (1, 1)], timestamp=np.array([0, 20, 30]) * DAY, weight=[8, 1, 1])
        assert fitted(data, half_life=10.0).popularity.numpy().tolist() == [1.5, 1, 0]

    def test_a_very_long_half_life_is_none(self, train):
        np.testing.assert_allclose(fitted(train, half_life=1e9).popularity, fitted(train).popularity, rtol=1e-6)

    def test_a_very_short_half_life_keeps_the_last_interaction(self, train):
        model = fitted(train, half_life=1e-9)
        assert model.popularity.numpy().nonzero()[0].tolist() == [train.item[np.argmax(train.timestamp)]]

    def test_needs_times(self):
        model = fitted(interactions(PAIRS))
        model.half_life = 10.0
        with pytest.raises(DataError, match=r"half_life=10\) needs to know when.*no timestamps"):
            model.fit(interactions(PAIRS))
        assert model.popularity.numpy().tolist() == [3, 2, 0]

    @pytest.mark.parametrize(
        ("half_life", "error"), [(0, ValueError), (-1.0, ValueError), (float("inf"), ValueError), ("30", TypeError)]
    )
    def test_bad_half_life(self, half_life, error):
        with pytest.raises(error, match="half_life must be a"):
            Popularity(half_life=half_life)
