"""The enlargement of a score map band by band: rows of scores of the photo's size, never all.

Bilinear upsampling works on rows and columns apart, so it is a matrix for each axis, and a band of
rows of the photo needs a few rows of the map. Letters: K classes, h and w of a map, H and W of the
photo; R rows of a band.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fullconv.nets.upsampling import Stretching, Upsampling

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
        assert isinstance(upsampling, Upsampling | Stretching)
        dtype = torch.promote_types(score.dtype, torch.float32)  # bands are summed
        matrices = [
            upsampling.along(coarse, fine).to(score.device, dtype)
            for coarse, fine in zip(score.shape[-2:], size, strict=True)
        ]
        return cls(*matrices)

    def rows(self, first: int, rows: int) -> tuple[Tensor, slice]:
        """The part R,n of ``down`` for rows from ``first`` on, and the n rows of a map it needs."""
        down = self.down[first : first + rows]
        used = down.any(0).nonzero()
        need = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        return down[:, need], need

    def band(self, score: Tensor, first: int, rows: int) -> tuple[Tensor, slice]:
        """Rows from ``first`` on of a map K,h,w enlarged: K,R,W; and the rows of it they need."""
        down, need = self.rows(first, rows)
        return down @ (score[:, need] @ self.across.T), need

    def back(self, grad: Tensor, first: int, need: slice) -> Tensor:
        """The gradient K,R,W of such rows towards the rows ``need`` of the map: K,n,w."""
        down = self.down[first : first + grad.shape[1], need]
        return (down.T @ grad) @ self.across


def bands(
    upscore: nn.ModuleDict, maps: Mapping[int, Tensor], size: tuple[int, int]
) -> Iterator[tuple[int, Tensor]]:
    """The sum of one photo's maps {stride: 1,K,h,w} at the photo, from the top: first row, R,K,W.

    As `fullconv.nets.fcn.enlarged` to rounding; in float32 where the maps are less. The products
    are quicker than interpolating where there are several maps to be summed, by half on a CPU.
    """
    modules = [upscore[str(stride)] for stride in maps]
    scores = [m.to(torch.promote_types(m.dtype, torch.float32)) for m in maps.values()]
    step = rows_of(scores[0].shape[1], size)
    fixed = all(isinstance(m, Stretching) or m.weight is None for m in modules)
    multiplied = fixed and (len(maps) > 1 or isinstance(modules[0], Stretching))
    return (_multiplied if multiplied else _upsampled)(modules, scores, size, step)


def _multiplied(
    modules: list[nn.Module], scores: list[Tensor], size: tuple[int, int], step: int
) -> Iterator[tuple[int, Tensor]]:
    """One product for all maps: their rows behind one another, and so their weights."""
    own = [
        (Enlargement.of(module, score, size), score[0].permute(1, 0, 2).contiguous())  # h,K,w
        for module, score in zip(modules, scores, strict=True)
    ]
    for first in range(0, size[0], step):
        weights, wide = [], []
        for enlargement, score in own:
            down, need = enlargement.rows(first, step)
            weights.append(down)  # R,n
            wide.append(score[need] @ enlargement.across.T)  # n,K,W
        band = torch.cat(weights, 1) @ torch.cat(wide).flatten(1)  # R,KW
        yield first, band.unflatten(1, (-1, size[1]))  # R,K,W


def _upsampled(
    modules: list[nn.Module], scores: list[Tensor], size: tuple[int, int], step: int
) -> Iterator[tuple[int, Tensor]]:
    """By the modules themselves, whose kernels may have learnt; channels-last, the quickest."""
    scores = [score.contiguous(memory_format=torch.channels_last) for score in scores]
    for first in range(0, size[0], step):
        rows, total = min(step, size[0] - first), None
        for module, score in zip(modules, scores, strict=True):
            assert isinstance(module, Upsampling)
            part = module.band(score, size, first, rows)[0]  # K,R,W
            total = part if total is None else total + part
        assert total is not None
        yield first, total.transpose(0, 1)
