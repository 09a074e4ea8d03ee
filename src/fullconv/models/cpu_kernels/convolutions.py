"""Convolutions for training on a CPU: torch's, to rounding, with faster backward passes.

Torch's backward pass of a channels-last convolution reaches a quarter to a half of its forward rate
with AVX2 (docs/benchmarks.md). Where another way is faster, `Conv2d` takes it:

- 3x3 kernels on wide maps by minimal filtering: gradients of data and kernels too.
- Kernels that outnumber the map, as fc6 and fc7: one product of all windows with all kernels,
  in bfloat16 too (torch's backward pass of fc6 takes four times as long as its products); the
  other ways are for fp32 only.
- Depthwise kernels by torch's, but zeros that differ before and behind are put around the map, as
  torch's gradient of the kernels is several times slower with the wider pad that replaces them, and
  the gradient of the bias is a sum of its own, which is faster than torch's.

N photos, C channels in, K out, r x r kernels; P places of a kernel in all photos.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from fullconv.geometry import Window
from fullconv.models.cpu_kernels.minimal_filtering import (
    Grid,
    Strip,
    carried,
    filtered,
    parts,
    weight_gradient,
)

FEWEST_CHANNELS = 64  # with fewer, carrying over costs what the products save
FEWEST_FORWARD = 128  # the same, on the way forward
FEWEST_TILES = 40  # of a photo; with fewer, carrying the kernels over does
FEWEST_UNSAFE = 1024  # channels, with room to the 4096 where it was seen
TILE = 16  # channels that AMX multiplies at a time
WINDOWS = 64 * 2**20  # bytes of windows at a time

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, None]
"""Of the data, the kernels and the bias."""
Pads = tuple[int, int]
"""Zeros before and behind, in both directions."""


class Conv2d(nn.Conv2d):
    """A convolution whose training may use another kernel where ``use_cpu_kernels`` allows it.

    Pads that differ before and behind are made with one stride more of them before, and the first
    row and column of the result left out: they are of the smaller map, where a copy costs less. In
    training with these kernels, zeros are put around the map instead (`Depthwise`).
    """

    use_cpu_kernels = False
    window: Window | None = None
    """The window of a convolution whose pads differ."""

    @classmethod
    def of(cls, channels: int, window: Window, bias: bool = True) -> Self:
        """The convolution of a window, for ``channels`` channels."""
        w = window
        assert w.channels is not None
        differ = w.pads[0] != w.pads[1]
        pad = w.pads[0] + w.stride if differ else w.pad
        assert pad >= w.pads[1], "more pixels behind than a stride has more"
        convolution = cls(channels, w.channels, w.kernel, w.stride, pad, w.dilation, w.groups, bias)
        convolution.window = w if differ else None
        return convolution

    def forward(self, input: Tensor) -> Tensor:
        """N,C,H,W to N,K,h,w."""
        return self.by(input, self.weight, self.bias)

    def by(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with other weights, K,C,r,r and K: N,C,H,W to N,K,h,w."""
        if torch.is_grad_enabled() and self.use_cpu_kernels and _in_reach(x):
            return self._trained(x, weight, bias)
        if torch.is_grad_enabled() and is_narrowed(x) and self._narrow_by_product(x):
            return _multiplied_narrow(x, weight, bias, int(self.padding[0]))
        out = self._conv_forward(x, weight, bias)
        if self.window is None:
            return out
        return out[
            ..., 1 : 1 + self.window.size(x.shape[-2]), 1 : 1 + self.window.size(x.shape[-1])
        ]

    def _narrow_by_product(self, x: Tensor) -> bool:
        """Whether a product is faster with fewer bits, or torch's kernel is not to be trusted."""
        if self.window is not None or not is_plain(self):
            return False
        if is_unsafe(self):
            return True
        last = x.is_contiguous(memory_format=torch.channels_last)
        return self.use_cpu_kernels and last and has_more_kernels(self, x)

    def _trained(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution in training, by the faster way; pads that differ are put around ``x``."""
        if is_depthwise(self):
            pads = (int(self.padding[0]),) * 2 if self.window is None else self.window.pads
            return Depthwise.apply(x, weight, bias, self.stride[0], pads)
        if self.window is not None:
            padded, _ = _padded(x, self.window.pads)
            return F.conv2d(padded, weight, bias, self.stride, 0, self.dilation, self.groups)
        way = way_of(self, x)
        if way is None:
            return self._conv_forward(x, weight, bias)
        return way.apply(x, weight, bias, int(self.padding[0]))


def way_of(conv: nn.Conv2d, x: Tensor) -> "type[Filtered | Multiplied] | None":
    """The faster way for N,C,H,W, or None: torch's."""
    reached = torch.is_grad_enabled() and _in_reach(x) and _in_reach(conv.weight)
    if not (reached and is_plain(conv)):
        return None
    if has_more_kernels(conv, x):
        return Multiplied
    kernel = int(conv.kernel_size[0])
    grid = Grid.of(x, kernel, int(conv.padding[0]))
    channels = min(conv.in_channels, conv.out_channels)
    if kernel == 3 and channels >= FEWEST_CHANNELS and grid.rows * grid.columns >= FEWEST_TILES:
        return Filtered
    return None


def is_plain(conv: nn.Conv2d) -> bool:
    """Whether the convolution has square kernels, one stride, and the same pad on all sides."""
    square = conv.kernel_size[0] == conv.kernel_size[1] and conv.padding[0] == conv.padding[-1]
    dense = conv.groups == 1 and conv.stride == conv.dilation == (1, 1)
    return square and dense and not isinstance(conv.padding, str)


def has_more_kernels(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether the kernels have more numbers than the windows of N,C,H,W and the result."""
    kernel = int(conv.kernel_size[0])
    grid = Grid.of(x, kernel, int(conv.padding[0]))
    places = len(x) * grid.h * grid.w
    of_places = places * (conv.in_channels * kernel**2 + conv.out_channels)
    return min(len(x), grid.h, grid.w) > 0 and conv.weight.numel() > of_places


def is_depthwise(conv: nn.Conv2d) -> bool:
    """Whether each channel has a kernel of its own, which `Depthwise` trains faster."""
    one_each = conv.groups == conv.in_channels == conv.out_channels > 1
    return one_each and conv.dilation == (1, 1) and not isinstance(conv.padding, str)


def _in_reach(array: Tensor) -> bool:
    return (
        array.device.type == "cpu"
        and array.dtype == torch.float32
        and array.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
    )


def is_narrowed(array: Tensor) -> bool:
    """Whether autocast computes with fewer bits here."""
    return array.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def is_unsafe(conv: nn.Conv2d) -> bool:
    """Whether the gradient of the kernels in bfloat16 can write beyond its array.

    oneDNN's with AMX and several threads does, in torch 2.13.0, for kernels of 4096 channels to
    fewer than 16, as of the score layer of VGG16 and AlexNet: the process then ends without a word.
    With 2048 channels it was not seen.
    """
    return conv.in_channels >= FEWEST_UNSAFE and conv.out_channels < TILE


def _multiplied_narrow(x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
    """`Multiplied` in the type of autocast, which casts the arguments of torch's own only."""
    narrow = torch.get_autocast_dtype("cpu")
    return Multiplied.apply(
        x.to(narrow), weight.to(narrow), None if bias is None else bias.to(narrow), pad
    )


class Filtered(Function):
    """The convolution by minimal filtering."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        """N,C,H,W and K,C,3,3 to N,K,h,w."""
        ctx.save_for_backward(x, weight)
        ctx.pad = pad
        if min(weight.shape[:2]) < FEWEST_FORWARD:
            return F.conv2d(x, weight, bias, padding=pad)
        out = filtered(x, carried(weight), weight.shape[2], pad)
        return out if bias is None else out.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        """The gradient of the data is the result's, filtered by the turned kernels."""
        (x, weight), (for_x, for_weight, for_bias, _) = ctx.saved_tensors, ctx.needs_input_grad
        kernel, of_x, of_weight = weight.shape[2], None, None
        if for_weight:
            of_weight = weight_gradient(x, gradient, kernel, ctx.pad)
        if for_x:
            turned = carried(weight.flip(2, 3).transpose(0, 1))
            of_x = filtered(gradient, turned, kernel, kernel - 1 - ctx.pad)
        return of_x, of_weight, gradient.sum((0, 2, 3)) if for_bias else None, None


class Depthwise(Function):
    """A convolution of each channel by itself."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pads: Pads
    ) -> Tensor:
        """N,C,H,W and C,1,r,r to N,C,h,w."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.pads = stride, pads
        x, pad = _padded(x, pads)
        return F.conv2d(x, weight, bias, stride, pad, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Torch's gradients of the data and the kernels, and the sum for the bias."""
        (x, weight), (for_x, for_weight, for_bias, *_) = ctx.saved_tensors, ctx.needs_input_grad
        (before, _), (height, width) = ctx.pads, x.shape[2:]
        padded, pad = _padded(x, ctx.pads)
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient, padded, weight, None, [ctx.stride] * 2, [pad] * 2, [1, 1], False, [0, 0],
            len(weight), [for_x, for_weight, False],
        )  # fmt: skip
        if for_x and padded is not x:
            of_x = of_x[..., before : before + height, before : before + width]
        return of_x, of_weight, gradient.sum((0, 2, 3)) if for_bias else None, None, None


def _padded(x: Tensor, pads: Pads) -> tuple[Tensor, int]:
    """The map with zeros around it, and none left to pad; where both pads are equal the map."""
    before, behind = pads
    if before == behind:
        return x, before
    return F.pad(x, (before, behind, before, behind)), 0


class Multiplied(Function):
    """As a product of the windows, P,rrC, and the kernels, K,rrC."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, pad: int) -> Tensor:
        """N,C,H,W and K,C,r,r to N,K,h,w."""
        ctx.save_for_backward(x, weight)
        ctx.pad = pad
        grid, kernels = Grid.of(x, weight.shape[2], pad), _matrix(weight)
        out = grid.empty(x, len(weight))
        for part, windows in _windows(x, grid):
            place = out.permute(0, 2, 3, 1)[part]  # N,rows,w,K
            # This way round the product is faster than windows times kernels.
            place.copy_((kernels @ windows.T).T.view_as(place))
        return out if bias is None else out.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Gradients:
        """Products with the result's gradient; those of the windows are added where they lie."""
        (x, weight), (for_x, for_weight, for_bias, _) = ctx.saved_tensors, ctx.needs_input_grad
        grid, kernels = Grid.of(x, weight.shape[2], ctx.pad), _matrix(weight)
        # Sums over windows and over strips of them are not for bfloat16's 8 bits.
        summed = torch.promote_types(x.dtype, torch.float32)
        of_x = x.new_zeros(x.shape, dtype=summed) if for_x else None
        of_kernels: list[Tensor] = []  # one, K,rrC
        for part, windows in _windows(x, grid):
            wanted = gradient.permute(0, 2, 3, 1)[part].reshape(-1, len(weight))  # P,K
            if of_x is not None:
                _add(of_x[part[0]], kernels.T @ wanted.T, part[1], grid)
            if for_weight and of_kernels and x.dtype == summed:
                of_kernels[0].addmm_(wanted.T, windows)
            elif for_weight and of_kernels:
                of_kernels[0] = of_kernels[0].to(summed).add_(wanted.T @ windows)
            elif for_weight:
                of_kernels.append(wanted.T @ windows)
        as_weight = weight.permute(0, 2, 3, 1).shape
        of_weight = of_kernels[0].view(as_weight).permute(0, 3, 1, 2) if for_weight else None
        of_x = None if of_x is None else of_x.to(x.dtype)
        of_weight = None if of_weight is None else of_weight.to(weight.dtype)
        return of_x, of_weight, gradient.sum((0, 2, 3)) if for_bias else None, None


def _matrix(weight: Tensor) -> Tensor:
    """Kernels K,C,r,r as K,rrC; no copy where they are channels last."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _windows(x: Tensor, grid: Grid) -> Iterator[tuple[Strip, Tensor]]:
    """Photos and rows of the result, and what the kernels see there: P,rrC."""
    photos = F.pad(x.permute(0, 2, 3, 1), (0, 0, grid.pad, grid.pad, grid.pad, grid.pad))
    windows = photos.unfold(1, grid.r, 1).unfold(2, grid.r, 1).permute(0, 1, 2, 4, 5, 3)
    most = max(1, WINDOWS // (grid.w * grid.r**2 * x.shape[1] * x.element_size()))  # rows
    for part in parts(len(x), grid.h, most):
        yield part, windows[part].reshape(-1, grid.r**2 * x.shape[1])


def _add(of_x: Tensor, products: Tensor, rows: slice, grid: Grid) -> None:
    """Add ``products`` rrC,P, what the windows of some rows say, to N,C,H,W."""
    photos, channels, *size = of_x.shape
    gradients = products.view(grid.r, grid.r, channels, photos, -1, grid.w)
    for down, across in itertools.product(range(grid.r), repeat=2):
        top, left = rows.start + down - grid.pad, across - grid.pad
        gradient = gradients[down, across].transpose(0, 1)  # N,C,rows,w
        inside = gradient[
            ..., max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)
        ]
        place = of_x[..., max(0, top) :, max(0, left) :]
        place[..., : inside.shape[2], : inside.shape[3]] += inside
