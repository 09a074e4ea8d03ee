"""The geometry of a net that nobody has described: followed through its layers, not assumed.

The net runs once on torch's `meta` device, which computes nothing, and each operation that it makes
(those of ATen, of which there are few) is answered for positions as well (`nets.trails`). An
operation that is not known here is an error that names it, never a guess.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fullconv.geometry import GeometryError
from fullconv.nets.trails import Axis, Factor, Trail, length, plain, plain_dim

Answer = Callable[["Tracer", Sequence[Any], Tensor], Trail | None]
"""From an operation's arguments and its (first) output to the output's trail."""


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
    return [_as_map(tracer.of(each), each, (height, width)) for each in maps]


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
            answer = _pointwise
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
    found = list(args)
    for argument in func._schema.arguments[len(args) :]:
        found.append(kwargs.get(argument.name, argument.default_value))
    return found


def _pair(values: Any, default: int | None = None) -> tuple[int, int]:
    """One value for both axes, or one for each."""
    if isinstance(values, int):
        return values, values
    if not values:
        assert default is not None
        return default, default
    return (values[0], values[-1])


def _same(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    return tracer.of(args[0])


def _reshaped(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    return trail and trail.reshaped(output.shape)


def _permuted(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    return trail and replace(trail, dims=tuple(trail.dims[d] for d in args[1]))


def _transposed(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    if trail is None:
        return None
    first, second = args[1:3] if len(args) > 2 else (0, -1)
    dims = list(trail.dims)
    dims[first], dims[second] = dims[second], dims[first]
    return replace(trail, dims=tuple(dims))


def _expanded(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Dimensions of 1 repeated, or new ones in front: no places."""
    trail = tracer.of(args[0])
    if trail is None:
        return None
    new = output.dim() - len(trail.dims)
    dims = [*plain(output.shape[:new]), *trail.dims]
    for d, size in enumerate(output.shape):
        if d >= new and size != args[0].shape[d - new]:
            dims[d] = plain_dim(size)
    return replace(trail, dims=tuple(dims))


