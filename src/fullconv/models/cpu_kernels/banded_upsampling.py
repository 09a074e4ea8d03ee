"""The upsampling of a score map part by part: some scores of the photo's size, never all.

Bilinear upsampling works on rows and columns apart, so it is a matrix for each axis, and a band of
rows of the photo needs a few rows of the map. Letters: K classes, h and w of a map, H and W of the
photo; R rows of a band, n rows of a map that it needs; R rows and C columns of a block.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fullconv.geometry import Placement
from fullconv.models.upsample import AlignedResize, Edge, Upsampling

BAND = 16 * 2**20
"""Bytes of scores in a band of one photo."""
SIDES = (64, 512)
"""The longest sides, in pixels, of a block that is multiplied."""

Block = tuple[slice, slice, Tensor]
"""Rows and columns of a photo, and their scores R,K,C."""


def rows_of(classes: int, size: tuple[int, int], band: int = BAND) -> int:
    """Rows of one photo's scores that take ``band`` bytes."""
    return max(1, min(size[0], band // (classes * size[1] * 4)))


@dataclass(frozen=True, eq=False)
class UpsamplingMatrices:
    """The upsampling of a map as a matrix for each axis: ``down`` H,h and ``across`` W,w.

    ``spans`` are the rows of the map, from and to, that each row of the photo needs.
    """

    down: Tensor
    across: Tensor
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, upsampling: Any, score: Tensor, size: tuple[int, int]) -> "UpsamplingMatrices":
        """The matrices that upsample maps like ``score`` N,K,h,w to ``size``."""
        assert isinstance(upsampling, Upsampling | AlignedResize)
        dtype = torch.promote_types(score.dtype, torch.float32)  # bands are summed
        of_size = (score.shape[-2], score.shape[-1])
        where = None if isinstance(upsampling, AlignedResize) else upsampling.placement
        edge = "replicate" if where is None else upsampling.edge
        return _matrices(where, edge, of_size, size, dtype, score.device)

    def need(self, rows: slice) -> slice:
        """The rows of the map that such rows of the photo need."""
        first, behind = zip(*self.spans[rows], strict=True)
        return slice(min(first), max(behind))


@functools.lru_cache(maxsize=16)
def _matrices(
    placement: Placement | None,
    edge: Edge,
    coarse: tuple[int, int],
    fine: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
) -> UpsamplingMatrices:
    """Kept for the next step: a copy to a GPU would wait there for all that is under way.

    Without a ``placement`` that of an `AlignedResize`.
    """
    fixed = Upsampling(placement, 1, edge, learn=False) if placement else AlignedResize()
    down, across = (fixed.along(*pair) for pair in zip(coarse, fine, strict=True))
    first, behind = extent(down != 0)
    spans = list(zip(first.tolist(), behind.tolist(), strict=True))
    return UpsamplingMatrices(down.to(device, dtype), across.to(device, dtype), spans)


def extent(used: Tensor) -> tuple[Tensor, Tensor]:
    """In each row of a bool matrix the first True and the one behind the last: 0, 0 where none."""
    some = used.any(1)
    first = used.int().argmax(1)
    behind = used.shape[1] - used.int().flip(1).argmax(1)
    return first * some, behind * some


@dataclass(frozen=True, eq=False)
class Fusion:
    """The sum of the upsampled maps of a net, each K,h,w, over bands of rows of the photo."""

    matrices: Sequence[UpsamplingMatrices]

    def band(self, maps: Sequence[Tensor], rows: slice) -> Tensor:
        """These rows of the scores, K,R,W: one product for all maps, which also adds them up."""
        needs = [one.need(rows) for one in self.matrices]
        near = [m[:, n] @ e.across.T for m, n, e in zip(maps, needs, self.matrices, strict=True)]
        return self._down(rows, needs) @ torch.cat(near, 1)  # K,n,W to K,R,W

    def back(self, grad: Tensor, rows: slice, grads: Sequence[Tensor]) -> None:
        """Add the gradient K,R,W of those rows to that of each map."""
        needs = [one.need(rows) for one in self.matrices]
        near = self._down(rows, needs).T @ grad  # K,n,W
        parts = near.split([need.stop - need.start for need in needs], 1)
        for total, need, part, one in zip(grads, needs, parts, self.matrices, strict=True):
            total[:, need] += part @ one.across

    def _down(self, rows: slice, needs: Iterable[slice]) -> Tensor:
        """R,n: all maps' rows side by side."""
        return torch.cat([e.down[rows, n] for e, n in zip(self.matrices, needs, strict=True)], 1)


def blocks(
    upscore: nn.ModuleDict, maps: Mapping[int, Tensor], size: tuple[int, int]
) -> Iterator[Block]:
    """The sum of one photo's maps {stride: 1,K,h,w} at the photo, in blocks of ``BAND`` at most.

    As `fullconv.models.fcn.upsampled` to rounding; in float32 where the maps are less. Where
    kernels learn, a block has at least twice the coarsest stride of rows.
    """
    modules = [upscore[str(stride)] for stride in maps]
    scores = [m.to(torch.promote_types(m.dtype, torch.float32)) for m in maps.values()]
    step = rows_of(scores[0].shape[1], size)
    if any(True for module in modules for _ in module.parameters()):
        return _upsampled(modules, scores, size, max(step, 2 * max(maps)))
    # Rows are interpolated in whole strides, of which a short band throws most away. On a CPU one
    # map is interpolated as quickly as multiplied, and the sum of three in thrice the time; on a
    # GPU many small products would wait for one another.
    if (
        all(isinstance(module, Upsampling) for module in modules)
        and step >= min(size[0], 4 * max(maps))
        and (len(maps) == 1 or scores[0].device.type != "cpu")
    ):
        return _upsampled(modules, scores, size, step)
    return _multiplied(modules, scores, size)


def _multiplied(
    modules: list[nn.Module], scores: list[Tensor], size: tuple[int, int]
) -> Iterator[Block]:
    """One product for all maps: their rows behind one another, and so their weights.

    The products grow with the sides of a block, so a wide photo is not taken in whole rows.
    """
    pixels = BAND // (scores[0].shape[1] * 4)
    height = max(1, min(SIDES[0], math.isqrt(pixels)))
    width = max(1, min(SIDES[1], pixels // height))
    upsamplings = [UpsamplingMatrices.of(*pair, size) for pair in zip(modules, scores, strict=True)]
    own = [score[0].transpose(0, 1).contiguous() for score in scores]  # h,K,w
    columns = [
        [_used(e.across[left : left + width]) for e in upsamplings]
        for left in range(0, size[1], width)
    ]
    for top in range(0, size[0], height):
        down = [_used(e.down[top : top + height]) for e in upsamplings]
        weights = torch.cat([part for part, _ in down], 1)  # R,n
        for number, across in enumerate(columns):
            wide = [
                score[rows, :, need] @ part.T  # n,K,C
                for score, (_, rows), (part, need) in zip(own, down, across, strict=True)
            ]
            block = weights @ torch.cat(wide).flatten(1)  # R,KC
            left = number * width
            place = slice(top, top + height), slice(left, left + width)
            yield *place, block.unflatten(1, (-1, wide[0].shape[2]))


def _upsampled(
    modules: list[nn.Module], scores: list[Tensor], size: tuple[int, int], step: int
) -> Iterator[Block]:
    """The upsampling by the modules themselves, whose kernels may be trained; channels-last."""
    scores = [score.contiguous(memory_format=torch.channels_last) for score in scores]
    for first in range(0, size[0], step):
        rows, total = min(step, size[0] - first), None
        for module, score in zip(modules, scores, strict=True):
            assert isinstance(module, Upsampling)
            part = module.band(score, size, first, rows)[0]  # K,R,W
            total = part if total is None else total + part
        assert total is not None
        yield slice(first, first + rows), slice(0, size[1]), total.transpose(0, 1)


def _used(matrix: Tensor) -> tuple[Tensor, slice]:
    """Rows of an upsampling without the pixels that none of them needs, and where the others are.

    At least one, as rows that see nothing but zeros need none.
    """
    used = matrix.any(0).nonzero()
    need = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
    return matrix[:, need], need
