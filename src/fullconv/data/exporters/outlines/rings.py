"""Lines -> rings -> regions: which pixels belong together, what lies in which hole.

A ring keeps its region on its right, so on the screen an outer ring runs clockwise and a hole the
other way. Where two pixels of a class touch at a corner alone, the ring keeps to its own pixel: a
*part* is what is joined by the sides of pixels (4-connectivity). A *region* is a part, or with
8-connectivity all parts that touch at corners.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fullconv.data.exporters.outlines.borders import OUTSIDE, Ints, Lines, union, without

Connectivity = Literal[4, 8]
_EAST, _SOUTH, _WEST, _NORTH = range(4)


@dataclass(frozen=True, eq=False)
class Part:
    """A part as its loops of sides of lines (`Lines`): the outer one, and one for each hole."""

    shell: list[int]
    holes: list[list[int]]
    filled: int  # pixels inside of the outer loop, holes counted too


@dataclass(frozen=True, eq=False)
class Regions:
    """The parts and regions of a map: of each side, and the classes and pixels of each."""

    lines: Lines
    rings: list[list[int]]
    part_of_side: Ints
    region_of_part: Ints
    part_pixels: Ints
    region_pixels: Ints
    region_class: Ints
    region_sums: np.ndarray

    @property
    def region_of_side(self) -> Ints:
        return self.region_of_part[self.part_of_side]

    def parts(self) -> list[Part]:
        """Each part as its loops, none of which passes a vertex twice."""
        cross = _crosses(self.lines)
        starts, stops = self.lines.ends()
        tails = np.stack([starts, stops], axis=1).ravel().tolist()
        shells: dict[int, tuple[list[int], int]] = {}
        holes: dict[int, list[list[int]]] = defaultdict(list)
        for ring in self.rings:
            part = int(self.part_of_side[ring[0]])
            for loop in _simple_loops(ring, tails):
                doubled = int(cross[loop].sum())
                if doubled > 0:
                    shells[part] = loop, doubled // 2
                else:
                    holes[part].append(loop)
        count = len(self.region_of_part)
        return [Part(shells[p][0], holes[p], shells[p][1]) for p in range(count) if p in shells]


def regions_of(lines: Lines, connectivity: Connectivity = 8) -> Regions:
    """The regions that ``lines`` part. The last part and region is what lies outside of the map."""
    follows, touching = _successors(lines)
    rings, ring_of = _rings(follows)
    part = union(len(rings), ring_of[lines.same])
    side_class = np.stack([lines.right, lines.left], axis=1).ravel()
    outside = np.flatnonzero(side_class == OUTSIDE)
    part[ring_of[outside]] = len(rings)
    numbers, part = np.unique(part, return_inverse=True)
    part_of_side = part[ring_of]
    count = len(numbers)
    touching = part_of_side[touching] if connectivity == 8 else np.zeros((0, 2), np.int64)
    _, region = np.unique(union(count, touching), return_inverse=True)
    part_pixels = np.bincount(part_of_side, _crosses(lines), count).round().astype(np.int64) // 2
    sums = np.stack([lines.sums, -lines.sums], axis=1).ravel()
    region_class = np.full(region.max() + 1, OUTSIDE, np.int64)
    region_class[region[part_of_side]] = side_class
    return Regions(
        lines,
        rings,
        part_of_side,
        region,
        part_pixels,
        np.bincount(region, part_pixels).astype(np.int64),
        region_class,
        np.bincount(region[part_of_side], sums),
    )


def without_small(regions: Regions, smallest: int, keep: int, connectivity: Connectivity) -> Lines:
    """The lines once each region below ``smallest`` pixels is part of a neighbour.

    That is the one with which it shares the longest border; the class ``keep`` (what is ignored)
    neither grows nor goes. A region without another neighbour stays.
    """
    lines, side_region = regions.lines, regions.region_of_side
    pixels = regions.region_pixels.tolist()
    classes = regions.region_class.tolist()
    borders = _borders(side_region[0::2], side_region[1::2], lines.lengths)
    owner = list(range(len(pixels)))

    def root(region: int) -> int:
        while owner[region] != region:
            owner[region] = region = owner[owner[region]]
        return region

    order = sorted(range(len(pixels)), key=lambda region: pixels[region])
    for small in order:
        region = root(small)
        if pixels[region] >= smallest or classes[region] in (OUTSIDE, keep):
            continue
        shared: dict[int, int] = defaultdict(int)
        for other, length in borders[region].items():
            if classes[root(other)] not in (OUTSIDE, keep) and root(other) != region:
                shared[root(other)] += length
        if not shared:
            continue
        larger = max(shared, key=lambda other: (shared[other], pixels[other], -other))
        owner[region] = larger
        pixels[larger] += pixels[region]
        for other, length in borders.pop(region).items():
            borders[larger][other] += length
    roots = np.array([root(region) for region in range(len(owner))], np.int64)
    return without(lines, regions.region_class[roots[side_region]])


def _borders(one: Ints, other: Ints, lengths: Ints) -> dict[int, dict[int, int]]:
    """The length of the border of each two regions."""
    shared: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for a, b, length in zip(one.tolist(), other.tolist(), lengths.tolist(), strict=True):
        shared[a][b] += length
        shared[b][a] += length
    return shared


def _crosses(lines: Lines) -> Ints:
    """Twice the signed area below the path of each side: around a region twice its pixels."""
    doubled = np.zeros(len(lines), np.int64)
    for line, path in enumerate(lines.paths):
        x, y = path.T
        doubled[line] = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum()
    return np.stack([doubled, -doubled], axis=1).ravel()


def _successors(lines: Lines) -> tuple[list[int], Ints]:
    """The side that follows each around its region, and pairs of sides that touch at a corner."""
    starts, stops = lines.ends()
    tails = np.stack([starts, stops], axis=1).ravel()
    first, last = _headings(lines)
    leaves = np.stack([first, (last + 2) % 4], axis=1).ravel()
    arrives = np.stack([last, (first + 2) % 4], axis=1).ravel()
    heads = np.stack([stops, starts], axis=1).ravel()
    sides = {key: side for side, key in enumerate((4 * tails + leaves).tolist())}
    follows = []
    for vertex, heading in zip((4 * heads).tolist(), arrives.tolist(), strict=True):
        right, left = vertex + (heading + 1) % 4, vertex + (heading + 3) % 4
        side = sides.get(right, sides.get(vertex + heading, sides.get(left)))
        assert side is not None  # no line ends nowhere
        follows.append(side)
    return follows, _touching(lines, heads, arrives)


def _headings(lines: Lines) -> tuple[Ints, Ints]:
    """Where each path heads at its start and at its end: 0 east, 1 south, 2 west, 3 north."""
    first = np.array([path[1] - path[0] for path in lines.paths], np.int64).reshape(-1, 2)
    last = np.array([path[-1] - path[-2] for path in lines.paths], np.int64).reshape(-1, 2)
    return _heading(first), _heading(last)


def _heading(steps: Ints) -> Ints:
    x, y = np.sign(steps).T
    return np.where(x != 0, np.where(x > 0, _EAST, _WEST), np.where(y > 0, _SOUTH, _NORTH))


def _touching(lines: Lines, heads: Ints, arrives: Ints) -> Ints:
    """Where pixels of one class are opposite at a corner: arriving sides, east and west of it.

    A side that arrives heading east has the pixel south-west of the vertex on its right, one
    heading west that north-east; likewise south and north for the other two.
    """
    side_class = np.stack([lines.right, lines.left], axis=1).ravel()
    pairs = []
    for heading in (_EAST, _SOUTH):
        one, other = (np.flatnonzero(arrives == h) for h in (heading, heading + 2))
        _, a, b = np.intersect1d(heads[one], heads[other], return_indices=True)
        alike = side_class[one[a]] == side_class[other[b]]
        pairs.append(np.stack([one[a][alike], other[b][alike]], axis=1))
    return np.concatenate(pairs)


def _rings(follows: list[int]) -> tuple[list[list[int]], Ints]:
    """The rings as their sides in order, and the ring of each side."""
    ring_of = [-1] * len(follows)
    rings: list[list[int]] = []
    for start in range(len(follows)):
        if ring_of[start] >= 0:
            continue
        ring, side = [], start
        while ring_of[side] < 0:
            ring_of[side] = len(rings)
            ring.append(side)
            side = follows[side]
        rings.append(ring)
    return rings, np.array(ring_of, np.int64)


def _simple_loops(ring: list[int], tails: list[int]) -> list[list[int]]:
    """A ring cut wherever it comes back to a vertex: loops that pass none twice."""
    loops: list[list[int]] = []
    path: list[int] = []
    place: dict[int, int] = {}
    for side in ring:
        vertex = tails[side]
        if vertex in place:
            start = place[vertex]
            loops.append(path[start:])
            for passed in path[start:]:
                place.pop(tails[passed], None)
            del path[start:]
        place[vertex] = len(path)
        path.append(side)
    return [*loops, path]
