"""The lines between regions of a class map, each line once: what neighbours share is one line.

Coordinates are those of `fullconv.data.importers.drawing.regions`: x to the right, y down, pixel
(row, column) covers [column, column + 1) x [row, row + 1). A line runs along pixel edges from one
node, where three or four lines meet, to the next, or is closed. It has a class on its left and one
on its right as it runs; beyond the map is `OUTSIDE`.

The map is read in strips of rows, so that only its lines are in memory, never it as a whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

OUTSIDE = -1
STRIP = 2**22
"""Pixels of a strip."""

Rows = Callable[[slice], npt.NDArray[Any]]
"""Gives rows of a map, (n, W)."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a class map of ``size`` (H, W).

    ``paths`` are their corners, int (n, 2), x and y, the ends included; ``left`` and ``right`` the
    classes beside them, ``lengths`` in pixels. ``sums`` help to add up a quantity of the pixels of
    a region: the sum over the lines around it, those with it on their left counted negative.

    A side of a line is a number: 2 * line for the right, 2 * line + 1 for the left. ``same``
    (n, 2) pairs sides that are of one region for certain, because a row of its pixels joins them.
    """

    size: tuple[int, int]
    paths: Sequence[Ints]
    left: Ints
    right: Ints
    lengths: Ints
    sums: npt.NDArray[np.float64]
    same: Ints

    def __len__(self) -> int:
        return len(self.paths)

    def ends(self) -> tuple[Ints, Ints]:
        """The vertices, as numbers, where the lines start and end."""
        width = self.size[1] + 1
        start = np.array([path[0] for path in self.paths], np.int64).reshape(-1, 2)
        stop = np.array([path[-1] for path in self.paths], np.int64).reshape(-1, 2)
        return start @ [1, width], stop @ [1, width]


def lines_of(read: Rows, size: tuple[int, int], weights: Rows | None = None) -> Lines:
    """The lines of a map of ``size`` (H, W), whose classes are integers from 0.

    ``weights`` gives the quantity to be added up, such as the probability of each pixel.
    """
    height, width = size
    step = max(1, STRIP // max(width, 1))
    above = np.full((1, width), OUTSIDE, np.int32)
    strips = []
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        block = np.asarray(read(rows)).astype(np.int32)
        weight = None if weights is None else weights(rows)
        strips.append(_strip(above, block, top, rows.stop == height, size, weight))
        above = block[-1:]
    return join_lines(_together(strips, size))


def join_lines(lines: Lines) -> Lines:
    """The same lines, with those that meet where no other line ends made one."""
    starts, stops = lines.ends()
    order, offsets = _chains(starts, stops, np.zeros(0, np.int64))
    side_of = np.empty(2 * len(lines), np.int64)
    chain = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    side_of[order], side_of[order ^ 1] = 2 * chain, 2 * chain + 1
    paths = [
        _joined_path([lines.paths[side >> 1][:: -1 if side & 1 else 1] for side in part])
        for part in (order[a:b].tolist() for a, b in pairwise(offsets.tolist()))
    ]
    first = order[offsets[:-1]]
    sides = np.stack([lines.right, lines.left], axis=1).ravel()
    signed = lines.sums[order >> 1] * (1 - 2 * (order & 1))
    return Lines(
        lines.size,
        paths,
        sides[first ^ 1],
        sides[first],
        _added(lines.lengths[order >> 1], offsets),
        _added(signed, offsets),
        _unique_pairs(side_of[lines.same]),
    )


def without(lines: Lines, sides: Ints) -> Lines:
    """The lines once their sides have the classes ``sides``: those that part nothing go."""
    right, left = sides[0::2], sides[1::2]
    stays = np.flatnonzero(right != left)
    number = np.full(len(lines), -1, np.int64)
    number[stays] = np.arange(len(stays))
    same = lines.same
    # A row that runs across a line that goes joins what lies behind it too.
    same = np.concatenate([same, _across(np.flatnonzero(right == left))])
    return join_lines(
        Lines(
            lines.size,
            [lines.paths[line] for line in stays.tolist()],
            left[stays],
            right[stays],
            lines.lengths[stays],
            lines.sums[stays],
            _renumbered(same, number),
        )
    )


def _across(gone: Ints) -> Ints:
    return np.stack([2 * gone, 2 * gone + 1], axis=1)


def _renumbered(same: Ints, number: Ints) -> Ints:
    """Pairs of sides that stay, joined through those that go as well."""
    roots = union(2 * len(number), same)
    stays = np.flatnonzero(np.repeat(number >= 0, 2))
    new = 2 * number[stays >> 1] + (stays & 1)
    order = np.argsort(roots[stays], kind="stable")
    of_one = roots[stays][order]
    pairs = np.stack([new[order][:-1], new[order][1:]], axis=1)
    return pairs[of_one[:-1] == of_one[1:]]


def union(count: int, pairs: Ints) -> Ints:
    """For each of ``count`` things the smallest that ``pairs`` (n, 2) connect it with."""
    parents = list(range(count))
    for one, other in pairs.tolist():
        while parents[one] != one:
            parents[one] = one = parents[parents[one]]
        while parents[other] != other:
            parents[other] = other = parents[parents[other]]
        parents[max(one, other)] = min(one, other)
    for thing in range(count):  # parents are smaller
        parents[thing] = parents[parents[thing]]
    return np.array(parents, np.int64)


def _strip(
    above: npt.NDArray[Any],
    block: npt.NDArray[Any],
    top: int,
    is_last: bool,
    size: tuple[int, int],
    weight: npt.NDArray[Any] | None,
) -> Lines:
    """The lines of some rows; those that reach the next or the last strip end there."""
    below = [np.full((1, size[1]), OUTSIDE, np.int32)] if is_last else []
    rows = np.concatenate([above, block, *below])
    y, x = np.nonzero(rows[:-1] != rows[1:])
    level = np.stack([x, y + top], axis=1)
    level_sides = np.stack([rows[y + 1, x], rows[y, x]], axis=1)  # right, left, heading east
    row = np.pad(block, ((0, 0), (1, 1)), constant_values=OUTSIDE)
    y, x = np.nonzero(row[:, :-1] != row[:, 1:])
    upright = np.stack([x, y + top], axis=1)
    upright_sides = np.stack([row[y, x], row[y, x + 1]], axis=1)  # heading south
    tails = np.concatenate([level, upright])
    heads = tails + np.repeat([[1, 0], [0, 1]], [len(level), len(upright)], axis=0)
    sums = np.zeros(len(tails))
    if weight is not None:
        sums[len(level) :] = np.pad(np.cumsum(weight, 1, np.float64), ((0, 0), (1, 0)))[y, x]
    neighbours = np.flatnonzero(y[:-1] == y[1:]) + len(level)
    same = np.stack([2 * neighbours + 1, 2 * neighbours + 2], axis=1)
    seams = np.array(([top] if top else []) + ([] if is_last else [top + len(block)]), np.int64)
    edges = _Edges(tails, heads, np.concatenate([level_sides, upright_sides]), sums, same)
    return _linked(edges, seams, size)


@dataclass(frozen=True, eq=False)
class _Edges:
    """Edges of single pixels, heading east or south: ends (n, 2), sides (n, 2: right, left)."""

    tails: Ints
    heads: Ints
    sides: npt.NDArray[np.int32]
    sums: npt.NDArray[np.float64]
    same: Ints


def _linked(edges: _Edges, seams: Ints, size: tuple[int, int]) -> Lines:
    width = size[1] + 1
    at_seam = (seams[:, None] * width + np.arange(width)).ravel()
    order, offsets = _chains(edges.tails @ [1, width], edges.heads @ [1, width], at_seam)
    backward = (order & 1).astype(bool)
    tails = np.where(backward[:, None], edges.heads[order >> 1], edges.tails[order >> 1])
    heads = np.where(backward[:, None], edges.tails[order >> 1], edges.heads[order >> 1])
    heading = heads - tails
    turns = np.ones(len(order), bool)
    turns[1:] = (heading[1:] != heading[:-1]).any(1)
    turns[offsets[:-1]] = True
    corners = np.cumsum(turns)[offsets[1:] - 1]
    starts = np.split(tails[turns], corners[:-1])
    ends = heads[offsets[1:] - 1]
    paths = [np.concatenate([s, e[None]]) for s, e in zip(starts, ends, strict=True)]
    side_of = np.empty(2 * len(edges.tails), np.int64)
    chain = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    side_of[order], side_of[order ^ 1] = 2 * chain, 2 * chain + 1
    first = order[offsets[:-1]]
    sides = edges.sides.astype(np.int64).ravel()
    signed = edges.sums[order >> 1] * (1 - 2 * (order & 1))
    return Lines(
        size,
        paths,
        sides[first ^ 1],
        sides[first],
        np.diff(offsets),
        _added(signed, offsets),
        _unique_pairs(side_of[edges.same]),
    )


def _chains(tails: Ints, heads: Ints, breaks: Ints) -> tuple[Ints, Ints]:
    """Edges in a row: their sides (2 * edge forward, + 1 backward) in order, and where rows begin.

    A row goes on through a vertex where two edges meet that is not among ``breaks``.
    """
    leaving = np.stack([tails, heads], axis=1).ravel()  # the vertex that each side leaves from
    order = np.argsort(leaving, kind="stable")
    vertices, first, count = np.unique(leaving[order], return_index=True, return_counts=True)
    passes = first[(count == 2) & ~np.isin(vertices, breaks)]
    one, other = order[passes], order[passes + 1]
    follows = np.full(len(leaving), -1, np.int64)
    follows[one ^ 1], follows[other ^ 1] = other, one
    starts = np.flatnonzero(follows.reshape(-1, 2)[:, ::-1].ravel() < 0).tolist()
    return _followed(follows.tolist(), starts)


def _followed(follows: list[int], starts: list[int]) -> tuple[Ints, Ints]:
    seen = bytearray(len(follows) // 2)
    order: list[int] = []
    offsets = [0]
    for start in (*starts, *range(0, len(follows), 2)):  # open ones, then what is left is closed
        if seen[start >> 1]:
            continue
        side = start
        while side >= 0 and not seen[side >> 1]:
            seen[side >> 1] = 1
            order.append(side)
            side = follows[side]
        offsets.append(len(order))
    return np.array(order, np.int64), np.array(offsets, np.int64)


def _joined_path(parts: list[Ints]) -> Ints:
    """Paths behind one another as one, without the corners between them that are none."""
    if len(parts) == 1:
        return parts[0]
    path = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
    heading = np.sign(np.diff(path, axis=0))
    turns = (heading[1:] != heading[:-1]).any(1)
    path = path[np.concatenate([[True], turns, [True]])]
    closed = (path[0] == path[-1]).all() and (heading[0] == heading[-1]).all()
    return np.concatenate([path[1:-1], path[1:2]]) if closed else path


def _together(strips: Sequence[Lines], size: tuple[int, int]) -> Lines:
    first = np.cumsum([0, *(len(strip) for strip in strips)])
    return Lines(
        size,
        [path for strip in strips for path in strip.paths],
        np.concatenate([strip.left for strip in strips]),
        np.concatenate([strip.right for strip in strips]),
        np.concatenate([strip.lengths for strip in strips]),
        np.concatenate([strip.sums for strip in strips]),
        np.concatenate([s.same + 2 * n for s, n in zip(strips, first.tolist(), strict=False)]),
    )


def _added(values: npt.NDArray[Any], offsets: Ints) -> npt.NDArray[Any]:
    return np.add.reduceat(values, offsets[:-1]) if len(values) else values


def _unique_pairs(pairs: Ints) -> Ints:
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(np.sort(pairs, axis=1), axis=0) if len(pairs) else pairs
