"""100,000 users and 50,000 items are evaluated within 1 GiB above the model."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from tfrec._tf import tf
from tfrec.data import Interactions
from tfrec.evaluation import evaluate

N_USERS, N_ITEMS, D, K = 100_000, 50_000, 32, 20


class Factors:
    name = "factors"

    def __init__(self, user_ids, item_ids):
        rng = np.random.default_rng(0)
        self.user_ids, self.item_ids, self.n_items = user_ids, item_ids, N_ITEMS
        self.users = tf.constant(rng.standard_normal((N_USERS, D), np.float32))
        self.items = tf.constant(rng.standard_normal((N_ITEMS, D), np.float32))
        self.seen = tf.constant(rng.integers(N_ITEMS, size=(N_USERS, K), dtype=np.int32))
        self.item_counts, self.recommendable = tf.ones([N_ITEMS]), tf.ones([N_ITEMS], tf.bool)

    def has_history(self, users):
        return users >= 0

    def ranking_scores(self, users):
        scores = tf.matmul(tf.gather(self.users, users), self.items, transpose_b=True)
        return tf.where(self.has_history(users)[:, tf.newaxis], scores, self.item_counts[tf.newaxis])

    def seen_items(self, users):
        return tf.RaggedTensor.from_tensor(tf.gather(self.seen, users))


def ids(n):
    return np.array([str(i) for i in range(n)], dtype=object)


rng = np.random.default_rng(1)
test = Interactions(
    np.repeat(np.arange(N_USERS, dtype=np.int32), 5),
    rng.integers(N_ITEMS, size=5 * N_USERS, dtype=np.int32),
    user_ids=ids(N_USERS),
    item_ids=ids(N_ITEMS),
)
model = Factors(test.user_ids, test.item_ids)
model.ranking_scores(tf.range(2))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = evaluate(model, test, k=(10, 100), metrics=("ndcg", "recall", "map", "coverage", "novelty", "personalisation"))
print(report.n_users, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_the_peak_of_a_large_evaluation():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n_users, kilobytes = map(int, done.stdout.split())
    assert n_users == 100_000
    assert kilobytes < 2**20
