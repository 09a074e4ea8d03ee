"""The effect of each ATen operation on positions: the table of `models.tracing.trace`.

Here are those that move, join, reduce and mix; those that slide a window are in
`models.tracing.sliding`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from fullconv.geometry import GeometryError
from fullconv.models.tracing.sliding import Answer, Known, adapted, convolved, interpolated, pooled
from fullconv.models.tracing.trails import Factor, Trail, plain, plain_dim


def _same(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    return known.of(args[0])


def _reshaped(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    return trail and trail.reshaped(output.shape)


def _permuted(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    return trail and replace(trail, dims=tuple(trail.dims[d] for d in args[1]))


def _transposed(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    if trail is None:
        return None
    first, second = args[1:3] if len(args) > 2 else (0, -1)
    dims = list(trail.dims)
    dims[first], dims[second] = dims[second], dims[first]
    return replace(trail, dims=tuple(dims))


def _expanded(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Dimensions of 1 repeated, or new ones in front: no places."""
    trail = known.of(args[0])
    if trail is None:
        return None
    new = output.dim() - len(trail.dims)
    dims = [*plain(output.shape[:new]), *trail.dims]
    for d, size in enumerate(output.shape):
        if d >= new and size != args[0].shape[d - new]:
            dims[d] = plain_dim(size)
    return replace(trail, dims=tuple(dims))


def pointwise(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Any operation on each place by itself: its tensors lie on top of one another."""
    tensors = [a for a in tree_leaves(args) if isinstance(a, Tensor)]
    return _joined([t for a in tensors if (t := known.of(a))], output.shape)


def _joined(trails: Sequence[Trail], shape: Sequence[int]) -> Trail:
    """Tensors on top of one another, broadcast to ``shape``."""
    padded = [replace(t, dims=((),) * (len(shape) - len(t.dims)) + t.dims) for t in trails]
    placed = [t for t in padded if t.is_placed]
    everything = any(t.everything for t in padded)
    dims: list[tuple[Factor, ...]] = []
    for d, size in enumerate(shape):
        orders = {t.dims[d] for t in placed if any(f.axis is not None for f in t.dims[d])}
        everything = everything or len(orders) > 1
        # Of windows and tokens in different orders the first's is as good as any.
        first = next((t.dims[d] for t in placed if t.dims[d] in orders), None)
        dims.append(first or plain_dim(size))
    result = Trail(tuple(dims), (placed or padded)[0].axes, everything)
    for other in placed[1:]:
        for axis in (0, 1):
            if any(f.axis == axis for dim in other.dims for f in dim):
                joined = result.axes[axis].joined(other.axes[axis])
                result = result.with_axis(axis, joined)
    return result


def _batch_norm(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    takes_its_own_statistics = args[3] is None or args[5] is True
    return trail and replace(trail, everything=trail.everything or takes_its_own_statistics)


def _layer_norm(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    return trail and trail.mixed(range(-len(args[1]), 0))


def _group_norm(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    return trail and replace(trail, everything=True)


def _softmax(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    return trail and trail.mixed([args[1]])


def _reduced(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """A mean, sum, maximum or norm along some dimensions; all where none is named."""
    trail = known.of(args[0])
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


def _product(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``mm`` and ``bmm``: the last dimension of one against the last but one of the other."""
    left, right = known.of(args[0]), known.of(args[1])
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


def _added_product(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``addmm``: a bias and a product."""
    return _product(known, args[1:], output)


def _attention(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    if trail is None:
        return None
    return replace(trail, everything=True).with_dim(output.dim() - 1, plain_dim(output.shape[-1]))


def _joined_along(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``cat``: places along the dimension itself are lost."""
    tensors, dim = args[0], (args[1] or 0) % output.dim()
    trails = [t for tensor in tensors if (t := known.of(tensor))]
    lost = any(f.axis is not None for t in trails for f in t.dims[dim])
    without = [t.with_dim(dim, ()) for t in trails]
    shape = list(output.shape)
    shape[dim] = 1
    result = _joined(without, shape).with_dim(dim, plain_dim(output.shape[dim]))
    return replace(result, everything=result.everything or lost)


def _stacked(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``stack``: along a dimension of its own."""
    dim = (args[1] or 0) % output.dim()
    trails = [t for tensor in args[0] if (t := known.of(tensor))]
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


def _sliced(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    if trail is None:
        return None
    dim, n = args[1] % output.dim(), args[0].shape[args[1]]
    start = args[2] or 0
    start = max(start + n if start < 0 else start, 0)
    if output.shape[dim] == n:
        return trail
    return _part(trail, dim, start, args[4] if len(args) > 4 else 1, output.shape[dim])


def _selected(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    if trail is None:
        return None
    dim = args[1] % args[0].dim()
    trail = trail.mixed([dim])
    return replace(trail, dims=trail.dims[:dim] + trail.dims[dim + 1 :])


def _split(known: Known, args: Sequence[Any], output: Tensor, number: int) -> Trail:
    trail, dim = known.of(args[0]), args[2] % output.dim()
    assert trail is not None
    sizes = args[1]
    start = number * sizes if isinstance(sizes, int) else sum(sizes[:number])
    return _part(trail, dim, start, 1, output.shape[dim])


def _unbound(known: Known, args: Sequence[Any], output: Tensor, number: int) -> Trail:
    trail = _selected(known, args, output)
    assert trail is not None
    return trail


def _padded(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Any padding; the pads come for the last dimension first."""
    trail = known.of(args[0])
    if trail is None:
        return None
    for number, before in enumerate(args[1][::2]):
        dim = output.dim() - 1 - number
        if output.shape[dim] == args[0].shape[dim] and before == 0:
            continue
        trail = _part(trail, dim, -before, 1, output.shape[dim])
    return trail


def _rolled(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    trail = known.of(args[0])
    if trail is None:
        return None
    dims = [d % output.dim() for d in args[2]] or range(output.dim())
    places = any(f.axis is not None for d in dims for f in trail.dims[d])
    return replace(trail, everything=trail.everything or places)


def _copied(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """``copy_`` fills a whole tensor; into a part of one it is not followed."""
    if args[0]._is_view():
        raise GeometryError("writing into a part of a tensor")
    trail = known.of(args[1])
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
    **dict.fromkeys(("convolution", "_convolution"), convolved),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool2d", "avg_pool2d"), pooled),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), adapted),
    "upsample_nearest2d": interpolated(0, None),
    "upsample_bilinear2d": interpolated(1, 2),
    "upsample_bicubic2d": interpolated(2, 2),
    "roll": _rolled,
    "copy_": _copied,
}
PARTS: dict[str, Callable[[Known, Sequence[Any], Tensor, int], Trail]] = {
    "split": _split,
    "unsafe_split": _split,
    "split_with_sizes": _split,
    "unbind": _unbound,
}
"""Operations with several outputs."""
ANSWERS |= dict.fromkeys(PARTS, _same)
