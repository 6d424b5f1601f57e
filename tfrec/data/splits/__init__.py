"""Splits of interactions into parts to train and to test on.

Every split divides the rows: each is in exactly one part, a repeated one too, and every part keeps the order of rows
and shares the vocabularies. A user who had the same item twice may therefore have it in both parts: leave repeated
pairs out first if that is not meant. A user or an item may be left without training rows; to a model it is unknown.

For a validation part, split twice, the second time the training part of the first:

    rest, test = leave_out(data)
    train, validation = leave_out(rest)
    model.fit(train, validation_data=validation)
    tfrec.evaluate(model, test, seen=validation)    # with validation items out of the running, as training items are
"""

from tfrec.data.splits.folds import Folds, k_fold
from tfrec.data.splits.leave_n_out import leave_out
from tfrec.data.splits.parts import Split
from tfrec.data.splits.random_rows import random_split
from tfrec.data.splits.strong import StrongSplit, strong_split
from tfrec.data.splits.temporal import temporal_split

__all__ = ["Folds", "Split", "StrongSplit", "k_fold", "leave_out", "random_split", "strong_split", "temporal_split"]