def _pointwise(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    tensors = [a for a in tree_leaves(args) if isinstance(a, Tensor)]
    return _joined([t for a in tensors if (t := tracer.of(a))], output.shape)


def _joined(trails: Sequence[Trail], shape: Sequence[int]) -> Trail:
    """Tensors on top of one another, broadcast to ``shape``."""
    padded = [replace(t, dims=((),) * (len(shape) - len(t.dims)) + t.dims) for t in trails]
    placed = [t for t in padded if t.is_placed]
    everything = any(t.everything for t in padded)
    dims: list[tuple[Factor, ...]] = []
    for d, size in enumerate(shape):
        found = {t.dims[d] for t in placed if any(f.axis is not None for f in t.dims[d])}
        everything = everything or len(found) > 1
        # Of windows and tokens in different orders the first's is as good as any.
        first = next((t.dims[d] for t in placed if t.dims[d] in found), None)
        dims.append(first or plain_dim(size))
    result = Trail(tuple(dims), (placed or padded)[0].axes, everything)
    for other in placed[1:]:
        for axis in (0, 1):
            if any(f.axis == axis for dim in other.dims for f in dim):
                joined = result.axes[axis].joined(other.axes[axis])
                result = result.with_axis(axis, joined)
    return result


def _batch_norm(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    takes_its_own_statistics = args[3] is None or args[5] is True
    return trail and replace(trail, everything=trail.everything or takes_its_own_statistics)


def _layer_norm(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    return trail and trail.mixed(range(-len(args[1]), 0))


def _group_norm(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    return trail and replace(trail, everything=True)


def _softmax(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    return trail and trail.mixed([args[1]])


def _reduced(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """A mean, sum, maximum or norm along some dimensions; all where none is named."""
    trail = tracer.of(args[0])
    if trail is None:
        return None
    rank = args[0].dim()
    named = next((a for a in args[1:] if isinstance(a, list | tuple)), None)
    if named is None:  # one dimension, or a norm's order and none
        named = [a for a in args[1:2] if isinstance(a, int) and not isinstance(a, bool)]
    gone = {d % rank for d in named} or set(range(rank))
    trail = trail.mixed(gone)
    if output.dim() == rank:
        return replace(trail, dims=tuple(() if d in gone else f for d, f in enumerate(trail.dims)))
    return replace(trail, dims=tuple(f for d, f in enumerate(trail.dims) if d not in gone))


def _product(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``mm`` and ``bmm``: the last dimension of one against the last but one of the other."""
    left, right = tracer.of(args[0]), tracer.of(args[1])
    if left and right:  # attention: how much of each place goes into each
        return replace(_known(left, right), dims=(*left.dims[:-1], right.dims[-1]), everything=True)
    if left:
        mixed = left.mixed([-1])
        return mixed.with_dim(len(mixed.dims) - 1, plain_dim(output.shape[-1]))
    assert right is not None
    mixed = right.mixed([-2])
    return mixed.with_dim(len(mixed.dims) - 2, plain_dim(output.shape[-2]))


def _known(left: Trail, right: Trail) -> Trail:
    return left if left.is_placed else right


def _added_product(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``addmm``: a bias and a product."""
    return _product(tracer, args[1:], output)


def _attention(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    if trail is None:
        return None
    return replace(trail, everything=True).with_dim(output.dim() - 1, plain_dim(output.shape[-1]))


def _joined_along(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``cat``: places along the dimension itself are lost."""
    tensors, dim = args[0], (args[1] or 0) % output.dim()
    trails = [t for tensor in tensors if (t := tracer.of(tensor))]
    lost = any(f.axis is not None for t in trails for f in t.dims[dim])
    without = [t.with_dim(dim, ()) for t in trails]
    shape = list(output.shape)
    shape[dim] = 1
    result = _joined(without, shape).with_dim(dim, plain_dim(output.shape[dim]))
    return replace(result, everything=result.everything or lost)


def _stacked(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``stack``: along a dimension of its own."""
    dim = (args[1] or 0) % output.dim()
    trails = [t for tensor in args[0] if (t := tracer.of(tensor))]
    wider = [replace(t, dims=(*t.dims[:dim], (), *t.dims[dim:])) for t in trails]
    return _joined(wider, output.shape)


def _part(trail: Trail, dim: int, start: int, step: int, size: int) -> Trail:
    """``size`` indices of a dimension from ``start`` on, every ``step``-th."""
    axis = trail.axis_of(dim)
    if axis is not None:
        moved = trail.axes[axis].through(start, start, step)
        return trail.with_axis(axis, moved).with_dim(dim, (Factor(axis, 1, size),))
    lost = any(f.axis is not None for f in trail.dims[dim])
    trail = trail.with_dim(dim, plain_dim(size))
    return replace(trail, everything=trail.everything or lost)


def _sliced(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    if trail is None:
        return None
    dim, n = args[1] % output.dim(), args[0].shape[args[1]]
    start = args[2] or 0
    start = max(start + n if start < 0 else start, 0)
    if output.shape[dim] == n:
        return trail
    return _part(trail, dim, start, args[4] if len(args) > 4 else 1, output.shape[dim])


def _selected(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    if trail is None:
        return None
    dim = args[1] % args[0].dim()
    trail = trail.mixed([dim])
    return replace(trail, dims=trail.dims[:dim] + trail.dims[dim + 1 :])


def _split(tracer: Tracer, args: Sequence[Any], output: Tensor, number: int) -> Trail:
    trail, dim = tracer.of(args[0]), args[2] % output.dim()
    assert trail is not None
    each = args[1]
    start = number * each if isinstance(each, int) else sum(each[:number])
    return _part(trail, dim, start, 1, output.shape[dim])


def _unbound(tracer: Tracer, args: Sequence[Any], output: Tensor, number: int) -> Trail:
    trail = _selected(tracer, args, output)
    assert trail is not None
    return trail


def _padded(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Any padding; the pads come for the last dimension first."""
    trail = tracer.of(args[0])
    if trail is None:
        return None
    for number, before in enumerate(args[1][::2]):
        dim = output.dim() - 1 - number
        if output.shape[dim] == args[0].shape[dim] and before == 0:
            continue
        trail = _part(trail, dim, -before, 1, output.shape[dim])
    return trail


def _convolved(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail, weight = tracer.of(args[0]), args[1]
    if trail is None:
        raise GeometryError("a convolution with kernels made from the image")
    is_transposed, groups = args[6], args[8]
    if output.dim() != 4 or tracer.of(weight):
        places = any(f.axis is not None for dim in trail.dims[2:] for f in dim)
        trail = replace(trail, dims=plain(output.shape))
        return replace(trail, everything=trail.everything or places)
    if groups < args[0].shape[1]:
        trail = trail.mixed([1])
    trail = trail.with_dim(1, plain_dim(output.shape[1]))
    kernel = tuple(weight.shape[2:])
    stride, pad, dilation = (_pair(args[n]) for n in (3, 4, 5))
    if is_transposed:
        return _deconvolved(trail, args, output)
    return _slid(trail, kernel, stride, pad, dilation, output)


def _deconvolved(trail: Trail, args: Sequence[Any], output: Tensor) -> Trail:
    """A transposed convolution that makes whole multiples of a size.

    Its pixel o takes from each i for which ``o = s i - p + t`` with one of its taps t.
    """
    kernel, stride, pad = tuple(args[1].shape[2:]), _pair(args[3]), _pair(args[4])
    for n, dim in enumerate((2, 3)):
        k, s, p = kernel[n], stride[n], pad[n]
        if output.shape[dim] != s * args[0].shape[dim] or _pair(args[5])[n] != 1 or k < s:
            raise GeometryError(f"a transposed convolution of kernel {k}, stride {s}, pad {p}")

        def taps(r: int, k: int = k, s: int = s, p: int = p) -> Sequence[int]:
            return [(r + p - t) // s for t in range(k) if (r + p - t) % s == 0]

        trail = _enlarged(trail, dim, s, taps, Fraction(k - 1, 2) - p)
    return trail


def _slid(
    trail: Trail,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    dilation: Sequence[int],
    output: Tensor,
) -> Trail:
    """Behind a window over the last two dimensions."""
    for n, dim in enumerate((-2, -1)):
        dim %= output.dim()
        last = (kernel[n] - 1) * dilation[n] - pad[n]
        if (kernel[n], stride[n], pad[n]) == (1, 1, 0):
            continue
        axis = trail.axis_of(dim)
        if axis is not None:
            trail = trail.with_axis(axis, trail.axes[axis].through(-pad[n], last, stride[n]))
            trail = trail.with_dim(dim, (Factor(axis, 1, output.shape[dim]),))
        elif any(f.axis is not None for f in trail.dims[dim]):
            keeps = length(trail.dims[dim]) == output.shape[dim]
            trail = replace(trail, everything=True)
            trail = trail if keeps else trail.with_dim(dim, plain_dim(output.shape[dim]))
        else:
            trail = trail.with_dim(dim, plain_dim(output.shape[dim]))
    return trail


def _pooled(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    kernel = _pair(args[1])
    stride, pad = _pair(args[2]) if args[2] else kernel, _pair(args[3], 0)
    # Behind the pad comes the dilation of a maximum, a flag of an average.
    dilation = (1, 1) if isinstance(args[4], bool) else _pair(args[4], 1)
    return trail and _slid(trail, kernel, stride, pad, dilation, output)


def _adapted(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Pooling to a size: of a whole factor a plain pooling, else it depends on the image's size."""
    trail = tracer.of(args[0])
    if trail is None or output.shape == args[0].shape:
        return trail
    trail = trail.mixed([-2, -1])
    return replace(trail, dims=(*trail.dims[:-2], *plain(output.shape[-2:])))


def _enlarged(
    trail: Trail,
    dim: int,
    factor: int,
    taps: Callable[[int], Sequence[int]],
    lead: Fraction | None = None,
) -> Trail:
    axis = trail.axis_of(dim)
    size = factor * length(trail.dims[dim])
    if axis is None:
        return trail.with_dim(dim, plain_dim(size))
    larger = trail.axes[axis].upsampled(factor, taps, lead)
    return trail.with_axis(axis, larger).with_dim(dim, (Factor(axis, 1, size),))


def _interpolated(reach: int, corners: int | None) -> Answer:
    """Upsampling with ``reach`` pixels on either side (0: the nearest).

    ``corners`` is the place of ``align_corners`` among its arguments, by which what a pixel looks
    at depends on the image's size.
    """

    def answer(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
        trail = tracer.of(args[0])
        if trail is None or output.shape == args[0].shape:
            return trail
        for dim in (2, 3):
            now, n = output.shape[dim], args[0].shape[dim]
            if now == n:
                continue
            if now % n or (corners and args[corners]):
                places = trail.axis_of(dim) is not None
                trail = trail.with_dim(dim, plain_dim(now))
                trail = replace(trail, everything=trail.everything or places)
                continue
            factor = now // n
            trail = _enlarged(trail, dim, factor, _taps(reach, factor))
        return trail

    return answer


def _taps(reach: int, factor: int) -> Callable[[int], Sequence[int]]:
    """Which coarse pixels, counted from its own, the fine pixel number r of one takes from."""

    def of(r: int) -> Sequence[int]:
        if not reach:
            return (0,)
        place = Fraction(2 * r + 1, 2 * factor) - Fraction(1, 2)
        if place.denominator == 1:
            return (int(place),)
        return range(floor(place) - reach + 1, floor(place) + reach + 1)

    return of


def _rolled(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = tracer.of(args[0])
    if trail is None:
        return None
    dims = [d % output.dim() for d in args[2]] or range(output.dim())
    places = any(f.axis is not None for d in dims for f in trail.dims[d])
    return replace(trail, everything=trail.everything or places)


def _copied(tracer: Tracer, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``copy_`` fills a whole tensor; into a part of one it is not followed."""
    if args[0]._is_view():
        raise GeometryError("writing into a part of a tensor")
    trail = tracer.of(args[1])
    return trail and _joined([trail], output.shape)


ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(
        ("clone", "alias", "detach", "contiguous", "_to_copy", "to", "lift_fresh", "dropout"), _same
    ),
    **dict.fromkeys(  # pointwise, though not marked so
        ("hardswish", "hardsigmoid", "hardtanh", "elu", "leaky_relu", "mish", "prelu"), _same
    ),
    **dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze"), _reshaped
    ),
    "permute": _permuted,
    "transpose": _transposed,
    "t": _transposed,
    "expand": _expanded,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm"), _batch_norm
    ),
    "_native_batch_norm_legit_no_training": _same,
    "native_layer_norm": _layer_norm,
    "_fused_rms_norm": _layer_norm,
    "native_group_norm": _group_norm,
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(
        (
            "mean",
            "sum",
            "amax",
            "amin",
            "var",
            "std",
            "var_mean",
            "linalg_vector_norm",
            "norm",
            "max",
        ),
        _reduced,
    ),
    **dict.fromkeys(("mm", "bmm"), _product),
    **dict.fromkeys(("addmm", "baddbmm"), _added_product),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_attention_math",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        _attention,
    ),
    "cat": _joined_along,
    "stack": _stacked,
    "slice": _sliced,
    "select": _selected,
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d", "pad"), _padded),
    **dict.fromkeys(("convolution", "_convolution"), _convolved),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "avg_pool2d"), _pooled),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), _adapted),
    "upsample_nearest2d": _interpolated(0, None),
    "upsample_bilinear2d": _interpolated(1, 2),
    "upsample_bicubic2d": _interpolated(2, 2),
    "roll": _rolled,
    "copy_": _copied,
}
PARTS: dict[str, Callable[[Tracer, Sequence[Any], Tensor, int], Trail]] = {
    "split": _split,
    "unsafe_split": _split,
    "split_with_sizes": _split,
    "unbind": _unbound,
}
"""Operations with several outputs."""
ANSWERS |= dict.fromkeys(PARTS, _same)
