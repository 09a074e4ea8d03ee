"""The response of a net to padding alone: for a map of any size, from a few pixels.

The blank response of a map is the same everywhere between two rims along each axis
(`fullconv.models.paper_padding.influence`). So nine patches tell all of it: four corners, four
sides of which one
row or column is kept, and one pixel for the middle. A step of the net takes the nine patches of one
map to those of the next, on a map that is hardly larger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fullconv.models.paper_padding.influence import Axis

Axes = tuple[Axis, Axis]
"""Rows and columns of a map."""
Region = tuple[int, int]
"""First pixel and the one behind the last, along one axis of a map."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The values around the part of a map that the photo reaches: the blank response.

    ``samples`` 1,C,h,w are its nine patches; None where the photo reaches all.
    """

    axes: Axes
    samples: Tensor | None

    def whole(self, reached: Tensor) -> Tensor:
        """The whole map, of which ``reached`` is the part that the photo reaches."""
        rows, columns = ((0, axis.size) for axis in self.axes)
        return self.around(reached, rows, columns)

    def around(self, reached: Tensor, rows: Region, columns: Region) -> Tensor:
        """A region of the map, N,C,rows,columns, of which N,C,h,w is what the photo reaches."""
        above, below = self.axes[0].start - rows[0], rows[1] - self.axes[0].stop
        before, after = self.axes[1].start - columns[0], columns[1] - self.axes[1].stop
        if not any((above, below, before, after)):
            return reached
        region = F.pad(reached, (before, after, above, below))  # N,C,rows,columns; below 0 it cuts
        for (top, bottom), (left, right) in _strips(self.axes, rows, columns):
            place = region[..., top - rows[0] : bottom - rows[0], left - columns[0] :]
            place[..., : right - left] = self.part((top, bottom), (left, right))
        return region

    def part(self, rows: Region, columns: Region) -> Tensor:
        """The blank response in a region: 1,C,rows,columns."""
        assert self.samples is not None, "the photo reaches all of this map"
        band = _along(self.samples, 2, self.axes[0], rows)
        return _along(band, 3, self.axes[1], columns)


def samples_behind(step: Callable[[Tensor], Tensor], samples: Tensor, axes: Axes) -> Tensor:
    """The nine patches behind a step; ``axes`` are what it needs of the map before it.

    Those of `Axis.sample`.
    """
    rows, columns = ((0, axis.size) for axis in axes)
    return step(Ground(axes, samples).part(rows, columns).contiguous())


def _strips(axes: Axes, rows: Region, columns: Region) -> Iterator[tuple[Region, Region]]:
    """The strips of a region above, below, left and right of the reached part."""
    (top, bottom), (left, right) = ((axis.start, axis.stop) for axis in axes)
    beside = max(rows[0], top), min(rows[1], bottom)
    for strip in (
        ((rows[0], top), columns),
        ((bottom, rows[1]), columns),
        (beside, (columns[0], left)),
        (beside, (right, columns[1])),
    ):
        if all(first < stop for first, stop in strip):
            yield strip


def _along(samples: Tensor, dim: int, axis: Axis, region: Region) -> Tensor:
    """``samples`` along one axis in a ``region``, the pixel between the rims repeated."""
    start, stop = region
    rim = axis.size - axis.far
    parts: list[Tensor] = []
    if start < axis.near:
        parts.append(samples.narrow(dim, start, min(stop, axis.near) - start))
    between = min(stop, rim) - max(start, axis.near)
    if between > 0:
        shape = [-1] * samples.dim()
        shape[dim] = between
        parts.append(samples.narrow(dim, axis.near, 1).expand(shape))
    if stop > rim:
        first = max(start, rim)
        parts.append(samples.narrow(dim, samples.shape[dim] - axis.size + first, stop - first))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
