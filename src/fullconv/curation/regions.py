"""Connected regions of a label map, and how thick they are."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int64]


def connected_regions(values: npt.NDArray[np.integer], nothing: int) -> Labels:
    """Number the connected regions of equal values of ``values`` (H, W): int64 (H, W), from 1.

    Pixels that share a side are connected; those of the value ``nothing`` get 0. Regions are
    numbered in the order of their first pixel, row by row. The regions of runs along the rows are
    merged by hooking and pointer jumping (Shiloach and Vishkin, 1982), so that the time depends
    on the number of runs and hardly on their shape.
    """
    height, width = values.shape
    if not values.size:
        return np.zeros((height, width), np.int64)
    starts = np.ones((height, width), bool)
    starts[:, 1:] = values[:, 1:] != values[:, :-1]
    runs = (np.cumsum(starts.ravel()) - 1).reshape(height, width)  # the number of each run
    below = (values[1:] == values[:-1]) & (values[1:] != nothing)
    joined = np.unique(np.stack([runs[:-1][below], runs[1:][below]], 1), axis=0)
    parents = _merged(int(runs[-1, -1]) + 1, joined[:, 0], joined[:, 1])
    parents[values.ravel()[starts.ravel()] == nothing] = -1
    roots, numbers = np.unique(parents, return_inverse=True)
    offset = 0 if len(roots) and roots[0] == -1 else 1
    return (numbers.reshape(-1) + offset)[runs]


def _merged(
    count: int, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The smallest member of each member's set, where ``first`` and ``second`` are in one set."""
    parents = np.arange(count)
    while True:
        low = np.minimum(parents[first], parents[second])
        high = np.maximum(parents[first], parents[second])
        if (low == high).all():
            return parents
        np.minimum.at(parents, high, low)
        while (parents[parents] != parents).any():
            parents = parents[parents]


def inner(regions: Labels, reach: int) -> npt.NDArray[np.bool_]:
    """Pixels whose whole square of ``2 * reach + 1`` pixels is of their own region, bool (H, W).

    What lies outside of the picture counts as of the region; pixels of region 0 are never inside.
    """
    lowest, highest = regions, regions
    for axis in (0, 1):
        lowest = _over_window(lowest, reach, axis, np.minimum)
        highest = _over_window(highest, reach, axis, np.maximum)
    return (lowest == highest) & (regions > 0)


def _over_window(values: Labels, reach: int, axis: int, smaller: np.ufunc) -> Labels:
    """The smallest (or largest) value within ``reach`` along an axis."""
    lines = np.moveaxis(values, axis, 0)
    result = lines.copy()
    for by in range(1, min(reach, len(lines) - 1) + 1):
        smaller(result[by:], lines[:-by], out=result[by:])
        smaller(result[:-by], lines[by:], out=result[:-by])
    return np.moveaxis(result, 0, axis)


def boxes_of(
    regions: Labels, numbers: npt.NDArray[np.intp]
) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Each of the ``numbers`` with the box of its region: top, left, behind bottom and right."""
    wanted = np.zeros(int(regions.max(initial=0)) + 1, bool)
    wanted[numbers] = True
    wanted[0] = False
    rows, columns = np.nonzero(wanted[regions])
    members = regions[rows, columns]
    edges = np.full((4, len(wanted)), np.iinfo(np.int64).max)
    np.minimum.at(edges[0], members, rows)
    np.minimum.at(edges[1], members, columns)
    np.minimum.at(edges[2], members, -rows)
    np.minimum.at(edges[3], members, -columns)
    for number in np.flatnonzero(wanted):
        top, left, bottom, right = edges[:, number].tolist()
        yield int(number), (top, left, 1 - bottom, 1 - right)
