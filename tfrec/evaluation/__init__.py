"""Evaluation of models: `evaluate` gives a `Report`, `side_by_side` shows several, `compare` tests their differences.

`cross_validate` fits and evaluates one model on several splits; `tfrec.evaluation.plots` draws.
"""

from tfrec.evaluation.comparison import Comparison, compare
from tfrec.evaluation.cross_validation import CrossValidation, cross_validate
from tfrec.evaluation.evaluator import evaluate
from tfrec.evaluation.report import Report
from tfrec.evaluation.sameness import SameListWarning
from tfrec.evaluation.scoring import NonFiniteScoresError
from tfrec.evaluation.side_by_side import side_by_side

__all__ = [
    "Comparison",
    "CrossValidation",
    "NonFiniteScoresError",
    "Report",
    "SameListWarning",
    "compare",
    "cross_validate",
    "evaluate",
    "side_by_side",
]
