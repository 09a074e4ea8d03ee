"""Shapes made of other shapes: holes, even-odd rings, outlines that may be empty."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fullconv.data.importers.drawing.regions import (
    Bitmap,
    Extent,
    Points,
    Polygon,
    Shape,
    Stroke,
    Window,
)
from fullconv.data.importers.json_reader import points


class Nothing:
    """The shape of an outline without points: it covers no pixel, which a `Drawing` notes."""

    def extent(self) -> Extent:
        return 0.0, 0.0, 0.0, 0.0

    def area(self) -> float:
        return 0.0

    def inside(self, window: Window) -> Bitmap:
        return np.zeros((window.height, window.width), np.bool_)


NOTHING = Nothing()


def corners_of(values: Any) -> Points:
    """[[x, y], ...] as corners, (n, 2), of which there may be none."""
    return np.empty((0, 2)) if values == [] else points(values)


def filled(corners: Points) -> Shape:
    """The polygon of these corners; one of fewer than three covers nothing, which is noted."""
    return Polygon((corners,)) if len(corners) else NOTHING


def stroked(corners: Points, width: float) -> Shape:
    """A line through these corners, drawn with a round pen."""
    return Stroke((corners,), width) if len(corners) else NOTHING


def dotted(corners: Points, radius: float) -> Shape:
    """A disc at each of these points."""
    return Stroke(tuple(corners[:, None]), 2 * radius) if len(corners) else NOTHING


@dataclass(frozen=True, eq=False)
class EvenOdd:
    """Rings of one polygon: a pixel inside an even number of them is a hole."""

    rings: tuple[Points, ...]

    def extent(self) -> Extent:
        return Polygon(self.rings).extent()

    def area(self) -> float:
        areas = sorted((Polygon((ring,)).area() for ring in self.rings), reverse=True)
        return max(2 * areas[0] - sum(areas), 0.0) if areas else 0.0

    def inside(self, window: Window) -> Bitmap:
        parity = np.zeros((window.height, window.width), np.bool_)
        for ring in self.rings:
            parity ^= Polygon((ring,)).inside(window)
        return parity


@dataclass(frozen=True, eq=False)
class Together:
    """All that ``parts`` cover, without what ``holes`` cover."""

    parts: tuple[Shape, ...]
    holes: tuple[Shape, ...] = ()

    def extent(self) -> Extent:
        extents = np.array([part.extent() for part in self.parts])
        low, high = extents.min(0), extents.max(0)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])

    def area(self) -> float:
        whole = sum(part.area() for part in self.parts)
        return max(whole - sum(hole.area() for hole in self.holes), 0.0)

    def inside(self, window: Window) -> Bitmap:
        covered = np.zeros((window.height, window.width), np.bool_)
        for part in self.parts:
            covered |= part.inside(window)
        for hole in self.holes:
            covered &= ~hole.inside(window)
        return covered
