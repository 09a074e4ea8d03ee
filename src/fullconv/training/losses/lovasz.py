"""The Lovasz-softmax loss: the Jaccard loss of decisions, extended to probabilities."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fullconv.training.losses.base import IGNORE, Term


class Lovasz(Term):
    """The mean over the classes that a photo shows (Berman et al. 2018, 'present').

    The Jaccard loss of a class is a function of the set of its wrong pixels. Its Lovasz extension
    interpolates it between the sets: errors in falling order, each times what its pixel adds to the
    loss of those before. It sorts the pixels of a photo, so it needs the whole logits; with a
    ``stride`` of 2 only every second pixel in both directions, in a quarter of the time.
    """

    kind: Literal["lovasz"] = "lovasz"
    stride: Annotated[int, Field(ge=1)] = 1

    def __call__(self, logits: Tensor, masks: Tensor) -> Tensor:
        """As `losses.Loss`; 0 for a photo without labels. In float32 at least."""
        logits, masks = (each[..., :: self.stride, :: self.stride] for each in (logits, masks))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        pairs = zip(logits.softmax(1), masks, strict=True)
        return torch.stack([_of_photo(shares, mask) for shares, mask in pairs])


def _of_photo(shares: Tensor, mask: Tensor) -> Tensor:
    """The loss of softmax K,H,W and labels H,W."""
    labelled = mask != IGNORE
    shares, labels = shares[:, labelled], mask[labelled]  # K,P and P
    losses = [of_class(shares[k], labels == k) for k in labels.unique().tolist()]
    return torch.stack(losses).mean() if losses else shares.sum()  # nothing: 0, with a gradient


def of_class(shares: Tensor, truth: Tensor) -> Tensor:
    """The Lovasz extension for one class: its softmax (P,), and bool (P,) where it is right."""
    wanted = truth.to(shares.dtype)
    errors, order = (wanted - shares).abs().sort(descending=True)
    return errors @ _added(wanted[order])


def _added(wanted: Tensor) -> Tensor:
    """The weight of each pixel, in the order of errors, in the Jaccard loss: (P,)."""
    left = wanted.sum() - wanted.cumsum(0)  # right ones that are not yet wrong
    union = wanted.sum() + (1 - wanted).cumsum(0)
    loss = 1 - left / union
    return torch.cat([loss[:1], loss.diff()])
