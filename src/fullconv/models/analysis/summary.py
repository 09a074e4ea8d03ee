"""A net in one line: the columns of the paper's Table 1, computed."""

from dataclasses import dataclass

from torch import nn

from fullconv.geometry import Window, receptive_field
from fullconv.models.analysis.cost import costs, meta_net, total
from fullconv.models.fcn import FCN, flow_of
from fullconv.models.spec import NetSpec


@dataclass(frozen=True)
class Summary:
    """Layers are the learned ones on the longest way; the field is in pixels of the image.

    ``classifier_field`` also counts what the classifier had behind the last map and the FCN drops
    (GoogLeNet's average pooling), as the paper's table does. Of a net that ``sees_everything`` the
    fields are those of its local paths.
    """

    name: str
    conv_layers: int
    parameters: int
    receptive_field: int
    classifier_field: int
    stride: int
    finest: int
    multiply_adds: int
    sees_everything: bool = False


def summarise(spec: NetSpec, size: tuple[int, int] = (375, 500)) -> Summary:
    """Count a net's layers, parameters, receptive field and multiply-adds at ``size`` (H, W)."""
    net = meta_net(spec)
    windows, flow = spec.definition.windows(), flow_of(spec)
    dropped = receptive_field(windows + list(spec.definition.dropped)) - receptive_field(windows)
    fusing = 1 + len(spec.tapped) if spec.is_pyramid else 0  # a lateral one, then one at each map
    fusing += 2 * spec.is_deconv  # one to the finest map, one to the image
    return Summary(
        name=spec.name,
        conv_layers=_layers(net, windows) + fusing + 1,
        parameters=sum(p.numel() for p in net.parameters()),
        receptive_field=flow.field,
        classifier_field=flow.field + dropped,
        stride=int(spec.definition.map().scale),
        finest=spec.strides[-1],
        multiply_adds=total(costs(net, *size)).multiply_adds,
        sees_everything=flow.sees_everything,
    )


def _layers(net: FCN, windows: list[Window]) -> int:
    """Learned layers on the longest way; all of a backbone that is not described by its windows."""
    described = sum(w.channels is not None for w in windows)
    return described or sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.backbone.modules())
