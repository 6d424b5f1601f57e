"""The exported folder: what is in it, what is not, and how it comes to be."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.models import EASE, Popularity


def graph(version):
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((version / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def nodes(version):
    definition = graph(version)
    return [*definition.node, *(node for function in definition.library.function for node in function.node_def)]


class TestFolder:
    def test_metadata(self, version, model):
        about = json.loads((version / "assets.extra" / "tfrec.json").read_text())
        assert about["name"] == "ease"
        assert about["model"] == "EASE"
        assert about["config"] == model.get_config()
        assert about["metrics"] == {"ndcg@10": 0.5}
        assert about["retrieval"] == {"layer": "Exact", "settings": {"precision": "float32"}, "recall": 1.0}
        assert (about["k"], about["max_k"], about["users"], about["required_ops"]) == (5, 8, True, [])
        assert about["versions"]["tensorflow"] == tf.__version__
        assert re.fullmatch("[0-9a-f]{64}", about["data"]["fingerprint"])
        assert about["signatures"]["recommend"] == {
            "inputs": {
                "user_id": {"dtype": "string", "shape": [-1]},
                "k": {"dtype": "int32", "shape": [-1]},
                "exclude": {"dtype": "string", "shape": [-1, -1]},
            },
            "outputs": {
                "item_id": {"dtype": "string", "shape": [-1, -1]},
                "score": {"dtype": "float32", "shape": [-1, -1]},
            },
        }

    def test_titles(self, version, data):
        titles = json.loads((version / "assets.extra" / "item_titles.json").read_text())
        assert titles == dict(zip(data.item_ids, data.item_titles, strict=True))

    def test_warm_up_requests_are_answered(self, version):
        loaded = tf.saved_model.load(str(version))
        path = str(version / "assets.extra" / "tf_serving_warmup_requests")
        asked = set()
        for record in tf.data.TFRecordDataset(path):
            request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
            inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
            loaded.signatures[request.model_spec.signature_name](**inputs)
            asked.add(request.model_spec.signature_name)
        assert asked == set(loaded.signatures)

    def test_runs_on_stock_ops_without_python(self, version):
        ops = {node.op for node in nodes(version)}
        assert not {op for op in ops if "PyFunc" in op or "EagerPyFunc" in op}
        registered = tf.raw_ops.__dict__
        assert all(op in registered or op in ("PartitionedCall", "StatefulPartitionedCall") for op in ops)

    def test_holds_no_optimizer_and_no_statistics(self, version, model):
        names = [name for name, _ in tf.train.list_variables(str(version / "variables" / "variables"))]
        sizes = [shape for _, shape in tf.train.list_variables(str(version / "variables" / "variables"))]
        assert not [name for name in names if "optim" in name]
        assert sizes.count([model.n_items, model.n_items]) == 1

    def test_no_graph_constant_grows_with_the_data(self, tmp_path):
        def constants(n: int) -> int:
            data = Interactions(
                user=np.arange(n, dtype=np.int32) % 7,
                item=np.arange(n, dtype=np.int32),
                user_ids=np.array([f"u{i}" for i in range(n)], dtype=object),
                item_ids=np.array([f"i{i}" for i in range(n)], dtype=object),
            )
            model = Popularity()
            model.fit(data, verbose=0)
            return sum(
                node.ByteSize() for node in nodes(model.export(tmp_path / f"popularity-{n}")) if node.op == "Const"
            )

        assert constants(5000) - constants(50) < 200


LOAD_ELSEWHERE = """
import json, sys
import tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
answer = signatures["serving_default"](user_id=tf.constant(["user 0"]))
assert not any(name.split(".")[0] in ("tfrec", "tensorflow_recommenders") for name in sys.modules)
print(json.dumps([item.decode() for item in answer["item_id"].numpy()[0]]))
"""


class TestLoading:
    def test_with_plain_tensorflow_in_a_fresh_process(self, version, model):
        done = subprocess.run(
            [sys.executable, "-c", LOAD_ELSEWHERE, str(version)], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout) == model.recommend(["user 0"], k=5).item_id[0].tolist()

    def test_through_a_session_as_the_model_server_does(self, version, model):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            meta = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(version))
            signature = meta.signature_def["recommend"]
            answer = session.run(
                signature.outputs["item_id"].name,
                {
                    signature.inputs["user_id"].name: [b"user 0"],
                    signature.inputs["k"].name: [3],
                    signature.inputs["exclude"].name: [[b""]],
                },
            )
        assert [item.decode() for item in answer[0]] == model.recommend(["user 0"], k=3).item_id[0].tolist()


class TestExport:
    def test_versions_count_up(self, model, tmp_path):
        assert model.export(tmp_path / "ease").name == "1"
        assert model.export(tmp_path / "ease", version=7).name == "7"
        assert model.export(tmp_path / "ease").name == "8"

    def test_a_version_is_never_overwritten(self, model, tmp_path):
        first = model.export(tmp_path / "ease", version=1)
        before = (first / "saved_model.pb").read_bytes()
        with pytest.raises(FileExistsError, match="exists already"):
            model.export(tmp_path / "ease", version=1)
        assert (first / "saved_model.pb").read_bytes() == before

    def test_a_failure_leaves_nothing_behind(self, model, tmp_path, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError("No space left on device")

        monkeypatch.setattr("tfrec.export._write_warmup", fail)
        with pytest.raises(OSError, match="No space left"):
            model.export(tmp_path / "ease")
        assert list((tmp_path / "ease").iterdir()) == []

    def test_without_users(self, model, tmp_path):
        version = model.export(tmp_path / "ease", users=False)
        loaded = tf.saved_model.load(str(version))
        assert set(loaded.signatures) == {"recommend_from_history", "similar_items"}
        content = b"".join(file.read_bytes() for file in version.rglob("*") if file.is_file())
        assert b"item-5" in content
        assert b"user 5" not in content
        shapes = [shape for _, shape in tf.train.list_variables(str(version / "variables" / "variables"))]
        assert model.history_items.shape.as_list() not in shapes

    def test_seen_items_may_stay(self, model, data, tmp_path):
        version = model.export(tmp_path / "ease", exclude_seen=False)
        answer = tf.saved_model.load(str(version)).signatures["serving_default"](user_id=tf.constant(["user 0"]))
        expected = model.recommend(["user 0"], k=100, exclude_seen=False).item_id[0].tolist()
        assert [item.decode() for item in answer["item_id"].numpy()[0]] == expected

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"k": 0}, ValueError, "k must be"),
            ({"max_k": 0}, ValueError, "max_k must be"),
            ({"max_k": 10**9}, ValueError, "max_k is at most 1000"),
            ({"version": 2**70}, ValueError, "below 2⁶³"),
            ({"users": "no"}, TypeError, "users must be True or False"),
            ({"exclude_seen": 0}, TypeError, "exclude_seen must be True or False"),
            ({"metrics": {"ndcg@10": float("nan")}}, ValueError, "metrics must be finite"),
            ({"k": 50, "max_k": 20}, ValueError, "raise max_k or lower k"),
            ({"version": 0}, ValueError, "version must be"),
            ({"version": "1"}, TypeError, "version must be"),
            ({"retrieval": "exact"}, TypeError, "retrieval takes a layer"),
        ],
    )
    def test_bad_arguments(self, model, tmp_path, arguments, error, message):
        with pytest.raises(error, match=message):
            model.export(tmp_path / "ease", **arguments)
        assert list(tmp_path.iterdir()) == []

    def test_into_a_file(self, model, tmp_path):
        (tmp_path / "ease").write_text("precious")
        with pytest.raises(FileExistsError, match="it is a file"):
            model.export(tmp_path / "ease")

    def test_before_fit(self, tmp_path):
        with pytest.raises(ValueError, match="knows no data yet"):
            EASE().export(tmp_path / "ease")
        assert list(tmp_path.iterdir()) == []
