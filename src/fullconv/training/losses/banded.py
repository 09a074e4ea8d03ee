"""The loss without logits of the photo's size: upsampled, compared and sent back in bands of rows.

Upsampling the score maps and taking the loss of all pixels at once saves several arrays of
classes x height x width for the backward pass; at 150 classes they outweigh the net. Here a band of
rows is upsampled, its loss and the gradient towards the small maps are added up, and the band is
forgotten. What remains of the head is as large as the maps. The sums are the same to rounding: the
cross-entropy of a pixel does not depend on others, and a region loss (Dice, Jaccard) on a few sums
(``region_sums.py``). One photo is ``photo_loss.py``. A loss of neither form (`training.losses`)
needs the whole logits.

Letters: K classes of an output, h and w of a map, H and W of the photo; R rows of a band.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fullconv.models import FCN, NetSpec
from fullconv.models.cpu_kernels.banded_upsampling import Fusion, UpsamplingMatrices
from fullconv.training.losses.criterion import Criterion
from fullconv.training.losses.photo_loss import CACHED, Photo, Terms, photo_loss


def can_be_banded(spec: NetSpec) -> bool:
    """Whether the upsampling is fixed: kernels that learn need a gradient of their own."""
    return not spec.learns_upsampling


def is_worth_it(spec: NetSpec, photos: int, size: tuple[int, int]) -> bool:
    """Whether all scores of a batch are more than a band: small ones are quick as they are."""
    return photos * spec.classes * size[0] * size[1] * 4 > CACHED


def banded_loss(
    net: FCN, criterion: Criterion, maps: Mapping[int, Tensor], masks: Tensor
) -> tuple[Tensor, Tensor]:
    """As ``criterion(net.upsampled(maps, ...), masks)``: trained and plain loss, (outputs,) each.

    ``maps`` are those of ``net.maps``; ``masks`` N,H,W or N,H,W,outputs. The trained loss has its
    gradient towards the maps. Every term of the criterion must be one for bands.
    """
    size = (masks.shape[1], masks.shape[2])
    fusion = Fusion(
        [
            UpsamplingMatrices.of(net.upscore[str(stride)], score, size)
            for stride, score in maps.items()
        ]
    )
    loss, plain = _Banded.apply(criterion, masks, fusion, *maps.values())  # pyright: ignore
    return loss, plain


class _Banded(torch.autograd.Function):
    """Computes the gradient in the forward pass, band by band, and saves only that."""

    @staticmethod
    def forward(
        ctx: Any, criterion: Criterion, masks: Tensor, fusion: Fusion, *maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        dtype = fusion.matrices[0].down.dtype
        exact = [m.detach().to(dtype).contiguous() for m in maps]
        grads = [torch.zeros_like(m) for m in exact]
        parts = criterion.outputs or (slice(0, exact[0].shape[1]),)
        terms, losses = Terms.of(criterion.terms), []
        for part, plane in zip(parts, criterion.planes(masks), strict=True):
            sums = torch.zeros(2, dtype=torch.float64, device=masks.device)
            for number, mask in enumerate(plane):
                photo = Photo(
                    fusion,
                    [m[number, part] for m in exact],
                    [g[number, part] for g in grads],
                    *criterion.weighed(mask, part),
                )
                sums += photo_loss(photo, terms)
            losses.append(sums)
        ctx.parts, ctx.dtypes = parts, [m.dtype for m in maps]
        ctx.save_for_backward(*grads)
        loss, plain = torch.stack(losses, 1)
        ctx.mark_non_differentiable(plain)
        return loss.to(dtype), plain

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> Any:  # pyright: ignore
        """``grad`` is (outputs,): each output's channels of the maps are scaled by its own."""
        gradients = []
        for saved, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True):
            scaled = torch.empty_like(saved)
            for weight, part in zip(grad, ctx.parts, strict=True):
                torch.mul(saved[:, part], weight, out=scaled[:, part])
            gradients.append(scaled.to(dtype))
        return None, None, None, *gradients
