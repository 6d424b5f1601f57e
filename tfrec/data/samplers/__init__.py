"""Negative samplers: items that a user is not known to like, drawn by TensorFlow graph operations.

    known = KnownPositives.of(train)
    sampler = Popularity(known, alpha=0.75)
    negatives = sampler.sample(users, 4, seed=0, epoch=epoch, step=step)    # int32 [batch, 4]

| class | draws |
|---|---|
| `Uniform` | every item with equal probability |
| `Popularity` | in proportion to popularity ** alpha |
| `InBatch` | the positives of the batch's other rows; `InBatch.logits` is the softmax over them, with logQ correction |
| `DynamicHard` | the best-scored of several candidates under the current model |
| `Mixed` | from several samplers, in given shares |

None of them returns an item of the user's training history. All are functions of (seed, epoch, step): usable in
`tf.data` with any number of parallel calls, in a `train_step`, and after a fit was resumed.

The package imports TensorFlow; `tfrec.data` doesn't import it.
"""

from tfrec.data.samplers.base import NegativeSampler
from tfrec.data.samplers.dynamic_hard import DynamicHard
from tfrec.data.samplers.in_batch import InBatch
from tfrec.data.samplers.mixed import Mixed
from tfrec.data.samplers.popularity import Popularity, Uniform
from tfrec.data.samplers.positives import KnownPositives

__all__ = ["DynamicHard", "InBatch", "KnownPositives", "Mixed", "NegativeSampler", "Popularity", "Uniform"]
