"""A class map as regions with outlines and holes: `vectorize`."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.data.exporters.outlines.borders import Ints, Rows, lines_of
from fullconv.data.exporters.outlines.rings import (
    Connectivity,
    Part,
    Regions,
    regions_of,
    without_small,
)
from fullconv.data.exporters.outlines.simplify import Points, simplified
from fullconv.errors import UserError

LARGEST_TOLERANCE = 100.0


@dataclass(frozen=True, eq=False)
class Outline:
    """A polygon with holes: rings of corners (n, 2), x and y, the first not repeated at the end.

    The shell runs clockwise on the screen, the holes the other way. ``filled`` counts the pixels
    inside of the shell, holes too. ``open_holes`` are those that must be cut out, not only drawn
    over: in them lies a pixel that no other outline covers, or an ignored one, as those are drawn
    first.
    """

    shell: Points
    holes: tuple[Points, ...]
    filled: int
    open_holes: tuple[Points, ...] = ()


@dataclass(frozen=True, eq=False)
class Region:
    """Pixels of one class that belong together; ``value`` is the class.

    ``outlines`` are several where parts touch at corners of pixels alone. ``pixels`` are those
    before the outlines were simplified, ``confidence`` the mean probability of its class, 0..1, or
    None.
    """

    value: int
    outlines: tuple[Outline, ...]
    pixels: int
    confidence: float | None = None


def vectorize(
    class_map: npt.NDArray[Any],
    tolerance: float = 1.0,
    smallest: int = 0,
    *,
    probability: npt.NDArray[Any] | None = None,
    leave_out: Collection[int] = (),
    ignore: int = 255,
    connectivity: Connectivity = 8,
) -> list[Region]:
    """The regions of ``class_map``, integers (H, W), those with the largest shells first.

    An outline is nowhere farther than ``tolerance`` pixels from the edges of its pixels; with 0 it
    runs along them. Regions of fewer than ``smallest`` pixels go to the neighbour with the longest
    common border. ``probability`` (H, W), of each pixel's own class, gives the confidence.
    Regions of the classes in ``leave_out`` are not returned. Pixels of ``ignore`` go to no
    neighbour. Raises UserError for a tolerance or size that cannot be.
    """
    class_map = np.asarray(class_map)
    weights = None if probability is None else (lambda rows: probability[rows])
    return vectorize_rows(
        lambda rows: class_map[rows], (class_map.shape[0], class_map.shape[1]), tolerance, smallest,
        weights=weights, leave_out=leave_out, ignore=ignore, connectivity=connectivity,
    )  # fmt: skip


def vectorize_rows(
    read: Rows,
    size: tuple[int, int],
    tolerance: float = 1.0,
    smallest: int = 0,
    *,
    weights: Rows | None = None,
    leave_out: Collection[int] = (),
    ignore: int = 255,
    connectivity: Connectivity = 8,
) -> list[Region]:
    """As `vectorize`, of a map that ``read`` gives by rows: only its borders are kept in memory."""
    check_shapes(tolerance, smallest)
    if not size[0] or not size[1]:
        return []
    regions = regions_of(lines_of(read, size, weights), connectivity)
    if smallest > 1:
        lines = without_small(regions, smallest, ignore, connectivity)
        regions = regions_of(lines, connectivity)
    return _assembled(regions, simplified(regions, tolerance), leave_out, ignore,
                      weights is not None)  # fmt: skip


def check_shapes(tolerance: float, smallest: int) -> None:
    """UserError for a tolerance or a smallest region that cannot be."""
    if not 0 <= tolerance <= LARGEST_TOLERANCE:
        raise UserError(
            f"--tolerance {tolerance:g}: is the pixels that an outline may move, from 0 to "
            f"{LARGEST_TOLERANCE:g}",
            "FC-LABELS-001",
        )
    if smallest < 0:
        raise UserError(
            f"--smallest {smallest}: is the pixels of the smallest region that is written, 0 or "
            "more",
            "FC-LABELS-001",
        )


def painting_order(regions: Sequence[Region]) -> list[tuple[Region, Outline]]:
    """Each outline with its region, so that one that lies in another's shell comes after it."""
    pairs = [(region, outline) for region in regions for outline in region.outlines]
    return sorted(pairs, key=lambda pair: -pair[1].filled)


