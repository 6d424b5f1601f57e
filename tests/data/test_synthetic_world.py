"""What is known of a synthetic world is true: its probabilities, its best ranking, its best ratings."""

# mypy: no-check-untyped-defs
import math

import numpy as np
import pytest
from scipy import stats

from tfrec.data import DataError, Interactions, random_split, synthetic, synthetic_world

FIRST_SECOND, SECONDS = 1_577_836_800, 365 * 86_400


def transitions(data):
    """Row, previous item (-1 for none) and the items that the user had before, for every row in the order of time."""
    had = {user: [] for user in range(data.n_users)}
    for row, (user, item) in enumerate(zip(data.user.tolist(), data.item.tolist(), strict=True)):
        before = had[user]
        yield row, before[-1] if before else -1, list(before)
        before.append(item)


def positions(data, scores, seen):
    """Where in its distribution, likeliest item first, each item fell.

    They are uniform if the items are drawn by these scores, and pile up where they are not.
    """
    chances = np.where(seen, 0.0, scores.astype(np.float64))
    chances /= chances.sum(axis=1, keepdims=True)
    each = np.arange(len(data))
    order = np.argsort(-chances, axis=1)
    place = np.argsort(order, axis=1)[each, data.item]
    chance = chances[each, data.item]
    assert (chance > 0).all()
    reached = np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1)[each, place]
    return reached - chance * np.random.default_rng(7).random(len(data))


def uniform(values):
    """The probability of values as uneven as these, or more so."""
    return stats.kstest(values, "uniform").pvalue


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"drift": 0.9, "markov": 0.0, "noise": 0.0},
        {"drift": 0.0, "markov": 0.7, "noise": 0.1},
        {"drift": 0.8, "markov": 0.4, "noise": 0.1, "n_tastes": 4, "item_exponent": 1.2},
    ],
)
@pytest.mark.parametrize("sizes", [(600, 50, 6_000), (40, 60, 2_000)])  # few of the items, and most of them
def test_items_are_drawn_by_the_stated_probabilities(sizes, options):
    world = synthetic_world(*sizes, seed=11, **options)
    data = world.interactions
    previous, seen = np.empty(len(data), int), np.zeros((len(data), data.n_items), bool)
    for row, before, had in transitions(data):
        previous[row] = before
        seen[row, had] = True
    exact = world.best_ranking.next_scores(data.user, previous, data.timestamp)
    assert uniform(positions(data, exact, seen)) > 1e-3
    # The test is sharp enough to see what is left out:
    others = world.best_ranking.next_scores((data.user + 1) % data.n_users, previous, data.timestamp)
    assert uniform(positions(data, others, seen)) < 1e-6
    if options.get("markov", 0) > 0.3:
        without_previous = world.best_ranking.next_scores(data.user, np.full(len(data), -1), data.timestamp)
        assert uniform(positions(data, without_previous, seen)) < 1e-6
    if options.get("drift", 0) > 0.3:
        in_the_beginning = world.best_ranking.next_scores(data.user, previous, np.full(len(data), FIRST_SECOND))
        assert uniform(positions(data, in_the_beginning, seen)) < 1e-6


def stated(choice, user, late, previous):
    """P(i | u, τ, j) as the docstring of `synthetic_world` has it, item by item."""
    chances = np.zeros(choice.n_items)
    weights = np.array([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 7, 1 / 8])
    weights /= weights.sum()
    markov = choice.markov if previous >= 0 else 0
    for item in range(choice.n_items):
        popularity = (1 - late) * choice.tables[0, 0, item] + late * choice.tables[1, 0, item]
        taste = 0.0
        for number in range(choice.n_tastes):
            for state, share in ((0, 1 - late), (1, late)):
                taste += share * choice.mixtures[state, user, number] * choice.tables[state, 1 + number, item]
        follows = sum(weights[choice.successors[previous] == item]) if previous >= 0 else 0
        chances[item] = choice.noise * popularity + (1 - choice.noise) * (markov * follows + (1 - markov) * taste)
    return chances


