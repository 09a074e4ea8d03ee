"""The module of a definition, and of several side by side. Tensors are N,C,H,W.

Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): of a segment only the input is kept;
when the gradient arrives, the segment runs once more from it. The first segments of a classifier
hold the largest maps and little of the arithmetic.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from fullconv.models.backbones.definition import Definition
from fullconv.models.steps import Step

Segment = tuple[str, ...]
"""The names of steps that follow one another."""


def segments_of(steps: tuple[Step, ...]) -> tuple[Segment, ...]:
    """All steps by name, cut behind each that ends a segment."""
    segments: list[list[str]] = [[]]
    for step in steps:
        segments[-1].append(step.name)
        if step.ends_segment:
            segments.append([])
    return tuple(tuple(names) for names in segments if names)


def checkpointed(net: nn.Module, run: Callable[..., Any], *inputs: Any) -> Any:
    """``run(*inputs)``, a part of ``net``, kept as its inputs only and run again for its gradient.

    Dropout draws the same numbers again, and batch norm does not count the batch a second time, so
    nothing but time and memory is changed.
    """
    return checkpoint(
        run, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _norms_held(net))
    )


@contextmanager
def _norms_held(net: nn.Module) -> Iterator[None]:
    """Batch norms of ``net`` count into copies of their running statistics."""
    norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
    held = [(norm, name, b) for norm in norms for name, b in norm.named_buffers(recurse=False)]
    for norm, name, buffer in held:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in held:
            setattr(norm, name, buffer)


class Backbone(nn.Module):
    """The module of a definition: an image batch in, one feature map for each wanted stride out.

    Of the first ``recomputed`` of its ``segments`` a training keeps no inner maps; they are
    computed again in the backward pass (activation checkpointing).
    """

    def __init__(self, definition: Definition, in_channels: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.taps: dict[str, int] = {definition.taps[stride]: stride for stride in strides}
        self.segments: tuple[Segment, ...] = segments_of(definition.steps)
        self.recomputed: int = 0
        self.channels: dict[int, int] = {}
        channels = in_channels
        for step in definition.steps:
            self.add_module(step.name, step.build(channels))
            channels = step.out_channels(channels)
            if step.name in self.taps:
                self.channels[self.taps[step.name]] = channels

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """N,C,H,W to {stride: N,channels[stride],h,w}."""
        features: dict[int, Tensor] = {}
        for number, names in enumerate(self.segments):
            if number < self.recomputed and torch.is_grad_enabled():
                x, tapped = checkpointed(self, self.segment, names, x)
            else:
                x, tapped = self.segment(names, x)
            features |= tapped
        return features

    def segment(self, names: tuple[str, ...], x: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """The steps of those names on N,C,H,W: the last map, and those wanted on the way."""
        features: dict[int, Tensor] = {}
        for name in names:
            x = self.get_submodule(name)(x)
            if name in self.taps:
                features[self.taps[name]] = x
        return x, features


class Streams(nn.Module):
    """Several backbones side by side, one for each part of an image's channels: late fusion.

    Their feature maps are put behind one another, so that one score layer on them computes the sum
    of a score for each stream.
    """

    def __init__(
        self, definition: Definition, streams: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.streams: tuple[int, ...] = streams
        for number, channels in enumerate(streams):
            self.add_module(str(number), definition.build(channels, strides))
        one = self.get_submodule("0")
        assert isinstance(one, Backbone)
        self.channels: dict[int, int] = {
            stride: c * len(streams) for stride, c in one.channels.items()
        }

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """N,C,H,W to {stride: N,channels[stride],h,w}."""
        parts = x.split(self.streams, dim=1)
        return join_streams(
            [stream(part) for stream, part in zip(self.children(), parts, strict=True)]
        )


def join_streams(streams: Sequence[Mapping[int, Tensor]]) -> dict[int, Tensor]:
    """The feature maps {stride: N,C,h,w} of several streams, put behind one another."""
    return {stride: torch.cat([stream[stride] for stream in streams], 1) for stride in streams[0]}
