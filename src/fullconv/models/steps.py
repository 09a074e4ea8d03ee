"""The steps that a backbone is described with, as data: no torch is imported.

A backbone is a tuple of steps. Each step knows the windows that its output looks through (for
`fullconv.geometry`) and builds its module (`models.layers`), so the algebra and the net cannot
drift apart. Channels are those of tensors N,C,H,W.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from fullconv.geometry import Window, tensorflow_same

if TYPE_CHECKING:
    from torch import nn

Activation = Literal["relu", "relu6"]


@dataclass(frozen=True)
class Step:
    """One named step of a backbone, which is also the name of its module.

    By itself it looks at one place only and keeps the channels.
    """

    name: str

    ends_segment: ClassVar[bool] = False
    """Whether its output is small against what led to it: a good place to compute again from.

    So of poolings, and of blocks of several layers (`models.backbones.backbone`)."""

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

    def build(self, channels: int) -> "nn.Module":
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

    def build(self, channels: int) -> "nn.Module":
        from fullconv.models.layers import ConvNorm, ConvReLU

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

    def build(self, channels: int) -> "nn.Module":
        from torch import nn

        w = self.window
        return nn.MaxPool2d(w.kernel, w.stride, w.pad, ceil_mode=w.ceil)


@dataclass(frozen=True)
class LRN(Step):
    """Caffe's across-channel normalisation, ``x / (1 + alpha/5 * sum of 5 squares) ** 0.75``."""

    def build(self, channels: int) -> "nn.Module":
        from torch import nn

        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)


@dataclass(frozen=True)
class Dropout(Step):
    """Element-wise dropout, as Caffe's; not whole channels."""

    rate: float = 0.5

    def build(self, channels: int) -> "nn.Module":
        from torch import nn

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

    def build(self, channels: int) -> "nn.Module":
        from fullconv.models.layers import InceptionModule

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

    def build(self, channels: int) -> "nn.Module":
        from fullconv.models.layers import ResidualModule

        return ResidualModule(channels, self)

    def out_channels(self, channels: int) -> int:
        return self.channels * self.expansion


@dataclass(frozen=True)
class InvertedResidual(Step):
    """MobileNetV2's block (Sandler et al. 2018): 1x1 to ``expansion`` times the channels, depthwise
    ``kernel`` x ``kernel`` with the stride, 1x1 to ``channels``; added to its input where both have
    one shape. Padding as TensorFlow's SAME, ReLU6, batch norms with ``eps``.
    """

    kernel: int
    channels: int
    stride: int = 1
    expansion: int = 6
    eps: float = 1e-3

    ends_segment: ClassVar[bool] = True

    @property
    def is_normalised(self) -> bool:
        return True

    def windows(self) -> tuple[Window, ...]:
        return self.windows_for(self.channels)

    def windows_for(self, channels: int) -> tuple[Window, ...]:
        inner = channels * self.expansion
        windows = (
            Window(f"{self.name}/expand", 1, channels=inner),
            tensorflow_same(
                f"{self.name}/depthwise", self.kernel, self.stride, channels=inner, groups=inner
            ),
            Window(f"{self.name}/project", 1, channels=self.channels),
        )
        return windows[1:] if self.expansion == 1 else windows  # nothing to expand

    def widen(self, width: float) -> Self:
        return replace(self, channels=scaled(self.channels, width))

    def build(self, channels: int) -> "nn.Module":
        from fullconv.models.layers import InvertedResidualModule

        return InvertedResidualModule(channels, self)

    def out_channels(self, channels: int) -> int:
        return self.channels