@pytest.mark.parametrize("previous", [-1, 0, 17])
def test_scores_are_the_stated_formula(previous):
    world = synthetic_world(8, 20, 60, drift=0.8, markov=0.3, noise=0.25, n_tastes=3)
    time = FIRST_SECOND + SECONDS // 2
    users = np.arange(8)
    scores = world.best_ranking.next_scores(users, np.full(8, previous), np.full(8, time))
    expected = [stated(world.best_ranking._choice, user, 0.4, previous) for user in users]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_the_latent_state_is_as_stated():
    choice = synthetic_world(3_000, 400, 3_000, n_tastes=5, item_exponent=1.2).best_ranking._choice
    for state in (0, 1):
        popularity = choice.tables[state, 0]
        law = np.arange(1, 401) ** -1.2
        np.testing.assert_allclose(np.sort(popularity)[::-1], law / law.sum())
        # An average user takes items in proportion to their popularity, whatever the tastes.
        average = choice.mixtures[state].mean(axis=0) @ choice.tables[state, 1:]
        assert np.abs(average - popularity).sum() < 0.05
        np.testing.assert_allclose(choice.mixtures[state].sum(axis=1), 1, rtol=1e-5)
        shares = popularity @ choice.membership
        np.testing.assert_allclose(choice.tables[state, 1:] * shares[:, None], popularity * choice.membership.T)
    assert np.corrcoef(choice.tables[0, 0], choice.tables[1, 0])[0, 1] < 0.5


def test_scores_without_a_time_are_the_mean_over_the_users_interactions():
    world = synthetic_world(30, 40, 300, drift=1)
    data = world.interactions
    mean = [
        world.best_ranking.scores(np.full(len(times), user), times).mean(axis=0)
        for user in range(30)
        if len(times := data.timestamp[data.user == user])
    ]
    np.testing.assert_allclose(world.best_ranking.scores(np.arange(30)), mean, atol=1e-6)


def ndcg(scores, train, test, k=10):
    scores = np.where(train > 0, -np.inf, scores)
    hits = np.take_along_axis(test, np.argsort(-scores, axis=1)[:, :k], axis=1)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0, np.cumsum(discounts))[np.minimum(test.sum(axis=1), k).astype(int)]
    tested = ideal > 0
    return ((hits @ discounts)[tested] / ideal[tested]).mean()


def ease(train, l2=200.0):
    gram = (train.T @ train).astype(np.float64)
    inverse = np.linalg.inv(gram + l2 * np.eye(len(gram)))
    item_item = -inverse / inverse.diagonal()
    np.fill_diagonal(item_item, 0)
    return train @ item_item


def held_out(world, seed=0):
    return (part.to_csr().toarray() for part in random_split(world.interactions, seed=seed))


@pytest.mark.parametrize("options", [{}, {"drift": 0, "markov": 0}, {"drift": 0, "markov": 0, "noise": 0.3}])
def test_the_best_ranking_beats_a_good_model_and_that_beats_popularity(options):
    world = synthetic_world(800, 600, 40_000, **options)
    train, test = held_out(world)
    best = ndcg(world.best_ranking.scores(np.arange(800)), train, test)
    good = ndcg(ease(train), train, test)
    popularity = ndcg(np.broadcast_to(train.sum(axis=0), train.shape), train, test)
    chance = ndcg(np.random.default_rng(0).random(train.shape), train, test)
    assert best > 1.05 * good > 1.05 * 1.1 * popularity > 3 * chance


def test_of_pure_noise_popularity_is_the_best_that_can_be_said():
    world = synthetic_world(800, 600, 40_000, noise=1, drift=0)
    scores = world.best_ranking.scores(np.arange(800))
    assert (scores == scores[0]).all()
    train, test = held_out(world)
    best, good = ndcg(scores, train, test), ndcg(ease(train), train, test)
    popularity = ndcg(np.broadcast_to(train.sum(axis=0), train.shape), train, test)
    assert popularity == pytest.approx(best, rel=0.05)
    assert good < popularity


def test_with_markov_structure_the_item_before_tells_more():
    world = synthetic_world(2_000, 800, 40_000, markov=0.5)
    data = world.interactions
    last = np.zeros(len(data), bool)
    last[np.unique(data.user[::-1], return_index=True)[1]] = True
    last = last[::-1]
    train, test = data.select(~last), data.select(last)
    seen, wanted = train.to_csr().toarray(), np.zeros((2_000, 800))
    wanted[test.user, test.item] = 1
    sequences = train.sequences()
    previous = np.array([sequences[user][-1] if len(sequences[user]) else -1 for user in test.user])
    users = test.user
    exact = ndcg(world.best_ranking.next_scores(users, previous, test.timestamp), seen[users], wanted[users])
    taste_only = ndcg(world.best_ranking.scores(users, test.timestamp), seen[users], wanted[users])
    popularity = ndcg(np.broadcast_to(seen.sum(axis=0), seen.shape)[users], seen[users], wanted[users])
    assert exact > 1.3 * taste_only > 1.3 * popularity


