"""The loss protocol, and the two kinds of losses that can be computed from bands of rows.

Letters: N photos, K classes, H and W of a photo; R and W of a band of its rows.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

IGNORE = -100
"""The label of pixels without a label, which torch's own losses leave out."""


@runtime_checkable
class Loss(Protocol):
    """One number for each photo, differentiable by the logits.

    ``logits`` N,K,H,W float, before softmax; ``masks`` N,H,W int64: the class of each pixel, or
    `IGNORE`, which must not count. Returns (N,), each a mean in some sense, so that it does not
    grow with the photo: a photo then counts by its labelled pixels
    (`training.losses.criterion.Criterion`).
    """

    def __call__(self, logits: Tensor, masks: Tensor, /) -> Tensor: ...


class Term(BaseModel):
    """One term of the loss in a config: its kind, its weight, and the options of the kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: str
    weight: Annotated[float, Field(gt=0)] = 1.0


class PixelLoss(ABC):
    """The mean over the labelled pixels of a function of the cross-entropy of each.

    No pixel needs another one, so bands of rows add up to the photo.
    """

    @abstractmethod
    def of_pixels(self, cross_entropies: Tensor) -> Tensor:
        """The loss of pixels with these ``cross_entropies``, of any shape."""

    @abstractmethod
    def slope(self, cross_entropies: Tensor) -> Tensor:
        """The derivative of `of_pixels`, in the same shape."""

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """As `Loss`; 0 for a photo without labels."""
        labelled = masks != IGNORE
        pixel_losses = self.of_pixels(cross_entropy(logits, masks)) * labelled  # N,H,W
        return pixel_losses.sum((1, 2)) / labelled.sum((1, 2)).clamp(min=1)


class RegionLoss(ABC):
    """The mean over the classes that a photo shows of a function of three sums of each.

    With the softmax p and the one-hot labels y, over the labelled pixels: ``mass`` is the sum of p,
    ``truth`` that of y, ``both`` that of p y. Bands of rows add up to the sums, from which the
    gradient of each pixel follows (`training.losses.region_sums`).
    """

    @abstractmethod
    def of_classes(self, mass: Tensor, truth: Tensor, both: Tensor) -> Tensor:
        """The loss of each class, (..., K), from sums of that shape."""

    @abstractmethod
    def slopes(
        self, mass: Tensor, truth: Tensor, both: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``weight`` times the derivatives of `of_classes` by ``mass`` and by ``both``: (K,)."""

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """As `Loss`; 0 for a photo without labels. The sums are taken in float32 at least."""
        labelled = masks != IGNORE
        labels = torch.where(labelled, masks, 0).flatten(1)  # N,HW
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        inside = labelled.to(logits.dtype).flatten(1)  # N,HW
        shares = logits.softmax(1).flatten(2) * inside[:, None]  # N,K,HW
        right = shares.gather(1, labels[:, None])[:, 0]  # N,HW
        empty = logits.new_zeros(logits.shape[:2])  # N,K
        both = empty.scatter_add(1, labels, right)
        truth = empty.scatter_add(1, labels, inside)
        shown = truth > 0
        lost = self.of_classes(shares.sum(2), truth, both) * shown
        return lost.sum(1) / shown.sum(1).clamp(min=1)


def cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    """The cross-entropy of each pixel, N,H,W; 0 where it is ignored."""
    return F.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="none")


def can_be_banded(loss: object) -> bool:
    """Whether a loss can be computed from bands of rows; other losses need the whole logits."""
    return isinstance(loss, PixelLoss | RegionLoss)
