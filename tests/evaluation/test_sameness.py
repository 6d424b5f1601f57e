"""The warning for models that give everybody the same list."""

import warnings

import numpy as np
import pytest

from tfrec.data import random_split, synthetic
from tfrec.evaluation import SameListWarning, evaluate
from tfrec.models import EASE, Popularity


@pytest.fixture
def case(make):
    return make(n_users=60, n_items=100, n_rows=1500, seed=2)


@pytest.fixture(scope="module")
def split_data():
    return random_split(synthetic(n_users=150, n_items=100, n_interactions=3_000), test=0.3)


@pytest.mark.parametrize("batch_size", [None, 7])
def test_one_list_for_everybody(case, batch_size):
    model, test = case
    model.scores.assign(np.tile(model.scores[:1], (60, 1)))
    with pytest.warns(SameListWarning, match="model 'table' gives everybody the same list.* cover 10.00%") as caught:
        evaluate(model, test, batch_size=batch_size)
    assert caught[0].filename == __file__


def test_nearly_one_list(case):
    model, test = case
    scores = np.tile(model.scores[:1], (60, 1))
    scores[0] = -scores[0]
    model.scores.assign(scores)
    with pytest.warns(SameListWarning):
        evaluate(model, test)


def test_lists_that_differ(case):
    model, test = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model, test)


def test_a_model_that_means_to(split_data):
    train, test = split_data
    model = Popularity()
    model.fit(train, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SameListWarning)
        evaluate(model, test)


def test_a_model_that_has_learned_nothing_of_these_users(split_data):
    """Every test user is unknown, so that the model answers with the popularity ranking."""
    train, test = split_data
    model = EASE()
    model.fit(train.select(train.user >= 50), verbose=0)
    with pytest.warns(SameListWarning, match="do the users have no training rows"):
        evaluate(model, test.select(test.user < 50))
