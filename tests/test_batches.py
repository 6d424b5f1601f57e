"""The order of shuffled batches, with rows of about the same size together or not."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.batches import shuffled_batches

N_ROWS = 103
SIZES = np.random.default_rng(0).integers(1, 60, N_ROWS)
BY_SIZE = [{}, {"sizes": tf.constant(SIZES), "window": 4}]
either = pytest.mark.parametrize("by_size", BY_SIZE, ids=["any order", "by size"])


def batches(*, seed=0, epoch=0, first=0, batch_size=10, **by_size):
    """The batches of one epoch, as what `select` was given: rows, epoch and step."""
    model = SimpleNamespace(
        seed=seed, epochs_done=tf.Variable(epoch, dtype=tf.int64), steps_done=tf.Variable(first, dtype=tf.int64)
    )
    found = shuffled_batches(model, N_ROWS, batch_size, lambda *what: what, **by_size)
    assert len(found) == -(-N_ROWS // batch_size)
    return [(rows.tolist(), int(epoch), int(step)) for rows, epoch, step in found.as_numpy_iterator()]


def joined(made):
    return [row for rows, _, _ in made for row in rows]


@either
@pytest.mark.parametrize("batch_size", [1, 10, 102, 103, 500])
def test_every_row_once(by_size, batch_size):
    made = batches(batch_size=batch_size, **by_size)
    assert sorted(joined(made)) == list(range(N_ROWS))
    assert [len(rows) for rows, _, _ in made[:-1]] == [batch_size] * (len(made) - 1)
    assert [step for _, _, step in made] == list(range(len(made)))


@either
def test_the_order_follows_from_seed_and_epoch(by_size):
    one = batches(seed=3, epoch=5, **by_size)
    assert one == batches(seed=3, epoch=5, **by_size)
    assert {epoch for _, epoch, _ in one} == {5}
    rows = [rows for rows, _, _ in one]
    for other in (batches(seed=4, epoch=5, **by_size), batches(seed=3, epoch=6, **by_size)):
        assert [rows for rows, _, _ in other] != rows


@either
@pytest.mark.parametrize("first", [3, 4, 9])
def test_what_is_left_of_an_epoch_comes_first(by_size, first):
    """Also in the middle of a window, whose rows are then sorted again."""
    whole = batches(**by_size)
    assert batches(first=first, **by_size) == whole[first:] + whole[:first]


class TestBySize:
    @pytest.mark.parametrize("window", [1, 3, 4, 11, 20])
    def test_a_window_has_the_rows_of_its_places_in_order_of_size(self, window):
        made, shuffled = batches(sizes=tf.constant(SIZES), window=window), batches()
        for start in range(0, len(made), window):
            rows = joined(made[start : start + window])
            assert sorted(rows) == sorted(joined(shuffled[start : start + window]))
            assert SIZES[rows].tolist() == sorted(SIZES[rows])

    def test_less_is_padded(self):
        def padded(**by_size):
            return sum(len(rows) * SIZES[rows].max() for rows, _, _ in batches(**by_size)) / SIZES.sum()

        assert padded(sizes=tf.constant(SIZES), window=11) < 1.2
        assert padded() > 1.5

    def test_rows_of_one_size_keep_their_order(self):
        made = batches(sizes=tf.ones([N_ROWS], tf.int32), window=4)
        assert made == batches()
