"""The precision-recall curves of overlapping classes as a picture."""

import numpy as np
from matplotlib.figure import Figure

from fullconv.classes import ClassSet
from fullconv.metrics import MultilabelScores, percent
from fullconv.report.plots.figure import drawn_names, families, png

MOST = 20  # curves that can be told apart; those of the classes with most pixels


def precision_recall_picture(
    scores: MultilabelScores, classes: ClassSet | None = None
) -> bytes | None:
    """PNG: a curve a class over all thresholds, a dot at its own; None where there are no curves.

    ``classes`` gives the colours. Thin lines join the points of equal F1. Of more than `MOST`
    classes those with most pixels are shown.
    """
    curves = scores.curves
    if curves is None:
        return None
    figure = Figure(figsize=(7.5, 5.6), layout="constrained")
    axes = figure.subplots()
    _draw_f1_lines(axes)
    names = drawn_names(scores.names, "class", first=0)
    for place in sorted(np.argsort(-scores.pixels, kind="stable")[:MOST]):
        if np.isnan(curves.average_precision[place]):
            continue
        color = [c / 255 for c in classes.colors[place]] if classes else None
        label = f"{names[place]} (AP {percent(float(curves.average_precision[place]))})"
        recall, precision = curves.recall[place], curves.precision[place]
        (line,) = axes.plot(recall, precision, color=color, linewidth=1.8, label=label)
        dot = scores.accuracy[place], scores.precision[place]
        axes.plot(*dot, "o", color=line.get_color(), markeredgecolor="white", markersize=8)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    axes.set_title("Precision and recall at every threshold; the dot is the one that is used")
    if axes.get_legend_handles_labels()[0]:
        font = {"family": families(names)}
        axes.legend(loc="lower left", prop=font, fontsize=9)
    return png(figure)


def _draw_f1_lines(axes) -> None:
    """Where F1 is 0.2, 0.4, 0.6 and 0.8."""
    recall = np.linspace(0.01, 1, 200)
    for f1 in (0.2, 0.4, 0.6, 0.8):
        with np.errstate(divide="ignore"):
            precision = f1 * recall / (2 * recall - f1)
        there = (precision > 0) & (precision <= 1)
        axes.plot(recall[there], precision[there], color="0.85", linewidth=0.8, zorder=0)
        axes.annotate(f"F1 {f1:g}", (1.0, f1 / (2 - f1)), color="0.55", fontsize=8, ha="right")
