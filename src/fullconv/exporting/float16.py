"""A net whose features are computed in float16, to be traced: weights of half the size.

The photo's preprocessing, the score layers and the upsampling of their maps stay in float32, where
scores that differ by little decide; so what goes in and comes out is as of the fp32 graph.
"""

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from fullconv.models import FCN
from fullconv.models.fold_batch_norm import folded


class _HalfBackbone(nn.Module):
    """A backbone in float16: float32 N,C,H,W to float32 {stride: N,C,h,w}."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone.half()

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        return {stride: map_.float() for stride, map_ in self.backbone(images.half()).items()}


class _HalfPyramid(nn.Module):
    """A pyramid in float16: float32 maps {stride: N,C,h,w} to the finest, float32."""

    def __init__(self, pyramid: nn.Module) -> None:
        super().__init__()
        self.pyramid = pyramid.half()

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        maps = self.pyramid({stride: map_.half() for stride, map_ in features.items()})
        return {stride: map_.float() for stride, map_ in maps.items()}


class _WideNorm(nn.Module):
    """A local response normalisation in float32: it sums squares, which float16 does not hold."""

    def __init__(self, norm: nn.LocalResponseNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.float()).to(x.dtype)


def in_half(net: FCN) -> FCN:
    """A copy of ``net`` that computes its features in float16, for `fullconv.exporting.program`.

    Batch norms are folded first: their variances need not fit into float16.
    """
    made = copy.deepcopy(folded(net.eval())).eval()
    for module in list(made.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LocalResponseNorm):
                setattr(module, name, _WideNorm(child))
    made.backbone = _HalfBackbone(made.backbone)  # pyright: ignore
    if made.pyramid is not None:
        made.pyramid = _HalfPyramid(made.pyramid)  # pyright: ignore
    return made
