"""The modules of a backbone's steps (`models.steps`). Tensors are N,C,H,W."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from fullconv.geometry import Window
from fullconv.models.cpu_kernels.convolutions import Conv2d
from fullconv.models.steps import Activation, Conv, Inception, InvertedResidual, Residual


class ConvReLU(Conv2d):
    """A convolution with bias, then ReLU; He-initialised (He et al. 2015)."""

    def __init__(self, channels: int, window: Window) -> None:
        w = window
        assert w.channels is not None
        super().__init__(
            channels, w.channels, w.kernel, w.stride, w.pad, dilation=w.dilation, groups=w.groups
        )
        he_initialise(self)

    def forward(self, input: Tensor) -> Tensor:
        """N,C,H,W to N,channels,h,w."""
        return F.relu(super().forward(input), inplace=True)


class ConvNorm(nn.Module):
    """A convolution without bias, batch norm, and an activation unless that is None.

    A batch norm that is in evaluation mode while the net trains is frozen: its affine map is then
    part of the kernels, so that no pass over the maps is left of it.
    """

    def __init__(
        self,
        channels: int,
        window: Window,
        activation: Activation | None = "relu",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        assert window.channels is not None
        self.conv: Conv2d = Conv2d.of(channels, window, bias=False)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(window.channels, eps)
        self.activation = activation
        he_initialise(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,channels,h,w."""
        is_frozen = self.training and not self.norm.training
        x = self.frozen(x) if is_frozen else self.norm(self.conv(x))
        if self.activation is None:
            return x
        return relu6(x) if self.activation == "relu6" else F.relu(x, inplace=True)

    def frozen(self, x: Tensor) -> Tensor:
        """Convolution and norm as one convolution, with the gradients of both."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None]
        return self.conv.by(x, weight, norm.bias - norm.running_mean * scale)


def relu6(x: Tensor) -> Tensor:
    """ReLU6; for the backward pass its result is kept, which the next convolution keeps, too."""
    is_trained = torch.is_grad_enabled() and x.requires_grad
    return _ReLU6.apply(x) if is_trained else F.relu6(x, inplace=True)


class _ReLU6(Function):
    """Torch's keeps a copy of what goes in, although what comes out says as much."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The values from 0 to 6."""
        out = F.relu6(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """As torch's: none at 0 and 6 and beyond."""
        (out,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, out, 0.0, 6.0)


class InceptionModule(nn.Module):
    """The module of an `Inception` step."""

    def __init__(self, channels: int, step: Inception) -> None:
        super().__init__()

        def conv(inputs: int, kernel: int, outputs: int) -> nn.Module:
            window = Window("", kernel, pad=kernel // 2, channels=outputs)
            return Conv.of(window, norm=step.norm, eps=step.eps).build(inputs)

        self.one: nn.Module = conv(channels, 1, step.one)
        self.three_reduce: nn.Module = conv(channels, 1, step.three[0])
        self.three: nn.Module = conv(step.three[0], 3, step.three[1])
        self.five_reduce: nn.Module = conv(channels, 1, step.five[0])
        self.five: nn.Module = conv(step.five[0], step.five_kernel, step.five[1])
        self.pool: nn.MaxPool2d = nn.MaxPool2d(3, stride=1, padding=1)
        self.pooled: nn.Module = conv(channels, 1, step.pooled)

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,(one + three + five + pooled),H,W."""
        three = self.three(self.three_reduce(x))
        five = self.five(self.five_reduce(x))
        return torch.cat([self.one(x), three, five, self.pooled(self.pool(x))], dim=1)


class ResidualModule(nn.Module):
    """The module of a `Residual` step."""

    def __init__(self, channels: int, step: Residual) -> None:
        super().__init__()
        out = step.out_channels(channels)
        convs, inputs = [], channels
        windows = step.windows()
        for window in windows:
            activation = None if window is windows[-1] else "relu"
            convs.append(ConvNorm(inputs, window, activation))
            inputs = convs[-1].conv.out_channels
        # A block that starts as the identity trains better from scratch (Goyal et al. 2017).
        nn.init.zeros_(convs[-1].norm.weight)
        self.convs: nn.Sequential = nn.Sequential(*convs)
        self.shortcut: nn.Module = nn.Identity()
        if step.stride != 1 or channels != out:
            window = Window("shortcut", 1, step.stride, channels=out)
            self.shortcut = ConvNorm(channels, window, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,out,H/stride,W/stride (rounded up)."""
        return F.relu(self.convs(x) + self.shortcut(x), inplace=True)


class InvertedResidualModule(nn.Module):
    """The module of an `InvertedResidual` step."""

    def __init__(self, channels: int, step: InvertedResidual) -> None:
        super().__init__()
        *before, project = step.windows_for(channels)
        convs, inputs = [], channels
        for window in before:
            convs.append(ConvNorm(inputs, window, "relu6", step.eps))
            inputs = convs[-1].conv.out_channels
        self.convs = nn.Sequential(*convs, ConvNorm(inputs, project, None, step.eps))
        self.adds_input = step.stride == 1 and channels == step.channels

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to N,channels,H/stride,W/stride (rounded up)."""
        out = self.convs(x)
        return x + out if self.adds_input else out


def he_initialise(conv: nn.Conv2d) -> None:
    """Weights for layers followed by ReLU: deviation sqrt(2 / fan-in); bias zero."""
    if conv.weight.is_meta:  # holds nothing, and random numbers there would load all of dynamo
        return
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
