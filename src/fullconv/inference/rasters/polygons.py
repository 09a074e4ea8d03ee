"""The class map of a raster as polygons where they lie on the Earth, and its areas.

Coordinates are those of the raster's own system, which the file names in the member ``crs``, as
GDAL and QGIS read it; in WGS 84 it names none, as RFC 7946 has it. Without a georeference they are
pixels, y down. The map is read by strips of rows and only its borders are kept, so polygons reach
across strips and tiles and the memory does not grow with the raster's pixels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.exporters import ShapeOptions
from fullconv.data.exporters.outlines.borders import STRIP
from fullconv.data.exporters.outlines.vectorize import vectorize_rows
from fullconv.data.exporters.tools.geojson import feature, write_features
from fullconv.data.reading.formats import gdal_dataset
from fullconv.files.atomic import write_atomically
from fullconv.files.file_errors import file_errors

_PARTS = 6
"""Coordinates are rounded to a millionth (10^-6) of a pixel."""


def write_polygons(
    class_map: Path,
    target: Path,
    classes: ClassSet,
    options: ShapeOptions,
    hidden: tuple[int, ...] = (),
) -> int:
    """Write the polygons of a GeoTIFF that `predict_raster` wrote to ``target``; how many.

    Pixels without data, the background and the classes in ``hidden`` are left out. Raises UserError
    where it cannot be read or written.
    """
    with file_errors(target, writing=True), gdal_dataset(class_map, str(class_map)) as dataset:
        regions = vectorize_rows(
            _rows_of(dataset), (dataset.height, dataset.width), options.tolerance,
            options.smallest, leave_out=(*options.left_out(classes), *hidden, classes.ignore),
            ignore=classes.ignore,
        )  # fmt: skip
        place, area = _placed(dataset), square_metres(dataset)
        features = (feature(region, classes, place, area) for region in regions)
        count = 0

        def write(file: Any) -> None:
            nonlocal count
            count = write_features(file, features, _crs_name(dataset))

        write_atomically(target, write)
    return count


def pixel_counts(class_map: Path, classes: ClassSet) -> tuple[list[int], float | None]:
    """The pixels of each class of such a GeoTIFF, and the area of one in square metres or None."""
    counts = np.zeros(len(classes), np.int64)
    with gdal_dataset(class_map, str(class_map)) as dataset:
        read = _rows_of(dataset)
        step = max(1, STRIP // dataset.width)
        for top in range(0, dataset.height, step):
            values = read(slice(top, min(top + step, dataset.height))).ravel()
            counts += np.bincount(values, minlength=len(classes))[: len(classes)]
        return counts.tolist(), square_metres(dataset)


def square_metres(dataset: Any) -> float | None:
    """The area of a pixel, where the coordinates are lengths (metres, feet); else None."""
    crs, transform = dataset.crs, dataset.transform
    if crs is None or not crs.is_projected or transform.is_identity:
        return None
    metres = crs.linear_units_factor[1]
    return abs(transform.determinant) * metres**2


def _rows_of(dataset: Any) -> Callable[[slice], npt.NDArray[Any]]:
    def read(rows: slice) -> npt.NDArray[Any]:
        return dataset.read(1, window=((rows.start, rows.stop), (0, dataset.width)))

    return read


def _placed(dataset: Any) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    transform = dataset.transform
    if transform.is_identity:
        return lambda corners: corners
    a, b, c, d, e, f = tuple(transform)[:6]
    size = abs(transform.determinant) ** 0.5
    digits = _PARTS + max(0, int(np.ceil(-np.log10(size)))) if size else 15
    matrix, origin = np.array([[a, d], [b, e]]), np.array([c, f])
    return lambda corners: np.round(corners @ matrix + origin, digits)


def _crs_name(dataset: Any) -> str | None:
    """The member ``crs``: the authority's name, else the definition in WKT."""
    crs = dataset.crs
    if crs is None or dataset.transform.is_identity:
        return None
    authority = crs.to_authority()
    if authority == ("EPSG", "4326") or authority == ("OGC", "CRS84"):
        return None
    if authority is None:
        return crs.to_wkt()
    return f"urn:ogc:def:crs:{authority[0]}::{authority[1]}"
