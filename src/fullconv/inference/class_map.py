"""From score maps to the class of each pixel, block by block: the last step of all engines.

The full-size logits are K times as large as the photo, and only their argmax is wanted, so they are
upsampled and compared one block at a time. A softmax would not change the argmax.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fullconv.classes import ClassSet
from fullconv.models.cpu_kernels.banded_upsampling import Block, blocks, rows_of
from fullconv.models.fcn import upsampled

Classes = npt.NDArray[np.uint8 | np.uint16]
"""The class of each pixel, (H, W); of a net with several outputs (H, W, outputs). Of K overlapping
classes (H, W, K), of one (H, W): 1 where the class is present, else 0."""


@dataclass(frozen=True)
class Decision:
    """How logits become the map of each output.

    ``outputs`` are the channels of each output, whose class is that of the highest logit. With
    ``threshold_logits`` the classes may overlap: each output is a single channel, and its class is
    present where the logit reaches that of its threshold. Probabilities are sigmoids then, else
    softmaxes.
    """

    outputs: tuple[slice, ...] = (slice(0, None),)
    threshold_logits: tuple[float, ...] = ()

    @classmethod
    def of(cls, classes: ClassSet) -> "Decision":
        """The decision of the classes of a net."""
        thresholds = tuple(log(value / (1 - value)) for value in classes.thresholds)
        return cls(tuple(output.channels for output in classes.outputs), thresholds)

    def probabilities(self, logits: Tensor) -> Tensor:
        """The probabilities of logits K,H,W: K,H,W, 0..1."""
        if self.threshold_logits:
            return logits.sigmoid()
        return torch.cat([logits[part].softmax(0) for part in self.outputs])

    def logits_of(self, probabilities: Tensor) -> Tensor:
        """Logits K,H,W that have these probabilities; in place."""
        tiny = torch.finfo(torch.float32).tiny
        if not self.threshold_logits:
            return probabilities.clamp_(min=tiny).log_()
        return torch.logit(probabilities, eps=1e-7)

    def highest(self, logits: Tensor, number: int) -> Tensor:
        """The map of one output of logits R,K,C: R,C, counted from the first of its classes."""
        if self.threshold_logits:
            return (logits[:, number] >= self.threshold_logits[number]).to(torch.uint8)
        return highest(logits[:, self.outputs[number]])

    def first(self, number: int) -> int:
        """The value of an output's first class in the maps."""
        return 0 if self.threshold_logits else self.outputs[number].start


@dataclass(frozen=True, eq=False)
class Head:
    """The steps after the maps of a photo, {stride: 1,K,h,w}, of whichever runtime.

    ``upscore`` upsamples each map (`fullconv.models.fcn.upscores_of`), ``decision`` gives the
    classes.
    """

    upscore: nn.ModuleDict
    decision: Decision

    def class_map(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Classes:
        """The class of the highest score at each pixel of a photo of ``size`` (H, W)."""
        return best_classes(blocks(self.upscore, maps, size), size, self.decision)

    def scores(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> npt.NDArray[Any]:
        """All scores (K, H, W), in float32 where the maps are less."""
        exact = {s: m.to(torch.promote_types(m.dtype, torch.float32)) for s, m in maps.items()}
        return upsampled(self.upscore, exact, size)[0].cpu().contiguous().numpy()


def in_rows(scores: Tensor) -> Iterator[Block]:
    """Whole scores K,H,W in blocks of rows."""
    step = rows_of(len(scores), (scores.shape[1], scores.shape[2]))
    rows = scores.transpose(0, 1)  # H,K,W
    for first in range(0, len(rows), step):
        part = slice(first, first + step)
        yield part, slice(None), rows[part]


def classes_of(scores: Tensor | npt.NDArray[Any], decision: Decision) -> Classes:
    """The class of the highest score at each pixel of whole scores K,H,W."""
    if not isinstance(scores, Tensor):
        scores = torch.from_numpy(np.require(scores, requirements=["W"]))
    return best_classes(in_rows(scores), (scores.shape[1], scores.shape[2]), decision)


def best_classes(blocks: Iterator[Block], size: tuple[int, int], decision: Decision) -> Classes:
    """The class of the highest score at each pixel, for each output: (H, W) or one axis more.

    uint8, uint16 with more than 256 classes.
    """
    class_map: Any = None
    outputs = len(decision.outputs)
    for rows, columns, scores in blocks:
        if class_map is None:
            dtype = np.uint8 if scores.shape[1] <= 256 else np.uint16
            class_map = np.empty((*size, outputs), dtype)
        for number in range(outputs):
            own = class_map[rows, columns, number]  # R,C
            own[:] = decision.highest(scores, number).cpu().numpy()
            own += own.dtype.type(decision.first(number))
    return class_map[..., 0] if outputs == 1 else class_map


def highest(scores: Tensor) -> Tensor:
    """As ``scores.argmax(1)`` of R,K,C, the first of equals: R,C of an integer type.

    torch's argmax is fast only where the classes of a pixel are adjacent in memory; elsewhere a
    maximum and a comparison, which process many pixels at once, are several times faster.
    """
    if scores.stride(1) == 1:
        return scores.argmax(1)
    last = scores.shape[1] - 1
    is_best = scores == scores.amax(1, keepdim=True)  # R,K,C
    ranks = is_best.view(torch.uint8) if last < 256 else is_best.int()
    before = torch.arange(last, -1, -1, dtype=ranks.dtype, device=scores.device)  # K, ends in 0
    return last - ranks.mul_(before[:, None]).amax(1)  # R,C
