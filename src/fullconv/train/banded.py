"""The loss without scores of the photo's size: enlarged, compared and sent back in bands of rows.

Enlarging the score maps and taking the cross-entropy of all pixels at once keeps several arrays of
classes x height x width for the way back; at 150 classes they outweigh the net. Here a band of rows
is enlarged, its loss and the gradient towards the small maps are added up, and the band is
forgotten. What remains of the head is as large as the maps. The sums are the same to rounding, for
the loss of a pixel does not depend on others.

Letters: K classes of an output, h and w of a map, H and W of the photo; R rows of a band.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fullconv.nets import FCN, NetSpec
from fullconv.nets.enlargement import BAND, Enlargement, rows_of
from fullconv.train.loss import Criterion


def can_be_banded(spec: NetSpec, jaccard: float) -> bool:
    """Whether the loss is a sum over pixels, and the enlargement fixed and a matrix for each axis.

    The soft Jaccard loss sees whole photos; kernels that learn need a gradient of their own.
    """
    return not (jaccard or spec.learn_upsampling)


def is_worth_it(spec: NetSpec, photos: int, size: tuple[int, int]) -> bool:
    """Whether all scores of a batch are more than a band: small ones are quick as they are."""
    return photos * spec.classes * size[0] * size[1] * 4 > BAND


def banded_loss(
    net: FCN, criterion: Criterion, maps: Mapping[int, Tensor], masks: Tensor
) -> tuple[Tensor, Tensor]:
    """As ``criterion(net.enlarged(maps, ...), masks)``: trained and plain loss, (outputs,) each.

    ``maps`` are those of ``net.maps``; ``masks`` N,H,W or N,H,W,outputs. The trained loss has its
    gradient towards the maps.
    """
    size = (masks.shape[1], masks.shape[2])
    enlargements = [
        Enlargement.of(net.upscore[str(stride)], score, size) for stride, score in maps.items()
    ]
    loss, plain = _Banded.apply(criterion, masks, enlargements, *maps.values())  # pyright: ignore
    return loss, plain


class _Banded(torch.autograd.Function):
    """Computes the gradient on the way forward, when each band is at hand, and keeps only that."""

    @staticmethod
    def forward(
        ctx: Any,
        criterion: Criterion,
        masks: Tensor,
        enlargements: list[Enlargement],
        *maps: Tensor,
    ) -> tuple[Tensor, Tensor]:
        exact = [m.detach().to(e.down.dtype) for m, e in zip(maps, enlargements, strict=True)]
        grads = [torch.zeros_like(m) for m in exact]
        parts = criterion.outputs or (slice(0, exact[0].shape[1]),)
        found = []
        for part, plane in zip(parts, criterion.planes(masks), strict=True):
            sums = torch.zeros(2, dtype=torch.float64, device=masks.device)
            for photo, mask in enumerate(plane):
                own = [(e, m[photo, part], g[photo, part]) for e, m, g in
                       zip(enlargements, exact, grads, strict=True)]  # fmt: skip
                sums += _photo(criterion, part, own, mask)
            found.append(sums)
        ctx.parts, ctx.dtypes = parts, [m.dtype for m in maps]
        ctx.save_for_backward(*grads)
        loss, plain = torch.stack(found, 1)
        ctx.mark_non_differentiable(plain)
        return loss.to(exact[0].dtype), plain

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


def _photo(
    criterion: Criterion,
    part: slice,
    maps: list[tuple[Enlargement, Tensor, Tensor]],
    mask: Tensor,
) -> Tensor:
    """(trained loss, plain loss) of one photo; the gradient K,h,w of each map is filled in.

    ``maps`` has the enlargement, the map and its gradient; ``mask`` is H,W.
    """
    size, classes = (mask.shape[0], mask.shape[1]), maps[0][1].shape[0]
    step, sums = rows_of(classes, size), torch.zeros(2, dtype=torch.float64, device=mask.device)
    for first in range(0, size[0], step):
        rows = mask[first : first + step]
        bands = [enlargement.band(score, first, len(rows)) for enlargement, score, _ in maps]
        scores = bands[0][0]  # K,R,W
        for other, _ in bands[1:]:
            scores += other
        sums += _cross_entropy(scores, *criterion.weighed(rows, part))
        for (enlargement, _, grad), (_, need) in zip(maps, bands, strict=True):
            grad[:, need] += enlargement.back(scores, first, need)
    return sums


def _cross_entropy(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """(weighted sum, plain sum) of the cross-entropy; ``scores`` become its gradient.

    ``scores`` K,R,W; ``labels`` R,W, any class where ``weights`` R,W is negative: not labelled.
    """
    labelled = weights >= 0
    weights = weights.clamp(min=0)
    whole = scores.logsumexp(0)  # R,W
    each = (whole - scores.gather(0, labels[None])[0]).double()
    found = torch.stack([(each * weights).sum(), (each * labelled).sum()])
    scores.sub_(whole).exp_()  # the softmax
    scores.scatter_add_(0, labels[None], -torch.ones_like(whole)[None])
    scores.mul_(weights)
    return found
