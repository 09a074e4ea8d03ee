"""Cross-entropy of the hard pixels alone (online hard example mining, or bootstrapping)."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fullconv.training.losses.base import IGNORE, Term, cross_entropy


class Ohem(Term):
    """Mean over the pixels of a photo whose right class has a softmax below ``threshold``.

    At least the share ``least`` of its labelled pixels counts, the hardest (Wu et al. 2016,
    section 3.2, after Shrivastava et al. 2016). Which they are is known only of the whole photo.
    """

    kind: Literal["ohem"] = "ohem"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.7
    least: Annotated[float, Field(gt=0, le=1)] = 0.1

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """As `losses.Loss`; 0 for a photo without labels."""
        pairs = zip(cross_entropy(logits, masks), masks, strict=True)
        return torch.stack(
            [self._of_photo(pixel_losses[mask != IGNORE]) for pixel_losses, mask in pairs]
        )

    def _of_photo(self, pixel_losses: Tensor) -> Tensor:
        """The mean of the hard pixels; ``pixel_losses`` are those of the labelled pixels, (P,)."""
        if not len(pixel_losses):
            return pixel_losses.sum()
        least = math.ceil(self.least * len(pixel_losses))
        hard = int((torch.exp(-pixel_losses.detach()) < self.threshold).sum())
        return pixel_losses.topk(max(least, hard)).values.mean()
