"""Exports with every retrieval layer, loaded by plain TensorFlow in one fresh process, beside the models themselves."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.data import synthetic
from tfrec.models import MODELS
from tfrec.retrieval import Exact, Faiss, ScaNN

LAYERS = {
    "exact": Exact,
    "bfloat16": lambda: Exact(precision="bfloat16"),
    "faiss": lambda: Faiss(factory="IVF8,Flat", n_probes=8),
    "scann": ScaNN,
}
USUAL = [(model, layer) for model in ("als", "ease") for layer in LAYERS]
FULL = [(model, layer) for model in MODELS for layer in LAYERS if (model, layer) not in USUAL]
K = 12
HISTORIES, EXCLUDE = [[3, 17, 40], [8], []], [[], [5, 6], [0]]


@pytest.fixture(scope="module")
def world():
    return synthetic(n_users=60, n_items=80, n_interactions=1500, seed=3)


def padded(ids, rows) -> list[list[str]]:
    width = max(map(len, rows))
    return [["", *(ids[item] for item in row), *[""] * (width - len(row))] for row in rows]


def requests(world) -> dict:
    items, users = world.item_ids.tolist(), [*world.user_ids[:3].tolist(), "nobody"]
    k, few = ["int32", [K] * 3], ["int32", [K] * 4]
    of_histories = {"history": ["string", padded(items, HISTORIES)], "exclude": ["string", padded(items, EXCLUDE)]}
    stars = [[0.0] + [4.0] * (len(row) - 1) for row in of_histories["history"][1]]
    return {
        "serving_default": {"user_id": ["string", users]},
        "recommend": {"user_id": ["string", users], "k": few, "exclude": ["string", [["", items[2]]] * 4]},
        "recommend_from_history": of_histories | {"k": k},
        "rate_from_history": of_histories | {"k": k, "rating": ["float32", stars]},
        "similar_items": {"item_id": ["string", [items[1], items[9], "nothing"]], "k": k},
        "score": {"user_id": ["string", users], "item_id": ["string", items[:4]]},
    }


def expected(model, world) -> dict:
    """What the model itself answers, with as many items as there are."""
    items, users, everything = world.item_ids, [*world.user_ids[:3].tolist(), "nobody"], world.n_items
    histories = [items[row].tolist() for row in HISTORIES]
    exclude = [items[row].tolist() for row in EXCLUDE]
    stars = [[4.0] * len(row) for row in HISTORIES]
    return {
        "serving_default": model.recommend(users, k=everything),
        "recommend": model.recommend(users, k=everything, exclude=[items[2]]),
        "recommend_from_history": model.recommend_from_history(histories, k=everything, exclude=exclude),
        "rate_from_history": model.recommend_from_history(histories, k=everything, ratings=stars, exclude=exclude),
        "similar_items": model.similar_items([items[1], items[9], "nothing"], k=everything),
    }


def check(answers: dict, model, world, *, is_rounded: bool) -> None:
    """That a layer's answers are the model's best, with the model's scores; of rounded vectors, nearly."""
    for signature, own in expected(model, world).items():
        if signature not in answers:
            continue
        got = answers[signature]
        for row in range(len(own)):
            scores = {i: s for i, s in zip(own.item_id[row].tolist(), own.score[row].tolist(), strict=True) if i}
            listed = [item for item in got["item_id"][row] if item]
            assert len(listed) == len(set(listed)) == min(K, len(scores)), signature
            assert set(listed) <= set(scores), signature
            scale = max(map(abs, scores.values()), default=1.0)
            theirs = np.array(got["score"][row][: len(listed)])
            tolerance = (0.02 if is_rounded else 1e-4) * scale
            np.testing.assert_allclose(theirs, [scores[item] for item in listed], atol=tolerance, err_msg=signature)
            # Not a hair worse than the model's own list: items of equal scores may change places.
            best = sorted(scores.values(), reverse=True)[: len(listed)]
            allowed = tolerance if model.scores_are_products else 0.1 * scale
            assert np.sum(best) - np.sum([scores[item] for item in listed]) <= allowed * max(1, len(listed)), signature
    users = tf.constant([0, 1, 2, -1])
    scores = model.answer_pairs(users, tf.range(4)).numpy()
    tolerance = (0.02 if is_rounded else 1e-4) * max(1.0, np.abs(scores).max())
    np.testing.assert_allclose(answers["score"]["score"], scores, atol=tolerance)


@pytest.fixture(scope="module")
def answers_of(world, tmp_path_factory):
    """Fits, exports and asks: `answers_of(pairs)` gives fitted models by name and answers by (model, layer)."""

    def ask(pairs) -> tuple[dict, dict]:
        folder, models, exports = tmp_path_factory.mktemp("exports"), {}, {}
        for name, layer in pairs:
            if name not in models:
                models[name] = MODELS[name]()
                models[name].fit(world, epochs=min(models[name].default_epochs, 3), verbose=0)
            path = folder / f"{name}-{layer}"
            exports[f"{name} {layer}"] = str(models[name].export(path, retrieval=LAYERS[layer](), k=K, min_recall=0.8))
        asked = {"exports": exports, "requests": requests(world), "scann": True}
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).parent / "load_plainly.py"), str(folder / "asked.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["strangers"] == []
        return models, result["found"]

    pytest.importorskip("scann", reason="scann has no wheel for this platform")
    return ask


def test_two_models_with_every_layer(world, answers_of):
    models, found = answers_of(USUAL)
    for name, layer in USUAL:
        check(found[f"{name} {layer}"], models[name], world, is_rounded=layer == "bfloat16")


@pytest.mark.slow
def test_all_models_with_every_layer(world, answers_of):
    models, found = answers_of(FULL)
    for name, layer in FULL:
        check(found[f"{name} {layer}"], models[name], world, is_rounded=layer == "bfloat16")
