"""What `evaluate` refuses, and what it says."""

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.evaluation import NonFiniteScoresError, evaluate
from tfrec.metrics import Metric
from tfrec.models import EASE


@pytest.mark.parametrize(("score", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "minus infinity")])
@pytest.mark.parametrize("batch_size", [1, 4, 1024])
def test_a_score_that_is_not_finite_is_named(make, score, word, batch_size):
    model, test = make()
    user = int(np.unique(test.user)[7])
    model.scores[user, 11].assign(score)
    message = rf"model 'table' gave {word} for user '{test.user_ids[user]}' \(item '{model.item_ids[11]}'\)"
    with pytest.raises(NonFiniteScoresError, match=message):
        evaluate(model, test, batch_size=batch_size)


def test_a_masked_score_must_be_finite_too(make):
    model, test = make()
    user = next(user for user in np.unique(test.user) if model.rows[user])
    model.scores[user, model.rows[user][0]].assign(np.nan)
    with pytest.raises(NonFiniteScoresError, match=f"user '{test.user_ids[user]}'"):
        evaluate(model, test)


def test_the_first_user_is_named_of_a_model_that_has_diverged(make):
    model, test = make()
    model.scores.assign(np.full(model.scores.shape, np.nan, np.float32))
    name = test.user_ids[np.unique(test.user)[0]]
    with pytest.raises(ValueError, match=rf"user '{name}' \(item '{model.item_ids[0]}'\)"):
        evaluate(model, test)


def test_scores_of_users_that_are_not_evaluated_do_not_matter(make):
    model, test = make()
    model.scores[int(test.user[0])].assign(np.full(model.n_items, np.nan, np.float32))
    evaluate(model, test.select(test.user != test.user[0]))


def test_scores_of_a_wrong_width(make):
    model, test = make()
    scores = model.ranking_scores
    model.ranking_scores = lambda users: scores(users)[:, 1:]
    with pytest.raises(ValueError, match=r"must be \[batch, 40\], one for each item; got \[None, 39\]"):
        evaluate(model, test)


def test_an_empty_test_set(make):
    model, test = make()
    with pytest.raises(ValueError, match="the test set 'made up' is empty"):
        evaluate(model, test.select(np.zeros(len(test), bool)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be an integer of at least 1; got 0"),
        ({"k": [5, -1]}, ValueError, "k must be an integer of at least 1; got -1"),
        ({"k": [5, 2.5]}, TypeError, "k must be an integer of at least 1; got 2.5"),
        ({"k": "10"}, TypeError, "k must be an integer of at least 1; got '1'"),
        ({"k": True}, TypeError, "k must be an integer of at least 1; got True"),
        ({"k": []}, ValueError, "k must name at least one"),
        ({"k": [5, 5]}, ValueError, "k must not repeat"),
        ({"metrics": 5}, TypeError, "metrics must be names such as"),
        ({"metrics": []}, ValueError, "metrics must name at least one"),
        ({"metrics": ["ndcg", "ndcg"]}, ValueError, "metrics must not repeat"),
        ({"metrics": ["ndgc"]}, ValueError, "unknown metric 'ndgc'. Did you mean 'ndcg'?"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1; got 0"),
        ({"batch_size": 10.0}, TypeError, "batch_size must be an integer of at least 1; got 10.0"),
        ({"candidates": np.zeros((3, 3))}, TypeError, "candidates must be tfrec.data.Candidates or None; got ndarray"),
    ],
)
def test_bad_arguments(make, arguments, error, message):
    model, test = make()
    with pytest.raises(error, match=message):
        evaluate(model, test, **arguments)


def test_arguments_in_the_wrong_order(make):
    model, test = make()
    with pytest.raises(TypeError, match=r"model must be a tfrec Recommender; got Interactions"):
        evaluate(test, model)


def test_a_frame_is_no_test_set(make):
    model, test = make()
    with pytest.raises(TypeError, match=r"test must be tfrec.data.Interactions; got DataFrame"):
        evaluate(model, test.to_frame())


class TestMetricsOfYourOwn:
    @pytest.mark.parametrize(
        ("metric", "message"),
        [
            (
                Metric("m", "hits", lambda lists, k: np.ones(3)),
                r"'m', of kind 'hits', must give numbers \[n_users, len",
            ),
            (Metric("m", "hits", lambda lists, k: np.full((len(lists), len(k)), np.nan)), "'m' gave nan for a user"),
            (
                Metric("m", "catalogue", lambda exposure: 0.5),
                r"'m', of kind 'catalogue', must give numbers \[len\(k\)\]",
            ),
            (Metric("m", "scores", lambda s, r, c: np.ones(len(s))), "'m' is of kind 'scores', which only 'auc' is"),
        ],
    )
    def test_what_they_give_is_checked(self, make, metric, message):
        model, test = make()
        with pytest.raises(ValueError, match=message):
            evaluate(model, test, metrics=[metric])

    def test_a_need_may_be_one_word(self):
        metric = Metric("m", "items", len, needs="popularity")  # type: ignore[arg-type]
        assert metric.needs == {"popularity"}


def test_a_model_that_forgets_a_user(make):
    model, test = make()
    scores = model.ranking_scores
    model.ranking_scores = lambda users: scores(users)[1:]
    with pytest.raises(ValueError, match=r"must have a row for each user; got \d+ rows for \d+ users"):
        evaluate(model, test)


def test_a_class_is_no_model(make):
    with pytest.raises(TypeError, match=r"got the class EASE: make one, and fit it"):
        evaluate(EASE, make()[1])  # type: ignore[arg-type]


def test_a_model_that_was_never_fitted(make):
    _, test = make()
    model = EASE()
    model.adapt(test)
    with pytest.raises(ValueError, match="fit"):
        evaluate(model, test)


class TestMemory:
    def test_the_figures_do_not_depend_on_it(self, make):
        model, test = make(n_users=50, n_items=40)
        assert evaluate(model, test, memory=2_080) == evaluate(model, test, memory=10_000) == evaluate(model, test)

    def test_it_bounds_the_batches(self, make):
        model, test = make(n_users=50, n_items=40)
        sizes = []
        scores = model.ranking_scores

        def watched(users):
            tf.py_function(lambda u: sizes.append(len(u)), [users], [])
            return scores(users)

        model.ranking_scores = watched
        evaluate(model, test, k=5, memory=(20 * 40 + 64 * 5) * 3 + 1)
        assert max(sizes) == 3

    def test_too_little_for_one_user(self, make):
        model, test = make(n_items=40)
        with pytest.raises(ValueError, match=r"memory is 100 bytes, and .* 40 items .* takes about 2,080: allow more"):
            evaluate(model, test, memory=100)