@pytest.mark.parametrize("rating_noise", [0.2, 0.6, 1.5, 8.0])
def test_the_best_rmse_is_reached_by_the_best_ratings_and_by_nothing_else(rating_noise):
    world = synthetic_world(500, 400, 30_000, rating_noise=rating_noise)
    data = world.interactions
    predicted = world.best_ratings.predict(data.user, data.item, data.timestamp)
    errors = (predicted - data.rating) ** 2
    deviation = errors.std() / np.sqrt(len(data))
    assert abs(errors.mean() - world.best_rmse**2) < 4 * deviation
    # Nor can it be predicted what is left: unbiased overall and among low, middle and high predictions.
    for part in np.array_split(np.argsort(predicted), 5):
        left = (data.rating - predicted)[part]
        assert abs(left.mean()) < 4.5 * left.std() / np.sqrt(len(part))
    for change in (0.05, -0.05):
        assert np.mean((predicted + change - data.rating) ** 2) > errors.mean()
    assert np.std(data.rating) > world.best_rmse


def test_expected_ratings_and_rmse_are_those_of_many_worlds():
    """Redraw the opinions of some rows many times, and compare with what is stated."""
    world = synthetic_world(20, 30, 200, rating_noise=0.8)
    data = world.interactions
    means = world.best_ratings._opinions.means(data.user, data.item, data.timestamp)
    opinions = means + 0.8 * np.random.default_rng(0).standard_normal((20_000, len(data)))
    ratings = np.clip(np.rint(opinions), 1, 5)
    predicted = world.best_ratings.predict(data.user, data.item, data.timestamp)
    np.testing.assert_allclose(predicted, ratings.mean(axis=0), atol=0.03)
    assert world.best_rmse == pytest.approx(np.sqrt(ratings.var(axis=0).mean()), rel=0.005)
    part = data.select(np.arange(50))
    assert world.best_ratings.rmse(part) == pytest.approx(np.sqrt(ratings.var(axis=0)[:50].mean()), rel=0.01)


def test_opinions_are_the_stated_formula():
    world = synthetic_world(20, 30, 200, drift=0.6, n_tastes=4)
    opinions, data = world.best_ratings._opinions, world.interactions
    for row in range(0, 200, 17):
        user, item = data.user[row], data.item[row]
        late = 0.6 * (data.timestamp[row] - FIRST_SECOND) / SECONDS
        tastes = (1 - late) * opinions.choice.mixtures[0, user] + late * opinions.choice.mixtures[1, user]
        expected = 3.1 + opinions.user_bias[user] + opinions.item_bias[item] + tastes @ opinions.appeal[:, item]
        assert opinions.means(data.user[[row]], data.item[[row]], data.timestamp[[row]])[0] == pytest.approx(expected)


def test_without_rating_noise_ratings_are_certain():
    world = synthetic_world(50, 40, 500, rating_noise=0)
    data = world.interactions
    assert world.best_rmse == 0
    np.testing.assert_array_equal(world.best_ratings.predict(data.user, data.item, data.timestamp), data.rating)


def test_biases_can_be_recovered():
    world = synthetic_world(1_000, 400, 60_000)
    data, opinions = world.interactions, world.best_ratings._opinions
    rows = np.flatnonzero((np.bincount(data.user) >= 30)[data.user] & (np.bincount(data.item) >= 30)[data.item])
    user, item, left = data.user[rows], data.item[rows], data.rating[rows].astype(float)
    user_bias, item_bias = np.zeros(1_000), np.zeros(400)
    for _ in range(10):  # alternating means
        user_bias = np.bincount(user, left - item_bias[item], 1_000) / np.maximum(np.bincount(user, minlength=1_000), 1)
        item_bias = np.bincount(item, left - user_bias[user], 400) / np.maximum(np.bincount(item, minlength=400), 1)
    for found, true, there in ((user_bias, opinions.user_bias, user), (item_bias, opinions.item_bias, item)):
        assert np.corrcoef(found[np.unique(there)], true[np.unique(there)])[0, 1] > 0.7


