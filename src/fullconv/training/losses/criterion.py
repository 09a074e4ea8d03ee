"""The loss of a run: weighed terms, each normalised over the whole effective batch or summed.

The terms are those of `training.losses`. Where every one of them can be summed from bands of rows,
they are (``banded.py``); where one cannot, the whole logits are made for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fullconv.classes import MOST_CLASSES
from fullconv.errors import UserError
from fullconv.training.losses import (
    IGNORE,
    BinaryCrossEntropy,
    CrossEntropy,
    FromPython,
    Loss,
    PixelLoss,
    Term,
    binary_cross_entropy,
    can_be_banded,
    loss_for,
)
from fullconv.training.losses.base import cross_entropy


class Weighed(NamedTuple):
    """A loss, and how much of it is trained."""

    weight: float
    loss: Loss


@dataclass(frozen=True)
class Criterion:
    """The loss of a run: one for each output of the net, and their sum is trained.

    Each of the ``terms`` is a loss of a photo, times how much the photo counts: the sum of the
    weights of its labelled pixels. ``weights`` of the classes are float (K,), or None where all are
    1; ``ignore`` is the value left out; ``keep`` the probability that a pixel of each class counts,
    or None where all do. ``outputs`` are the channels of each output; None where there is one.
    """

    reduction: str
    weights: Tensor | None
    ignore: int
    terms: tuple[Weighed, ...]
    keep: Tensor | None = None
    outputs: tuple[slice, ...] | None = None

    @property
    def can_be_banded(self) -> bool:
        """Whether every term can be summed from bands of rows."""
        return all(can_be_banded(term.loss) for term in self.terms)

    def sampled(self, masks: Tensor) -> Tensor:
        """``masks`` with the pixels ignored that are not drawn, by torch's generator."""
        if self.keep is None:
            return masks
        labelled = masks != self.ignore
        chance = self.keep[torch.where(labelled, masks, 0).long()]
        return torch.where(torch.rand_like(chance) < chance, masks, self.ignore)

    def planes(self, masks: Tensor) -> list[Tensor]:
        """The masks N,H,W of each output, from masks N,H,W or N,H,W,outputs."""
        return list(masks.unbind(3)) if masks.ndim == 4 else [masks]

    def normaliser(self, masks: Tensor) -> Tensor:
        """The divisor of the summed loss of each output: float64 (outputs,).

        It is taken over the whole effective batch before it is split, which is why accumulated
        gradients equal those of the large batch, whatever share of pixels each part has labelled.
        """
        return torch.stack([self._normaliser(plane) for plane in self.planes(masks)])

    def _normaliser(self, masks: Tensor) -> Tensor:
        if self.reduction == "sum":
            return torch.ones((), dtype=torch.float64, device=masks.device)
        labelled = masks != self.ignore
        if self.weights is None:
            return labelled.sum().clamp(min=1).double()
        weights = self.weights.double()[torch.where(labelled, masks, 0).long()]
        total = torch.where(labelled, weights, 0).sum()
        return torch.where(total > 0, total, 1)

    def labelled(self, masks: Tensor) -> Tensor:
        """Labelled pixels of each output: float64 (outputs,)."""
        planes = self.planes(masks)
        return torch.stack([(plane != self.ignore).sum().double() for plane in planes])

    def __call__(self, logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """(trained loss, plain loss) of each output, summed over its labelled pixels: (outputs,).

        ``logits`` N,K,H,W; ``masks`` N,H,W class values, or N,H,W,outputs. The plain one is the
        cross-entropy without class weights and without gradient: divided by the labelled pixels it
        compares with ln K.
        """
        parts = self.outputs or (slice(0, logits.shape[1]),)
        planes = self.planes(masks)
        per_output = [self._of(logits[:, p], m, p) for p, m in zip(parts, planes, strict=True)]
        losses, plain = zip(*per_output, strict=True)
        return torch.stack(losses), torch.stack(plain)

    def weighed(self, masks: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """The class of each pixel among those of an output, and its weight, from its masks.

        Where a pixel is ignored the class is 0 and the weight -1.
        """
        labelled = masks != self.ignore
        labels = torch.where(labelled, masks.long() - part.start, 0)
        weights = 1.0 if self.weights is None else self.weights[part][labels]
        return labels, torch.where(labelled, weights, -1.0)

    def _of(self, logits: Tensor, masks: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        labelled = masks != self.ignore
        labels = torch.where(labelled, masks.long() - part.start, IGNORE)  # N,H,W
        by_pixel = any(isinstance(term.loss, PixelLoss) for term in self.terms)
        pixel_losses = cross_entropy(logits if by_pixel else logits.detach(), labels)  # N,H,W
        weights = labelled.to(pixel_losses.dtype)  # N,H,W
        if self.weights is not None:
            weights = weights * self.weights[part][torch.where(labelled, labels, 0)]
        shares = weights.sum((1, 2))  # N: parts of a batch add up
        losses = []
        for weight, loss in self.terms:
            if isinstance(loss, PixelLoss):
                losses.append(weight * (loss.of_pixels(pixel_losses) * weights).sum())
            else:
                losses.append(weight * (shares * loss(logits, labels)).sum())
        return torch.stack(losses).sum(), pixel_losses.detach().double().sum()


@dataclass(frozen=True)
class SigmoidCriterion(Criterion):
    """The loss of overlapping classes: the mean over them of the loss of each.

    An output is a class of a single channel; ``weights`` are what its present pixels weigh (K,).
    A photo counts by its labelled pixels, and so does a class.
    """

    @property
    def can_be_banded(self) -> bool:
        return False

    def _normaliser(self, masks: Tensor) -> Tensor:
        classes = len(self.outputs or (0,))
        return (masks != self.ignore).sum().clamp(min=1).double() * classes

    def _of(self, logits: Tensor, masks: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        labelled = masks != self.ignore
        labels = torch.where(labelled, masks.long(), IGNORE)  # N,H,W
        pixel_losses = binary_cross_entropy(logits, labels)  # N,H,W
        shares = labelled.to(pixel_losses.dtype).sum((1, 2))  # N: parts of a batch add up
        losses = []
        for weight, loss in self.terms:
            if isinstance(loss, BinaryCrossEntropy):
                weighed = pixel_losses
                if self.weights is not None:
                    weighed = pixel_losses * torch.where(labels == 1, self.weights[part.start], 1.0)
                losses.append(weight * weighed.sum())
            else:
                losses.append(weight * (shares * loss(logits, labels)).sum())
        return torch.stack(losses).sum(), pixel_losses.detach().double().sum()


def make_criterion(
    terms: Sequence[Term],
    weights: Tensor | None,
    ignore: int,
    device: torch.device,
    outputs: tuple[slice, ...] | None = None,
    losses: Mapping[str, Loss] | None = None,
    overlapping: bool = False,
) -> Criterion:
    """The criterion of a config's ``loss``; ``weights`` are the class weights already computed.

    ``losses`` are those of Python's by name. The options of the cross-entropy say how pixels count,
    for all terms; without it all labelled ones count the same. With ``overlapping`` the classes may
    overlap, and ``weights`` are those of their present pixels.
    Raises UserError when pixels are to be sampled by weights of which none is above 0, and for a
    loss of Python's that is missing.
    """
    pixels = cross_entropy_of(terms) or CrossEntropy()
    weights = None if weights is None else weights.to(device, torch.float32)
    keep = None
    if pixels.weigh_by == "sampling" and weights is not None:
        if weights.max() <= 0:
            raise UserError(
                "loss.cross_entropy.class_weights: no weight is above 0, so no pixel would count",
                "FC-CONFIG-009",
            )
        keep, weights = pixels.keep * weights / weights.max(), None
    elif pixels.keep < 1:
        keep = torch.full((MOST_CLASSES,), pixels.keep, device=device)
    weighed = tuple(Weighed(term.weight, loss_for(term, losses or {})) for term in terms)
    kind = SigmoidCriterion if overlapping else Criterion
    return kind(pixels.reduction, weights, ignore, weighed, keep, outputs)


def cross_entropy_of(terms: Sequence[Term]) -> CrossEntropy | None:
    """The cross-entropy among the terms."""
    return next((term for term in terms if isinstance(term, CrossEntropy)), None)


def all_banded(terms: Sequence[Term]) -> bool:
    """Whether a criterion of these terms can be computed in bands."""
    return all(
        term.banded if isinstance(term, FromPython) else can_be_banded(term) for term in terms
    )
