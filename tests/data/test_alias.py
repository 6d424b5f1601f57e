# mypy: no-check-untyped-defs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.data.synthetic.alias import AliasTables


def meant(tables):
    """The probabilities that the tables stand for: of each outcome its own cells' and its aliases' parts."""
    n_tables, n = tables.alias.shape
    sums = tables.threshold.astype(np.float64)
    for table in range(n_tables):
        np.add.at(sums[table], tables.alias[table], 1.0 - tables.threshold[table])
    return sums / n


WEIGHTS = st.lists(st.one_of(st.integers(0, 3), st.floats(1e-6, 1e6)), min_size=1, max_size=40).filter(
    lambda weights: sum(weights) > 0
)


@given(WEIGHTS)
@settings(max_examples=300)
def test_tables_hold_the_probabilities(weights):
    probabilities = np.array([weights, weights[::-1]], np.float64) / np.sum(weights)
    tables = AliasTables.of(probabilities)
    assert ((tables.threshold >= 0) & (tables.threshold <= 1)).all()
    np.testing.assert_allclose(meant(tables), probabilities, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.0, 3.0])
def test_power_laws_of_many_outcomes(exponent):
    probabilities = np.arange(1.0, 20_001) ** -exponent
    probabilities /= probabilities.sum()
    np.testing.assert_allclose(
        meant(AliasTables.of(probabilities[np.newaxis]))[0], probabilities, rtol=1e-6, atol=1e-11
    )


def test_draws_follow_their_tables():
    probabilities = np.array([[0.5, 0.3, 0.2, 0.0], [0.0, 0.05, 0.05, 0.9]])
    n = 200_000
    chosen = np.repeat([0, 1], n)
    drawn = AliasTables.of(probabilities).draw(np.random.default_rng(0), chosen)
    for table, row in enumerate(probabilities):
        counts = np.bincount(drawn[chosen == table], minlength=4)
        assert (np.abs(counts - n * row) <= 5 * np.sqrt(n * row * (1 - row))).all()
