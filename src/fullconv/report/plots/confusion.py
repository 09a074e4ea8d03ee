"""The confusion matrix as a picture: what each true class was taken for."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from fullconv.classes import ClassSet
from fullconv.classes.colors import ink_on
from fullconv.metrics import Scores
from fullconv.report.plots.figure import drawn_names, families, png

WRITTEN = 32  # numbers would be unreadable with more classes than this


def confusion_picture(scores: Scores, classes: ClassSet | None = None) -> bytes:
    """PNG: row = true class, column = prediction, cell = percent of the true class's pixels.

    ``classes`` gives the colours beside the names; without it names only.
    """
    count = len(scores.names)
    share = 100 * scores.confusion / np.maximum(scores.pixels, 1)[:, None]  # K,K
    side = min(4.0 + 0.42 * count, 24.0)
    figure = Figure(figsize=(side, side * 0.92), layout="constrained")
    axes = figure.subplots()
    shown = np.sqrt(share)  # brings out the small confusions, which are what one looks for
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=10, interpolation="nearest")
    if count <= WRITTEN:
        for i, j in zip(*np.nonzero(share >= 0.5), strict=True):
            color = [round(255 * c) for c in colormaps["Blues"](shown[i, j] / 10)[:3]]
            ink = [c / 255 for c in ink_on(color)]
            axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=ink, fontsize=8)
    ticks = range(count) if count <= 100 else range(0, count, count // 50)
    names = drawn_names(scores.names, "class", first=0)
    labels = [names[i] for i in ticks]
    text = {"parse_math": False, "fontfamily": families(labels)}
    axes.set_xticks(ticks, labels, rotation=90, **text)
    axes.set_yticks(ticks, labels, **text)
    if classes is not None and count <= WRITTEN:
        for label, color in zip(axes.get_yticklabels(), classes.colors, strict=True):
            edge = [channel / 255 for channel in color]
            label.set_bbox({"facecolor": "none", "edgecolor": edge, "linewidth": 2, "pad": 1.5})
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"Percent of each true class's pixels (mean IU {100 * scores.mean_iu:.1f})")
    return png(figure)
