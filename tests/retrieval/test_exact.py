"""Exact retrieval beside scoring everything in numpy."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.retrieval import Exact, exact

EXCLUDE = [[3, 3, -1, 99], [], [0, 1, 2], [], [], list(range(49))]
K = [5, 4, 3, 2, -1, 60]


@pytest.fixture(scope="module")
def vectors(clustered):
    return clustered(50, 8), clustered(6, 8, seed=1)


def ask(layer, queries):
    return layer(tf.constant(queries), k=tf.constant(K), exclude=tf.ragged.constant(EXCLUDE, tf.int32))


def test_is_brute_force(vectors, brute_force, listed):
    candidates, queries = vectors
    ranked = ask(Exact().index(candidates), queries)
    assert listed(ranked) == brute_force(candidates, queries, K, EXCLUDE)
    assert ranked.item.shape == (6, 60)
    best = (queries @ candidates.T).max(axis=1)
    np.testing.assert_allclose(ranked.score[3, 0], best[3], rtol=1e-5)


def test_equal_scores_are_in_the_order_of_the_candidates():
    layer = Exact().index(np.ones((5, 2)))
    assert layer(tf.ones([1, 2]), k=3).item.numpy().tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_blocks_answer_what_one_matrix_answers(vectors, monkeypatch, precision):
    candidates, queries = vectors
    layer = Exact(precision=precision).index(candidates)
    whole = ask(layer, queries)
    monkeypatch.setattr(exact, "_SCORES", 2 * len(candidates))
    blocks = ask(layer, queries)
    np.testing.assert_array_equal(blocks.item, whole.item)
    np.testing.assert_allclose(blocks.score, whole.score, rtol=1e-6)
    assert tf.function(lambda: ask(layer, queries))().item.numpy().tolist() == whole.item.numpy().tolist()


@pytest.mark.parametrize(("precision", "error"), [("bfloat16", 2**-8), ("int8", 0.5 / 127)])
def test_lower_precision(vectors, precision, error):
    candidates, queries = vectors
    layer = Exact(precision=precision).index(candidates)
    kept = layer.rows(tf.range(50)).numpy()
    # Half a step of the last digit: of the number itself, or of the largest of its row.
    scale = np.abs(candidates) if precision == "bfloat16" else np.abs(candidates).max(axis=1, keepdims=True)
    assert (np.abs(kept - candidates) <= error * scale * 1.01).all()
    ranked = layer(tf.constant(queries), k=50)
    expected = np.take_along_axis(queries @ kept.T, ranked.item.numpy(), axis=1)
    np.testing.assert_allclose(ranked.score, expected, rtol=1e-4, atol=1e-5)


def test_int8_of_nothing_but_zeros():
    layer = Exact(precision="int8").index(np.zeros((3, 2)))
    assert layer(tf.ones([1, 2]), k=3).score.numpy().tolist() == [[0, 0, 0]]


def test_only_full_precision_is_exact():
    assert Exact().is_exact
    assert not Exact(precision="bfloat16").is_exact


def test_refuses_another_precision():
    with pytest.raises(ValueError, match="precision must be one of"):
        Exact(precision="float16")  # type: ignore[arg-type]


def test_index_again_forgets_what_was(vectors, brute_force, listed):
    candidates, queries = vectors
    layer = Exact().index(candidates).index(candidates[:7])
    assert listed(layer(tf.constant(queries), k=9)) == brute_force(candidates[:7], queries, 7)
