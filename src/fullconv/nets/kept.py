"""What a net keeps of the way forward for the way back, segment by segment.

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

from fullconv.nets.backbone import Backbone, Streams
from fullconv.nets.cost import meta_net
from fullconv.nets.spec import NetSpec

Arrays = Mapping[Any, tuple[int, int]]
"""Of each array how many numbers it has for one image, and their bytes in fp32.

The same key is the same array."""


@dataclass(frozen=True, eq=False)
class Part:
    """A segment of a backbone, or the score layers.

    ``number`` counts a backbone's segments from 0 and is None for the score layers, ``names`` are
    its layers. ``kept`` are the arrays that autograd keeps inside, ``given`` is the one that it
    begins with. ``weights`` are the bytes of each of its parameters.
    """

    number: int | None
    names: tuple[str, ...]
    kept: Arrays
    given: Arrays
    weights: tuple[int, ...]

    def held(self, recomputed: int) -> Arrays:
        """What is kept where the first ``recomputed`` segments are computed again."""
        return self.given if self.number is not None and self.number < recomputed else self.kept

    @property
    def widest(self) -> int:
        """Numbers of its largest array."""
        return max((count for count, _ in (*self.kept.values(), *self.given.values())), default=0)


@functools.lru_cache(maxsize=8)
def parts_of(spec: NetSpec, size: tuple[int, int]) -> tuple[Part, ...]:
    """The parts of a net in the order of running, for images of ``size`` (H, W)."""
    net = meta_net(spec)  # in eval: random numbers on `meta` load all of dynamo, see `_watched`
    inner = net.backbone
    streams = list(inner.children()) if isinstance(inner, Streams) else [inner]
    images = torch.empty(1, spec.in_channels, *size, device="meta").split(spec.streams, dim=1)
    parts, features = [], []
    for stream, image in zip(streams, images, strict=True):
        assert isinstance(stream, Backbone)
        x, found = image, {}
        for number, names in enumerate(stream.segments):
            modules = [stream.get_submodule(name) for name in names]
            with _watched(modules) as kept:
                given, (x, taps) = _array(x), stream.segment(names, x)
            found |= taps
            parts.append(_part(number, names, modules, kept, given))
        features.append(found)
    scores = net.score_modules()
    with _watched(scores.values()) as kept:
        for stride, layer in zip(spec.strides, scores.values(), strict=True):
            maps = [each[stride] for each in features]
            layer(maps[0] if len(maps) == 1 else torch.cat(maps, 1))
    return *parts, _part(None, tuple(scores), scores.values(), kept, {})


@contextmanager
def _watched(modules: Iterable[nn.Module]) -> Iterator[dict[Any, tuple[int, int]]]:
    """Fills a dict with what autograd keeps of the way through ``modules``, but for weights."""
    inner = [m for module in modules for m in module.modules()]
    own = {_key(t) for m in inner for t in (*m.parameters(False), *m.buffers(False))}
    kept: dict[Any, tuple[int, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _key(tensor) not in own:
            kept.update(_array(tensor))
        return tensor

    def dropped(module: nn.Module, _: Any, output: Tensor) -> None:
        kept[module, "drawn"] = kept[module, "output"] = (output.numel(), output.element_size())

    drops = [m for m in inner if isinstance(m, nn.Dropout) and m.p > 0]
    handles = [drop.register_forward_hook(dropped) for drop in drops]
    try:
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            yield kept
    finally:
        for handle in handles:
            handle.remove()


def _key(tensor: Tensor) -> int:
    """Of the memory that a tensor looks at; unique while the graph of the net holds it."""
    return tensor.untyped_storage()._cdata


def _array(tensor: Tensor) -> dict[Any, tuple[int, int]]:
    each = tensor.element_size()
    return {_key(tensor): (tensor.untyped_storage().nbytes() // each, each)}


def _part(
    number: int | None,
    names: tuple[str, ...],
    modules: Iterable[nn.Module],
    kept: Arrays,
    given: Arrays,
) -> Part:
    weights = (p.numel() * p.element_size() for m in modules for p in m.parameters())
    return Part(number, names, kept, given, tuple(weights))
