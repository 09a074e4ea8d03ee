"""The soft Jaccard loss: 1 minus the IU, with the softmax in place of the decision."""

from typing import Literal

from torch import Tensor

from fullconv.training.losses.base import RegionLoss, Term


class Jaccard(Term, RegionLoss):
    """1 minus the soft IU of each photo, mean over the classes that it shows.

    The IU of a class with the softmax in place of the decision (Rahman and Wang 2016): sum(p y) /
    sum(p + y - p y) over the labelled pixels, which weighs a small class as much as a large one.
    """

    kind: Literal["jaccard"] = "jaccard"

    def of_classes(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        return 1 - both / _union(mass, truth, both)

    def slopes(
        self, mass: Tensor, truth: Tensor, both: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        union = _union(mass, truth, both)
        return weight * both / union**2, -weight * (union + both) / union**2


def _union(mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
    return (mass + truth - both).clamp(min=1e-6)
