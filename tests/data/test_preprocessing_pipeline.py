# mypy: no-check-untyped-defs
import functools
import json

import pytest
import yaml

from tfrec.data import DataError, k_core, minimum_rating, preprocess, synthetic
from tfrec.data.preprocessing.pipeline import STEPS


@pytest.fixture(scope="module")
def data():
    return synthetic(60, 80, 1_500, seed=1)


def test_steps_as_a_configuration_writes_them(data):
    steps = yaml.safe_load(
        """
        - {step: minimum_rating, rating: 3}
        - {step: time_window, start: 2020-02-01, end: 2020-12-24}
        - {step: k_core, user: 3, item: 4}
        - compact
        """
    )
    made, report = preprocess(data, steps)
    expected = data
    for step in steps:
        arguments = {"step": step} if isinstance(step, str) else dict(step)
        expected = STEPS[arguments.pop("step")](expected, **arguments).data
    assert made.fingerprint() == expected.fingerprint()
    assert [step.step for step in report.steps] == ["minimum_rating", "time_window", "k_core", "compact"]
    for one, following in zip(report.steps, report.steps[1:], strict=False):
        assert one.after == following.before
    assert (report.before, report.after) == (report.steps[0].before, report.steps[-1].after)
    assert json.loads(json.dumps(report.to_dict()))["steps"][1]["parameters"] == {
        "start": "2020-02-01",
        "end": "2020-12-24",
    }
    lines = str(report).splitlines()
    assert lines[0].startswith("minimum_rating(rating=3.0): rows 1,500 → ")
    assert lines[2].startswith("k_core(user=3, item=4): rows")
    assert lines[3].startswith("compact(): ")
    assert lines[4].startswith("all steps: rows 1,500 → ")


def test_functions_are_steps_too(data):
    def first_half(data):
        return data.select(range(len(data) // 2))

    made, report = preprocess(data, [first_half, functools.partial(k_core, user=2, item=2), minimum_rating_of_two])
    assert made.fingerprint() == minimum_rating(k_core(first_half(data), 2, 2).data, 2).data.fingerprint()
    assert [step.step for step in report.steps] == ["first_half", "k_core", "minimum_rating"]


def minimum_rating_of_two(data):
    return minimum_rating(data, 2)


def test_the_inverse_of_a_normalisation_is_in_the_report(data):
    made, report = preprocess(data, [{"step": "normalise_ratings", "method": "z_score"}, "k_core"])
    back = report.steps[0].normaliser.inverse(made.rating, users=made.user)
    expected = preprocess(data, ["k_core"]).data.rating
    assert abs(back - expected).max() < 1e-5


def test_no_steps(data):
    made, report = preprocess(data, [])
    assert made is data
    assert report.before == report.after
    assert str(report).startswith("all steps: ")


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (
            [{"step": "kcore"}],
            ValueError,
            r"step 1: there is no step 'kcore' \(did you mean 'k_core'\?\); the steps are",
        ),
        (["compact", "binarize"], ValueError, r"step 2: there is no step 'binarize' \(did you mean 'binarise'\?\)"),
        ([{"step": None}], ValueError, "there is no step None"),
        ([{"step": ["k_core"]}], ValueError, "there is no step"),
        ([{"user": 5}], ValueError, "expected a mapping with the key 'step'"),
        ([{"step": "k_core", "users": 5}], ValueError, r"k_core has no argument 'users' \(did you mean 'user'\?\)"),
        ([{"step": "compact", "x": 5}], ValueError, "compact has no argument 'x'; it takes none"),
        ([{"step": "k_core", "data": 5}], ValueError, "k_core has no argument 'data'"),
        (["minimum_rating"], ValueError, "step 1: minimum_rating needs rating"),
        ([3], TypeError, "step 1: expected a name, a mapping or a function; got 3, a int"),
        ("k_core", TypeError, r"expected a list of steps, got 'k_core': write \['k_core'\]"),
        ({"step": "k_core"}, TypeError, "expected a list of steps"),
        (None, TypeError, "expected a list of steps"),
        ([{"step": "k_core", "user": "5"}], TypeError, "user must be an integer"),
        ([lambda data: 5], TypeError, "must give Interactions or Preprocessed; got int"),
        ([{"step": "k_core", "user": 500}], DataError, r"k_core\(user=500, item=5\) leaves none of the 1,500"),
        ([lambda data: data.select([])], DataError, r"<lambda>.* leaves none"),
    ],
)
def test_steps_that_cannot_be(data, steps, error, message):
    with pytest.raises(error, match=message):
        preprocess(data, steps)


def test_names_are_checked_before_anything_is_done(data):
    done = []
    with pytest.raises(ValueError, match="step 2"):
        preprocess(data, [done.append, "unknown"])
    assert done == []
