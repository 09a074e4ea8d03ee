"""Predictions -> files of labelling tools: one file a tool, one way to outline regions."""

from fullconv.data.exporters.labelled_photo import Item, ShapeOptions
from fullconv.data.exporters.outlines.vectorize import Outline, Region, vectorize
from fullconv.data.exporters.registry import (
    EXPORTERS,
    Exporter,
    exporter,
    write_labels,
    written_labels,
)

__all__ = [
    "EXPORTERS",
    "Exporter",
    "Item",
    "Outline",
    "Region",
    "ShapeOptions",
    "exporter",
    "vectorize",
    "write_labels",
    "written_labels",
]
