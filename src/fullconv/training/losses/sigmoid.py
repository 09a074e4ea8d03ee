"""Losses of classes that may overlap: each by the sigmoid of its own logit.

They are asked of one class at a time: logits (N, 1, H, W), and masks (N, H, W) of 0, 1 and
`IGNORE`. All of a photo's logits are made for them, for there are no bands of such losses.
"""

from abc import abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import field_validator
from torch import Tensor

from fullconv.training.losses.base import IGNORE, Term


class SigmoidTerm(Term):
    """A loss of one class against the rest of the photo, by its sigmoid."""

    @abstractmethod
    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """The loss of each photo, (N,), of logits N,1,H,W and masks N,H,W of 0, 1 and `IGNORE`."""


class BinaryCrossEntropy(SigmoidTerm):
    """-log of the probability of what is true at each labelled pixel, class by class.

    ``pos_weight`` multiplies the loss of the pixels that have the class, which are mostly few:
    'balanced' by absent / present pixels of the training masks, 'softened' by the square root of
    it, or a number for each class. A weight lets a class begin, and costs precision.
    """

    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"
    pos_weight: Literal["none", "balanced", "softened"] | tuple[float, ...] = "none"

    @field_validator("pos_weight")
    @classmethod
    def _of_use(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if isinstance(weights, tuple) and min(weights, default=0) <= 0:
            raise ValueError("give a number above 0 for each class, or none, balanced, softened")
        return weights

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        pixel_losses, labelled = binary_cross_entropy(logits, masks), masks != IGNORE  # N,H,W
        return pixel_losses.sum((1, 2)) / labelled.sum((1, 2)).clamp(min=1)


class SigmoidOverlap(SigmoidTerm):
    """A function of three sums over the labelled pixels of a photo, with the sigmoid p and label y.

    ``mass`` is the sum of p, ``truth`` that of y, ``both`` that of p y: (N,) each. A photo that
    does not show the class costs nothing: what is too much there is the cross-entropy's.
    """

    @abstractmethod
    def of_sums(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        """The loss of each photo that shows the class, (N,)."""

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        labelled = masks != IGNORE
        shares = logits[:, 0].float().sigmoid() * labelled  # N,H,W
        there = ((masks == 1) & labelled).to(shares.dtype)  # N,H,W
        sums = shares.sum((1, 2)), there.sum((1, 2)), (shares * there).sum((1, 2))  # N
        return self.of_sums(*sums) * (sums[1] > 0)


class SigmoidJaccard(SigmoidOverlap):
    """1 minus the soft IU of each photo that shows the class (Rahman and Wang 2016)."""

    kind: Literal["sigmoid_jaccard"] = "sigmoid_jaccard"

    def of_sums(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        return 1 - both / (mass + truth - both).clamp(min=1e-6)


class SigmoidDice(SigmoidOverlap):
    """1 minus the soft Dice of each photo that shows the class (Milletari et al. 2016)."""

    kind: Literal["sigmoid_dice"] = "sigmoid_dice"

    def of_sums(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        return 1 - 2 * both / (mass + truth).clamp(min=1e-6)


def binary_cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """The loss of each pixel, N,H,W, from logits N,1,H,W; 0 where it is ignored."""
    labelled = masks != IGNORE
    there = torch.where(labelled, masks, 0).to(logits.dtype)
    pixel_losses = F.binary_cross_entropy_with_logits(logits[:, 0], there, reduction="none")
    return pixel_losses * labelled
