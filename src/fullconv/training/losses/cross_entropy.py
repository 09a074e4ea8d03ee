"""Cross-entropy, with class weights, sampled pixels, and its mean or sum over the step."""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from fullconv.training.losses.base import PixelLoss, Term


class CrossEntropy(Term, PixelLoss):
    """-log p of the right class, over the labelled pixels of the whole step (Long et al. 2015).

    ``reduction`` is their mean, or their sum as in the heavy form. A labelled pixel counts with
    probability ``keep`` (the paper's sampling of patches, section 4.4), drawn anew at each step.
    Class weights multiply the loss of their pixels, or with ``weigh_by`` 'sampling' the probability
    that they count (class balancing by a sampled loss).

    How pixels count decides how much a photo counts, and so holds for the other terms, too: the
    options are applied by `training.losses.criterion.Criterion`, not by a call of this object
    alone.
    """

    kind: Literal["cross_entropy"] = "cross_entropy"
    reduction: Literal["mean", "sum"] = "mean"
    class_weights: Literal["none", "median-frequency", "softened", "mild"] | tuple[float, ...] = (
        "none"
    )
    weigh_by: Literal["factor", "sampling"] = "factor"
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0

    @field_validator("class_weights")
    @classmethod
    def _of_use(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if isinstance(weights, tuple) and (min(weights, default=0) < 0 or not any(weights)):
            raise ValueError("class weights must not be negative, and at least one must be above 0")
        return weights

    @model_validator(mode="after")
    def _something_to_sample_by(self) -> Self:
        if self.weigh_by == "sampling" and self.class_weights == "none":
            raise ValueError("weigh_by 'sampling' needs class_weights to sample by")
        return self

    def of_pixels(self, cross_entropies: Tensor) -> Tensor:
        return cross_entropies

    def slope(self, cross_entropies: Tensor) -> Tensor:
        return torch.ones_like(cross_entropies)
