"""Cross-entropy over labelled pixels, normalised over the whole effective batch or summed."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fullconv.train.config import Loss


@dataclass(frozen=True)
class Criterion:
    """The loss of a run. ``weights`` is float (K,) or None; ``ignore`` the value left out."""

    reduction: str
    weights: Tensor | None
    ignore: int

    def normaliser(self, masks: Tensor) -> Tensor:
        """What the summed loss of all of ``masks`` is divided by: float64 scalar.

        It is taken over the whole effective batch before it is split, which is why accumulated
        gradients equal those of the large batch, whatever share of pixels each part has labelled.
        """
        if self.reduction == "sum":
            return torch.ones((), dtype=torch.float64, device=masks.device)
        labels = masks[masks != self.ignore].long()
        if self.weights is None:
            return torch.tensor(max(len(labels), 1), dtype=torch.float64, device=masks.device)
        total = self.weights.double()[labels].sum()
        return total if total > 0 else torch.ones_like(total)

    def __call__(self, scores: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """(trained loss, plain loss), both summed over the labelled pixels, as scalars.

        ``scores`` N,K,H,W before softmax; ``masks`` N,H,W class values. The plain one is without
        class weights and without gradient: divided by the labelled pixels it compares with ln K.
        """
        each = F.cross_entropy(scores, masks.long(), ignore_index=self.ignore, reduction="none")
        plain = each.detach().double().sum()
        if self.weights is None:
            return each.sum(), plain  # N,H,W to scalar
        labelled = masks != self.ignore
        weights = self.weights[torch.where(labelled, masks, 0).long()]
        return (each * weights).sum(), plain


def make_criterion(
    config: Loss, weights: Tensor | None, ignore: int, device: torch.device
) -> Criterion:
    """The criterion of a config; ``weights`` are the class weights already computed, or None."""
    placed = None if weights is None else weights.to(device, torch.float32)
    return Criterion(config.reduction, placed, ignore)
