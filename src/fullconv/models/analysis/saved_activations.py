"""The activations that a net saves for the backward pass, segment by segment.

The net runs on torch's `meta` device, which follows shapes and holds nothing, and autograd itself
says which arrays it keeps.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from fullconv.models.analysis.cost import meta_net
from fullconv.models.analysis.shape_inference import ShapeInference
from fullconv.models.backbones.backbone import Backbone, Streams, join_streams
from fullconv.models.spec import NetSpec

Arrays = Mapping[Any, tuple[int, int]]
"""Of each array how many numbers it has for one image, and their bytes in fp32.

The same key is the same array."""


@dataclass(frozen=True, eq=False)
class Part:
    """A segment of a backbone, or the score layers with their pyramid.

    ``number`` counts a backbone's segments from 0 and is None for the score layers, ``names`` are
    its layers. ``saved`` are the arrays that autograd saves inside, ``inputs`` the array that goes
    in. ``weights`` are the bytes of each of its parameters.
    """

    number: int | None
    names: tuple[str, ...]
    saved: Arrays
    inputs: Arrays
    weights: tuple[int, ...]

    def held(self, recomputed: int) -> Arrays:
        """The arrays held until the backward pass, with the first ``recomputed`` segments rerun."""
        return self.inputs if self.number is not None and self.number < recomputed else self.saved

    @property
    def widest(self) -> int:
        """Numbers of its largest array."""
        return max((count for count, _ in (*self.saved.values(), *self.inputs.values())), default=0)


@functools.lru_cache(maxsize=8)
def parts_of(spec: NetSpec, size: tuple[int, int]) -> tuple[Part, ...]:
    """The parts of a net in the order of running, for images of ``size`` (H, W)."""
    net = meta_net(spec)
    for module in net.modules():
        if isinstance(module, nn.Dropout):  # of the layers, it alone keeps more in training
            module.train()
    own = {_key(tensor) for tensor in (*net.parameters(), *net.buffers())}
    inner = net.backbone
    streams = list(inner.children()) if isinstance(inner, Streams) else [inner]
    images = torch.empty(1, spec.in_channels, *size, device="meta").split(spec.streams, dim=1)
    parts, features = [], []
    for stream, image in zip(streams, images, strict=True):
        assert isinstance(stream, Backbone)
        segments, stream_features = _segments(stream, image, own)
        parts += segments
        features.append(stream_features)
    with _watched(own) as saved:
        net.scored(features[0] if len(features) == 1 else join_streams(features))
    heads = [net.score] if net.pyramid is None else [net.pyramid, net.score]
    return *parts, Part(None, tuple(net.score_modules()), saved, {}, _weights(heads))


def _segments(backbone: Backbone, x: Tensor, own: set[int]) -> tuple[list[Part], dict[int, Tensor]]:
    """The segments of a backbone that sees ``x``, and its features."""
    parts, features = [], {}
    for number, names in enumerate(backbone.segments):
        with _watched(own) as saved:
            inputs, (x, tapped) = _array(x), backbone.segment(names, x)
        features |= tapped
        weights = _weights(backbone.get_submodule(name) for name in names)
        parts.append(Part(number, names, saved, inputs, weights))
    return parts, features


def _weights(modules: Iterable[nn.Module]) -> tuple[int, ...]:
    return tuple(p.numel() * p.element_size() for m in modules for p in m.parameters())


@contextmanager
def _watched(own: set[int]) -> Iterator[dict[Any, tuple[int, int]]]:
    """Fills a dict with what autograd keeps, but for the net's ``own`` arrays."""
    saved: dict[Any, tuple[int, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _key(tensor) not in own:
            saved.update(_array(tensor))
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), ShapeInference():
        yield saved


def _key(tensor: Tensor) -> int:
    """The key of a tensor's memory; unique while the graph of the net holds it."""
    return tensor.untyped_storage()._cdata


def _array(tensor: Tensor) -> dict[Any, tuple[int, int]]:
    element_bytes = tensor.element_size()
    return {_key(tensor): (tensor.untyped_storage().nbytes() // element_bytes, element_bytes)}
