"""Shapes on the `meta` device without torch's compiler.

torch computes the shapes of convolutions, batch norms and sums in Python, and imports its compiler
for that, which takes as long again as torch itself: at the start of every training and prediction.
They are a few lines of arithmetic; all other operations are left to torch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class ShapeInference(TorchDispatchMode):
    """Within it, the operations of `_INFERENCES` on the `meta` device give empty tensors.

    What autograd saves for the backward pass is the same as without it.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Asked by torch (2.9 on): else the mode itself is wrapped, and imports the compiler."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        infer = _INFERENCES.get(func)
        is_plain = not kwargs or kwargs.keys() == {
            "memory_format"
        }  # the order in memory is no size
        if infer is not None and args[0].device.type == "meta" and is_plain:
            inferred = infer(*args)
            if inferred is not NotImplemented:
                return inferred
        return func(*args, **(kwargs or {}))


def _convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
) -> Any:  # fmt: skip
    """The arithmetic of `torch.nn.Conv2d` and `torch.nn.ConvTranspose2d`."""
    if x.shape[1] != (weight.shape[0] if transposed else weight.shape[1] * groups) or x.ndim != 4:
        return NotImplemented  # torch names what is wrong
    sizes = []
    for axis, size in enumerate(x.shape[2:]):
        s, p, reach = stride[axis], padding[axis], dilation[axis] * (weight.shape[2 + axis] - 1)
        if transposed:
            sizes.append((size - 1) * s - 2 * p + reach + output_padding[axis] + 1)
        else:
            sizes.append((size + 2 * p - reach - 1) // s + 1)
    if min(sizes) < 1:
        return NotImplemented  # torch names what is wrong
    channels = weight.shape[1] * groups if transposed else weight.shape[0]
    return x.new_empty((x.shape[0], channels, *sizes))


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None,
    variance: Tensor | None, training: bool, *_: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The output, and the mean and deviation that training saves."""
    saved = x.shape[1] if training else 0
    return x.new_empty(x.shape), x.new_empty(saved), x.new_empty(saved)


def _max_pool(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int] = (), padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,), ceil_mode: bool = False,
) -> Any:  # fmt: skip
    """Two-dimensional; its output, and where in the input each maximum was."""
    sizes = []
    for axis, size in enumerate(x.shape[-2:]):
        k, s, p, d = (_on(axis, pair) for pair in (kernel, stride or kernel, padding, dilation))
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        # A window that begins in the padding behind the input is dropped, as by torch and Caffe.
        sizes.append(count - 1 if ceil_mode and (count - 1) * s >= size + p else count)
    if min(sizes) < 1:
        return NotImplemented  # torch names what is wrong
    shape = (*x.shape[:-2], *sizes)
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


def _on(axis: int, values: Sequence[int]) -> int:
    return values[axis] if len(values) > 1 else values[0]


def _pad(x: Tensor, pads: Sequence[int], *_: float) -> Any:
    if len(pads) != 4:
        return NotImplemented
    left, right, top, bottom = pads
    height, width = x.shape[-2:]
    return x.new_empty((*x.shape[:-2], height + top + bottom, width + left + right))


def _interpolate(x: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    return x.new_empty((*x.shape[:-2], *size))


def _same(x: Tensor, *_: Any) -> Tensor:
    return x


def _activation(x: Tensor, *_: Any) -> Tensor:
    return x.new_empty(x.shape)


def _of_two(x: Tensor, y: Any, *_: Any) -> Any:
    """An empty tensor of the shape of two equal ones; NotImplemented for others."""
    is_alike = isinstance(y, Tensor) and (x.shape, x.dtype) == (y.shape, y.dtype)
    return x.new_empty(x.shape) if is_alike else NotImplemented


_INFERENCES: dict[Any, Callable[..., Any]] = {
    aten.convolution.default: _convolution,
    aten.native_batch_norm.default: _batch_norm,
    aten.empty_like.default: _activation,
    aten.relu.default: _activation,
    aten.hardtanh.default: _activation,
    aten.relu_.default: _same,
    aten.hardtanh_.default: _same,
    aten.div_.Scalar: _same,
    aten.div_.Tensor: _same,
    aten.add.Tensor: _of_two,
    aten.mul.Tensor: _of_two,
    aten.max_pool2d_with_indices.default: _max_pool,
    aten.replication_pad2d.default: _pad,
    aten.constant_pad_nd.default: _pad,
    aten.upsample_bilinear2d.default: _interpolate,
}
