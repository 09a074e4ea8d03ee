"""The focal loss: pixels that are right already count less."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fullconv.training.losses.base import PixelLoss, Term

LEAST = 1e-6  # of 1 - p: a power below 1 has no derivative at 0


class Focal(Term, PixelLoss):
    """(1 - p)^gamma times the cross-entropy, p of the right class by softmax (Lin et al. 2017).

    With ``gamma`` 0 it is the cross-entropy. The paper's factor alpha of each class is left out.
    """

    kind: Literal["focal"] = "focal"
    gamma: Annotated[float, Field(ge=0)] = 2.0

    def of_pixels(self, cross_entropies: Tensor) -> Tensor:
        return _missed(cross_entropies) ** self.gamma * cross_entropies

    def slope(self, cross_entropies: Tensor) -> Tensor:
        missed = _missed(cross_entropies)
        # missed is 1 - p with p = e^-x for the cross-entropy x; the derivative of p by x is -p
        inner = self.gamma * missed ** (self.gamma - 1) * torch.exp(-cross_entropies)
        return missed**self.gamma + inner * cross_entropies


def _missed(cross_entropies: Tensor) -> Tensor:
    """1 - p from the cross-entropy."""
    return (-torch.expm1(-cross_entropies)).clamp(min=LEAST)
