"""Fixtures of the serving tests: small SavedModels with the signatures of an exported recommender, and servers of them.

The cases run against the stand-in, and against the real `tensorflow_model_server` where there is one.
"""

import itertools
import shutil
import threading
import time
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_log_pb2, prediction_service_pb2_grpc

from tfrec.serving import launch

ITEMS = ("i1", "i2", "i3", "i4", "i5", "i6")
STAND_IN = "stand-in"
REAL = "tensorflow_model_server"
KINDS = [STAND_IN, pytest.param(REAL, marks=pytest.mark.real_server)]


class Recommender(tf.Module):
    """Ranks the items by a fixed score; version 1 has i1 first, version 2 has i6 first.

    The rows come back as wide as the largest k of the batch, as those of a merged batch do.
    """

    def __init__(self, version):
        super().__init__()
        scores = [float(len(ITEMS) - i) for i in range(len(ITEMS))]
        self.scores = tf.Variable(scores if version == 1 else scores[::-1])
        self.items = tf.constant(ITEMS)

    def _top(self, allowed, k):
        scores = tf.where(allowed, self.scores[tf.newaxis], -1.0)
        best, index = tf.math.top_k(scores, tf.minimum(tf.reduce_max(k), len(ITEMS)))
        return {
            "item_id": tf.where(best >= 0, tf.gather(self.items, index), ""),
            "score": tf.where(best >= 0, best, 0.0),
        }

    def _among(self, ids):
        return tf.reduce_any(ids[:, :, tf.newaxis] == self.items, axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "user_id")])
    def default(self, user_id):
        return self._top(tf.fill([tf.size(user_id), len(ITEMS)], True), 3)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "user_id"),
            tf.TensorSpec([None], tf.int32, "k"),
            tf.TensorSpec([None, None], tf.string, "exclude"),
        ]
    )
    def recommend(self, user_id, k, exclude):
        return self._top(~self._among(exclude) & (tf.size(user_id) >= 0), k)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "history"),
            tf.TensorSpec([None], tf.int32, "k"),
            tf.TensorSpec([None, None], tf.string, "exclude"),
        ]
    )
    def recommend_from_history(self, history, k, exclude):
        return self._top(~self._among(history) & ~self._among(exclude), k)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "history"),
            tf.TensorSpec([None, None], tf.float32, "rating"),
            tf.TensorSpec([None], tf.int32, "k"),
            tf.TensorSpec([None, None], tf.string, "exclude"),
        ]
    )
    def rate_from_history(self, history, rating, k, exclude):
        answers = self._top(~self._among(history) & ~self._among(exclude), k)
        return answers | {"score": answers["score"] + tf.reduce_sum(rating, axis=1, keepdims=True)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "item_id"), tf.TensorSpec([None], tf.int32, "k")])
    def similar_items(self, item_id, k):
        known = tf.reduce_any(item_id[:, tf.newaxis] == self.items, axis=1)[:, tf.newaxis]
        return self._top(known & (item_id[:, tf.newaxis] != self.items), k)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "user_id"), tf.TensorSpec([None], tf.string, "item_id")]
    )
    def score(self, user_id, item_id):
        hit = tf.cast(item_id[:, tf.newaxis] == self.items, tf.float32)
        return {"score": tf.linalg.matvec(hit, self.scores) + 0.1 * tf.cast(user_id != "", tf.float32)}

    def save(self, path):
        names = ("recommend", "recommend_from_history", "rate_from_history", "similar_items", "score")
        signatures = {"serving_default": self.default} | {name: getattr(self, name) for name in names}
        tf.saved_model.save(self, str(path), signatures=signatures)


