"""Fewer corners: Douglas and Peucker (1973), never farther from the line than the tolerance.

Each line is simplified once, so neighbours keep a common border without gaps or overlaps, and its
ends stay. What is simplified is not the stairs of the pixels' edges but the line through the
middles of the edges, which is at most `CHAMFER` away from them and follows a slanted border
closely; the tolerance counts from the pixels' edges all the same.

Where that would move more than `MOST_MOVED` of a class's pixels over to neighbours, as along thin
poles, or where lines would meet, they are done anew with smaller tolerances. Below half a pixel no
pixel's centre changes its side, and at 0 no corner is left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fullconv.data.exporters.outlines.borders import OUTSIDE, Ints
from fullconv.data.exporters.outlines.crossings import crossing_segments
from fullconv.data.exporters.outlines.rings import Regions

CHAMFER = 8**-0.5
MOST_MOVED = 0.008
"""Of the pixels of a class, up to a tolerance of 1: its IU with the map stays above 0.99.

Beyond, it grows with the square of the tolerance.
"""
MOST_OF_A_REGION = 0.1
"""Of the pixels of a region, likewise, but never above half of them."""
_NONE_MOVED = 0.49  # a tolerance below half a pixel, where the centres of pixels lie

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Level:
    """A tolerance, and whether the line through the middles of the edges is taken."""

    tolerance: float
    middles: bool

    def simplified(self, path: Ints) -> Points:
        line = _middles(path) if self.middles else path.astype(np.float64)
        closed = bool((path[0] == path[-1]).all())
        return _closed(line, self.tolerance) if closed else reduced(line, self.tolerance)


def _levels(tolerance: float) -> list[_Level]:
    exact = _Level(0.0, False)
    if tolerance < 0.5:
        return [_Level(tolerance, False), exact] if tolerance else [exact]
    shares = [share for share in (1, 0.7, 0.5, 0.35, 0.25) if share * tolerance > 0.5]
    return [
        *(_Level(max(share * tolerance - CHAMFER, 0.0), True) for share in shares),
        _Level(_NONE_MOVED - CHAMFER, True),
        exact,
    ]


def simplified(regions: Regions, tolerance: float) -> list[Points]:
    """The paths of all lines, (n, 2) float, with as few corners as ``tolerance`` pixels allow.

    The border of the map keeps its corners, and so do lines that would cross.
    """
    lines, levels = regions.lines, _levels(tolerance)
    last = len(levels) - 1
    inside = (lines.left != OUTSIDE) & (lines.right != OUTSIDE)
    level = np.where(inside, 0, last)
    paths: list[Points] = [path.astype(np.float64) for path in lines.paths]
    moved = np.zeros(len(lines), np.int64)
    todo = np.flatnonzero(level < last)
    while len(todo):
        for line in todo.tolist():
            paths[line] = levels[level[line]].simplified(lines.paths[line])
        before = [lines.paths[line] for line in todo.tolist()]
        after = [paths[line] for line in todo.tolist()]
        moved[todo] = moved_pixels(before, after)
        todo = np.union1d(_moving_too_much(regions, moved, tolerance), todo[_collapsed(after)])
        if not len(todo):
            todo = _crossing(paths)
        todo = todo[level[todo] < last]
        level[todo] += 1
    return paths


def _moving_too_much(regions: Regions, moved: Ints, tolerance: float) -> Ints:
    """The lines that move the most for their length, so that the others keep to the limits."""
    lines, region = regions.lines, regions.region_of_side
    density = np.repeat(moved / lines.lengths, 2)
    class_of_side = np.unique(regions.region_class[region], return_inverse=True)[1]
    beyond = np.zeros(2 * len(lines), bool)
    wide = max(tolerance, 1.0) ** 2
    for group, least in ((class_of_side, MOST_MOVED), (region, MOST_OF_A_REGION)):
        share = min(least * wide, 0.5)
        of_region = np.zeros(len(regions.region_pixels), np.int64)
        of_region[region] = group  # all sides of a region are in one
        pixels = np.bincount(of_region, regions.region_pixels)
        order = np.lexsort((density, group))
        total = np.cumsum(np.repeat(moved, 2)[order])
        first = np.searchsorted(group[order], np.arange(len(pixels)))
        before = np.concatenate([[0], total])[first]
        beyond[order] |= total - before[group[order]] > share * pixels[group[order]]
    return np.flatnonzero(beyond.reshape(-1, 2).any(1) & (moved > 0))


def _collapsed(paths: Sequence[Points]) -> npt.NDArray[np.bool_]:
    """Which are closed and have no inside any more."""
    return np.array([len(p) < 4 and bool((p[0] == p[-1]).all()) for p in paths], np.bool_)


def _crossing(paths: Sequence[Points]) -> Ints:
    """The lines that meet another one, or themselves, elsewhere than at a common end."""
    owner = np.repeat(np.arange(len(paths)), [len(path) - 1 for path in paths])
    starts = np.concatenate([path[:-1] for path in paths])
    stops = np.concatenate([path[1:] for path in paths])
    return np.unique(owner[crossing_segments(starts, stops)])


def _middles(path: Ints) -> Points:
    """The middles of a path's first and last pixel edge on each straight piece, and its ends."""
    line: Points = path.astype(np.float64)
    start, stop = line[:-1], line[1:]
    step = np.sign(stop - start) / 2
    points = np.stack([start + step, stop - step], axis=1).reshape(-1, 2)
    if (path[0] == path[-1]).all():
        points = np.concatenate([points, points[:1]])
    else:
        points = np.concatenate([line[:1], points, line[-1:]])
    changes = np.concatenate([[True], (np.diff(points, axis=0) != 0).any(1)])
    return points[changes]


