"""Padding `paper` with the border computed once, because the photo cannot change most of it.

`paper` puts 100 pixels of zeros around a photo, so every map covers 198 pixels of the photo more
than in `same`. These depend on the photo only where a window reaches it, which in the first layers
is hardly anywhere. So each layer runs on the part of its map that the photo reaches
(`fullconv.models.paper_padding.influence`); the rest is computed once
(`fullconv.models.paper_padding.blank_response`). `Framed` runs a backbone in this way: on the
reached part of each map, in a frame of the blank response.
"""

import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from fullconv.geometry import Window
from fullconv.models.backbones.backbone import Backbone, Streams, join_streams
from fullconv.models.backbones.definition import PAPER_PAD, Definition
from fullconv.models.cpu_kernels.convolutions import Conv2d
from fullconv.models.fcn import FCN
from fullconv.models.paper_padding.blank_response import Axes, Ground, samples_behind
from fullconv.models.paper_padding.influence import Axis, Windows, cut, seen
from fullconv.models.steps import Sliding

KEPT = 16
"""Blank responses kept: one for each way in which the sizes of a photo are rounded, some MB."""

FRAMED = 4
"""The stride from which maps are framed.

Finer maps are computed a few pixels wider than the photo reaches, as wide as the next layer looks:
they are large and have few channels, so that this costs less than a copy in a frame.
"""


@dataclass(frozen=True, eq=False)
class Layer:
    """A step of a backbone: its name and windows, its ``module``, and the same without its pad.

    ``bare`` is None where the step has no pad, or, as a block of convolutions, cannot lose it.
    """

    name: str
    windows: Windows
    module: nn.Module
    bare: nn.Module | None

    def __call__(self, reached: Tensor, before: Ground, behind: Ground) -> Tensor:
        """N,C,h,w, what the photo reaches before the step, to what it reaches behind it.

        Where all that is seen lies inside the map, no pad is added only to be cut off again.
        """
        if before.samples is None:
            return self.module(reached)
        pairs = list(zip(before.axes, behind.axes, strict=True))
        views = [(axis, seen(self.windows, after)) for axis, after in pairs]
        inside = all(start >= 0 and stop <= axis.size for axis, (start, stop) in views)
        bare = self.bare if inside else None
        rows, columns = (cut(self.windows, *pair, bare=bare is not None) for pair in pairs)
        view = before.around(reached, (rows.start, rows.stop), (columns.start, columns.stop))
        return (bare or self.module)(view)[..., rows.keep, columns.keep]


class Framed:
    """Runs a backbone of padding `paper` layer by layer on what the photo reaches.

    Not for training: it gives no gradients, and dropout and batch norm must be in evaluation mode.
    """

    def __init__(self, definition: Definition, backbone: Backbone) -> None:
        self.definition, self.backbone = definition, backbone
        self.layers: list[Layer] = []
        self.kept: dict[Any, list[Tensor]] = {}
        self.weights: list[tuple[Tensor, Any]] = []

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict[int, Tensor]:
        """N,C,H,W to {stride: N,C,h,w}, as the backbone."""
        self._follow_weights()
        before, *grounds = self._grounds(images)
        features: dict[int, Tensor] = {}
        reached = images
        for layer, behind in zip(self.layers, grounds, strict=True):
            reached, before = layer(reached, before, behind), behind  # N,C,h,w
            if layer.name in self.backbone.taps:
                features[self.backbone.taps[layer.name]] = behind.whole(reached)
        return features

    def _follow_weights(self) -> None:
        """Forget what was made from other weights than the backbone has now."""
        weights = [*self.backbone.parameters(), *self.backbone.buffers()]
        states = [_state(weight) for weight in weights]
        if states != [state for _, state in self.weights]:
            self.layers = layers_of(self.definition, self.backbone)
            self.kept.clear()
            self.weights = list(zip(weights, states, strict=True))

    def _grounds(self, images: Tensor) -> list[Ground]:
        """The blank response around the photo, and the part of each map that the photo reaches."""
        height, width = images.shape[-2:]
        windows = [layer.windows for layer in self.layers]
        axes = list(zip(axes_of(windows, height), axes_of(windows, width), strict=True))
        samples = self._samples(list(itertools.takewhile(_has_ground, axes)), images)
        return [Ground(*pair) for pair in itertools.zip_longest(axes, samples)]

    def _samples(self, axes: list[Axes], images: Tensor) -> list[Tensor]:
        """The nine patches of maps with these ``axes``, the padded photo first; kept."""
        needs = [
            (rows.sample(layer.windows), columns.sample(layer.windows))
            for (rows, columns), layer in zip(axes[:-1], self.layers, strict=False)
        ]
        key = (*needs, images.dtype, images.device, _autocast(images.device.type))
        if key not in self.kept:
            samples = [images.new_zeros(1, images.shape[1], 1, 1)]
            for layer, need in zip(self.layers, needs, strict=False):
                samples.append(samples_behind(layer.module, samples[-1], need))
            while len(self.kept) >= KEPT:
                del self.kept[next(iter(self.kept))]
            self.kept[key] = samples
        return self.kept[key]


