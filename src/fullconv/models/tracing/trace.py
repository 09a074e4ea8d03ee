"""The geometry of a net that nobody has described: followed through its layers, not assumed.

The net runs once on torch's `meta` device, which computes nothing, and each operation that it makes
(those of ATen, of which there are few) is answered for positions as well
(`models.tracing.operations`,
`models.tracing.trails`). An operation that is not known there is an error that names it, never a
guess.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fullconv.geometry import GeometryError
from fullconv.models.tracing.operations import ANSWERS, PARTS, pointwise
from fullconv.models.tracing.trails import Axis, Factor, Trail, plain_dim


def traced(net: Callable[[Tensor], Sequence[Tensor]], image: Tensor) -> list[Trail]:
    """The trails of the maps that ``net`` makes of a meta ``image`` 1,C,H,W; a map is N,C,h,w.

    Raises GeometryError for an operation whose geometry is not known, and where maps are put
    together that do not lie on one another.
    """
    height, width = image.shape[-2:]
    start = Trail(((), plain_dim(image.shape[1]), (Factor(0, 1, height),), (Factor(1, 1, width),)),
                  (Axis(), Axis()))  # fmt: skip
    tracer = Tracer()
    tracer.follow(image, start)
    with torch.no_grad(), tracer:
        maps = net(image)
    return [_as_map(tracer.of(feature_map), feature_map, (height, width)) for feature_map in maps]


def _as_map(trail: Trail | None, tensor: Tensor, size: tuple[int, int]) -> Trail:
    """The trail of N,C,h,w; what lost its places on the way has them again by its size."""
    if trail is None:
        raise GeometryError("a map does not depend on the image")
    if (trail.axis_of(2), trail.axis_of(3)) == (0, 1):
        return trail
    for axis, (n, now) in enumerate(zip(size, tensor.shape[-2:], strict=True)):
        if n % now:
            raise GeometryError(f"{n} pixels become {now}: no whole stride")
        ratio = Fraction(n, now) / trail.axes[axis].scale
        if ratio.denominator != 1:
            raise GeometryError(f"a map of stride {trail.axes[axis].scale} becomes {n / now}")
        if ratio > 1:  # so many pixels have been merged into one
            merged = trail.axes[axis].through(0, int(ratio) - 1, int(ratio))
            trail = trail.with_axis(axis, merged)
    dims = ((), plain_dim(tensor.shape[1]), *((Factor(a, 1, tensor.shape[2 + a]),) for a in (0, 1)))
    return replace(trail, dims=dims, everything=True)


class Tracer(TorchDispatchMode):
    """Follows the places of tensors through the operations made while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self._trails: dict[int, Trail] = {}
        self._alive: list[Tensor] = []  # an id is a tensor's own only while that lives

    def follow(self, tensor: Tensor, trail: Trail) -> None:
        """From here on ``tensor`` has this trail."""
        self._trails[id(tensor)] = trail
        self._alive.append(tensor)

    def of(self, tensor: Any) -> Trail | None:
        """The trail of a tensor; None where it does not depend on the image, or is none."""
        return self._trails.get(id(tensor)) if isinstance(tensor, Tensor) else None

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs = tree_leaves((args, kwargs))
        self._alive += [t for t in inputs if isinstance(t, Tensor)]
        if any(self.of(t) for t in inputs):
            self._answer(func, args, kwargs or {}, result)
        return result

    def _answer(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
        name = func._schema.name.removeprefix("aten::")
        answer = ANSWERS.get(name) or ANSWERS.get(name.removesuffix("_"))
        if answer is None and torch.Tag.pointwise in func.tags:
            answer = pointwise
        if answer is None:
            raise GeometryError(f"what {name} does to positions is not known")
        args = _filled(func, args, kwargs)
        outputs = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        if name in PARTS:
            for number, output in enumerate(outputs):
                self.follow(output, PARTS[name](self, args, output, number))
        elif outputs and (trail := answer(self, args, outputs[0])):
            self.follow(outputs[0], trail)


def _filled(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """All arguments of an operation in the order of its schema, defaults filled in."""
    filled = list(args)
    for argument in func._schema.arguments[len(args) :]:
        filled.append(kwargs.get(argument.name, argument.default_value))
    return filled
