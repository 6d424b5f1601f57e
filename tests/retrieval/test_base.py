"""What every layer keeps, by an index that overlooks most of the candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec._tf import tf
from tfrec.retrieval import Retrieval

N = 30


class EveryThird(Retrieval):
    """Finds candidates 0, 3, 6, … only, unless it is told to be thorough."""

    def build_index(self, candidates):
        self.vectors = tf.Variable(candidates, trainable=False)

    def search(self, queries, k, *, thorough):
        scores = tf.matmul(queries, self.vectors, transpose_b=True)
        if not thorough:
            scores = tf.where(tf.range(self.n_candidates) % 3 == 0, scores, float("-inf"))
        values, positions = tf.math.top_k(scores, k)
        return tf.where(values > float("-inf"), positions, -1), values


@pytest.fixture(scope="module")
def candidates(clustered):
    return clustered(N, 4)


@pytest.fixture(scope="module")
def layer(candidates):
    return EveryThird().index(candidates)


@pytest.fixture(scope="module")
def compiled(layer):
    specs = [
        tf.TensorSpec([None, 4], tf.float32),
        tf.TensorSpec([None], tf.int32),
        tf.RaggedTensorSpec([None, None], tf.int32),
    ]
    return tf.function(layer.call, input_signature=specs, autograph=False)


class TestExclusion:
    @given(
        rows=st.lists(
            st.tuples(st.integers(-2, N + 3), st.lists(st.integers(-1, N + 2), max_size=2 * N)), min_size=1, max_size=4
        )
    )
    def test_nobody_gets_what_they_exclude_or_too_little(self, candidates, compiled, listed, rows):
        queries = candidates[: len(rows)]
        k, exclude = [row[0] for row in rows], [row[1] for row in rows]
        ranked = compiled(tf.constant(queries), tf.constant(k), tf.ragged.constant(exclude, tf.int32, ragged_rank=1))
        answers = listed(ranked)
        assert ranked.item.shape[1] == max(0, *k)
        for answer, wanted, excluded in zip(answers, k, exclude, strict=True):
            left = set(range(N)) - set(excluded)
            assert len(answer) == len(set(answer)) == min(max(wanted, 0), len(left))
            assert set(answer) <= left

    def test_rows_that_found_enough_stay_as_they_are(self, layer, candidates, listed):
        together = listed(layer(tf.constant(candidates[:2]), k=tf.constant([3, 20])))
        assert all(position % 3 == 0 for position in together[0])
        assert together[0] == listed(layer(tf.constant(candidates[:1]), k=3))[0]

    def test_rows_that_found_too_little_are_searched_whole(self, layer, candidates, listed, brute_force):
        assert listed(layer(tf.constant(candidates[:2]), k=20)) == brute_force(candidates, candidates[:2], 20)

    def test_no_query_at_all(self, layer):
        assert layer(tf.zeros([0, 4]), k=3).item.shape == (0, 0)


class TestInput:
    def test_before_index(self):
        with pytest.raises(ValueError, match=r"EveryThird layer has no candidates yet: call index\(candidates\)"):
            EveryThird()(tf.zeros([1, 4]), k=1)

    @pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
    def test_queries_of_another_shape(self, layer, shape):
        with pytest.raises(ValueError, match=r"queries must be \[batch, 4\], as the candidates are; got shape"):
            layer(tf.zeros(shape), k=1)

    @pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0), (2, 2, 2)])
    def test_candidates_of_no_matrix(self, shape):
        with pytest.raises(ValueError, match=r"candidates of shape \[n_candidates, dimension\]; got shape"):
            EveryThird().index(np.zeros(shape))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_candidates_that_are_no_numbers(self, bad):
        with pytest.raises(ValueError, match="finite numbers; got NaN or an infinity"):
            EveryThird().index([[0.0, bad]])

    def test_queries_that_are_no_numbers_are_reported(self, layer):
        assert not layer(tf.constant([[np.nan, 0, 0, 0]]), k=1).finite
