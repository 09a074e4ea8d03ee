"""Finds segments that cross or touch anywhere but at a common end."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
_AT_ONCE = 2**20  # pairs looked at together


def crossing_segments(starts: Points, stops: Points) -> npt.NDArray[np.int64]:
    """The segments, by number, that cross, touch or overlap another one.

    ``starts`` and ``stops``, (n, 2), are whole or half numbers, so the answer is exact. Two that
    share an end meet there as they should, unless they overlap beside.
    """
    a, b = np.rint(starts * 2).astype(np.int64), np.rint(stops * 2).astype(np.int64)
    bad = np.zeros(len(a), bool)
    for one, other in _near(np.minimum(a, b), np.maximum(a, b)):
        meets = _meet(a[one], b[one], a[other], b[other])
        bad[one[meets]] = bad[other[meets]] = True
    return np.flatnonzero(bad)


def _near(
    low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs of segments whose boxes meet, each pair once, a bounded number at a time.

    Short segments fall into bands of rows by their upper end, so that few pairs are looked at.
    """
    order = np.argsort(low[:, 1], kind="stable")
    top, bottom = low[order, 1], high[order, 1]
    left, right = low[order, 0], high[order, 0]
    behind = np.searchsorted(top, bottom, "right")  # those further down begin below it
    count = behind - np.arange(len(order)) - 1
    first = 0
    ends = np.cumsum(count)
    while first < len(order):
        done = ends[first] - count[first]
        last = max(int(np.searchsorted(ends, done + _AT_ONCE, "right")), first + 1)
        part = count[first:last]
        one = np.repeat(np.arange(first, last), part)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(part) - part, part)
        near = (left[one] <= right[other]) & (left[other] <= right[one])
        yield order[one[near]], order[other[near]]
        first = last


def _meet(
    a: npt.NDArray[np.int64],
    b: npt.NDArray[np.int64],
    c: npt.NDArray[np.int64],
    d: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Whether segments a-b and c-d meet elsewhere than at one common end."""
    sides = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    crosses = (sides[0] != sides[1]) & (sides[2] != sides[3])
    in_line = (sides[0] == 0) & (sides[1] == 0)  # then their boxes, which meet, decide
    common = [_same(a, c), _same(a, d), _same(b, c), _same(b, d)]
    shared = common[0] | common[1] | common[2] | common[3]
    # With a common end they are as they should be, unless they run the same way from it.
    tips = ((a, b, d), (a, b, c), (b, a, d), (b, a, c))
    along = [
        same & (((one - end) * (other - end)).sum(1) > 0)
        for same, (end, one, other) in zip(common, tips, strict=True)
    ]
    overlaps = along[0] | along[1] | along[2] | along[3]
    return np.where(shared, in_line & overlaps, crosses | in_line)


def _turn(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64], c: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The side of the line a-b on which c lies: -1, 0 or 1."""
    (x, y), (u, v) = (b - a).T, (c - a).T
    return np.sign(x * v - y * u)


def _same(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return (one == other).all(1)
