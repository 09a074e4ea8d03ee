"""Outlines -> pixels. A pixel is inside where its centre is.

Coordinates are those of the labelling tools: x to the right, y down, the photo from (0, 0) to
(width, height), so pixel (row, column) covers [column, column + 1) x [row, row + 1) and its centre
has x = column + 0.5, y = row + 0.5. A centre that lies exactly on an outline belongs to the shape
on its right, or below: shapes that share an edge neither overlap there nor leave a gap.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import Size

Points = npt.NDArray[np.float64]
"""Corners, (n, 2): x, y."""
Bitmap = npt.NDArray[np.bool_]
Extent = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_MOST_CROSSINGS = 2**22  # edge x row pairs computed at a time, which bounds the memory


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a map of the photo."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


class Shape(Protocol):
    """Anything that covers pixels."""

    def extent(self) -> Extent:
        """Where it lies, in coordinates of the photo; it may reach beyond."""
        ...

    def area(self) -> float:
        """Pixels, about; it decides which of two shapes is the smaller one."""
        ...

    def inside(self, window: Window) -> Bitmap:
        """The pixels of ``window`` that it covers, (height, width)."""
        ...


def cover(shape: Shape, size: Size) -> tuple[Window, Bitmap]:
    """The part of a photo of ``size`` where ``shape`` lies, and which of its pixels it covers."""
    window = _around(shape.extent(), Window(0, 0, *size))
    return window, shape.inside(window)


def beyond(shape: Shape, size: Size) -> float:
    """How many pixels ``shape`` reaches out of a photo of ``size``; 0 where it does not."""
    left, top, right, bottom = shape.extent()
    return max(-left, -top, right - size[1], bottom - size[0], 0.0)


def _around(extent: Extent, frame: Window) -> Window:
    """The pixels of ``frame`` that ``extent`` touches."""
    left, top, right, bottom = extent
    low_y, high_y = _span(top, bottom, frame.top, frame.height)
    low_x, high_x = _span(left, right, frame.left, frame.width)
    return Window(low_y, low_x, high_y - low_y, high_x - low_x)


def _span(low: float, high: float, first: int, count: int) -> tuple[int, int]:
    last = first + count
    start = min(max(math.floor(low), first), last)
    return start, max(start, min(max(math.ceil(high), first), last))


@dataclass(frozen=True, eq=False)
class Polygon:
    """Closed rings, each filled by the even-odd rule; together they cover what any of them does."""

    rings: tuple[Points, ...]

    def extent(self) -> Extent:
        return _bounds(self.rings)

    def area(self) -> float:
        return sum(_ring_area(ring) for ring in self.rings)

    def inside(self, window: Window) -> Bitmap:
        covered = np.zeros((window.height, window.width), np.bool_)
        for ring in self.rings:
            covered |= _filled(ring, window)
        return covered


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """An upright rectangle."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Polygon((np.array(corners, np.float64),))


