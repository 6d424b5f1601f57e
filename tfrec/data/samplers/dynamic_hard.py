"""Hard negatives under the model as it is now."""

from collections.abc import Callable
from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.checks import check_integer
from tfrec.data.samplers.base import NegativeSampler, batch_indices, check_n


class DynamicHard(NegativeSampler):
    """The best-scored of several candidates under the current model.

    Zhang, Chen, Wang & Yu, "Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling", SIGIR 2013.
    Of M candidates drawn by another sampler, the negative is the one that the model scores highest: one that it wrongly
    ranks near the top, at the cost of M scores. The larger M, the harder the negative; with 1 it is the other sampler.

    The scores come from `score` when `sample` is called, so call it in the `train_step`: a `tf.data` pipeline runs
    ahead of the model, by how much nobody knows.

    Args:
        sampler: draws the candidates, with replacement.
        score: users int32 [batch] and candidates int32 [batch, n, M] → float [batch, n, M]. No gradient flows back.
        n_candidates: M.
    """

    def __init__(
        self, sampler: NegativeSampler, score: Callable[[Tensor, Tensor], Tensor], *, n_candidates: int = 32
    ) -> None:
        if not isinstance(sampler, NegativeSampler):
            raise TypeError(f"sampler must be a NegativeSampler; got {type(sampler).__name__}")
        if not callable(score):
            raise TypeError(f"score must be a function of users and candidates; got {type(score).__name__}")
        self.sampler = sampler
        self.score = score
        self.n_candidates = check_integer("n_candidates", n_candidates, minimum=1)

    def sample(self, users: Tensor, n: int = 1, *, seed: Any, epoch: Any, step: Any, items: Tensor = None) -> Tensor:
        """See `NegativeSampler.sample`. Of candidates with equal scores it is the one drawn first.

        Raises:
            ValueError: `score` gives a tensor of another shape than that of the candidates.
        """
        users, n = batch_indices("users", users), check_n(n)
        drawn = self.sampler.sample(users, n * self.n_candidates, seed=seed, epoch=epoch, step=step, items=items)
        drawn = tf.reshape(drawn, [-1, n, self.n_candidates])
        scores = tf.stop_gradient(self.score(users, tf.maximum(drawn, 0)))
        if not scores.shape.is_compatible_with(drawn.shape) or scores.shape.rank != drawn.shape.rank:
            raise ValueError(
                f"score must give one score for each candidate, of shape {drawn.shape}; got shape {scores.shape}"
            )
        scores = tf.where(drawn >= 0, scores, tf.constant(float("-inf"), scores.dtype))
        best = tf.argmax(scores, axis=2, output_type=tf.int32)
        return tf.gather(drawn, best, batch_dims=2)
