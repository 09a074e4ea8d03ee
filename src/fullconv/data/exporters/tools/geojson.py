"""GeoJSON: a file of polygons with holes for each photo, in the form that QuPath edits.

Coordinates are those of the photo's pixels, y down, so no coordinate system is named: the file is
not to be taken for a map. Rasters that lie on the Earth are written by
`fullconv.inference.rasters.polygons`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fullconv.classes import ClassSet
from fullconv.data.exporters.labelled_photo import (
    Item,
    ShapedPhoto,
    ShapeOptions,
    color_of,
    label_of,
    rounded,
)
from fullconv.data.exporters.outlines.simplify import Points
from fullconv.data.exporters.outlines.vectorize import Outline, Region

Place = Callable[[Points], npt.NDArray[Any]]
"""Corners of pixels, (n, 2), x and y -> coordinates."""


def write(
    items: Iterable[Item], folder: Path, classes: ClassSet, options: ShapeOptions
) -> Iterator[Item]:
    """NAME.geojson for each item, and the photo beside it."""
    for item in items:
        photo = ShapedPhoto.of(item, folder, classes, options)
        features = (
            _for_qupath(region, classes)
            for region in photo.regions if region.value != classes.ignore
        )  # fmt: skip
        with (folder / f"{item.name}.geojson").open("wb") as file:
            write_features(file, features)
        yield item


def _for_qupath(region: Region, classes: ClassSet) -> dict[str, Any]:
    """A region in pixels, with what QuPath wants to know."""
    entry = feature(region, classes, lambda corners: corners, area=None)
    color = list(color_of(region.value, classes))
    named = {"name": label_of(region.value, classes), "color": color}
    entry["properties"] |= {"objectType": "annotation", "classification": named}
    return entry


def write_features(
    file: IO[bytes], features: Iterable[dict[str, Any]], crs: str | None = None
) -> int:
    """Write a FeatureCollection, a line for each feature; how many there are.

    ``crs`` is the name of the coordinate system, None in WGS 84 and in pixels.
    """
    count = 0
    named = {"type": "name", "properties": {"name": crs}}
    member = f'"crs": {json.dumps(named)},\n' if crs else ""
    file.write(f'{{"type": "FeatureCollection",\n{member}"features": ['.encode())
    for entry in features:
        text = json.dumps(entry, ensure_ascii=False)
        file.write(f"{',' if count else ''}\n{text}".encode())
        count += 1
    file.write(b"\n]}\n")
    return count


def feature(region: Region, classes: ClassSet, place: Place, area: float | None) -> dict[str, Any]:
    """A region as a polygon, or as several where its parts touch at corners alone.

    ``area`` is that of a pixel in square metres, or None.
    """
    polygons = [_polygon(outline, place) for outline in region.outlines]
    label = label_of(region.value, classes)
    properties: dict[str, Any] = {
        "class": label,
        "value": region.value,
        "pixels": region.pixels,
    }
    if area is not None:
        properties["square_metres"] = round(region.pixels * area, 4)
    if region.confidence is not None:
        properties["confidence"] = rounded(region.confidence)
    one = len(polygons) == 1
    geometry = {
        "type": "Polygon" if one else "MultiPolygon",
        "coordinates": polygons[0] if one else polygons,
    }
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _polygon(outline: Outline, place: Place) -> list[list[list[float]]]:
    """Closed rings; by RFC 7946 the outer one runs counterclockwise, holes the other way."""
    shell, *holes = (place(ring) for ring in (outline.shell, *outline.holes))
    rings = [_wound(shell, False), *(_wound(hole, True) for hole in holes)]
    return [[*ring, ring[0]] for ring in (ring.tolist() for ring in rings)]


def _wound(ring: npt.NDArray[Any], clockwise: bool) -> npt.NDArray[Any]:
    x, y = (ring - ring[0]).T
    doubled = float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())
    return ring if (doubled < 0) == clockwise else ring[::-1]
