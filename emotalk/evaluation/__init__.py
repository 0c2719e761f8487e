"""Measures of what was made: pictures against the recorded ones, lips against the sound, faces against the mood.

`evaluate(avatar, tracked)` compares an avatar with a video of the same person; `protocols` runs the papers' settings.
"""

from emotalk.evaluation.evaluate import evaluate
from emotalk.evaluation.report import METRICS, EvaluationReport, write_reports

__all__ = ["METRICS", "EvaluationReport", "evaluate", "write_reports"]
