"""The enlargement of score maps band by band: rows of scores of the photo's size, never all.

Bilinear upsampling works on rows and columns apart, so it is a matrix for each axis, and a band of
rows of the photo needs a few rows of each map. Letters: K classes, h and w of a map, H and W of the
photo; R rows of a band, n rows of a map that it needs.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fullconv.geometry import Placement
from fullconv.nets.upsampling import Edge, Upsampling

BAND = 16 * 2**20
"""Bytes of scores in a band of one photo."""


def rows_of(classes: int, size: tuple[int, int], band: int = BAND) -> int:
    """Rows of one photo's scores that take ``band`` bytes."""
    return max(1, min(size[0], band // (classes * size[1] * 4)))


@dataclass(frozen=True, eq=False)
class Enlargement:
    """The upsampling of a map as a matrix for each axis: ``down`` H,h and ``across`` W,w.

    ``spans`` are the rows of the map, from and to, that each row of the photo needs.
    """

    down: Tensor
    across: Tensor
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, upsampling: Any, score: Tensor, size: tuple[int, int]) -> "Enlargement":
        """That of maps like ``score`` N,K,h,w to ``size``."""
        assert isinstance(upsampling, Upsampling)
        dtype = torch.promote_types(score.dtype, torch.float32)  # bands are summed
        of_size = (score.shape[-2], score.shape[-1])
        return _enlargement(
            upsampling.placement, upsampling.edge, of_size, size, dtype, score.device
        )

    def need(self, rows: slice) -> slice:
        """The rows of the map that such rows of the photo need."""
        first, behind = zip(*self.spans[rows], strict=True)
        return slice(min(first), max(behind))

    def band(self, score: Tensor, first: int, rows: int) -> tuple[Tensor, slice]:
        """Rows from ``first`` on of a map K,h,w enlarged: K,R,W; and the rows of it they need."""
        need = self.need(slice(first, first + rows))
        return self.down[first : first + rows, need] @ (score[:, need] @ self.across.T), need


@functools.lru_cache(maxsize=16)
def _enlargement(
    placement: Placement,
    edge: Edge,
    coarse: tuple[int, int],
    fine: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
) -> Enlargement:
    """Kept for the next step: a copy to a GPU would wait there for all that is under way."""
    fixed = Upsampling(placement, 1, edge, learn=False)
    down, across = (fixed.along(*pair) for pair in zip(coarse, fine, strict=True))
    first, behind = extent(down != 0)
    spans = list(zip(first.tolist(), behind.tolist(), strict=True))
    return Enlargement(down.to(device, dtype), across.to(device, dtype), spans)


def extent(used: Tensor) -> tuple[Tensor, Tensor]:
    """In each row of a bool matrix the first True and the one behind the last: 0, 0 where none."""
    some = used.any(1)
    first = used.int().argmax(1)
    behind = used.shape[1] - used.int().flip(1).argmax(1)
    return first * some, behind * some


@dataclass(frozen=True, eq=False)
class Fusion:
    """The sum of the enlarged maps of a net, each K,h,w, over bands of rows of the photo."""

    each: Sequence[Enlargement]

    def band(self, maps: Sequence[Tensor], rows: slice) -> Tensor:
        """Those rows of the scores: K,R,W. One product for all maps, which adds them up, too."""
        needs = [one.need(rows) for one in self.each]
        near = [m[:, n] @ e.across.T for m, n, e in zip(maps, needs, self.each, strict=True)]
        return self._down(rows, needs) @ torch.cat(near, 1)  # K,n,W to K,R,W

    def back(self, grad: Tensor, rows: slice, grads: Sequence[Tensor]) -> None:
        """Add the gradient K,R,W of those rows to that of each map."""
        needs = [one.need(rows) for one in self.each]
        near = self._down(rows, needs).T @ grad  # K,n,W
        parts = near.split([need.stop - need.start for need in needs], 1)
        for total, need, part, one in zip(grads, needs, parts, self.each, strict=True):
            total[:, need] += part @ one.across

    def _down(self, rows: slice, needs: Iterable[slice]) -> Tensor:
        """R,n: all maps' rows side by side."""
        return torch.cat([e.down[rows, n] for e, n in zip(self.each, needs, strict=True)], 1)
