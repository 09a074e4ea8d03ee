"""A net in one line: the columns of the paper's Table 1, computed."""

from dataclasses import dataclass

from fullconv.geometry import receptive_field
from fullconv.nets.cost import costs, meta_net, total
from fullconv.nets.fcn import flow_of
from fullconv.nets.spec import NetSpec


@dataclass(frozen=True)
class Summary:
    """Layers are the learned ones on the longest way; the field is in pixels of the image.

    ``classifier_field`` also counts what the classifier had behind the last map and the FCN drops
    (GoogLeNet's average pooling), as the paper's table does.
    """

    name: str
    conv_layers: int
    parameters: int
    receptive_field: int
    classifier_field: int
    stride: int
    finest: int
    multiply_adds: int


def summarise(spec: NetSpec, size: tuple[int, int] = (375, 500)) -> Summary:
    """Count a net's layers, parameters, receptive field and multiply-adds at ``size`` (H, W)."""
    net = meta_net(spec)
    windows, flow = spec.definition.windows(), flow_of(spec)
    dropped = receptive_field(windows + list(spec.definition.dropped)) - receptive_field(windows)
    fusing = 1 + len(spec.tapped) if spec.is_pyramid else 0  # a lateral one, then one at each map
    fusing += 2 * spec.is_deconv  # one to the finest map, one to the image
    return Summary(
        name=spec.name,
        conv_layers=sum(w.channels is not None for w in windows) + fusing + 1,
        parameters=sum(p.numel() for p in net.parameters()),
        receptive_field=flow.field,
        classifier_field=flow.field + dropped,
        stride=int(spec.definition.map().scale),
        finest=spec.strides[-1],
        multiply_adds=total(costs(net, *size)).multiply_adds,
    )
