"""Explanations of every model that gives them: shares of the history's items, which sum to the score."""

from dataclasses import replace

import numpy as np
import pytest

import tfrec
from tfrec._tf import tf
from tfrec.explanations import ExplainsByHistory, Explanation
from tfrec.models import EASE, MODELS

EXPLAINERS = [model for model in MODELS.values() if issubclass(model, ExplainsByHistory)]


@pytest.fixture(scope="module", params=EXPLAINERS, ids=lambda model: model.__name__)
def model(request, train) -> ExplainsByHistory:
    model = request.param()
    model.fit(train, verbose=0)
    return model


def history_of(train, user: int) -> list[str]:
    return train.item_ids[np.unique(train.item[train.user == user])].tolist()


class TestContributions:
    @pytest.mark.parametrize("item", [0, 7, 20, 28])
    def test_sum_to_the_score(self, model, train, item):
        for user in (0, 5, 11):
            explanation = model.explain(f"u{user:03d}", f"ï{item}", k=None)
            score = float(model.score_pairs([user], [item])[0])
            assert explanation.score == pytest.approx(score, rel=1e-5, abs=1e-6)
            assert explanation.contribution.sum() == pytest.approx(score, rel=1e-5, abs=1e-6)
            assert set(explanation.item_id) <= set(history_of(train, user))
            assert explanation.n_history == len(history_of(train, user))

    def test_are_the_scores_of_the_items_alone(self, model):
        explanation = model.explain("u003", "ï9", k=None)
        assert len(explanation) > 0
        for item, contribution in zip(explanation.item_id, explanation.contribution, strict=True):
            alone = tf.ragged.constant([[int(item.removeprefix("ï"))]], dtype=tf.int32)
            assert float(model.score_histories(alone)[0, 9]) == pytest.approx(contribution, rel=1e-5)

    def test_largest_come_first_whatever_their_sign_and_zeros_are_left_out(self, model):
        for item in range(29):
            sizes = np.abs(model.explain("u003", f"ï{item}", k=None).contribution)
            assert (np.diff(sizes) <= 0).all()
            assert (sizes > 0).all()

    def test_an_item_says_nothing_for_itself(self, model, train):
        own = history_of(train, 0)[0]
        assert own not in model.explain("u000", own, k=None).item_id

    def test_k_cuts_the_list_and_not_the_score(self, model):
        everything, some = model.explain("u003", "ï9", k=None), model.explain("u003", "ï9", k=2)
        assert some.item_id.tolist() == everything.item_id[:2].tolist()
        assert (some.score, some.n_history) == (everything.score, everything.n_history)


class TestOfAHistory:
    def test_is_that_of_the_user_who_has_it(self, model, train):
        known = model.explain("u004", "ï2")
        history = model.explain_from_history(history_of(train, 4), "ï2")
        assert (known.user, history.user) == ("u004", None)
        assert history.item_id.tolist() == known.item_id.tolist()
        np.testing.assert_array_equal(history.contribution, known.contribution)
        assert history.score == known.score

    def test_counts_an_item_once_and_ignores_what_it_does_not_know(self, model):
        plain = model.explain_from_history(["ï1", "ï2"], "ï5")
        noisy = model.explain_from_history(np.array(["ï2", "?", "ï1", "ï2", "ï29"], dtype=object), "ï5")
        assert noisy.score == pytest.approx(plain.score, rel=1e-6)
        assert noisy.n_history == plain.n_history == 2

    @pytest.mark.parametrize("history", [[], ["?"], ["ï29"]])
    def test_with_nothing_in_it(self, model, history):
        with pytest.raises(ValueError, match="no item that the model learned from"):
            model.explain_from_history(history, "ï5")

    def test_of_one_id(self, model):
        with pytest.raises(TypeError, match=r"write \['ï1'\]"):
            model.explain_from_history("ï1", "ï5")


class TestWrongUse:
    @pytest.mark.parametrize(
        ("user", "item", "error", "message"),
        [
            ("?", "ï1", ValueError, "user '\\?' is unknown.*use explain_from_history"),
            ("u039", "ï1", ValueError, "user 'u039' has no training rows"),
            ("u000", "?", ValueError, "item '\\?' is unknown"),
            ("u000", "ï29", ValueError, "item 'ï29' has no training rows"),
            (0, "ï1", TypeError, "user ids are strings; got 0, a int: did you mean '0'"),
            ("u000", 1, TypeError, "item ids are strings; got 1, a int: did you mean '1'"),
            (["u000"], "ï1", TypeError, "user ids are strings; got \\['u000'\\], a list"),
            (None, "ï1", TypeError, "user ids are strings; got None"),
        ],
    )
    def test_of_ids(self, model, user, item, error, message):
        with pytest.raises(error, match=message):
            model.explain(user, item)

    @pytest.mark.parametrize("k", [0, -1, 1.5, "3", True])
    def test_of_k(self, model, k):
        with pytest.raises((TypeError, ValueError), match="k must be an integer of at least 1"):
            model.explain("u000", "ï1", k=k)

    def test_before_fit(self, model, train):
        fresh = type(model)()
        with pytest.raises(ValueError, match="knows no data yet"):
            fresh.explain("u000", "ï1")
        fresh.adapt(train)
        with pytest.raises(ValueError, match="not fitted"):
            fresh.explain_from_history(["ï1"], "ï2")

    def test_of_a_model_that_diverged(self, train):
        model = EASE()
        model.fit(train, verbose=0)
        model.item_weights.assign(tf.fill(model.item_weights.shape, float("nan")))
        with pytest.raises(ValueError, match="contributions that are not finite"):
            model.explain("u000", "ï1")


@pytest.fixture
def explanation() -> Explanation:
    return Explanation(
        item="50",
        score=0.75,
        item_id=np.array(["181", "1"], dtype=object),
        contribution=np.array([1.0, -0.5], np.float32),
        n_history=5,
        user="196",
        item_title="Star Wars",
        title=np.array(["Return of the Jedi", "Toy Story"], dtype=object),
    )


class TestExplanation:
    def test_as_text(self, explanation):
        assert str(explanation).splitlines() == [
            "Star Wars (50) for user 196: score 0.7500",
            "  +1.0000  Return of the Jedi (181)",
            "  -0.5000  Toy Story (1)",
            "  +0.2500  3 other items of the history",
        ]

    def test_as_text_of_a_history_without_titles(self, explanation):
        plain = replace(explanation, user=None, title=None, item_title=None, score=0.5, n_history=2)
        assert str(plain).splitlines() == ["50 for a history: score 0.5000", "  +1.0000  181", "  -0.5000  1"]

    def test_as_a_frame(self, explanation):
        frame = explanation.to_frame()
        assert frame.to_dict("list") == {
            "rank": [1, 2],
            "item": ["181", "1"],
            "contribution": [1.0, -0.5],
            "title": ["Return of the Jedi", "Toy Story"],
        }
        assert "title" not in replace(explanation, title=None).to_frame()

    def test_has_the_titles_of_the_data(self, model):
        explanation = model.explain("u000", "ï3")
        assert explanation.item_title == "Title 3"
        assert explanation.title.tolist() == [f"Title {item.removeprefix('ï')}" for item in explanation.item_id]

    def test_has_none_where_the_data_have_none(self, train):
        model = EASE()
        model.fit(tfrec.data.Interactions.from_frame(train.to_frame()), verbose=0)
        explanation = model.explain("u000", "ï3")
        assert explanation.title is None
        assert explanation.item_title is None