def test_the_world_holds_what_synthetic_gives():
    world = synthetic_world(20, 30, 100, seed=4, noise=0.3)
    assert world.interactions.fingerprint() == synthetic(20, 30, 100, seed=4, noise=0.3).fingerprint()
    other = synthetic(20, 30, 100, seed=4, noise=0.3, rating_noise=2)
    np.testing.assert_array_equal(other.item, world.interactions.item)  # a part of the world has a stream of its own


@pytest.mark.parametrize(
    ("users", "previous", "times", "message"),
    [
        ([20], [0], [FIRST_SECOND], "users: expected indices into the vocabulary, 0 … 19, got 20"),
        ([0.5], [0], [FIRST_SECOND], "users: expected whole numbers"),
        ([0], [30], [FIRST_SECOND], "previous: .* got 30"),
        ([0], [-2], [FIRST_SECOND], "previous: .* got -2"),
        ([0], [1, 2], [FIRST_SECOND], "previous: expected 1 values"),
        ([0], [1], [0], "timestamps: expected Unix seconds of the world's year"),
        ([0, 1], [1, 1], [FIRST_SECOND], "timestamp: expected 2 values"),
    ],
)
def test_bad_input_to_the_best_ranking(users, previous, times, message):
    ranking = synthetic_world(20, 30, 100).best_ranking
    with pytest.raises(DataError, match=message):
        ranking.next_scores(np.array(users), np.array(previous), np.array(times))


def test_rmse_needs_rows_with_times():
    world = synthetic_world(20, 30, 100)
    with pytest.raises(ValueError, match="rmse: expected rows with times, got Interactions"):
        world.best_ratings.rmse(world.interactions.select([]))


@pytest.mark.parametrize(
    ("users", "items", "times", "message"),
    [
        ([-1], [0], [FIRST_SECOND], "users: .* got -1"),
        ([20], [0], [FIRST_SECOND], "users: expected indices into the vocabulary, 0 … 19, got 20"),
        ([0], [-1], [FIRST_SECOND], "items: .* got -1"),
        ([0], [30], [FIRST_SECOND], "items: .* got 30"),
        ([0], [1, 2], [FIRST_SECOND], "items: expected 1 values"),
        ([0], [1], [0], "timestamps: expected Unix seconds of the world's year"),
        ([0, 1], [1, 1], [FIRST_SECOND], "timestamp: expected 2 values"),
    ],
)
def test_bad_input_to_the_best_ratings(users, items, times, message):
    ratings = synthetic_world(20, 30, 100).best_ratings
    with pytest.raises(DataError, match=message):
        ratings.predict(np.array(users), np.array(items), np.array(times))


def test_rmse_refuses_the_rows_of_another_world():
    world, other = synthetic_world(20, 30, 100), synthetic_world(20, 31, 100)
    with pytest.raises(
        DataError, match="rmse: expected rows of this world, of 20 users and 30 items; got Interactions"
    ):
        world.best_ratings.rmse(other.interactions)
    data = world.interactions
    old = Interactions(data.user, data.item, data.rating, data.timestamp - 10**9,
                       user_ids=data.user_ids, item_ids=data.item_ids)  # fmt: skip
    with pytest.raises(DataError, match="timestamps: expected Unix seconds of the world's year"):
        world.best_ratings.rmse(old)


def test_tastes_make_the_deviation_that_is_stated():
    world = synthetic_world(200, 60, 2_000)
    opinions = world.best_ratings._opinions
    choice = opinions.choice
    popularity, membership = choice.tables[0, 0], choice.membership
    mean = np.array([math.fsum(popularity * column) for column in membership.T])
    spread = np.cov(choice.mixtures[0].astype(float), rowvar=False, bias=True)
    centred = membership - mean
    variance = math.fsum(popularity * ((centred @ spread) * centred).sum(axis=1))
    np.testing.assert_allclose(opinions.appeal, (0.5 / math.sqrt(variance)) * centred.T, rtol=1e-10, atol=1e-13)


def test_the_truth_does_not_depend_on_the_number_of_threads():
    threads = pytest.importorskip("threadpoolctl")
    found = []
    for n_threads in (1, 2):
        with threads.threadpool_limits(n_threads):
            world = synthetic_world(3_000, 20_011, 6_000, n_tastes=17)
        opinions = world.best_ratings._opinions
        found.append((opinions.appeal.tobytes(), opinions.choice.mixtures.tobytes(), world.best_rmse))
    assert found[0] == found[1]
