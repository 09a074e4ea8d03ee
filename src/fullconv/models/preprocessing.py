"""From photo bytes to what a net was trained on: channel order, scale, mean, deviation."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from fullconv.errors import UserError, printable, reason_of
from fullconv.modalities import COLOR, ReadOptions, channels_of, kind_named

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of weights: ``(pixel[order] * scale - mean) / std``, channel by channel.

    ``mean`` and ``std`` are in the units after scaling and in the order of ``order``. ``inputs``
    are the kinds that the channels are, one behind the other (`fullconv.modalities`); ``order`` is
    that of the colours alone, which are the first three channels. ``bands`` and ``range`` say how
    the photo's file is read for it (`ReadOptions`).
    """

    order: Literal["RGB", "BGR"]
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    inputs: tuple[str, ...] = (COLOR,)
    bands: tuple[int, ...] | None = None
    range: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.order not in ("RGB", "BGR"):
            raise UserError(
                f"preprocessing: order {printable(repr(self.order), 80)} is neither RGB nor BGR",
                "FC-NET-008",
            )
        numbers = (self.scale, *self.mean, *self.std)
        if not all(map(isfinite, numbers)) or not self.scale or not all(self.std):
            raise UserError(
                "preprocessing: scale, mean and std must be finite, scale and std not 0",
                "FC-NET-008",
            )
        if len(self.mean) != len(self.std) or not self.mean:
            raise UserError(
                "preprocessing: mean and std need one value for each channel", "FC-NET-008"
            )

    @property
    def read_options(self) -> ReadOptions:
        """How photos are read."""
        return ReadOptions(self.bands, self.range)

    def read_by(self, options: ReadOptions) -> "Preprocessing":
        """The same of photos that are read by ``options``."""
        return replace(self, bands=options.bands, range=options.range)

    def __call__(self, images: "Tensor") -> "Tensor":
        """Images N,H,W,C to the net's float32 input N,C,H,W (channels-last in memory).

        The colours come as RGB in 0..255; uint8, or float32 where other inputs need it.
        """
        import torch

        if self.order == "BGR":
            colors, others = images[..., :3].flip(-1), images[..., 3:]
            images = torch.cat([colors, others], -1) if others.shape[-1] else colors
        mean = torch.tensor(self.mean, device=images.device)
        std = torch.tensor(self.std, device=images.device)
        return images.float().mul(self.scale / std).sub(mean / std).permute(0, 3, 1, 2)

    def mean_color(self) -> tuple[float, ...]:
        """The colour that becomes zero, for padding: RGB in 0..255, then the other channels."""
        values = tuple(value / self.scale for value in self.mean)
        return (*values[2::-1], *values[3:]) if self.order == "BGR" else values

    def of_inputs(self, kinds: Sequence[str], *others: "Preprocessing") -> "Preprocessing":
        """The same for ``kinds``; what is not among its own comes from ``others``.

        A kind that none of them has is centred on its usual mean (`fullconv.modalities`), and
        scaled by its deviation where one of them scales: Caffe's nets subtract the mean alone.
        """
        if tuple(kinds) == self.inputs:
            return self
        scales = any(std / p.scale != 1 for p in (self, *others) for std in p.std)
        statistics: list[tuple[float, float]] = []
        order = self.order
        for kind in kinds:
            owner = next((p for p in (self, *others) if kind in p.inputs), None)
            if owner is None:
                statistics += [(m, s if scales else 1.0) for m, s in _usual(kind)]
                continue
            statistics += owner._raw(kind)
            if kind == COLOR:
                order = owner.order
        mean, std = zip(*statistics, strict=True)
        return Preprocessing(order if COLOR in kinds else "RGB", 1.0, mean, std, tuple(kinds))

    def _raw(self, kind: str) -> list[tuple[float, float]]:
        """Mean and deviation of each channel of one of its kinds, in the units before scaling."""
        first = channels_of(self.inputs[: self.inputs.index(kind)])
        channels = slice(first, first + kind_named(kind).channels)
        values = zip(self.mean[channels], self.std[channels], strict=True)
        return [(mean / self.scale, std / self.scale) for mean, std in values]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Preprocessing":
        """The inverse of ``to_dict``; UserError when something is missing or unknown."""
        try:
            inputs = values.get("inputs", [COLOR])
            if isinstance(inputs, str) or not all(isinstance(kind, str) for kind in inputs):
                raise TypeError("inputs is no list of names")
            channels_of(inputs)
            return cls(
                order=values["order"],
                scale=float(values["scale"]),
                mean=tuple(float(v) for v in values["mean"]),
                std=tuple(float(v) for v in values["std"]),
                inputs=tuple(inputs),
                **_reading(values),
            )
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            IndexError,
        ) as error:
            raise UserError(
                f"preprocessing: is not usable ({reason_of(error)})", "FC-NET-008"
            ) from error


def _reading(values: dict[str, Any]) -> dict[str, Any]:
    """Bands and range, as far as they are said; UserError for ones that make no sense."""
    bands, span = values.get("bands"), values.get("range")
    options = ReadOptions(
        None if bands is None else tuple(int(band) for band in bands),
        None if span is None else tuple(float(value) for value in span),
    )
    return {"bands": options.bands, "range": options.range}


def _usual(kind: str) -> list[tuple[float, float]]:
    return list(zip(kind_named(kind).mean, kind_named(kind).std, strict=True))


# The mean of ImageNet as the Caffe nets were trained with it, in BGR and 0..255.
CAFFE = Preprocessing("BGR", 1.0, (104.00698793, 116.66876762, 122.67891434), (1.0, 1.0, 1.0))
# ImageNet's mean and deviation as torchvision's weights expect them, in RGB and 0..1.
TORCH = Preprocessing("RGB", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# 0..255 to -1..1, RGB: what torchvision's GoogLeNet makes of its input (``transform_input``).
HALVES = Preprocessing("RGB", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
