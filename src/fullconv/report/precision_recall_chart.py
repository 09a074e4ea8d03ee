"""The precision-recall curves of overlapping classes for the page of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fullconv.classes import ClassSet
from fullconv.metrics import MultilabelScores, percent
from fullconv.report.charts import Chart, DrawnChart, Line, drawn

MOST = 20  # curves that can be told apart; those of the classes with most pixels


def precision_recall_chart(scores: MultilabelScores) -> DrawnChart | None:
    """A curve a class over all thresholds, a dot at its own; None where there are no curves."""
    curves = scores.curves
    if curves is None:
        return None
    largest = sorted(np.argsort(-scores.pixels, kind="stable")[:MOST])
    known = [int(place) for place in largest if not np.isnan(curves.average_precision[place])]
    lines = []
    for style, place in enumerate(known):
        name = f"{scores.names[place]} (AP {percent(float(curves.average_precision[place]))})"
        # Recall falls as the threshold rises.
        recall, precision = curves.recall[place, ::-1], curves.precision[place, ::-1]
        used = 100 * scores.accuracy[[place]], np.nan_to_num(scores.precision[[place]])
        lines.append(Line(name, 100 * recall, precision, style=style, dots=used))
    title = "precision in percent, by recall in percent"
    return drawn(Chart(title, lines, top=1.0, share=True), (0, 100)) if lines else None


def threshold_rows(scores: MultilabelScores, classes: ClassSet | None) -> Sequence[dict[str, Any]]:
    """A row a class of the table below the curves; ``classes`` give the colours."""
    average = scores.average_precision
    return [
        {
            "name": name,
            "color": classes.colors[i] if classes else None,
            "threshold": f"{scores.thresholds[i]:g}",
            "precision": float(scores.precision[i]),
            "recall": float(scores.accuracy[i]),
            "f1": float(scores.dice[i]),
            "average": float("nan") if average is None else float(average[i]),
        }
        for i, name in enumerate(scores.names)
    ]
