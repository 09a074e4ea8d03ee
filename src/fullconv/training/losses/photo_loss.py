"""The loss of one photo from its small maps, band by band, with the gradient towards them.

The terms are of two forms (`training.losses`): functions of each pixel's cross-entropy, whose
gradient is that of the cross-entropy times a number a pixel, and functions of sums of each class.

Letters: K classes, h and w of a map, H and W of the photo; R rows of a band.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fullconv.models.cpu_kernels.banded_upsampling import BAND, Fusion, rows_of
from fullconv.training.losses import PixelLoss, RegionLoss
from fullconv.training.losses.criterion import Weighed
from fullconv.training.losses.region_sums import RegionSums, to_gradient

CACHED = 4 * 2**20
"""Bytes of logits in a band on a CPU: more would leave its cache between two steps."""


def band_of(device: torch.device) -> int:
    """Bytes of logits in a band: a GPU is better off with few large ones."""
    return CACHED if device.type == "cpu" else BAND


@dataclass(frozen=True, eq=False)
class Photo:
    """One output of a photo: its maps K,h,w, where their gradients are added, and its pixels.

    ``labels`` H,W is any class where ``weights`` H,W is negative: not labelled.
    """

    fusion: Fusion
    maps: Sequence[Tensor]
    grads: Sequence[Tensor]
    labels: Tensor
    weights: Tensor

    def bands(self) -> list[slice]:
        """The rows of the photo in bands."""
        height, width = self.labels.shape
        step = rows_of(len(self.maps[0]), (height, width), band_of(self.labels.device))
        return [slice(first, min(first + step, height)) for first in range(0, height, step)]


@dataclass(frozen=True)
class Terms:
    """The terms of a criterion by their form, each with its weight."""

    pixel: tuple[tuple[float, PixelLoss], ...]
    region: tuple[tuple[float, RegionLoss], ...]

    @classmethod
    def of(cls, terms: Sequence[Weighed]) -> "Terms":
        """The terms of a criterion; TypeError where one can only be computed of whole logits."""
        pixel = tuple((w, loss) for w, loss in terms if isinstance(loss, PixelLoss))
        region = tuple((w, loss) for w, loss in terms if isinstance(loss, RegionLoss))
        if len(pixel) + len(region) != len(terms):
            raise TypeError("a term of the loss needs the whole logits")
        return cls(pixel, region)

    def summed(self, cross_entropies: Tensor, weights: Tensor) -> Tensor:
        """(weighed sum, plain sum) of pixels with these ``cross_entropies``: float64 (2,)."""
        cross_entropies, factor = cross_entropies.double(), weights.clamp(min=0)
        trained = cross_entropies.new_zeros(())
        for weight, loss in self.pixel:
            trained = trained + weight * (loss.of_pixels(cross_entropies) * factor).sum()
        return torch.stack([trained, (cross_entropies * (weights >= 0)).sum()])

    def slope(self, cross_entropies: Tensor, weights: Tensor) -> Tensor:
        """The factor of each pixel's gradient of the cross-entropy: R,W, 0 where not labelled."""
        factor = weights.clamp(min=0)
        total = torch.zeros_like(factor)
        for weight, loss in self.pixel:
            total = total + weight * (loss.slope(cross_entropies) * factor)
        return total


def photo_loss(photo: Photo, terms: Terms) -> Tensor:
    """(trained loss, plain loss), float64 (2,); the gradient is added to ``photo.grads``."""
    return _in_two_passes(photo, terms) if terms.region else _in_one_pass(photo, terms)


def _in_one_pass(photo: Photo, terms: Terms) -> Tensor:
    """The loss of terms whose pixels need no other pixel: loss and gradient band by band."""
    sums = torch.zeros(2, dtype=torch.float64, device=photo.labels.device)
    for rows in photo.bands():
        labels, weights = photo.labels[rows], photo.weights[rows]
        logits = photo.fusion.band(photo.maps, rows)  # K,R,W
        cross_entropies, total = _exponentials(logits, labels)
        factor = terms.slope(cross_entropies, weights)
        sums += terms.summed(cross_entropies, weights)
        logits.mul_(factor / total)
        logits.scatter_add_(0, labels[None], -factor[None].to(logits.dtype))
        photo.fusion.back(logits, rows, photo.grads)
    return sums


def _in_two_passes(photo: Photo, terms: Terms) -> Tensor:
    """Down the photo for the sums, up again for the gradient; the last band is used twice."""
    device = photo.labels.device
    shares, cross_entropies = torch.empty(0), torch.empty(0)
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    region_sums, bands = RegionSums(photo.maps[0].shape[0], device), photo.bands()
    for rows in bands:
        shares, cross_entropies = _softmax(photo, rows)
        sums += terms.summed(cross_entropies, photo.weights[rows])
        region_sums.add(shares, photo.labels[rows], photo.weights[rows] >= 0)
    share = photo.weights.clamp(min=0).double().sum()  # how much the photo counts
    slopes = [region_sums.slopes(loss, weight * share) for weight, loss in terms.region]
    mass, both = (torch.stack(kind).sum(0) for kind in zip(*slopes, strict=True))
    for rows in reversed(bands):
        if rows is not bands[-1]:
            shares, cross_entropies = _softmax(photo, rows)
        factor = terms.slope(cross_entropies, photo.weights[rows])
        to_gradient(shares, photo.labels[rows], factor, (mass, both))
        photo.fusion.back(shares, rows, photo.grads)
    for weight, loss in terms.region:
        sums[0] += weight * share * region_sums.loss(loss)
    return sums


def _softmax(photo: Photo, rows: slice) -> tuple[Tensor, Tensor]:
    """The softmax K,R,W of a band, 0 where it is not labelled, and the cross-entropy R,W."""
    shares = photo.fusion.band(photo.maps, rows)  # K,R,W
    cross_entropies, total = _exponentials(shares, photo.labels[rows])
    labelled = (photo.weights[rows] >= 0).to(photo.weights.dtype)
    return shares.mul_(labelled / total), cross_entropies


def _exponentials(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits K,R,W into their exponentials; the cross-entropy R,W, and the sum R,W."""
    logits.sub_(logits.amax(0))
    right = logits.gather(0, labels[None])[0]  # R,W
    total = logits.exp_().sum(0)  # R,W
    return total.log().sub_(right), total
