"""Bilinear upsampling that puts every score where the coordinate map says it belongs."""

from math import ceil, floor
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
    Learned, it is that convolution, depthwise, starting from the tent.
    """

    def __init__(self, placement: Placement, channels: int, edge: Edge, learn: bool) -> None:
        super().__init__()
        self.placement = placement
        self.edge: Edge = edge
        if learn:
            axis = torch.tensor([float(w) for w in tent(placement.kernel)])
            kernel = torch.outer(axis, axis).expand(channels, 1, -1, -1)
            self.weight = nn.Parameter(kernel.clone())
        else:
            self.weight = None

    def forward(self, score: Tensor, size: tuple[int, int]) -> Tensor:
        """N,C,h,w to N,C,*size."""
        (top, bottom), (left, right) = (self._covering(n) for n in size)
        near = take(score, top, bottom, left, right, self.edge)  # N,C,bottom-top+1,right-left+1
        fine = self._enlarge(near)
        y, x = self._start(top), self._start(left)
        return fine[..., y : y + size[0], x : x + size[1]]  # N,C,*size

    def along(self, coarse: int, fine: int) -> Tensor:
        """What it does along one axis, as a matrix: float64 (fine, coarse); fixed kernels only.

        Fine pixel i lies at (i - shift) / factor of the coarse ones and takes from its two
        neighbours there; beyond the border it takes from the last one, or nothing.
        """
        factor, shift = self.placement.factor, float(self.placement.shift)
        place = (torch.arange(fine, dtype=torch.float64) - shift) / factor
        below = place.floor()
        matrix = torch.zeros(fine, coarse, dtype=torch.float64)
        for index, weight in ((below, 1 - (place - below)), (below + 1, place - below)):
            inside = (index >= 0) & (index < coarse)
            kept = weight if self.edge == "replicate" else weight * inside
            column = index.clamp(0, coarse - 1).long()
            matrix.scatter_add_(1, column[:, None], kept[:, None])
        return matrix

    def _covering(self, n: int) -> tuple[int, int]:
        """First and last coarse index whose tents reach the fine pixels 0..n-1."""
        factor, shift = self.placement.factor, self.placement.shift
        return floor(-shift / factor), ceil((n - 1 - shift) / factor)

    def _start(self, first: int) -> int:
        """Where fine pixel 0 lies in the enlarged map that begins with coarse pixel ``first``."""
        factor, shift = self.placement.factor, self.placement.shift
        if self.weight is not None:
            return self.placement.crop - factor * first
        centre = 0 if self.placement.nested else (factor - 1) / 2
        return int(centre - shift) - factor * first

    def _enlarge(self, near: Tensor) -> Tensor:
        factor = self.placement.factor
        if self.weight is not None:
            weight = self.weight.to(near.dtype)
            return F.conv_transpose2d(near, weight, stride=factor, groups=near.shape[1])
        if self.placement.nested:
            size = [factor * (n - 1) + 1 for n in near.shape[-2:]]
            return F.interpolate(near, size=size, mode="bilinear", align_corners=True)
        return F.interpolate(near, scale_factor=factor, mode="bilinear", align_corners=False)


class Stretching(nn.Module):
    """Stretches a coarse map over the finer grid, corners of pixels on corners, as torchvision.

    ``F.interpolate`` with ``align_corners=False``: with h pixels for H, pixel i comes to lie at
    (i + 1/2) H/h - 1/2. The convolutions of a ResNet put it at s i, so every score is shown
    (s - 1)/2 pixels down and right of what it was computed from; weights that were trained this way
    have learned it, and must be run this way. No edge, no crop, nothing to learn.
    """

    def forward(self, score: Tensor, size: tuple[int, int]) -> Tensor:
        """N,C,h,w to N,C,*size."""
        return F.interpolate(score, size=size, mode="bilinear", align_corners=False)


def take(x: Tensor, top: int, bottom: int, left: int, right: int, edge: Edge) -> Tensor:
    """Rows top..bottom and columns left..right of N,C,h,w; what lies outside follows ``edge``."""
    height, width = x.shape[-2:]
    inside = x[..., max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    pads = [max(-left, 0), max(right - width + 1, 0), max(-top, 0), max(bottom - height + 1, 0)]
    if not any(pads):
        return inside
    return F.pad(inside, pads, mode="replicate" if edge == "replicate" else "constant")