class Types(tf.Module):
    """One signature for each thing that a request or an answer may hold."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, "whole"),
            tf.TensorSpec([None], tf.float64, "real"),
            tf.TensorSpec([None], tf.bool, "flag"),
        ]
    )
    def numbers(self, whole, real, flag):
        return {"whole": whole, "real": real, "flag": flag, "small": tf.cast(whole, tf.uint8)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def text(self, text):
        return {"text": text, "raw_bytes": text}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def total(self, x):
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "index")])
    def pick(self, index):
        # A lookup out of range fails on the processor, as a model might fail that wasn't tested enough.
        return {"picked": tf.gather(tf.constant([1.0, 2.0]), index)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "loops")])
    def slow(self, loops):
        def burn(i, y):
            return i + 1, tf.linalg.matmul(y, y) / 200.0

        done, y = tf.while_loop(lambda i, _: i < loops[0], burn, [0, tf.ones([200, 200])], parallel_iterations=1)
        return {"done": done + 0 * tf.cast(y[0, 0], tf.int32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def python(self, x):
        return {"y": tf.ensure_shape(tf.numpy_function(lambda values: values + 1, [x], tf.float32), [None])}

    def save(self, path):
        names = ("numbers", "text", "total", "pick", "slow", "python")
        tf.saved_model.save(self, str(path), signatures={name: getattr(self, name) for name in names})


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """SavedModels to copy from: ``shop1`` and ``shop2``, two versions of a recommender, and ``types``."""
    folder = tmp_path_factory.mktemp("saved")
    Recommender(1).save(folder / "shop1")
    Recommender(2).save(folder / "shop2")
    Types().save(folder / "types")
    return folder


@pytest.fixture(scope="session")
def install(saved):
    """Copies a SavedModel to EXPORT_DIR/<model>/<version> the way exports do: aside, then into place by a rename."""
    numbers = itertools.count()

    def install(name, export_dir, model, version):
        model_dir = export_dir / model
        model_dir.mkdir(parents=True, exist_ok=True)
        aside = model_dir / f".tmp-{next(numbers)}"
        shutil.copytree(saved / name, aside)
        return aside.rename(model_dir / str(version))

    return install


@pytest.fixture(scope="session")
def export_dir(tmp_path_factory, install) -> Path:
    """Three models, one with two versions, among the things that lie about in such folders."""
    folder = tmp_path_factory.mktemp("exports")
    install("shop1", folder, "shop", 1)
    install("shop2", folder, "shop", 2)
    install("shop1", folder, "news", 7)
    install("types", folder, "types", 1)
    install("shop1", folder, "_unfinished", 1)
    (folder / "shop" / "latest").mkdir()
    (folder / "shop" / "9").mkdir()  # a number, and no SavedModel inside
    (folder / "notes.txt").write_text("not a model")
    return folder


@pytest.fixture(scope="session", params=KINDS)
def server(request, export_dir):
    """A running server of each kind; the recommender is served in all versions, with a label on each."""
    _skip_if_missing(request.param)
    if request.param == REAL:  # it takes every numbered folder for a version
        shutil.rmtree(export_dir / "shop" / "9", ignore_errors=True)
    with launch.start(
        export_dir,
        grpc_port=0,
        rest_port=0,
        versions={"shop": "all"},
        labels={"shop": {"stable": 1, "canary": 2, "gone": 5}},
        kind=request.param,
    ) as running:
        running.wait_ready()
        yield running


@pytest.fixture(params=KINDS)
def start_server(request):
    """Starts a server of each kind over a folder of the test's own; stopped at the end."""
    _skip_if_missing(request.param)
    started = []

    def start(export_dir, **options):
        running = launch.start(export_dir, grpc_port=0, rest_port=0, kind=request.param, **options)
        started.append(running)
        running.wait_ready()
        return running

    yield start
    for running in started:
        running.stop()


def _skip_if_missing(kind):
    if kind == REAL and shutil.which(REAL) is None:
        pytest.skip(f"{REAL} is not on the PATH")


@pytest.fixture
def stubs():
    """The unmodified stubs of `tensorflow-serving-api` for a server's address."""
    channels = []

    def connect(address):
        channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        channels.append(channel)
        return (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )

    yield connect
    for channel in channels:
        channel.close()


@pytest.fixture(scope="session")
def eventually():
    """Waits until a condition holds, and fails the test if it doesn't in time."""

    def eventually(condition, timeout=20.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.02)

    return eventually


@pytest.fixture(scope="session")
def keep_asking():
    """Runs a function over and over in threads beside the test; gives all answers back, or the first error."""

    class Asking:
        def __init__(self, ask, threads=3):
            self.answers, self.errors = [], []
            self._stop = threading.Event()
            self._threads = [threading.Thread(target=self._run, args=[ask]) for _ in range(threads)]

        def _run(self, ask):
            while not self._stop.is_set():
                try:
                    self.answers.append(ask())
                except Exception as error:
                    self.errors.append(error)

        def __enter__(self):
            for thread in self._threads:
                thread.start()
            return self

        def __exit__(self, *_):
            self._stop.set()
            for thread in self._threads:
                thread.join()

    return Asking


@pytest.fixture(scope="session")
def write_warm_up():
    """Writes requests where TensorFlow Serving looks for them: assets.extra/tf_serving_warmup_requests."""

    def write(version_dir, *requests):
        folder = version_dir / "assets.extra"
        folder.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
            for request in requests:
                log = prediction_log_pb2.PredictionLog()
                log.predict_log.request.CopyFrom(request)
                writer.write(log.SerializeToString())

    return write
