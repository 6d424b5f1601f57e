"""Evaluation of ranking models: `evaluate` gives a `Report`; `comparison_table` shows several side by side."""

from tfrec.evaluation.evaluator import evaluate
from tfrec.evaluation.report import Report, comparison_table
from tfrec.evaluation.scoring import NonFiniteScoresError

__all__ = ["NonFiniteScoresError", "Report", "comparison_table", "evaluate"]
