"""The signatures of models of ratings, against formulas of a small one, in numpy and through a server."""

import json

import numpy as np
import pytest

from tfrec._tf import tf
from tfrec.explicit import ExplicitRecommender
from tfrec.serving import Client, launch


class Averages(ExplicitRecommender):
    """Predicts μ + b(u) + b(i) by averages; a history counts for items with an index as odd or even as its own."""

    def create_variables(self) -> None:
        super().create_variables()
        self.set_variable("user_biases", np.zeros(self.n_users, np.float32))
        self.set_variable("item_biases", np.zeros(self.n_items, np.float32))

    def adapt(self, train):
        super().adapt(train)
        above = train.rating - train.rating.mean()
        for variable, index in ((self.user_biases, train.user), (self.item_biases, train.item)):
            counts = np.bincount(index, minlength=variable.shape[0])
            variable.assign(np.bincount(index, above, variable.shape[0]) / np.maximum(counts, 1))

    def score(self, users):
        users = self.check_indices(users)
        return self.rating_mean + tf.gather(self.user_biases, users)[:, tf.newaxis] + self.item_biases[tf.newaxis, :]

    def score_histories(self, histories, ratings=None):
        histories = self.check_histories(histories)
        biases = tf.zeros([histories.nrows(), 2])
        if ratings is not None:
            rows, parity = histories.value_rowids(), tf.cast(histories.values % 2, tf.int64)
            above = ratings.values - self.rating_mean
            biases = tf.tensor_scatter_nd_add(biases, tf.stack([rows, parity], axis=1), above)
        return self.rating_mean + tf.gather(biases, tf.range(self.n_items) % 2, axis=1) + self.item_biases

    def unknown_pair_scores(self, users, items):
        known = tf.where(items >= 0, tf.gather(self.item_biases, tf.maximum(items, 0)), 0.0)
        return self.rating_mean + known


@pytest.fixture(scope="module")
def averages(data):
    model = Averages()
    model.adapt(data)
    return model


