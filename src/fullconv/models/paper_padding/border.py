"""The border once: padding `paper` without computing what the photo cannot change.

`paper` puts 100 pixels of zeros around a photo, so every map covers 198 pixels of the photo more
than in `same`. What they add depends on the photo only where a window reaches it, which in the
first layers is hardly anywhere. So each layer runs on what the photo reaches of its map
(`fullconv.models.paper_padding.influence`); what lies around that is computed once
(`fullconv.models.paper_padding.blank_response`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from fullconv.models.backbones.backbone import Backbone, Streams, joined
from fullconv.models.fcn import FCN
from fullconv.models.paper_padding.framed_backbone import Framed


class BorderOnce:
    """Runs an FCN of padding `paper` for prediction: the scores of ``net`` to rounding.

    The weights are the net's; when they change, what was kept is computed anew. While the net is
    in training mode it is run plainly. Raises ValueError for another padding.
    """

    def __init__(self, net: FCN) -> None:
        spec = net.spec
        if spec.padding != "paper":
            raise ValueError(f"padding {spec.padding!r} leaves no border to be computed once")
        self.net = net
        found = net.backbone.children() if isinstance(net.backbone, Streams) else [net.backbone]
        self.backbones = [Framed(spec.definition, b) for b in found if isinstance(b, Backbone)]

    def __call__(self, images: Tensor) -> Tensor:
        """N,C,H,W to scores N,K,H,W."""
        return self.enlarged(self.maps(images), (images.shape[-2], images.shape[-1]))

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """As `FCN.maps`: {stride: N,K,h,w}."""
        if self.net.training:
            return self.net.maps(images)
        parts = images.split(self.net.spec.streams, dim=1)
        found = [run(part) for run, part in zip(self.backbones, parts, strict=True)]
        with torch.no_grad():
            features = joined(found) if len(found) > 1 else found[0]
            return self.net.fused(self.net.scored(features))

    def enlarged(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """As `FCN.enlarged`: N,K,*size."""
        return self.net.enlarged(maps, size)


def for_prediction(net: FCN) -> FCN | BorderOnce:
    """What gives the scores of ``net`` the soonest: in padding `paper` with the border once."""
    return BorderOnce(net) if net.spec.padding == "paper" else net
