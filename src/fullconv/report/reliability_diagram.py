"""The reliability diagram: how often a net is right, by how confident it is."""

from typing import Any

import numpy as np

from fullconv.checkpoints.temperature import Calibration
from fullconv.metrics.reliability import Reliability
from fullconv.report.charts import Chart, DrawnChart, Line, drawn


def reliability_chart(before: Reliability, after: Reliability) -> DrawnChart:
    """The share of right pixels in each bin of confidence, before and after."""
    ends = np.array([0.0, 100.0])
    lines = [Line("as right as sure", ends, ends / 100, style=2)]
    for style, (name, measured) in enumerate((("before", before), ("after", after))):
        filled = measured.pixels > 0
        confidence = 100 * measured.confidence[filled] / measured.pixels[filled]
        right = measured.right[filled] / measured.pixels[filled]
        lines.append(Line(name, confidence, right, style=style))
    title = "percent that is right, by the probability in percent"
    return drawn(Chart(title, lines, top=1.0, share=True))


def calibration_parts(header: dict[str, Any], outputs: list[str]) -> list[dict[str, Any]]:
    """The figures and diagram of each output, for the page of a run; empty without calibration."""
    try:
        calibration = Calibration.from_header(header, len(outputs))
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    if calibration is None:
        return []
    measurements = zip(
        outputs, calibration.temperatures, calibration.before, calibration.after, strict=False
    )
    return [
        {
            "output": output,
            "rows": [_row(1.0, before), _row(temperature, after)],
            "diagram": reliability_chart(before, after),
            "photos": calibration.photos,
            "split": calibration.split,
        }
        for output, temperature, before, after in measurements
    ]


def _row(temperature: float, measured: Reliability) -> tuple[str, ...]:
    numbers = measured.ece, measured.mean_confidence, measured.accuracy
    return (f"{temperature:.3f}", *(f"{100 * number:.2f}" for number in numbers))
