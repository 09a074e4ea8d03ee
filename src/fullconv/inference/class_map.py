"""From score maps to the class of each pixel, in blocks: what all engines end with.

Scores of the photo's size are classes times as large as the photo, and only the class of the
highest is wanted, so they are made, compared and forgotten a block at a time. A softmax would not
change which is the highest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fullconv.classes import ClassSet
from fullconv.models.cpu_kernels.banded_upsampling import Block, blocks, rows_of
from fullconv.models.fcn import upsampled

Classes = npt.NDArray[np.uint8 | np.uint16]
"""The class of each pixel, (H, W); of a net with several outputs (H, W, outputs)."""


@dataclass(frozen=True, eq=False)
class Head:
    """What follows the maps of one photo, {stride: 1,K,h,w}, in whichever runtime they were made.

    ``upscore`` upsamples each of them (`fullconv.models.fcn.upscores_of`); ``outputs`` has the
    channels of each output.
    """

    upscore: nn.ModuleDict
    outputs: list[slice]

    def class_map(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Classes:
        """The class of the highest score at each pixel of a photo of ``size`` (H, W)."""
        return best_classes(blocks(self.upscore, maps, size), size, self.outputs)

    def scores(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> npt.NDArray[Any]:
        """All scores (K, H, W), in float32 where the maps are less."""
        exact = {s: m.to(torch.promote_types(m.dtype, torch.float32)) for s, m in maps.items()}
        return upsampled(self.upscore, exact, size)[0].cpu().contiguous().numpy()


def parts_of(classes: ClassSet) -> list[slice]:
    """The score channels of each output."""
    return [output.channels for output in classes.outputs]


def in_rows(scores: Tensor) -> Iterator[Block]:
    """Scores K,H,W that exist as a whole, in blocks."""
    step = rows_of(len(scores), (scores.shape[1], scores.shape[2]))
    rows = scores.transpose(0, 1)  # H,K,W
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        yield part, slice(None), rows[part]


def classes_of(scores: Tensor | npt.NDArray[Any], outputs: list[slice]) -> Classes:
    """The class of the highest score at each pixel, of scores K,H,W that exist as a whole."""
    if not isinstance(scores, Tensor):
        scores = torch.from_numpy(np.require(scores, requirements=["W"]))
    return best_classes(in_rows(scores), (scores.shape[1], scores.shape[2]), outputs)


def best_classes(blocks: Iterator[Block], size: tuple[int, int], outputs: list[slice]) -> Classes:
    """The class of the highest score at each pixel, for each output: (H, W) or one axis more.

    uint8, uint16 with more than 256 classes.
    """
    class_map: Any = None
    for rows, columns, scores in blocks:
        if class_map is None:
            dtype = np.uint8 if scores.shape[1] <= 256 else np.uint16
            class_map = np.empty((*size, len(outputs)), dtype)
        for number, part in enumerate(outputs):
            own = class_map[rows, columns, number]  # R,C
            own[:] = highest(scores[:, part]).cpu().numpy()
            own += own.dtype.type(part.start)
    return class_map[..., 0] if len(outputs) == 1 else class_map


def highest(scores: Tensor) -> Tensor:
    """As ``scores.argmax(1)`` of R,K,C, the first of equals: R,C of an integer type.

    torch's argmax is quick only where a pixel's classes lie side by side; elsewhere the maximum
    and a comparison, which take many pixels at once, find it several times faster.
    """
    if scores.stride(1) == 1:
        return scores.argmax(1)
    last = scores.shape[1] - 1
    is_best = scores == scores.amax(1, keepdim=True)  # R,K,C
    ranks = is_best.view(torch.uint8) if last < 256 else is_best.int()
    before = torch.arange(last, -1, -1, dtype=ranks.dtype, device=scores.device)  # K, ends in 0
    return last - ranks.mul_(before[:, None]).amax(1)  # R,C
