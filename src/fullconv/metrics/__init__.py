"""Metrics of an evaluation: from class maps to counts, and from counts to scores and intervals."""

from fullconv.metrics.bootstrap import (
    Difference,
    Interval,
    Intervals,
    difference,
    intervals,
    obstacle,
)
from fullconv.metrics.boundary import WIDTH, boundary_counts, boundary_width, is_boundary
from fullconv.metrics.confusion_matrix import Counts, Matrix, confusion, counts_of
from fullconv.metrics.display import html_table, percent
from fullconv.metrics.multilabel import (
    Curves,
    Histogram,
    MultilabelScores,
    counts_of_planes,
    plane_counts,
)
from fullconv.metrics.per_photo import PhotoMetrics
from fullconv.metrics.scores import SUMMARY, Scores

__all__ = [
    "SUMMARY",
    "WIDTH",
    "Counts",
    "Curves",
    "Difference",
    "Histogram",
    "Interval",
    "Intervals",
    "Matrix",
    "MultilabelScores",
    "PhotoMetrics",
    "Scores",
    "boundary_counts",
    "boundary_width",
    "confusion",
    "counts_of",
    "counts_of_planes",
    "difference",
    "html_table",
    "intervals",
    "is_boundary",
    "obstacle",
    "percent",
    "plane_counts",
]
