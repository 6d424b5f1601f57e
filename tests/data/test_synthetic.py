# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import random_split, synthetic


@given(st.data())
@settings(max_examples=30)
def test_sizes_are_exact_and_pairs_distinct(data):
    n_users, n_items = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 30))
    n = data.draw(st.integers(n_users, n_users * n_items))
    made = synthetic(n_users, n_items, n, seed=data.draw(st.integers(0, 99)))
    assert (made.n_users, made.n_items, len(made)) == (n_users, n_items, n)
    assert made.to_csr().nnz == n
    assert set(made.user.tolist()) == set(range(n_users))
    assert set(made.rating.tolist()) <= {1, 2, 3, 4, 5}
    assert (np.diff(made.timestamp) >= 0).all()


def test_ids_and_titles():
    made = synthetic(5, 8, 20)
    assert made.user_ids.tolist() == ["1", "2", "3", "4", "5"]
    assert made.item_titles[made.item_ids == "7"].tolist() == ["Item 7"]


def test_the_seed_decides():
    first, again, other = (synthetic(20, 30, 200, seed=seed).fingerprint() for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("sizes", [(0, 5, 5), (5, 0, 5), (5, 5, 4), (5, 5, 26), (10**6, 10**6, 10**7)])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match="synthetic: expected"):
        synthetic(*sizes)


def ndcg(scores, train, test):
    """nDCG@10 over the users with test items, training items left out."""
    scores = np.where(train > 0, -np.inf, scores)
    hits = np.take_along_axis(test, np.argsort(-scores, axis=1)[:, :10], axis=1)
    discounts = 1 / np.log2(np.arange(2, 12))
    ideal = np.append(0, np.cumsum(discounts))[np.minimum(test.sum(axis=1), 10).astype(int)]
    tested = ideal > 0
    return ((hits @ discounts)[tested] / ideal[tested]).mean()


def test_there_is_taste_to_learn_beyond_popularity():
    parts = random_split(synthetic(400, 500, 20_000))
    train, test = (part.to_csr().toarray() for part in parts)
    gram = (train.T @ train).astype(np.float64)
    inverse = np.linalg.inv(gram + 100 * np.eye(len(gram)))
    item_item = -inverse / inverse.diagonal()
    np.fill_diagonal(item_item, 0)
    popularity = ndcg(np.broadcast_to(gram.diagonal(), train.shape), train, test)
    assert popularity > 3 * ndcg(np.random.default_rng(0).random(train.shape), train, test)
    assert ndcg(train @ item_item, train, test) > 1.3 * popularity


def test_ratings_carry_biases_and_taste():
    made = synthetic()
    assert 3 < made.rating.mean() < 4

    def without_means(values, groups, n_groups):
        counts = np.maximum(np.bincount(groups, minlength=n_groups), 1)
        return values - (np.bincount(groups, values, n_groups) / counts)[groups]

    def strength(values):
        """How much of a matrix with these entries eight dimensions explain."""
        matrix = np.zeros((made.n_users, made.n_items))
        matrix[made.user, made.item] = values
        return np.linalg.eigvalsh(matrix @ matrix.T)[-8:].sum()

    centred = made.rating - made.rating.mean()
    unbiased = without_means(without_means(centred, made.item, made.n_items), made.user, made.n_users)
    assert unbiased.var() < 0.85 * centred.var()
    assert strength(unbiased) > 1.2 * strength(np.random.default_rng(0).permutation(unbiased))


def test_popularity_has_a_long_tail():
    counts = np.sort(np.bincount(synthetic().item))[::-1]
    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()
