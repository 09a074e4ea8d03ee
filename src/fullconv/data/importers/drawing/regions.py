"""Outlines -> pixels. A pixel is inside where its centre is.

Coordinates are those of the labelling tools: x to the right, y down, the photo from (0, 0) to
(width, height), so pixel (row, column) covers [column, column + 1) x [row, row + 1) and its centre
has x = column + 0.5, y = row + 0.5. A centre that lies exactly on an outline belongs to the shape
on its right, or below: shapes that share an edge neither overlap there nor leave a gap.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fullconv.data.importers.annotations import Size
from fullconv.errors import UserError

Points = npt.NDArray[np.float64]
"""Corners, (n, 2): x, y."""
Bitmap = npt.NDArray[np.bool_]
Extent = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_AT_ONCE = 2**18  # edge x row pairs computed at a time, which bounds the memory
MOST_CROSSINGS = 2 * 10**8
"""Of the edges of a shape with rows of pixels, which bounds the time: about half a minute."""


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
        """Row by row: each crosses an ellipse in one span, which a quadratic equation gives."""
        if min(self.radii) <= 0:
            return np.zeros((window.height, window.width), np.bool_)
        cos, sin = np.cos(np.deg2rad(self.degrees)), np.sin(np.deg2rad(self.degrees))
        wide, high = self.radii
        top = (wide * sin) ** 2 + (high * cos) ** 2  # half its height, squared
        row = np.arange(window.height)
        down = row + (window.top + 0.5) - self.center[1]
        row, down = row[down**2 <= top], down[down**2 <= top]
        middle = self.center[0] + down * sin * cos * (wide**2 - high**2) / top
        half = wide * high * np.sqrt(top - down**2) / top
        return _of_spans(window, [(row, middle - half, middle + half)])


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
        """Row by row: each crosses the convex trace of one segment in one span."""
        starts = np.concatenate([line[:-1] if len(line) > 1 else line for line in self.lines])
        ends = np.concatenate([line[1:] if len(line) > 1 else line for line in self.lines])
        reach = self.width / 2
        upper = np.minimum(starts[:, 1], ends[:, 1]) - reach
        lower = np.maximum(starts[:, 1], ends[:, 1]) + reach
        first = _first_center(upper, window.top, window.height)
        last = window.height - _first_center(-lower, -window.top - window.height, window.height)
        pieces = _in_pieces(np.maximum(last - first, 0))
        spans = (
            (row, *_trace(starts[line], ends[line], np.float64(window.top + 0.5) + row, reach))
            for line, row in ((line, row + first[line]) for line, row in pieces)
        )
        return _of_spans(window, spans)


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
    for edge, row in _in_pieces(rows[:, 1] - rows[:, 0]):
        _cross(edges, edge, row + rows[edge, 0], window, parity)
    parity &= 1
    return np.bitwise_xor.accumulate(parity, axis=1)[:, :-1].astype(np.bool_)


def _cross(
    edges: npt.NDArray[np.float64],
    edge: npt.NDArray[np.int64],
    row: npt.NDArray[np.int64],
    window: Window,
    parity: npt.NDArray[np.uint8],
) -> None:
    """Count each crossing of an edge and a row's centres at the first centre on its right."""
    (start_x, start_y), (end_x, end_y) = edges[edge, 0].T, edges[edge, 1].T
    y = row + (window.top + 0.5)
    x = start_x + (y - start_y) * (end_x - start_x) / (end_y - start_y)
    column = _first_center(x, window.left, window.width)
    np.add.at(parity, (row, column), 1)  # it may wrap at 256, which is even


def _in_pieces(
    counts: npt.NDArray[np.int64],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Each index as often as ``counts`` says, with 0, 1, ... beside it, in pieces of bounded size.

    Raises UserError where that is more than a shape of any photo needs.
    """
    ends = np.cumsum(counts)
    if len(ends) and ends[-1] > MOST_CROSSINGS:
        raise UserError(
            f"has {len(counts)} edges that cross {ends[-1]} rows of pixels, more than the "
            f"{MOST_CROSSINGS} that are drawn; simplify it",
            "FC-IMPORT-014",
        )
    begin = 0
    while begin < len(counts):
        done = ends[begin] - counts[begin]
        end = max(int(np.searchsorted(ends, done + _AT_ONCE, "right")), begin + 1)
        part = counts[begin:end]
        index = np.repeat(np.arange(begin, end), part)
        yield index, np.arange(len(index)) - np.repeat(np.cumsum(part) - part, part)
        begin = end


def _trace(
    start: Points, end: Points, y: npt.NDArray[np.float64], reach: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Left and right end of what a round pen covers of row ``y`` between two points, (n,) each.

    The trace is two discs and the rectangle between them; as it is convex, a row's span is the
    hull of the spans of the three. Left is above right where it has none.
    """
    along = end - start
    length = np.hypot(*along.T)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1) * reach
    side = np.divide(side, length[:, None], out=np.zeros_like(side), where=length[:, None] > 0)
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    for center in (start, end):
        rest = reach**2 - (y - center[:, 1]) ** 2
        half = np.sqrt(np.maximum(rest, 0))
        left = np.where(rest >= 0, np.minimum(left, center[:, 0] - half), left)
        right = np.where(rest >= 0, np.maximum(right, center[:, 0] + half), right)
    corners = (start + side, end + side, end - side, start - side)
    for (x0, y0), (x1, y1) in pairwise([corner.T for corner in (*corners, corners[0])]):
        height = y1 - y0
        share = np.divide(y - y0, height, out=np.full(len(y), -1.0), where=height != 0)
        x, hit = x0 + share * (x1 - x0), (share >= 0) & (share <= 1)
        left = np.where(hit, np.minimum(left, x), left)
        right = np.where(hit, np.maximum(right, x), right)
    return left, right


_Span = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _of_spans(window: Window, spans: Iterable[_Span]) -> Bitmap:
    """The pixels whose centres lie in a span (row of the window, left, right), ends included."""
    change = np.zeros((window.height, window.width + 1), np.int32)
    for row, left, right in spans:
        first = _first_center(left, window.left, window.width)
        behind = window.width - _first_center(-right, -window.left - window.width, window.width)
        some = first < behind
        np.add.at(change, (row[some], first[some]), 1)
        np.add.at(change, (row[some], behind[some]), -1)
    return np.cumsum(change, axis=1, out=change)[:, :-1] > 0


def _first_center(
    coordinates: npt.NDArray[np.float64], first: int, count: int
) -> npt.NDArray[np.int64]:
    """The first of ``count`` pixels, from ``first`` on, whose centre is not before each."""
    pixels = np.ceil(coordinates - (first + 0.5))
    return np.minimum(np.maximum(pixels, 0), count).astype(np.int64)
