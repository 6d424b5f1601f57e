"""Shuffled batches to learn from by gradients, in an order that a killed and resumed fit takes up where it was."""

from collections.abc import Callable
from typing import Any

from tfrec._tf import Tensor, tf


def shuffled_batches(
    model: Any,
    n_rows: int,
    batch_size: int,
    select: Callable[[Tensor, Tensor, Tensor], Any],
    *,
    sizes: Tensor = None,
    window: int = 1,
) -> Any:
    """Every row once an epoch, in an order that depends on the model's seed and on the number of the epoch alone.

    `tf.data`'s own shuffling begins with its first order again in a new process, and its state is in no checkpoint of
    the model. Here the epoch and the step are the model's tracked variables, and the row at a place of an epoch is
    computed from them: a permutation by a block cipher (`tf.random.experimental.index_shuffle`), which needs no memory.

    Args:
        model: an adapted `Recommender`, whose `seed`, `epochs_done` and `steps_done` are read when an epoch begins.
        n_rows: how many rows there are.
        batch_size: how many come at a time; the last batch of an epoch may be smaller.
        select: makes a batch of row numbers, int64 [batch], and of the numbers of the epoch and the step, int64 [];
            traceable.
        sizes: how large each row is, int [n_rows], where rows of about the same size are to come together, so that less
            is padded. None: it doesn't matter.
        window: among the rows of how many batches they are looked for; the smaller batches of a window come first.

    Returns:
        A `tf.data.Dataset` of known length.
    """
    n_batches = -(-n_rows // batch_size)

    def rows_at(start: Tensor, stop: Tensor, epoch: Tensor) -> Tensor:
        places = tf.range(start, tf.minimum(stop, n_rows))
        seed = tf.stack([tf.constant(model.seed, tf.int64), epoch])
        return tf.random.experimental.index_shuffle(places, seed, tf.constant(n_rows - 1, tf.int64))

    def batch(step: Tensor, epoch: Tensor) -> Any:
        if sizes is None:
            rows = rows_at(step * batch_size, (step + 1) * batch_size, epoch)
        else:
            place = step % window
            first = (step - place) * batch_size
            rows = rows_at(first, first + window * batch_size, epoch)
            by_size = tf.argsort(tf.gather(sizes, rows), stable=True)
            rows = tf.gather(rows, by_size[place * batch_size : (place + 1) * batch_size])
        return select(rows, epoch, step)

    def epoch_of(_: Tensor) -> Any:
        epoch, first = model.epochs_done.read_value(), model.steps_done.read_value()
        # Keras takes only what is left of an epoch that a checkpoint was in the middle of; the steps that were done
        # stand at the end, so that the length is always the same.
        steps = tf.data.Dataset.range(first, n_batches).concatenate(tf.data.Dataset.range(first))
        return steps.map(lambda step: batch(step, epoch), num_parallel_calls=1, deterministic=True)

    dataset = tf.data.Dataset.range(1).flat_map(epoch_of)
    return dataset.apply(tf.data.experimental.assert_cardinality(n_batches)).prefetch(1)
