"""The loss of one photo from its small maps, band by band, with the gradient towards them.

Letters: K classes, h and w of a map, H and W of the photo; R rows of a band.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fullconv.nets.enlargement import BAND, Fusion, rows_of
from fullconv.train.overlap import Overlap, to_gradient

CACHED = 4 * 2**20
"""Bytes of scores in a band on a CPU: more would leave its cache between two steps."""


def band_of(device: torch.device) -> int:
    """Bytes of scores in a band: a GPU is better off with few large ones."""
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
        """Its rows in bands."""
        height, width = self.labels.shape
        step = rows_of(len(self.maps[0]), (height, width), band_of(self.labels.device))
        return [slice(first, min(first + step, height)) for first in range(0, height, step)]


def cross_entropy(photo: Photo) -> Tensor:
    """(trained loss, plain loss), float64 (2,); the gradient is added to ``photo.grads``."""
    sums = torch.zeros(2, dtype=torch.float64, device=photo.labels.device)
    for rows in photo.bands():
        labels, weights = photo.labels[rows], photo.weights[rows]
        factor = weights.clamp(min=0)
        scores = photo.fusion.band(photo.maps, rows)  # K,R,W
        sums += summed(_softmax(scores, labels, factor), weights)
        scores.scatter_add_(0, labels[None], -factor[None].to(scores.dtype))
        photo.fusion.back(scores, rows, photo.grads)
    return sums


def with_jaccard(photo: Photo, jaccard: float) -> Tensor:
    """As ``cross_entropy``, with ``jaccard`` times the soft Jaccard loss of the photo.

    Down the photo for the sums, and up again for the gradient: the last band is still at hand.
    """
    device, shares = photo.labels.device, torch.empty(0)
    labelled, weights = (photo.weights >= 0).to(photo.weights.dtype), photo.weights.clamp(min=0)
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    overlap, bands = Overlap(photo.maps[0].shape[0], device), photo.bands()
    for rows in bands:
        shares = photo.fusion.band(photo.maps, rows)  # K,R,W
        sums += summed(_softmax(shares, photo.labels[rows], labelled[rows]), photo.weights[rows])
        overlap.add(shares, photo.labels[rows], labelled[rows])
    factor = jaccard * weights.double().sum()  # as much as in the cross-entropy
    slopes = overlap.slopes(factor)
    for rows in reversed(bands):
        if rows is not bands[-1]:
            shares = photo.fusion.band(photo.maps, rows)
            _softmax(shares, photo.labels[rows], labelled[rows])
        to_gradient(shares, photo.labels[rows], weights[rows], slopes)
        photo.fusion.back(shares, rows, photo.grads)
    sums[0] += factor * overlap.lost()
    return sums


def _softmax(scores: Tensor, labels: Tensor, factor: Tensor) -> Tensor:
    """Turn scores K,R,W into their softmax times ``factor`` R,W; the cross-entropy R,W."""
    scores.sub_(scores.amax(0))
    right = scores.gather(0, labels[None])[0]  # R,W
    total = scores.exp_().sum(0)  # R,W
    scores.mul_(factor / total)
    return total.log_().sub_(right)


def summed(each: Tensor, weights: Tensor) -> Tensor:
    """(weighed sum, plain sum) of the cross-entropy R,W of each pixel."""
    each = each.double()
    return torch.stack([(each * weights.clamp(min=0)).sum(), (each * (weights >= 0)).sum()])
