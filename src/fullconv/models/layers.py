"""The steps a backbone is described with: data for the geometry, and the torch modules they build.

A backbone is a tuple of steps. Each step knows the windows that its output looks through (for
`fullconv.geometry`) and builds its module, so the algebra and the net cannot drift apart.
Tensors are N,C,H,W.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fullconv.geometry import Window
from fullconv.models.cpu_kernels.convolutions import Conv2d

Activation = Literal["relu", "relu6"]


@dataclass(frozen=True)
class Step:
    """One named step of a backbone, which is also the name of its module.

    By itself it looks at one place only and keeps the channels.
    """

    name: str

    ends_segment: ClassVar[bool] = False
    """Whether its output is small against what led to it: a good place to compute again from.

    So of poolings, and of blocks of several layers (`models.activation_checkpointing`)."""

    @property
    def is_normalised(self) -> bool:
        """Whether batch norms stand behind its convolutions."""
        return False

    def windows(self) -> tuple[Window, ...]:
        """The windows on the way through the step that sees the most."""
        return ()

    def windows_for(self, channels: int) -> tuple[Window, ...]:
        """The same with their channels, where those depend on the ``channels`` that go in."""
        return self.windows()

    def repad(self, pad: Callable[[Window], Window]) -> Self:
        """The step with other pads; steps that keep the size by construction stay as they are."""
        return self

    def widen(self, width: float) -> Self:
        """The step with ``width`` times the channels."""
        return self

    def build(self, channels: int) -> nn.Module:
        """The module for an input of ``channels`` channels."""
        raise TypeError(f"{type(self).__name__} builds nothing")

    def out_channels(self, channels: int) -> int:
        """Channels that come out when ``channels`` go in."""
        return channels


def scaled(channels: int, width: float) -> int:
    """``channels * width``, even (two groups must divide it) and at least 8.

    With fewer, a strided 1x1 convolution in channels-last corrupts memory in torch 2.13 on a CPU
    with AVX2 only; and nothing useful is as narrow.
    """
    return channels if width == 1 else max(8, 2 * round(channels * width / 2))


@dataclass(frozen=True)
class Sliding(Step):
    """A step that is one window: made with ``Conv.of(window)`` or ``Pool.of(window)``."""

    window: Window

    @classmethod
    def of(cls, window: Window, **options: Any) -> Self:
        """The step of a window, named as it."""
        return cls(window.name, window, **options)

    def windows(self) -> tuple[Window, ...]:
        return (self.window,)

    def repad(self, pad: Callable[[Window], Window]) -> Self:
        return replace(self, window=pad(self.window))


@dataclass(frozen=True)
class Conv(Sliding):
    """A convolution and its ReLU; with ``norm`` batch norm (``eps``) between them and no bias.

    The one that is normalised may have ReLU6 instead (``activation``).
    """

    norm: bool = False
    eps: float = 1e-5
    activation: Activation = "relu"

    @property
    def is_normalised(self) -> bool:
        return self.norm

    def widen(self, width: float) -> Self:
        return replace(
            self, window=replace(self.window, channels=scaled(self.out_channels(0), width))
        )

    def build(self, channels: int) -> nn.Module:
        if self.norm:
            return ConvNorm(channels, self.window, self.activation, self.eps)
        return ConvReLU(channels, self.window)

    def out_channels(self, channels: int) -> int:
        assert self.window.channels is not None
        return self.window.channels


@dataclass(frozen=True)
class Pool(Sliding):
    """Max pooling."""

    ends_segment: ClassVar[bool] = True

    def build(self, channels: int) -> nn.Module:
        w = self.window
        return nn.MaxPool2d(w.kernel, w.stride, w.pad, ceil_mode=w.ceil)


@dataclass(frozen=True)
class LRN(Step):
    """Caffe's across-channel normalisation, ``x / (1 + alpha/5 * sum of 5 squares) ** 0.75``."""

    def build(self, channels: int) -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


@dataclass(frozen=True)
class Dropout(Step):
    """Element-wise dropout, as Caffe's; not whole channels."""

    rate: float = 0.5

    def build(self, channels: int) -> nn.Module:
        return nn.Dropout(self.rate)


@dataclass(frozen=True)
class Inception(Step):
    """GoogLeNet's module (Szegedy et al. 2015): 1x1, 3x3, 5x5 and pooled branches, concatenated.

    ``norm`` and ``eps`` as in `Conv`; ``five_kernel`` is the kernel that the 5x5 branch really has.
    """

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pooled: int
    norm: bool = False
    eps: float = 1e-5
    five_kernel: int = 5

    ends_segment: ClassVar[bool] = True

    def windows(self) -> tuple[Window, ...]:
        (reduce, wide), k = self.five, self.five_kernel
        return (
            Window(f"{self.name}/5x5_reduce", 1, channels=reduce),
            Window(f"{self.name}/5x5", k, pad=k // 2, channels=wide),
        )

    def widen(self, width: float) -> Self:
        one, pooled = scaled(self.one, width), scaled(self.pooled, width)
        three = (scaled(self.three[0], width), scaled(self.three[1], width))
        five = (scaled(self.five[0], width), scaled(self.five[1], width))
        return replace(self, one=one, three=three, five=five, pooled=pooled)

    def build(self, channels: int) -> nn.Module:
        return InceptionModule(channels, self)

    def out_channels(self, channels: int) -> int:
        return self.one + self.three[1] + self.five[1] + self.pooled


@dataclass(frozen=True)
class Residual(Step):
    """ResNet's block (He et al. 2016): two 3x3, or with ``expansion`` 4 a 1x1, 3x3, 1x1 bottleneck.

    The stride sits in the 3x3 convolution, as in torchvision's weights, and so does ``dilation``.
    """

    channels: int
    stride: int = 1
    expansion: int = 1
    dilation: int = 1

    ends_segment: ClassVar[bool] = True

    @property
    def is_normalised(self) -> bool:
        return True

    def windows(self) -> tuple[Window, ...]:
        c, wide, d = self.channels, self.channels * self.expansion, self.dilation
        if self.expansion == 1:
            return (
                Window(f"{self.name}/conv1", 3, self.stride, d, d, channels=c),
                Window(f"{self.name}/conv2", 3, 1, d, d, channels=c),
            )
        return (
            Window(f"{self.name}/conv1", 1, channels=c),
            Window(f"{self.name}/conv2", 3, self.stride, d, d, channels=c),
            Window(f"{self.name}/conv3", 1, channels=wide),
        )

    def widen(self, width: float) -> Self:
        return replace(self, channels=scaled(self.channels, width))

    def build(self, channels: int) -> nn.Module:
        return ResidualModule(channels, self)

    def out_channels(self, channels: int) -> int:
        return self.channels * self.expansion


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
        return F.relu6(x, inplace=True) if self.activation == "relu6" else F.relu(x, inplace=True)

    def frozen(self, x: Tensor) -> Tensor:
        """Convolution and norm as one convolution, with the gradients of both."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None]
        return self.conv.by(x, weight, norm.bias - norm.running_mean * scale)


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


def he_initialise(conv: nn.Conv2d) -> None:
    """Weights for layers followed by ReLU: deviation sqrt(2 / fan-in); bias zero."""
    if conv.weight.is_meta:  # holds nothing, and random numbers there would load all of dynamo
        return
    nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
