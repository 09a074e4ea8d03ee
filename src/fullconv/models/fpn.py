"""A pyramid of features: what a classifier knows at its strides, fused before it is scored.

Scores of several strides that are added, as in the paper, cannot look at one another: the finest
map must tell a pole from a tree by itself. Here the coarse maps are carried down to the fine ones
as features, and only the finest is scored, knowing what the coarse ones know.

Lin et al., Feature Pyramid Networks (CVPR 2017, arXiv 1612.03144), for the lateral 1x1 convolutions
and the sums; the 3x3 convolution that blends each sum before the next is that of Orsic et al.
(SwiftNet, CVPR 2019, arXiv 1903.08469).
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from fullconv.geometry import Window
from fullconv.models.layers import ConvNorm

BLEND = Window("blend", 3, pad=1)
"""The window of the convolution that blends each sum."""


class Pyramid(nn.Module):
    """Feature maps of several strides to one of the finest: {stride: N,C,h,w} to {stride: N,D,h,w}.

    ``channels`` of the backbone's map of each stride, coarsest first, ``inner`` those of the
    pyramid's; ``upsampling`` makes the module that takes the map of a stride to the next finer one,
    with that one's channels: where these are fewer, a 1x1 convolution comes before it.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        inner: Mapping[int, int],
        upsampling: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        self.strides: tuple[int, ...] = tuple(channels)
        self.lateral: nn.ModuleDict = nn.ModuleDict(
            {str(stride): _pointwise(c, inner[stride]) for stride, c in channels.items()}
        )
        self.blend: nn.ModuleDict = nn.ModuleDict(
            {str(s): ConvNorm(inner[s], replace(BLEND, channels=inner[s])) for s in channels}
        )
        self.narrow: nn.ModuleDict = nn.ModuleDict(
            {
                str(coarse): _pointwise(inner[coarse], inner[fine])
                for coarse, fine in itertools.pairwise(self.strides)
                if inner[coarse] != inner[fine]
            }
        )
        self.up: nn.ModuleDict = nn.ModuleDict(
            {str(stride): upsampling(stride) for stride in self.strides[:-1]}
        )

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """{stride: N,C,h,w} to the finest alone: {stride: N,D,h,w}."""
        coarsest = str(self.strides[0])
        fused = self.blend[coarsest](self.lateral[coarsest](features[self.strides[0]]))  # N,D,h,w
        for coarse, fine in itertools.pairwise(self.strides):
            finer = self.lateral[str(fine)](features[fine])
            if str(coarse) in self.narrow:
                fused = self.narrow[str(coarse)](fused)
            fused = finer + self.up[str(coarse)](fused, finer.shape[-2:])  # N,D,H/fine,W/fine
            fused = self.blend[str(fine)](fused)
        return {self.strides[-1]: fused}


def _pointwise(channels: int, out: int) -> ConvNorm:
    return ConvNorm(channels, Window("pointwise", 1, channels=out), activation=None)
