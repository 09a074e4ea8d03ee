"""The enlargement of a score map band by band: rows of scores of the photo's size, never all.

Bilinear upsampling works on rows and columns apart, so it is a matrix for each axis, and a band of
rows of the photo needs a few rows of the map. Letters: K classes, h and w of a map, H and W of the
photo; R rows of a band.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fullconv.nets.upsampling import Upsampling

BAND = 16 * 2**20
"""Bytes of scores in a band of one photo."""


def rows_of(classes: int, size: tuple[int, int]) -> int:
    """Rows of one photo's scores that take ``BAND`` bytes."""
    return max(1, min(size[0], BAND // (classes * size[1] * 4)))


@dataclass(frozen=True, eq=False)
class Enlargement:
    """The upsampling of a map as a matrix for each axis: ``down`` H,h and ``across`` W,w."""

    down: Tensor
    across: Tensor

    @classmethod
    def of(cls, upsampling: Any, score: Tensor, size: tuple[int, int]) -> "Enlargement":
        """That of maps like ``score`` N,K,h,w to ``size``."""
        assert isinstance(upsampling, Upsampling)
        dtype = torch.promote_types(score.dtype, torch.float32)  # bands are summed
        matrices = [
            upsampling.along(coarse, fine).to(score.device, dtype)
            for coarse, fine in zip(score.shape[-2:], size, strict=True)
        ]
        return cls(*matrices)

    def band(self, score: Tensor, first: int, rows: int) -> tuple[Tensor, slice]:
        """Rows from ``first`` on of a map K,h,w enlarged: K,R,W; and the rows of it they need."""
        down = self.down[first : first + rows]
        used = down.any(0).nonzero()
        need = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        return down[:, need] @ (score[:, need] @ self.across.T), need

    def back(self, grad: Tensor, first: int, need: slice) -> Tensor:
        """The gradient K,R,W of such rows towards the rows ``need`` of the map: K,n,w."""
        down = self.down[first : first + grad.shape[1], need]
        return (down.T @ grad) @ self.across