def bridged(shell: Points, holes: Sequence[Points]) -> Points:
    """One ring (n, 2) that covers the shell without the holes: cuts lead to each and back.

    Both ways of a cut are the same segment, so a program that fills by the even-odd rule covers
    exactly the same pixels.
    """
    ring = shell
    for hole in sorted(holes, key=lambda hole: float(hole[:, 0].min())):
        here, there = _nearest(ring, hole)
        inserted = np.concatenate([hole[there:], hole[: there + 1], ring[here : here + 1]])
        ring = np.concatenate([ring[: here + 1], inserted, ring[here + 1 :]])
    return ring


def _nearest(ring: Points, hole: Points) -> tuple[int, int]:
    """The corners of two rings that lie closest together."""
    best, pair = np.inf, (0, 0)
    for first in range(0, len(ring), 4096):
        part = ring[first : first + 4096]
        away = ((part[:, None] - hole[None]) ** 2).sum(2)
        place = int(away.argmin())
        if away.flat[place] < best:
            best = float(away.flat[place])
            pair = first + place // len(hole), place % len(hole)
    return pair


def _assembled(
    regions: Regions,
    paths: Sequence[Points],
    leave_out: Collection[int],
    ignore: int,
    weighted: bool,
) -> list[Region]:
    parts = regions.parts()
    part_class = regions.region_class[regions.region_of_part]
    written = ~np.isin(part_class, list(leave_out))
    reached = _Reached(regions, written & (part_class != ignore))
    outlines: dict[int, list[Outline]] = defaultdict(list)
    for part in parts:
        number = int(regions.part_of_side[part.shell[0]])
        if written[number]:
            region = int(regions.region_of_part[number])
            outlines[region].append(_outline(part, number, paths, reached))
    result = []
    for region, shapes in outlines.items():
        pixels = int(regions.region_pixels[region])
        mean = float(regions.region_sums[region]) / pixels if weighted else None
        shapes.sort(key=lambda shape: -shape.filled)
        value = int(regions.region_class[region])
        result.append(Region(value, tuple(shapes), pixels, mean))
    return sorted(result, key=lambda region: -region.outlines[0].filled)


def _outline(part: Part, number: int, paths: Sequence[Points], reached: "_Reached") -> Outline:
    holes = tuple(_ring(hole, paths) for hole in part.holes)
    are_open = [reached.unwritten(hole, number) for hole in part.holes]
    return Outline(
        _ring(part.shell, paths),
        holes,
        part.filled,
        tuple(hole for hole, is_open in zip(holes, are_open, strict=True) if is_open),
    )


def _ring(loop: Sequence[int], paths: Sequence[Points]) -> Points:
    pieces = [paths[side >> 1][:: -1 if side & 1 else 1][:-1] for side in loop]
    return np.concatenate(pieces)


class _Reached:
    """What lies in a hole: the parts that can be reached from its rim without leaving it."""

    def __init__(self, regions: Regions, written: npt.NDArray[np.bool_]) -> None:
        self.part_of_side: Ints = regions.part_of_side
        self.is_written = written.tolist()  # and drawn over what lies around it
        self.near: dict[int, set[int]] = defaultdict(set)
        if all(self.is_written[:-1]):  # the last is what lies outside
            return
        pairs = np.unique(np.sort(regions.part_of_side.reshape(-1, 2), axis=1), axis=0)
        for one, other in pairs.tolist():
            self.near[one].add(other)
            self.near[other].add(one)

    def unwritten(self, hole: Sequence[int], owner: int) -> bool:
        """Whether a part that is not written lies in the hole of ``owner``."""
        if not self.near:
            return False
        waiting = {int(self.part_of_side[side ^ 1]) for side in hole}
        seen = {owner}
        while waiting:
            part = waiting.pop()
            if not self.is_written[part]:
                return True
            seen.add(part)
            waiting |= self.near[part] - seen
        return False
