"""MobileNetV2's block, as EfficientNet-Lite has it: a step and its module."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor, nn

from fullconv.geometry import Window, tensorflow_same
from fullconv.models.layers import ConvNorm, Step, scaled


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

    def build(self, channels: int) -> nn.Module:
        return InvertedResidualModule(channels, self)

    def out_channels(self, channels: int) -> int:
        return self.channels


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
