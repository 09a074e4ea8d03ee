"""The effect of convolutions, poolings and upsampling on a trail (`models.tracing.trails`).

Each takes the arguments of the operation of ATen, defaults filled in, and its output.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any, Protocol

from torch import Tensor

from fullconv.geometry import GeometryError
from fullconv.models.tracing.trails import Factor, Trail, length, plain, plain_dim


class Known(Protocol):
    """Knows the trail of each tensor that depends on the image."""

    def of(self, tensor: Any) -> Trail | None:
        """The trail of ``tensor``; None where it has none."""
        ...


Answer = Callable[[Known, Sequence[Any], Tensor], Trail | None]
"""From an operation's arguments and its (first) output to the output's trail."""


def _pair(values: Any, default: int | None = None) -> tuple[int, int]:
    """One value for both axes, or one for each."""
    if isinstance(values, int):
        return values, values
    if not values:
        assert default is not None
        return default, default
    return (values[0], values[-1])


def convolved(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """A convolution, or a transposed one; kernels made from the image are an error."""
    trail, weight = known.of(args[0]), args[1]
    if trail is None:
        raise GeometryError("a convolution with kernels made from the image")
    is_transposed, groups = args[6], args[8]
    if output.dim() != 4 or known.of(weight):
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

        trail = _upsampled(trail, dim, s, taps, Fraction(k - 1, 2) - p)
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


def pooled(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Pooling by a window, of maxima or means."""
    trail = known.of(args[0])
    kernel = _pair(args[1])
    stride, pad = _pair(args[2]) if args[2] else kernel, _pair(args[3], 0)
    # Behind the pad comes the dilation of a maximum, a flag of an average.
    dilation = (1, 1) if isinstance(args[4], bool) else _pair(args[4], 1)
    return trail and _slid(trail, kernel, stride, pad, dilation, output)


def adapted(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
    """Pooling to a size: of a whole factor a plain pooling, else it depends on the image's size."""
    trail = known.of(args[0])
    if trail is None or output.shape == args[0].shape:
        return trail
    trail = trail.mixed([-2, -1])
    return replace(trail, dims=(*trail.dims[:-2], *plain(output.shape[-2:])))


def _upsampled(
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


def interpolated(reach: int, corners: int | None) -> Answer:
    """Upsampling with ``reach`` pixels on either side (0: the nearest).

    ``corners`` is the place of ``align_corners`` among its arguments, by which what a pixel looks
    at depends on the image's size.
    """

    def answer(known: Known, args: Sequence[Any], output: Tensor) -> Trail | None:
        trail = known.of(args[0])
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
            trail = _upsampled(trail, dim, factor, _taps(reach, factor))
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