def _closed(points: Points, tolerance: float) -> Points:
    """A closed line, its first point repeated at its end, cut where two points lie far apart."""
    points = points[:-1]
    start = int(((points - points.mean(0)) ** 2).sum(1).argmax())
    points = np.roll(points, -start, axis=0)
    middle = int(((points - points[0]) ** 2).sum(1).argmax())
    halves = points[: middle + 1], np.concatenate([points[middle:], points[:1]])
    first, second = (reduced(half, tolerance) for half in halves)
    return np.concatenate([first, second[1:]])


def reduced(points: Points, tolerance: float) -> Points:
    """Those of ``points`` (n, 2) that Douglas and Peucker keep, the first and last among them.

    No point is farther than ``tolerance`` from the piece that replaces it.
    """
    keep = np.zeros(len(points), bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    limit = tolerance**2 + 1e-9  # what lies on the line goes in spite of rounding
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        away = _squared_distances(points[first + 1 : last], points[first], points[last])
        farthest = int(away.argmax())
        if away[farthest] > limit:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return points[keep]


def _squared_distances(points: Points, start: Points, stop: Points) -> npt.NDArray[np.float64]:
    """From the piece between two points, not from the endless line through them."""
    along = stop - start
    length = float(along @ along)
    offset = points - start
    share = np.clip(offset @ along / length, 0, 1) if length else np.zeros(len(points))
    away = offset - share[:, None] * along
    return (away**2).sum(1)


def moved_pixels(before: Sequence[Ints], after: Sequence[Points]) -> Ints:
    """How many pixels' centres lie between two forms of each line, counted as an import counts."""
    if not before:
        return np.zeros(0, np.int64)
    lines, rows, columns = _row_crossings(_loops(before, after))
    order = np.lexsort((columns, rows, lines))
    lines, columns = lines[order], columns[order]
    return np.bincount(lines[0::2], columns[1::2] - columns[0::2], len(before)).astype(np.int64)


def _loops(before: Sequence[Ints], after: Sequence[Points]) -> tuple[Ints, Points, Points]:
    """The number, start and stop of each segment of the two forms of each line."""
    paths: Iterable[npt.NDArray[np.floating]] = [np.asarray(p, np.float64) for p in before]
    paths = [*paths, *after]
    count = np.array([len(path) - 1 for path in paths])
    number = np.repeat(np.tile(np.arange(len(before)), 2), count)
    starts = np.concatenate([path[:-1] for path in paths])
    stops = np.concatenate([path[1:] for path in paths])
    return number, starts, stops


def _row_crossings(segments: tuple[Ints, Points, Points]) -> tuple[Ints, Ints, Ints]:
    """Line, row and first column right of it, of each crossing with a row of pixels' centres.

    As `fullconv.data.importers.drawing.regions` computes it.
    """
    line, start, stop = segments
    down = (start[:, 1] <= stop[:, 1])[:, None]
    upper, lower = np.where(down, start, stop), np.where(down, stop, start)
    first, behind = np.ceil(upper[:, 1] - 0.5), np.ceil(lower[:, 1] - 0.5)
    count = (behind - first).astype(np.int64)
    which = np.repeat(np.arange(len(line)), count)
    row = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
    (x0, y0), (x1, y1) = upper[which].T, lower[which].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return line[which], row.astype(np.int64), np.ceil(x - 0.5).astype(np.int64)
