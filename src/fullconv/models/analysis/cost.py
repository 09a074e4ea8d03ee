"""The cost of a net at a size, counted layer by layer, and a net in one line.

The net itself runs on torch's `meta` device, which follows shapes and computes nothing, so the
count is of the real modules.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import nn

from fullconv.geometry import Window, receptive_field
from fullconv.models.analysis.shape_inference import ShapeInference
from fullconv.models.cpu_kernels.banded_upsampling import BAND
from fullconv.models.fcn import FCN, tile_geometry
from fullconv.models.spec import NetSpec
from fullconv.models.upsample import Upsampling


@dataclass(frozen=True)
class Cost:
    """Totals for one image: multiply-adds, and bytes of fp32 outputs of all layers.

    The multiply-adds are those of convolutions and linear layers; what attention multiplies by
    itself, without a layer, is not among them.
    """

    multiply_adds: int
    activation_bytes: int


def meta_net(spec: NetSpec) -> FCN:
    """The net of a spec without memory for its weights."""
    with torch.device("meta"):
        return FCN(spec).eval()


def costs(net: FCN, height: int, width: int, upsampled: bool = True) -> dict[str, Cost]:
    """Cost of each leaf module by its dotted name, in the order of running.

    Without ``upsampled`` only as far as the maps that are upsampled to the image.
    """
    by_module: dict[str, Cost] = {}
    handles = []

    def count(name: str):
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if not isinstance(output, torch.Tensor):
                return
            macs = 0
            if isinstance(module, nn.Conv2d | nn.Linear):
                macs = output.numel() * module.weight[0].numel()
            elif isinstance(module, Upsampling) and module.weight is not None:
                # Each of its pixels is mixed from two by two; fixed kernels are not counted.
                macs = output.numel() * 4 * module.weight.shape[1]
            # Batch norm is folded or fused and dropout is off in prediction; both still cost
            # memory in training, which is what the bytes are for.
            by_module[name] = Cost(macs, output.numel() * 4)

        return hook

    for name, module in net.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(count(name)))
    try:
        with torch.no_grad(), ShapeInference():
            run = net if upsampled else net.maps
            run(torch.empty(1, net.spec.in_channels, height, width, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return by_module


def prediction_bytes(spec: NetSpec, height: int, width: int, scores: bool) -> int:
    """About what one image takes in memory while its ``scores`` are computed, or only its classes.

    Twice the two successive outputs that are largest together, in fp32: what a layer reads and
    writes, and as much again for the copies that convolutions work on. Measured on a CPU it is 0.8
    to 1.8 times what five nets really take. For the classes, scores of the image's size exist in
    bands of rows (`fullconv.models.cpu_kernels.banded_upsampling`).
    """
    layer_costs = costs(meta_net(spec), height, width, scores).values()
    layers = 2 * max(
        a.activation_bytes + b.activation_bytes for a, b in itertools.pairwise(layer_costs)
    )
    return layers if scores else max(layers, 2 * BAND)


def total(by_module: dict[str, Cost], prefix: str = "") -> Cost:
    """Sum over the modules at or below ``prefix`` (a dotted name; empty for all)."""
    chosen = [
        cost
        for name, cost in by_module.items()
        if not prefix or name == prefix or name.startswith(prefix + ".")
    ]
    return Cost(sum(c.multiply_adds for c in chosen), sum(c.activation_bytes for c in chosen))


@dataclass(frozen=True)
class Summary:
    """A net in one line, the columns of the paper's Table 1.

    Layers are the learned ones on the longest way; the field is in pixels of the image.

    ``classifier_field`` also counts what the classifier had behind the last map and the FCN drops
    (GoogLeNet's average pooling), as the paper's table does. Of a net that ``has_global_field`` the
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
    has_global_field: bool = False


def summarize(spec: NetSpec, size: tuple[int, int] = (375, 500)) -> Summary:
    """Count a net's layers, parameters, receptive field and multiply-adds at ``size`` (H, W)."""
    net = meta_net(spec)
    windows, geometry = spec.definition.windows(), tile_geometry(spec)
    dropped = receptive_field(windows + list(spec.definition.dropped)) - receptive_field(windows)
    fusing = 0
    if net.pyramid is not None:  # a lateral one, one at each map, and where channels become fewer
        fusing = 1 + len(spec.tapped) + len(net.pyramid.narrow)
    fusing += 2 * spec.is_deconv  # one to the finest map, one to the image
    return Summary(
        name=spec.name,
        conv_layers=_layers(net, windows) + fusing + 1,
        parameters=sum(p.numel() for p in net.parameters()),
        receptive_field=geometry.field,
        classifier_field=geometry.field + dropped,
        stride=int(spec.definition.map().scale),
        finest=spec.strides[-1],
        multiply_adds=total(costs(net, *size)).multiply_adds,
        has_global_field=geometry.has_global_field,
    )


def _layers(net: FCN, windows: list[Window]) -> int:
    """Learned layers on the longest way; all of a backbone that is not described by its windows."""
    described = sum(w.channels is not None for w in windows)
    return described or sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.backbone.modules())
