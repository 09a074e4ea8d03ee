"""How probable the class of each pixel is, by the temperature of the net's calibration.

As class maps are, it is computed from blocks of scores, which never exist as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.inference.class_map import Classes, highest, in_rows
from fullconv.models.cpu_kernels.banded_upsampling import Block

Confidence = npt.NDArray[np.float32]
"""The probability of each pixel's class, 0..1, (H, W); of several outputs (H, W, outputs)."""


@dataclass(frozen=True)
class Softmaxes:
    """The softmax of each output: its score channels and its temperature."""

    outputs: list[slice]
    temperatures: tuple[float, ...]

    def __iter__(self) -> Iterator[tuple[slice, float]]:
        return iter(zip(self.outputs, self.temperatures, strict=True))


def confident_classes(
    blocks: Iterator[Block], size: tuple[int, int], softmaxes: Softmaxes
) -> tuple[Classes, Confidence]:
    """As `class_map.best_classes`, with the probability of each pixel's class."""
    outputs = len(softmaxes.outputs)
    classes = confidence = None
    for rows, columns, scores in blocks:  # R,K,C
        if classes is None or confidence is None:
            dtype = np.uint8 if scores.shape[1] <= 256 else np.uint16
            classes = np.empty((*size, outputs), dtype)
            confidence = np.empty((*size, outputs), np.float32)
        for number, (part, temperature) in enumerate(softmaxes):
            own = scores[:, part]
            classes[rows, columns, number] = highest(own).cpu().numpy() + part.start
            confidence[rows, columns, number] = largest(own, temperature).cpu().numpy()
    assert classes is not None and confidence is not None
    return (classes[..., 0], confidence[..., 0]) if outputs == 1 else (classes, confidence)


def largest(scores: Tensor, temperature: float) -> Tensor:
    """The largest probability of the softmax over the classes of R,K,C: float32 R,C."""
    scaled = scores.float() / temperature
    return scaled.sub_(scaled.amax(1, keepdim=True)).exp_().sum(1).reciprocal_()


def of_scores(
    scores: npt.NDArray[np.float32] | Tensor, softmaxes: Softmaxes
) -> tuple[Classes, Confidence]:
    """Of scores K,H,W that exist as a whole."""
    if not isinstance(scores, Tensor):
        scores = torch.from_numpy(np.require(scores, requirements=["W"]))
    return confident_classes(in_rows(scores), (scores.shape[1], scores.shape[2]), softmaxes)
