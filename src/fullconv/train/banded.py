"""The loss without scores of the photo's size: enlarged, compared and sent back in bands of rows.

Enlarging the score maps and taking the loss of all pixels at once keeps several arrays of
classes x height x width for the way back; at 150 classes they outweigh the net. Here a band of rows
is enlarged, its loss and the gradient towards the small maps are added up, and the band is
forgotten. What remains of the head is as large as the maps. The sums are the same to rounding: the
cross-entropy of a pixel does not depend on others, and the soft Jaccard loss on a few sums only
(``train/overlap.py``).

Letters: K classes of an output, h and w of a map, H and W of the photo; R rows of a band.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fullconv.nets import FCN, NetSpec
from fullconv.nets.enlargement import Enlargement, Fusion, rows_of
from fullconv.train.loss import Criterion
from fullconv.train.overlap import Overlap, to_gradient

CACHED = 4 * 2**20
"""Bytes of scores in a band on a CPU: more would leave its cache between two steps."""


def can_be_banded(spec: NetSpec) -> bool:
    """Whether the enlargement is fixed, and a matrix for each axis.

    Kernels that learn need a gradient of their own; nets that stretch place a row by the height of
    all.
    """
    return not (spec.learn_upsampling or spec.stretches)


def is_worth_it(spec: NetSpec, photos: int, size: tuple[int, int]) -> bool:
    """Whether all scores of a batch are more than a band: small ones are quick as they are."""
    return photos * spec.classes * size[0] * size[1] * 4 > CACHED


def banded_loss(
    net: FCN, criterion: Criterion, maps: Mapping[int, Tensor], masks: Tensor
) -> tuple[Tensor, Tensor]:
    """As ``criterion(net.enlarged(maps, ...), masks)``: trained and plain loss, (outputs,) each.

    ``maps`` are those of ``net.maps``; ``masks`` N,H,W or N,H,W,outputs. The trained loss has its
    gradient towards the maps.
    """
    size = (masks.shape[1], masks.shape[2])
    fusion = Fusion(
        [Enlargement.of(net.upscore[str(stride)], score, size) for stride, score in maps.items()]
    )
    loss, plain = _Banded.apply(criterion, masks, fusion, *maps.values())  # pyright: ignore
    return loss, plain


class _Banded(torch.autograd.Function):
    """Computes the gradient on the way forward, when each band is at hand, and keeps only that."""

    @staticmethod
    def forward(
        ctx: Any, criterion: Criterion, masks: Tensor, fusion: Fusion, *maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        dtype = fusion.each[0].down.dtype
        exact = [m.detach().to(dtype).contiguous() for m in maps]
        grads = [torch.zeros_like(m) for m in exact]
        parts = criterion.outputs or (slice(0, exact[0].shape[1]),)
        found = []
        for part, plane in zip(parts, criterion.planes(masks), strict=True):
            sums = torch.zeros(2, dtype=torch.float64, device=masks.device)
            for number, mask in enumerate(plane):
                photo = Photo(
                    fusion,
                    [m[number, part] for m in exact],
                    [g[number, part] for g in grads],
                    *criterion.weighed(mask, part),
                )
                sums += loss_of(photo, criterion.jaccard)
            found.append(sums)
        ctx.parts, ctx.dtypes = parts, [m.dtype for m in maps]
        ctx.save_for_backward(*grads)
        loss, plain = torch.stack(found, 1)
        ctx.mark_non_differentiable(plain)
        return loss.to(dtype), plain

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> Any:  # pyright: ignore
        """``grad`` is (outputs,): each output's channels of the maps are scaled by its own."""
        found = []
        for kept, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True):
            scaled = torch.empty_like(kept)
            for weight, part in zip(grad, ctx.parts, strict=True):
                torch.mul(kept[:, part], weight, out=scaled[:, part])
            found.append(scaled.to(dtype))
        return None, None, None, *found


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
        limit = CACHED if self.labels.device.type == "cpu" else None
        step = rows_of(self.maps[0].shape[0], (height, width), limit)
        return [slice(first, min(first + step, height)) for first in range(0, height, step)]


def loss_of(photo: Photo, jaccard: float) -> Tensor:
    """(trained loss, plain loss) of a photo, float64; the gradient is added to ``photo.grads``."""
    return _with_jaccard(photo, jaccard) if jaccard else _cross_entropy(photo)


def _cross_entropy(photo: Photo) -> Tensor:
    sums = torch.zeros(2, dtype=torch.float64, device=photo.labels.device)
    for rows in photo.bands():
        labels, weights = photo.labels[rows], photo.weights[rows]
        factor = weights.clamp(min=0)
        scores = photo.fusion.band(photo.maps, rows)  # K,R,W
        sums += _summed(_softmax(scores, labels, factor), weights)
        scores.scatter_add_(0, labels[None], -factor[None].to(scores.dtype))
        photo.fusion.back(scores, rows, photo.grads)
    return sums


def _with_jaccard(photo: Photo, jaccard: float) -> Tensor:
    """Down the photo for the sums, and up again for the gradient: the last band is at hand."""
    device, shares = photo.labels.device, torch.empty(0)
    labelled, weights = (photo.weights >= 0).to(photo.weights.dtype), photo.weights.clamp(min=0)
    sums = torch.zeros(2, dtype=torch.float64, device=device)
    overlap, bands = Overlap(photo.maps[0].shape[0], device), photo.bands()
    for rows in bands:
        shares = photo.fusion.band(photo.maps, rows)  # K,R,W
        sums += _summed(_softmax(shares, photo.labels[rows], labelled[rows]), photo.weights[rows])
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


def _summed(each: Tensor, weights: Tensor) -> Tensor:
    """(weighed sum, plain sum) of the cross-entropy R,W of each pixel."""
    each = each.double()
    return torch.stack([(each * weights.clamp(min=0)).sum(), (each * (weights >= 0)).sum()])