def layers_of(definition: Definition, backbone: Backbone) -> list[Layer]:
    """The layers of a backbone.

    The first one's pad is no layer's any more: its map is the photo with that pad around it.
    """
    layers: list[Layer] = []
    for step, module in zip(definition.steps, backbone.children(), strict=True):
        bare = _bare(module) if isinstance(step, Sliding) and any(step.window.pads) else None
        if layers or bare is None:
            layers.append(Layer(step.name, step.windows(), module, bare))
        else:
            layers.append(Layer(step.name, step.repad(_no_pad).windows(), bare, None))
    return layers


def _bare(module: nn.Module) -> nn.Module:
    """The same module without its pad; the weights are shared."""
    weights: dict[int, Any] = {id(w): w for w in (*module.parameters(), *module.buffers())}
    module_copy = copy.deepcopy(module, weights)
    for part in module_copy.modules():
        if isinstance(part, nn.Conv2d | nn.MaxPool2d):
            part.padding = (0, 0)
        if isinstance(part, Conv2d):
            part.window = None
    return module_copy


def _no_pad(window: Window) -> Window:
    return replace(window, pad=0, pad_after=None)


def axes_of(layers: list[Windows], size: int) -> list[Axis]:
    """One axis of a photo of ``size`` pixels in its pad, and of the map behind each layer."""
    axes = [Axis(size + 2 * PAPER_PAD, PAPER_PAD, PAPER_PAD + size)]
    strides = [1]
    for windows in layers:
        axes.append(axes[-1].through(windows))
        strides.append(strides[-1] * prod(w.stride for w in windows))
    for number in range(len(layers) - 1, 0, -1):
        if strides[number] < FRAMED:
            axes[number] = axes[number].wider(*seen(layers[number], axes[number + 1]))
    return axes


def _has_ground(axes: Axes) -> bool:
    return not all(axis.whole for axis in axes)


def _state(weight: Tensor) -> tuple[Any, ...]:
    """A key that changes when other values are put into ``weight`` or it moves in memory."""
    # An inference tensor does not count its changes, so it is taken for changed each time.
    version = object() if weight.is_inference() else weight._version
    return weight.data_ptr(), weight.dtype, weight.device, version


def _autocast(device: str) -> torch.dtype | None:
    """The type in which autocast computes now; None where it is off."""
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if on else None


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
        streams = net.backbone.children() if isinstance(net.backbone, Streams) else [net.backbone]
        self.backbones = [Framed(spec.definition, b) for b in streams if isinstance(b, Backbone)]

    def __call__(self, images: Tensor) -> Tensor:
        """N,C,H,W to scores N,K,H,W."""
        return self.upsampled(self.maps(images), (images.shape[-2], images.shape[-1]))

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """As `FCN.maps`: {stride: N,K,h,w}."""
        if self.net.training:
            return self.net.maps(images)
        parts = images.split(self.net.spec.streams, dim=1)
        by_stream = [run(part) for run, part in zip(self.backbones, parts, strict=True)]
        with torch.no_grad():
            features = join_streams(by_stream) if len(by_stream) > 1 else by_stream[0]
            return self.net.fused(self.net.scored(features))

    def upsampled(self, maps: Mapping[int, Tensor], size: tuple[int, int]) -> Tensor:
        """As `FCN.upsampled`: N,K,*size."""
        return self.net.upsampled(maps, size)


def for_prediction(net: FCN) -> FCN | BorderOnce:
    """The fastest way to the scores of ``net``: with padding `paper` the border computed once."""
    return BorderOnce(net) if net.spec.padding == "paper" else net
