"""The GeoTIFFs of a raster: its class map with colours and names, and the probabilities.

Both are cloud-optimised GeoTIFFs with the place of the raster (`cloud_optimised`).
"""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from fullconv.classes import ClassSet
from fullconv.data.reading.raster import Georeference
from fullconv.errors import printable
from fullconv.files.atomic import write_atomically
from fullconv.inference.rasters.cloud_optimised import Band, Rows, write_cloud_optimised
from fullconv.inference.rasters.qgis_style import write_style

MOST_COLORS = 256
"""Entries of a colour table; class maps with more values have none."""


def write_class_map(
    path: Path, size: tuple[int, int], rows: Rows, classes: ClassSet, where: Georeference
) -> list[Path]:
    """Write a class map of ``size`` (H, W) to ``path``; the paths written.

    One band, uint8, uint16 where a value is above 255, whose nodata value is ``classes.ignore``;
    the names are in the tag CLASSES, as JSON from value to name. Beside it PATH.aux.xml, in which
    GDAL looks for the names, and a style for QGIS (`write_style`). Raises UserError where GDAL
    cannot write it; OSError passes through.
    """
    describe = _with_names(classes)
    band = Band(size, values_of(classes), rows, classes.ignore, describe)
    write_cloud_optimised(path, band, where)
    names = path.with_name(f"{path.name}.aux.xml")
    write_atomically(names, _category_names(classes))
    return [path, names, *write_style(path, classes)]


def write_probability_map(
    path: Path, size: tuple[int, int], rows: Rows, label: str, where: Georeference
) -> Path:
    """Write probabilities of ``size`` (H, W) to ``path``, and return it.

    One band, uint8, 255 is certain, called ``label``, with the scale 1/255 by which programs show
    it as 0 to 1. ``rows`` gives masked arrays: pixels that are none are 0 and are marked by a mask
    inside the file, as each of the 256 values is a probability. Raises as `write_class_map`.
    """

    def describe(dataset: Any) -> None:
        dataset.set_band_description(1, label)
        dataset.scales = (1 / 255,)

    band = Band(size, np.dtype(np.uint8), rows, None, describe, "average")
    write_cloud_optimised(path, band, where)
    return path


def result_of(stem: Path) -> Path:
    """The GeoTIFF that a raster becomes; ``stem`` is a path without an ending."""
    return Path(f"{stem}.tif")


def probability_result_of(stem: Path) -> Path:
    """The GeoTIFF of its probabilities."""
    return Path(f"{stem}_probability.tif")


def values_of(classes: ClassSet) -> np.dtype[Any]:
    """The type that holds all classes and the ignored value."""
    return np.dtype(np.uint8 if len(classes.palette()) == MOST_COLORS else np.uint16)


def _with_names(classes: ClassSet) -> Any:
    """A function that sets the colours and names of ``classes`` in an open dataset."""

    def describe(dataset: Any) -> None:
        palette = classes.palette()
        if len(palette) == MOST_COLORS:
            colors = {value: tuple(map(int, color)) for value, color in enumerate(palette)}
            dataset.write_colormap(1, colors)
        names = {str(value): name for value, name in enumerate(classes.names)}
        dataset.update_tags(CLASSES=json.dumps(names, ensure_ascii=False))

    return describe


def _category_names(classes: ClassSet) -> str:
    """The sidecar file of GDAL that names the values."""
    lines = "\n".join(
        f"      <Category>{escape(printable(name))}</Category>" for name in classes.names
    )
    return (
        '<PAMDataset>\n  <PAMRasterBand band="1">\n    <CategoryNames>\n'
        f"{lines}\n    </CategoryNames>\n  </PAMRasterBand>\n</PAMDataset>\n"
    )