def turned(points: Points, center: tuple[float, float], degrees: float) -> Points:
    """``points`` turned about ``center``, clockwise as seen on the screen."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (points - center) @ np.array([[cos, sin], [-sin, cos]]) + center


@dataclass(frozen=True, eq=False)
class Ellipse:
    """A filled ellipse, turned clockwise by ``degrees``; a circle has two equal radii."""

    center: tuple[float, float]
    radii: tuple[float, float]
    degrees: float = 0.0

    def extent(self) -> Extent:
        cos, sin = np.cos(np.deg2rad(self.degrees)), np.sin(np.deg2rad(self.degrees))
        wide = float(np.hypot(self.radii[0] * cos, self.radii[1] * sin))
        high = float(np.hypot(self.radii[0] * sin, self.radii[1] * cos))
        x, y = self.center
        return x - wide, y - high, x + wide, y + high

    def area(self) -> float:
        return float(np.pi * self.radii[0] * self.radii[1])

    def inside(self, window: Window) -> Bitmap:
        if min(self.radii) <= 0:
            return np.zeros((window.height, window.width), np.bool_)
        centers = turned(_centers(window), self.center, -self.degrees) - self.center
        return ((centers / self.radii) ** 2).sum(-1) <= 1


@dataclass(frozen=True, eq=False)
class Stroke:
    """Lines drawn with a round pen of ``width`` pixels; a line of one point is a disc."""

    lines: tuple[Points, ...]
    width: float

    def extent(self) -> Extent:
        left, top, right, bottom = _bounds(self.lines)
        reach = self.width / 2
        return left - reach, top - reach, right + reach, bottom + reach

    def area(self) -> float:
        steps = sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in self.lines)
        return self.width * (steps + self.width)

    def inside(self, window: Window) -> Bitmap:
        covered = np.zeros((window.height, window.width), np.bool_)
        for line in self.lines:
            ends = line[1:] if len(line) > 1 else line
            for start, end in zip(line, ends, strict=False):
                self._draw(covered, window, start, end)
        return covered

    def _draw(self, covered: Bitmap, window: Window, start: Points, end: Points) -> None:
        """One segment, in the part of the window that it can reach."""
        reach = self.width / 2
        low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
        part = _around((*low, *high), window)
        to_center, along = _centers(part) - start, end - start
        length = float(along @ along)
        share = np.clip(to_center @ along / length, 0, 1) if length else np.zeros(())
        apart = to_center - share[..., None] * along
        rows, columns = part.slices
        rows = slice(rows.start - window.top, rows.stop - window.top)
        columns = slice(columns.start - window.left, columns.stop - window.left)
        covered[rows, columns] |= (apart**2).sum(-1) <= reach**2


@dataclass(frozen=True, eq=False)
class Bits:
    """Pixels given one by one, (H, W), the upper left one at (``top``, ``left``)."""

    bitmap: Bitmap
    top: int = 0
    left: int = 0

    def extent(self) -> Extent:
        rows, columns = (np.flatnonzero(self.bitmap.any(axis)) for axis in (1, 0))
        if not len(rows):
            return self.left, self.top, self.left, self.top
        left, right = self.left + int(columns[0]), self.left + int(columns[-1]) + 1
        return left, self.top + int(rows[0]), right, self.top + int(rows[-1]) + 1

    def area(self) -> float:
        return float(self.bitmap.sum())

    def inside(self, window: Window) -> Bitmap:
        top, left = window.top - self.top, window.left - self.left
        return self.bitmap[top : top + window.height, left : left + window.width]


def _bounds(parts: tuple[Points, ...]) -> Extent:
    corners = np.concatenate(parts)
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    return float(left), float(top), float(right), float(bottom)


def _centers(window: Window) -> npt.NDArray[np.float64]:
    """x, y of the centre of each pixel, (height, width, 2)."""
    y, x = np.mgrid[: window.height, : window.width] + 0.5
    return np.stack([x + window.left, y + window.top], axis=-1)


def _ring_area(ring: Points) -> float:
    (x, y), (next_x, next_y) = (ring - ring[0]).T, (np.roll(ring, -1, axis=0) - ring[0]).T
    return abs(float((x * next_y - next_x * y).sum())) / 2


def _filled(ring: Points, window: Window) -> Bitmap:
    """Even-odd: a pixel is inside where an odd number of edges crosses its row left of it."""
    edges = np.stack([ring, np.concatenate([ring[1:], ring[:1]])], axis=1)  # edge, end, x and y
    # From top to bottom, whichever way the ring runs: neighbours compute a shared edge alike.
    down = edges[:, 0, 1] <= edges[:, 1, 1]
    edges = np.where(down[:, None, None], edges, edges[:, ::-1])
    rows = _first_center(edges[..., 1], window.top, window.height)
    parity = np.zeros((window.height, window.width + 1), np.uint8)
    pieces = int((rows[:, 1] - rows[:, 0]).sum()) // _MOST_CROSSINGS + 1
    for piece in np.array_split(np.arange(len(edges)), pieces):
        _cross(edges[piece], rows[piece], window, parity)
    parity &= 1
    return np.bitwise_xor.accumulate(parity, axis=1)[:, :-1].astype(np.bool_)


def _cross(
    edges: npt.NDArray[np.float64],
    rows: npt.NDArray[np.int64],
    window: Window,
    parity: npt.NDArray[np.uint8],
) -> None:
    """Count each crossing of an edge and a row's centres at the first centre on its right."""
    number = rows[:, 1] - rows[:, 0]
    edge = np.repeat(np.arange(len(edges)), number)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number - rows[:, 0], number)
    (start_x, start_y), (end_x, end_y) = edges[edge, 0].T, edges[edge, 1].T
    y = row + (window.top + 0.5)
    x = start_x + (y - start_y) * (end_x - start_x) / (end_y - start_y)
    column = _first_center(x, window.left, window.width)
    np.add.at(parity, (row, column), 1)  # it may wrap at 256, which is even


def _first_center(
    coordinates: npt.NDArray[np.float64], first: int, count: int
) -> npt.NDArray[np.int64]:
    """The first of ``count`` pixels, from ``first`` on, whose centre is not before each."""
    pixels = np.ceil(coordinates - (first + 0.5))
    return np.minimum(np.maximum(pixels, 0), count).astype(np.int64)
