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
        return torch.stack([self._of_photo(each[mask != IGNORE]) for each, mask in pairs])

    def _of_photo(self, each: Tensor) -> Tensor:
        """Of the cross-entropy of its labelled pixels (P,)."""
        if not len(each):
            return each.sum()
        least = math.ceil(self.least * len(each))
        hard = int((torch.exp(-each.detach()) < self.threshold).sum())
        return each.topk(max(least, hard)).values.mean()
