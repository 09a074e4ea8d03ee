"""The soft Dice loss: 1 minus the F1 score, with the softmax in place of the decision."""

from typing import Literal

from torch import Tensor

from fullconv.training.losses.base import RegionLoss, Term


class Dice(Term, RegionLoss):
    """1 minus 2 sum(p y) / (sum p + sum y), mean over the classes that a photo shows.

    Milletari et al. 2016, with sums in place of their sums of squares.
    """

    kind: Literal["dice"] = "dice"

    def of_classes(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        return 1 - 2 * both / _sizes(mass, truth)

    def slopes(
        self, mass: Tensor, truth: Tensor, both: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        sizes = _sizes(mass, truth)
        return 2 * weight * both / sizes**2, -2 * weight / sizes


def _sizes(mass: Tensor, truth: Tensor) -> Tensor:
    return (mass + truth).clamp(min=1e-6)
