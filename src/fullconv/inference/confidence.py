"""The probability of each pixel's class, by the temperature of the net's calibration.

As for class maps, it is computed block by block: the full-size logits never exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fullconv.inference.class_map import Classes, Decision, in_rows
from fullconv.models.cpu_kernels.banded_upsampling import Block

Confidence = npt.NDArray[np.float32]
"""The probability of each pixel's class, 0..1, (H, W); of several outputs (H, W, outputs)."""


@dataclass(frozen=True)
class Softmaxes:
    """How classes follow from scores, and the temperature of the softmax of each output.

    Of overlapping classes, which have a sigmoid each, the probability of a pixel is that of what
    was decided: that the class is there, or that it is not.
    """

    decision: Decision
    temperatures: tuple[float, ...]

    def confidence(self, scores: Tensor, number: int) -> Tensor:
        """The probability of what an output says, of the scores R,K,C of all: float32 R,C."""
        temperature = self.temperatures[number]
        if not self.decision.threshold_logits:
            return largest(scores[:, self.decision.outputs[number]], temperature)
        own, least = scores[:, number].float(), self.decision.threshold_logits[number]
        return torch.where(own >= least, own, -own).div_(temperature).sigmoid_()


def confident_classes(
    blocks: Iterator[Block], size: tuple[int, int], softmaxes: Softmaxes
) -> tuple[Classes, Confidence]:
    """As `class_map.best_classes`, with the probability of each pixel's class."""
    decision = softmaxes.decision
    outputs = len(decision.outputs)
    classes = confidence = None
    for rows, columns, scores in blocks:  # R,K,C
        if classes is None or confidence is None:
            dtype = np.uint8 if scores.shape[1] <= 256 else np.uint16
            classes = np.empty((*size, outputs), dtype)
            confidence = np.empty((*size, outputs), np.float32)
        for number in range(outputs):
            values = decision.highest(scores, number).cpu().numpy() + decision.first(number)
            classes[rows, columns, number] = values
            confidence[rows, columns, number] = softmaxes.confidence(scores, number).cpu().numpy()
    assert classes is not None and confidence is not None
    return (classes[..., 0], confidence[..., 0]) if outputs == 1 else (classes, confidence)


def largest(scores: Tensor, temperature: float) -> Tensor:
    """The largest probability of the softmax over the classes of R,K,C: float32 R,C."""
    scaled = scores.float() / temperature
    return scaled.sub_(scaled.amax(1, keepdim=True)).exp_().sum(1).reciprocal_()


def as_grey(probability: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Probabilities 0..1 as uint8: 255 is certain."""
    return np.rint(probability * np.float32(255)).astype(np.uint8)


def probability_maps(
    classes: Classes, confidence: Confidence, decision: Decision
) -> npt.NDArray[np.uint8]:
    """The picture of ``--probability``, uint8 of the shape of ``classes``: 255 is certain.

    How probable each pixel's class is; of overlapping classes how probable it is that each is
    there, whichever was decided.
    """
    if decision.threshold_logits:
        confidence = np.where(classes == 1, confidence, 1 - confidence)
    return as_grey(confidence)


def of_scores(
    scores: npt.NDArray[np.float32] | Tensor, softmaxes: Softmaxes
) -> tuple[Classes, Confidence]:
    """The classes and their probabilities from whole scores K,H,W."""
    if not isinstance(scores, Tensor):
        scores = torch.from_numpy(np.require(scores, requirements=["W"]))
    return confident_classes(in_rows(scores), (scores.shape[1], scores.shape[2]), softmaxes)
