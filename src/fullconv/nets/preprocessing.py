"""From photo bytes to what a net was trained on: channel order, scale, mean, deviation."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from fullconv.errors import UserError


@dataclass(frozen=True)
class Preprocessing:
    """What belongs to the weights: ``(pixel[order] * scale - mean) / std``, channel by channel.

    ``mean`` and ``std`` are in the units after scaling and in the order of ``order``.
    """

    order: Literal["RGB", "BGR"]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.order not in ("RGB", "BGR"):
            raise UserError(f"preprocessing: order {self.order!r} is neither RGB nor BGR")
        if len(self.mean) != len(self.std) or not self.mean:
            raise UserError("preprocessing: mean and std need one value for each channel")

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 RGB images N,H,W,C to the net's float32 input N,C,H,W (channels-last in memory)."""
        if self.order == "BGR":
            images = images.flip(-1)
        mean = torch.tensor(self.mean, device=images.device)
        std = torch.tensor(self.std, device=images.device)
        return images.float().mul(self.scale / std).sub(mean / std).permute(0, 3, 1, 2)

    def mean_color(self) -> tuple[int, ...]:
        """The RGB colour, 0..255, that becomes zero: the fill around a photo."""
        values = tuple(round(value / self.scale) for value in self.mean)
        return values[::-1] if self.order == "BGR" else values

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """The inverse of ``to_dict``; UserError when something is missing or unknown."""
        try:
            return cls(
                order=values["order"],
                scale=float(values["scale"]),
                mean=tuple(float(v) for v in values["mean"]),
                std=tuple(float(v) for v in values["std"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"preprocessing: {values!r} is not usable ({error})") from error


# The mean of ImageNet as the Caffe nets were trained with it, in BGR and 0..255.
CAFFE = Preprocessing("BGR", 1.0, (104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0))
# ImageNet's mean and deviation as torchvision's weights expect them, in RGB and 0..1.
TORCH = Preprocessing("RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# 0..255 to -1..1, RGB: what torchvision's GoogLeNet makes of its input (``transform_input``).
HALVES = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
