"""An export in Python: the same answers, and the same refusals, as the model gives."""

import pytest

from tfrec.data import synthetic
from tfrec.exported import Exported
from tfrec.models import EASE


@pytest.fixture(scope="module")
def model():
    model = EASE(l2=5.0)
    model.fit(synthetic(n_users=40, n_items=30, n_interactions=300, seed=0), verbose=0)
    return model


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    return Exported(model.export(tmp_path_factory.mktemp("exports") / "ease"))


def test_users(model, exported):
    users = [*model.user_ids[:3], "nobody"]
    exclude = model.item_ids[:2]
    assert (
        exported.recommend(users, 4, exclude=exclude)
        .to_frame()
        .equals(model.recommend(users, 4, exclude=exclude).to_frame())
    )


def test_histories(model, exported):
    histories = [["12", "3"], [], ["5"], ["unknown"]]
    assert (
        exported.recommend_from_history(histories, 4)
        .to_frame()
        .equals(model.recommend_from_history(histories, 4).to_frame())
    )


def test_no_rows(exported):
    assert len(exported.recommend([])) == 0
    assert len(exported.recommend_from_history([])) == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.recommend("12"),
        lambda it: it.recommend([1]),
        lambda it: it.recommend_from_history(["12", "3"]),
        lambda it: it.recommend_from_history("12"),
        lambda it: it.recommend_from_history([[5]]),
        lambda it: it.recommend(["1"], exclude="18"),
    ],
)
def test_refuses_what_the_model_refuses(model, exported, ask):
    for it in (model, exported):
        with pytest.raises(TypeError):
            ask(it)
