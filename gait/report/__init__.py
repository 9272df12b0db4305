"""Figures and written reports. The only package that draws."""

from gait.report.identifiability import design_figure, prospects_figure, prospects_table, write_prospects
from gait.report.ratio_posterior import COMPLETION, completion_figure
from gait.report.recovery import LEARNING_CURVES, learning_curves, scatter, table, write_report

__all__ = [
    "COMPLETION",
    "LEARNING_CURVES",
    "completion_figure",
    "design_figure",
    "learning_curves",
    "prospects_figure",
    "prospects_table",
    "scatter",
    "table",
    "write_prospects",
    "write_report",
]
