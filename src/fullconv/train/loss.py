"""Cross-entropy over labelled pixels, normalised over the whole effective batch or summed.

Beside it, where it is asked for, the soft Jaccard loss.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fullconv.classes import MOST_CLASSES
from fullconv.errors import UserError
from fullconv.train.config import Loss


@dataclass(frozen=True)
class Criterion:
    """The loss of a run: one for each output of the net, and their sum is trained.

    ``weights`` is float (K,) or None; ``ignore`` the value left out; ``jaccard`` how much of the
    soft Jaccard loss is added; ``keep`` the probability that a pixel of each class counts, or None
    where all do. ``outputs`` are the score channels of each output; None where there is one.
    """

    reduction: str
    weights: Tensor | None
    ignore: int
    jaccard: float = 0.0
    keep: Tensor | None = None
    outputs: tuple[slice, ...] | None = None

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
        """What the summed loss of each output is divided by: float64 (outputs,).

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

    def __call__(self, scores: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """(trained loss, plain loss) of each output, summed over its labelled pixels: (outputs,).

        ``scores`` N,K,H,W before softmax; ``masks`` N,H,W class values, or N,H,W,outputs. The plain
        one is without class weights and without gradient: divided by the labelled pixels it
        compares with ln K.
        """
        parts = self.outputs or (slice(0, scores.shape[1]),)
        planes = self.planes(masks)
        found = [self._of(scores[:, p], m, p) for p, m in zip(parts, planes, strict=True)]
        losses, plain = zip(*found, strict=True)
        return torch.stack(losses), torch.stack(plain)

    def weighed(self, masks: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Of masks of an output, the class of each pixel among its own, and its weight.

        Where a pixel is ignored the class is 0 and the weight -1.
        """
        labelled = masks != self.ignore
        labels = torch.where(labelled, masks.long() - part.start, 0)
        weights = 1.0 if self.weights is None else self.weights[part][labels]
        return labels, torch.where(labelled, weights, -1.0)

    def _of(self, scores: Tensor, masks: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        labelled = masks != self.ignore
        labels = torch.where(labelled, masks.long() - part.start, self.ignore)  # N,H,W
        each = F.cross_entropy(scores, labels, ignore_index=self.ignore, reduction="none")
        plain = each.detach().double().sum()
        weights = labelled.to(each.dtype)  # N,H,W
        if self.weights is not None:
            weights = weights * self.weights[part][torch.where(labelled, labels, 0)]
        loss = (each * weights).sum()  # N,H,W to scalar
        if self.jaccard:
            # Each photo counts as much as in the cross-entropy, so that parts of a batch add up.
            shares = weights.sum((1, 2))  # N
            loss = loss + self.jaccard * (shares * jaccard(scores, labels, self.ignore)).sum()
        return loss, plain


def jaccard(scores: Tensor, masks: Tensor, ignore: int) -> Tensor:
    """1 minus the soft IU of each photo, mean over the classes that it shows: N,K,H,W to N.

    The IU of a class with the softmax in place of the decision (Rahman and Wang 2016): sum(p y) /
    sum(p + y - p y) over the labelled pixels, which weighs a small class as much as a large one.
    """
    labelled = masks != ignore
    labels = torch.where(labelled, masks, 0).long().flatten(1)  # N,HW
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    inside = labelled.to(scores.dtype).flatten(1)  # N,HW
    share = scores.softmax(1).flatten(2) * inside[:, None]  # N,K,HW
    right = share.gather(1, labels[:, None])[:, 0]  # N,HW
    empty = scores.new_zeros(scores.shape[:2])  # N,K
    both = empty.scatter_add(1, labels, right)
    truth = empty.scatter_add(1, labels, inside)
    shown = truth > 0
    lost = (1 - both / (share.sum(2) + truth - both).clamp(min=1e-6)) * shown
    return lost.sum(1) / shown.sum(1).clamp(min=1)


def make_criterion(
    config: Loss,
    weights: Tensor | None,
    ignore: int,
    device: torch.device,
    outputs: tuple[slice, ...] | None = None,
) -> Criterion:
    """The criterion of a config; ``weights`` are the class weights already computed, or None.

    Raises UserError when they are to be sampled by and none is above 0.
    """
    weights = None if weights is None else weights.to(device, torch.float32)
    keep = None
    if config.weigh_by == "sampling" and weights is not None:
        if weights.max() <= 0:
            raise UserError("loss.class_weights: no weight is above 0, so no pixel would count")
        keep, weights = config.keep * weights / weights.max(), None
    elif config.keep < 1:
        keep = torch.full((MOST_CLASSES,), config.keep, device=device)
    return Criterion(config.reduction, weights, ignore, config.jaccard, keep, outputs)
