# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data import random_split, synthetic

YEAR = (1_577_836_800, 1_577_836_800 + 365 * 86_400)


@given(st.data())
@settings(max_examples=40)
def test_sizes_are_exact_and_pairs_distinct(data):
    n_users, n_items = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 30))
    n = data.draw(st.integers(n_users, n_users * n_items))
    options = {name: data.draw(st.floats(0, 1)) for name in ("drift", "noise", "rating_noise")}
    options |= {name: data.draw(st.floats(0, 3)) for name in ("user_exponent", "item_exponent")}
    options |= {"markov": data.draw(st.floats(0, 0.99)), "n_tastes": data.draw(st.integers(1, 9))}
    made = synthetic(n_users, n_items, n, seed=data.draw(st.integers(0, 99)), **options)
    assert (made.n_users, made.n_items, len(made)) == (n_users, n_items, n)
    assert made.to_csr().nnz == n
    assert set(made.user.tolist()) == set(range(n_users))
    assert set(made.rating.tolist()) <= {1, 2, 3, 4, 5}
    assert (np.diff(made.timestamp) >= 0).all()
    assert YEAR[0] <= made.timestamp[0] <= made.timestamp[-1] < YEAR[1]


def test_ids_and_titles():
    made = synthetic(5, 8, 20)
    assert made.user_ids.tolist() == ["1", "2", "3", "4", "5"]
    assert made.item_titles[made.item_ids == "7"].tolist() == ["Item 7"]


def test_the_seed_decides():
    first, again, other = (synthetic(20, 30, 200, seed=seed).fingerprint() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_same_data_on_every_machine():
    # A change of this value makes figures measured on synthetic data incomparable: say so in the changelog.
    assert (
        synthetic(40, 60, 800, seed=3).fingerprint()
        == "adc73e77402b70848f1e0e98a019687545351eab923bb574ea520ced23c17f00"
    )


@pytest.mark.parametrize("sizes", [(5, 5, 4), (5, 5, 26), (2**31, 5, 2**31), (10, 2**40, 100)])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match="synthetic: expected"):
        synthetic(*sizes)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_users": 0}, ValueError, "n_users must be an integer of at least 1; got 0"),
        ({"n_items": 0}, ValueError, "n_items must be"),
        ({"n_items": 2.0}, TypeError, "n_items must be an integer of at least 1; got 2.0, a float"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0; got -1"),
        ({"seed": None}, TypeError, "seed must be"),
        ({"n_tastes": 0}, ValueError, "n_tastes must be"),
        ({"drift": 1.5}, ValueError, "drift must be a number from 0 to 1; got 1.5"),
        ({"noise": -0.1}, ValueError, "noise must be a number from 0 to 1"),
        ({"noise": float("nan")}, ValueError, "noise must be a number from 0 to 1; got nan"),
        ({"noise": True}, TypeError, "noise must be a number from 0 to 1; got True, a bool"),
        ({"noise": "0.1"}, TypeError, "noise must be a number"),
        ({"markov": 1.0}, ValueError, "markov must be a number from 0 up to but not including 1; got 1.0"),
        ({"item_exponent": 4}, ValueError, "item_exponent must be a number from 0 to 3"),
        ({"user_exponent": -1}, ValueError, "user_exponent must be a number from 0 to 3"),
        ({"rating_noise": -1}, ValueError, "rating_noise must be a number"),
        ({"markow": 0.1}, TypeError, "unexpected keyword argument 'markow'"),
    ],
)
def test_arguments_out_of_range(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic(**arguments)


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
    made = synthetic(400, 600, 30_000)
    assert 3 < made.rating.mean() < 4

    def without_means(values, groups, n_groups):
        counts = np.maximum(np.bincount(groups, minlength=n_groups), 1)
        return values - (np.bincount(groups, values, n_groups) / counts)[groups]

    def strength(values):
        """How much of a matrix with these entries twelve dimensions explain."""
        matrix = np.zeros((made.n_users, made.n_items))
        matrix[made.user, made.item] = values
        return np.linalg.eigvalsh(matrix @ matrix.T)[-12:].sum()

    centred = made.rating - made.rating.mean()
    unbiased = without_means(without_means(centred, made.item, made.n_items), made.user, made.n_users)
    assert unbiased.var() < 0.85 * centred.var()
    assert strength(unbiased) > 1.2 * strength(np.random.default_rng(0).permutation(unbiased))


def slope(counts, first, last):
    """The exponent of a power law of rank: least squares of log count on log rank, between two ranks."""
    ranks = np.arange(first, last)
    return -np.polyfit(np.log(ranks), np.log(np.sort(counts)[::-1][first - 1 : last - 1]), 1)[0]


@pytest.mark.parametrize(("user_exponent", "item_exponent"), [(0.3, 1.0), (0.6, 0.6)])
def test_activity_and_popularity_are_power_laws(user_exponent, item_exponent):
    made = synthetic(
        4_000, 20_000, 200_000, user_exponent=user_exponent, item_exponent=item_exponent, drift=0, noise=0.2
    )
    # The busiest users near the whole catalogue, and the smallest counts are rounded; popular items can't be repeated.
    assert slope(np.bincount(made.user), 50, 4_000) == pytest.approx(user_exponent, abs=0.05)
    assert slope(np.bincount(made.item, minlength=20_000), 30, 1_000) == pytest.approx(item_exponent, abs=0.1)


def test_popularity_has_a_long_tail():
    counts = np.sort(np.bincount(synthetic().item))[::-1]
    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()


def correlation_of_popularity(made):
    """Between the items' popularity in the first and in the last quarter of the rows."""
    quarter = len(made) // 4
    early, late = (np.bincount(items, minlength=made.n_items) for items in (made.item[:quarter], made.item[-quarter:]))
    return np.corrcoef(early, late)[0, 1]


def test_drift_changes_what_is_popular():
    still, drifting, fast = (
        correlation_of_popularity(synthetic(2_000, 1_000, 60_000, drift=drift)) for drift in (0, 0.5, 1)
    )
    assert still > 0.9
    assert fast < drifting - 0.05 < still - 0.1


def repeated_bigrams(made):
    """The share of transitions (an item and the next one) that another user has made, too."""
    sequences = made.sequences()
    bigrams = []
    for user in range(len(sequences)):
        items = sequences[user].astype(np.int64)
        bigrams.append(items[:-1] * made.n_items + items[1:])
    _, counts = np.unique(np.concatenate(bigrams), return_counts=True)
    return counts[counts > 1].sum() / counts.sum()


def test_markov_structure_repeats_transitions():
    without, weak, strong = (
        repeated_bigrams(synthetic(1_000, 5_000, 20_000, item_exponent=0.4, markov=markov)) for markov in (0, 0.2, 0.6)
    )
    assert weak > 1.5 * without
    assert strong > 1.5 * weak
