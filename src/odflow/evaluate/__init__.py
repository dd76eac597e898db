"""How good an estimate is: metrics, scores, benchmarks."""

from odflow.evaluate.metrics import nmae, rmse, sre, tre
from odflow.evaluate.scores import FlowScore, LinkResidual, Score, Stats, score

__all__ = ["FlowScore", "LinkResidual", "Score", "Stats", "nmae", "rmse", "score", "sre", "tre"]
