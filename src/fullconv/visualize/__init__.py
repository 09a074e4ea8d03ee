"""Class maps as pictures: colours, overlays with a legend, sample sheets."""

from fullconv.visualize.fonts import drawable, label, runs, undrawable
from fullconv.visualize.overlay import (
    INK,
    Legend,
    check_drawing,
    legend,
    multilabel_overlay,
    overlay,
    text_size,
)
from fullconv.visualize.sample_sheet import Row, sheet
from fullconv.visualize.tint import (
    PAPER,
    RGB,
    Mask,
    as_photo,
    colorize,
    flattened,
    layer,
    planes_of,
    present,
)

__all__ = [
    "INK",
    "PAPER",
    "RGB",
    "Legend",
    "Mask",
    "Row",
    "as_photo",
    "check_drawing",
    "colorize",
    "drawable",
    "flattened",
    "label",
    "layer",
    "legend",
    "multilabel_overlay",
    "overlay",
    "planes_of",
    "present",
    "runs",
    "sheet",
    "text_size",
    "undrawable",
]