@pytest.fixture(scope="module")
def exports(averages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    averages.export(folder / "averages", k=5, max_k=8)
    return folder


@pytest.fixture(scope="module")
def loaded(exports):
    return tf.saved_model.load(str(exports / "averages" / "1"))


@pytest.fixture(scope="module")
def rate(loaded):
    def ask(history, rating, k=5, exclude=("",)):
        n_rows = len(history)
        answer = loaded.signatures["rate_from_history"](
            history=tf.constant(history),
            rating=tf.constant(rating, tf.float32),
            k=tf.fill([n_rows], k),
            exclude=tf.constant([list(exclude)] * n_rows),
        )
        return [[item.decode() for item in row] for row in answer["item_id"].numpy()], answer["score"].numpy()

    return ask


class TestRateFromHistory:
    def test_is_what_python_answers(self, rate, averages):
        items, scores = rate(
            [["", "item-2", "item-3"], ["", "item-4", ""]], [[0, 5, 1], [0, 2, 0]], exclude=("", "007")
        )
        expected = averages.recommend_from_history(
            [["item-2", "item-3"], ["item-4"]], k=5, ratings=[[5.0, 1.0], [2.0]], exclude=["007"]
        )
        assert items == expected.item_id.tolist()
        np.testing.assert_allclose(scores, expected.score, rtol=1e-6)

    def test_is_the_formula(self, rate, averages, data):
        items, scores = rate([["", "item-2", "item-3"]], [[0, 5, 1]], k=8)
        biases = averages.item_biases.numpy()
        mean = data.rating.mean()
        for item, score in zip(items[0], scores[0], strict=True):
            index = data.item_ids.tolist().index(item)
            assert score == pytest.approx(mean + biases[index] + (1.0 if index % 2 else 5.0) - mean, abs=1e-5)
        assert not {"item-2", "item-3"} & set(items[0])

    @pytest.mark.parametrize("rating", [0.0, 1e6, float("nan"), float("inf")])
    def test_ratings_of_padding_and_of_unknown_items_say_nothing(self, rate, rating):
        plain = rate([["", "item-2", "item-3"]], [[0, 5, 1]])
        noisy = rate([["", "item-2", "unknown", "item-3", ""]], [[rating, 5, rating, 1, rating]])
        assert noisy[0] == plain[0]
        np.testing.assert_array_equal(noisy[1], plain[1])

    @pytest.mark.parametrize("rating", [float("nan"), float("inf"), float("-inf")])
    def test_an_item_whose_rating_is_no_number_is_seen_and_says_nothing(self, rate, rating):
        without = rate([["", "item-2"]], [[0, 5]], exclude=("", "item-3"))
        noisy = rate([["", "item-2", "item-3"]], [[0, 5, rating]])
        assert noisy[0] == without[0]
        np.testing.assert_array_equal(noisy[1], without[1])

    def test_with_no_number_at_all_it_is_what_is_popular(self, rate, averages):
        items, scores = rate([["", "item-2"], ["", ""]], [[0, float("nan")], [0, 0]], k=4)
        assert np.isfinite(scores).all()
        popular = averages.recommend(["nobody"], k=4, exclude=["item-2"])
        assert items[0] == popular.item_id[0].tolist()
        assert items[1] == averages.recommend(["nobody"], k=4).item_id[0].tolist()

    def test_ratings_of_another_shape(self, rate):
        with pytest.raises(tf.errors.InvalidArgumentError, match="a rating for each item of history"):
            rate([["", "item-2", "item-3"]], [[0, 5]])

    def test_where_seen_items_may_stay(self, averages, data, tmp_path):
        version = averages.export(tmp_path / "averages", exclude_seen=False, users=False)
        answer = tf.saved_model.load(str(version)).signatures["rate_from_history"](
            history=tf.constant([["", "item-2"]]),
            rating=tf.constant([[0.0, float("nan")]]),
            k=tf.constant([100]),
            exclude=tf.constant([[""]]),
        )
        assert b"item-2" in answer["item_id"].numpy()[0]


class TestScore:
    def test_is_the_predicted_rating(self, loaded, averages, data):
        users, items = np.mgrid[-1 : data.n_users, -1 : data.n_items]
        raw = [np.append(ids, "unknown")[indices.ravel()].tolist() for ids, indices in (
            (data.user_ids, users), (data.item_ids, items)
        )]  # fmt: skip
        answer = loaded.signatures["score"](user_id=tf.constant(raw[0]), item_id=tf.constant(raw[1]))["score"]
        np.testing.assert_allclose(answer, averages.predict_ratings(users.ravel(), items.ravel()), rtol=1e-6)
        assert data.rating.min() <= np.min(answer) <= np.max(answer) <= data.rating.max()


class TestFolder:
    def test_the_signature_is_in_the_metadata(self, exports):
        about = json.loads((exports / "averages" / "1" / "assets.extra" / "tfrec.json").read_text())
        lists = {"shape": [-1, -1]}
        assert about["signatures"]["rate_from_history"]["inputs"] == {
            "history": {"dtype": "string", **lists},
            "rating": {"dtype": "float32", **lists},
            "k": {"dtype": "int32", "shape": [-1]},
            "exclude": {"dtype": "string", **lists},
        }

    def test_a_model_that_ranks_has_none(self, version):
        assert "rate_from_history" not in tf.saved_model.load(str(version)).signatures


class TestServed:
    @pytest.mark.parametrize("address", ["grpc", "rest"])
    def test_the_client_speaks_it(self, exports, averages, address):
        histories, ratings = [["item-2", "item-3"], [], ["item-4", "nothing"]], [[5.0, 1.0], [], [2.0, 4.0]]
        # The stand-in replays the warm-up requests, that for this signature too, before a model answers.
        with launch.start(exports, grpc_port=0, rest_port=0, kind="stand-in") as server:
            server.wait_ready()
            with Client(server.grpc_address) if address == "grpc" else Client(rest=server.rest_url) as client:
                rows = client.recommend_from_history("averages", histories, k=4, ratings=ratings)
                scores = client.score("averages", ["user 0", "nobody"], ["007", "nothing"])
        expected = averages.recommend_from_history(histories, k=4, ratings=ratings)
        assert [[found.item_id for found in row] for row in rows] == expected.item_id.tolist()
        np.testing.assert_allclose([[found.score for found in row] for row in rows], expected.score, rtol=1e-6)
        np.testing.assert_allclose(scores, averages.predict_ratings([0, -1], [0, -1]), rtol=1e-6)
