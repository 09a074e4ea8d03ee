"""Bilinear upsampling that puts every score where the coordinate map says it belongs."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullconv.geometry import Placement, tent

# What lies beyond a score map: `zero`, as Caffe's transposed convolution and crop leave it, or
# `replicate`, so that scores do not fade towards the border of the image.
Edge = Literal["zero", "replicate"]


class Upsampling(nn.Module):
    """Takes a coarse map N,C,h,w to the pixels 0..H-1, 0..W-1 of a finer grid, class by class.

    Fixed, it is an interpolation: equal to the transposed convolution with the tent kernel of
    ``placement`` and its crop (tested), many times faster than a dense one, and no parameters.
    Learned, it is that convolution, depthwise, starting from the tent. Dense, it is learned, mixes
    the classes and adds a bias; it starts from the tent too.
    """

    def __init__(
        self,
        placement: Placement,
        channels: int,
        edge: Edge,
        learn: bool,
        after: int | None = None,
        dense: bool = False,
    ) -> None:
        """``after``: rows to add behind the last one, enough for every size (below 0: to drop).

        None asks the sizes of each call. A constant keeps an exported graph free of arithmetic on
        sizes, but for the last crop.
        """
        super().__init__()
        self.placement = placement
        self.edge: Edge = edge
        self.after = after
        self.weight = self.bias = None
        if learn or dense:
            axis = torch.tensor([float(w) for w in tent(placement.kernel)])
            which = torch.eye(channels) if dense else torch.ones(channels, 1)
            self.weight = nn.Parameter(which[..., None, None] * torch.outer(axis, axis))
        if dense:
            self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, score: Tensor, size: tuple[int, int]) -> Tensor:
        """N,C,h,w to N,C,*size."""
        first = self.placement.first
        below, right = (self._after(*pair) for pair in zip(size, score.shape[-2:], strict=True))
        near = take(score, (-first, below), (-first, right), self.edge)  # N,C,h',w'
        fine = self._upsample(near)
        start = self._start(first)
        return fine[..., start : start + size[0], start : start + size[1]]  # N,C,*size

    def band(self, score: Tensor, size: tuple[int, int], first: int, rows: int) -> Tensor:
        """``rows`` rows from ``first`` on of what ``forward`` gives: N,C,rows,W.

        A fine row takes from the coarse one that it begins in and from its neighbours, no others.
        """
        (h, w), ahead, factor = score.shape[-2:], self.placement.first, self.placement.factor
        below, right = self._after(size[0], h), self._after(size[1], w)
        left = self._start(ahead)
        top = left + first
        # At least one row of the map itself, from which its edge is continued.
        begin = max(0, min(top // factor - 1, h - ahead - 1))
        end = min(h - ahead + below, max((top + rows - 1) // factor + 2, 1 - ahead))
        near = take(score, (-ahead - begin, end - h + ahead), (-ahead, right), self.edge)
        top -= factor * begin
        fine = self._upsample(near)
        return fine[..., top : top + rows, left : left + size[1]]  # N,C,rows,W

    def along(self, coarse: int, fine: int) -> Tensor:
        """The upsampling along one axis as a matrix, float64 (fine, coarse); fixed kernels only.

        Fine pixel i lies at (i - shift) / factor of the coarse ones and takes from its two
        neighbours there; beyond the border it takes from the last one, or nothing.
        """
        factor, shift = self.placement.factor, float(self.placement.shift)
        place = (torch.arange(fine, dtype=torch.float64) - shift) / factor
        return tents(place, coarse, self.edge)

    def _after(self, fine: int, coarse: int) -> int:
        return self.placement.beyond(fine, coarse) if self.after is None else self.after

    def _start(self, first: int) -> int:
        """Where fine pixel 0 lies in the upsampled map that begins with coarse pixel ``first``."""
        factor, shift = self.placement.factor, self.placement.shift
        if self.weight is not None:
            return self.placement.crop - factor * first
        centre = 0 if self.placement.nested else (factor - 1) / 2
        return int(centre - shift) - factor * first

    def _upsample(self, near: Tensor) -> Tensor:
        factor = self.placement.factor
        if self.weight is not None:
            weight = self.weight.to(near.dtype)
            bias = None if self.bias is None else self.bias.to(near.dtype)
            groups = weight.shape[0] // weight.shape[1]
            return F.conv_transpose2d(near, weight, bias, stride=factor, groups=groups)
        if self.placement.nested:
            size = [factor * (n - 1) + 1 for n in near.shape[-2:]]
            return F.interpolate(near, size=size, mode="bilinear", align_corners=True)
        return F.interpolate(near, scale_factor=factor, mode="bilinear", align_corners=False)


class AlignedResize(nn.Module):
    """Resizes a coarse map to the finer grid, corners of pixels on corners, as torchvision.

    ``F.interpolate`` with ``align_corners=False``: with h pixels for H, pixel i comes to lie at
    (i + 1/2) H/h - 1/2. The convolutions of a ResNet put it at s i, so every score is shown
    (s - 1)/2 pixels down and right of what it was computed from; weights that were trained this way
    have learned it, and must be run this way. No edge, no crop, nothing to learn.
    """

    def forward(self, score: Tensor, size: tuple[int, int]) -> Tensor:
        """N,C,h,w to N,C,*size."""
        return F.interpolate(score, size=size, mode="bilinear", align_corners=False)

    def along(self, coarse: int, fine: int) -> Tensor:
        """The resizing along one axis as a matrix, float64 (fine, coarse).

        Between the corner and the centre of the last pixel it shows the last pixel alone.
        """
        place = (torch.arange(fine, dtype=torch.float64) + 0.5) * (coarse / fine) - 0.5
        return tents(place, coarse)


def tents(place: Tensor, coarse: int, edge: Edge = "replicate") -> Tensor:
    """What is seen at each ``place`` between ``coarse`` pixels: float64 (len(place), coarse)."""
    below = place.floor()
    matrix = torch.zeros(len(place), coarse, dtype=torch.float64)
    for index, weight in ((below, 1 - (place - below)), (below + 1, place - below)):
        inside = (index >= 0) & (index < coarse)
        inner_weight = weight if edge == "replicate" else weight * inside
        column = index.clamp(0, coarse - 1).long()
        matrix.scatter_add_(1, column[:, None], inner_weight[:, None])
    return matrix


def take(x: Tensor, rows: tuple[int, int], columns: tuple[int, int], edge: Edge) -> Tensor:
    """N,C,h,w with so many rows and columns added before and after; a number below 0 drops some.

    What is added follows ``edge``.
    """
    (top, bottom), (left, right) = rows, columns
    inside = x[..., _kept(top, bottom), _kept(left, right)]
    pads = [max(pad, 0) for pad in (left, right, top, bottom)]
    if not any(pads):
        return inside
    return F.pad(inside, pads, mode="replicate" if edge == "replicate" else "constant")


def _kept(before: int, after: int) -> slice:
    return slice(max(-before, 0), min(after, 0) or None)
