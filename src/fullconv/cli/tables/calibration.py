"""The table of a calibration."""

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from fullconv.calibration.temperature_scaling import COLDEST, HOTTEST
from fullconv.checkpoints.temperature import Calibration
from fullconv.cli.tables.screen import table

_EXPORTED = (".onnx", ".xml", ".pt2")


def calibration_tables(calibration: Calibration) -> Iterator[Table]:
    """For each output: temperature, ECE, mean confidence and pixel accuracy, before and after."""
    measured = calibration.before, calibration.after
    every = zip(calibration.outputs, calibration.temperatures, *measured, strict=True)
    for title, temperature, before, after in every:
        shown = table(title, ("temperature", "ECE", "mean confidence", "pixel accuracy"))
        for value, measured in ((1.0, before), (temperature, after)):
            numbers = measured.ece, measured.mean_confidence, measured.accuracy
            shown.add_row(f"{value:.3f}", *(f"{100 * number:.2f}" for number in numbers))
        yield shown


def calibration_warnings(calibration: Calibration, run: Path) -> Iterator[str]:
    """Warnings about a calibration."""
    for temperature in calibration.temperatures:
        if not COLDEST * 1.01 < temperature < HOTTEST * 0.99:
            yield (
                f"temperature {temperature:.3g} is the end of what is looked at: the net is right "
                "nearly everywhere on this split, or knows nothing of its labels"
            )
    exports = sorted(file.name for file in run.iterdir() if file.suffix in _EXPORTED)
    if exports:
        yield f"{', '.join(exports)}: exported before, without this calibration; export again"
