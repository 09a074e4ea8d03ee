"""The reliability diagram: how often a net is right, by how confident it is."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fullconv.checkpoints.temperature import Calibration
from fullconv.metrics.reliability import Reliability
from fullconv.report.plot import png

ORANGE, BLUE, GREY = "#d95f02", "#1f5fa8", "#777777"


def reliability_picture(before: Reliability, after: Reliability) -> bytes:
    """PNG: of each bin of confidence the share that is right, before and after; below, pixels."""
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle="--", label="as right as sure")
    pairs = ((before, ORANGE, "before", "o"), (after, BLUE, "after", "s"))
    for measured, color, name, marker in pairs:
        there = measured.pixels > 0
        sure = measured.confidence[there] / measured.pixels[there]
        right = measured.right[there] / measured.pixels[there]
        label = f"{name}: ECE {100 * measured.ece:.2f} %"
        upper.plot(sure, right, color=color, marker=marker, markersize=4, label=label)
        edges = np.linspace(0, 1, len(measured.pixels) + 1)
        lower.stairs(100 * measured.pixels / measured.total, edges, color=color)
    upper.set_ylabel("share that is right")
    upper.legend(loc="upper left")
    upper.grid(alpha=0.3)
    lower.set_ylabel("% of pixels")
    lower.set_yscale("log")
    lower.set_xlim(0, 1)
    lower.set_xlabel("probability of the predicted class")
    lower.grid(alpha=0.3)
    return png(figure)


def calibration_parts(header: dict[str, Any], outputs: list[str]) -> list[dict[str, Any]]:
    """For the page of a run: of each output its figures and diagram; empty without calibration."""
    try:
        calibration = Calibration.from_header(header, len(outputs))
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    if calibration is None:
        return []
    each = zip(
        outputs, calibration.temperatures, calibration.before, calibration.after, strict=False
    )
    return [
        {
            "output": output,
            "rows": [_row(1.0, before), _row(temperature, after)],
            "diagram": reliability_picture(before, after),
            "photos": calibration.photos,
            "split": calibration.split,
        }
        for output, temperature, before, after in each
    ]


def _row(temperature: float, measured: Reliability) -> tuple[str, ...]:
    numbers = measured.ece, measured.mean_confidence, measured.accuracy
    return (f"{temperature:.3f}", *(f"{100 * number:.2f}" for number in numbers))
