"""The name and the options that decide a net; what a checkpoint stores of its structure."""

from dataclasses import asdict, dataclass, fields
from math import isfinite
from numbers import Integral, Real
from typing import Any

from fullconv.errors import UserError, listed, printable
from fullconv.models.backbones.definition import PREFIX, Definition, Padding
from fullconv.models.registry import definition_named, head_and_backbone, strides_of
from fullconv.models.steps import scaled

PADDINGS = ("same", "paper", "none")
MOST_WIDTH = 8
MOST_STREAMS = 16
MOST_CHANNELS = 65535  # of one stream
PYRAMID_CHANNELS = 128  # of a pyramid of features at width 1, as SwiftNet has
THIN_CHANNELS = 32  # of its map of stride 2, where a channel costs four times as much

# How much of a skip's features is scored in the at-once nets, so that one rate suits all
# (reference repository, voc-fcn8s-atonce: scale_pool4, scale_pool3).
AT_ONCE_SCALES = {16: 0.01, 8: 0.0001}


@dataclass(frozen=True)
class NetSpec:
    """All that decides a net's structure.

    ``name`` is HEAD-BACKBONE, as ``fcn8s-vgg16`` or, of timm's, ``fcn8s-timm.resnet50d``;
    ``classes`` the count of score channels, those of all outputs together; ``streams`` the channels
    of each stream: one backbone sees the first of an image's channels, the next those that follow,
    and their scores are summed (late fusion); ``padding`` `same` (any size, no crop) or `paper`
    (100 pixels at the first layer, then crop), or `none`, the unpadded classifier, which can be
    explained but not built;
    ``width`` multiplies every layer's channels; ``dropout`` None keeps the net's own rates;
    ``learn_upsampling`` makes the upsampling kernels parameters that start bilinear.
    Raises UserError for values that make no net.
    """

    name: str
    classes: int
    streams: tuple[int, ...] = (3,)
    padding: Padding = "same"
    width: float = 1.0
    learn_upsampling: bool = False
    dropout: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise UserError(
                f"net {short_repr(self.name)} is not a name, as 'fcn8s-vgg16'", "FC-NET-001"
            )
        head_and_backbone(self.name)  # refuses an unknown name
        object.__setattr__(self, "streams", _streams(self.streams))
        object.__setattr__(self, "classes", whole("classes", self.classes, 1, 65535))
        _check_options(self)

    @property
    def head(self) -> str:
        """The part of its name before the backbone, one of ``HEADS``."""
        return head_and_backbone(self.name)[0]

    @property
    def backbone(self) -> str:
        """The backbone's name, as `vgg16`."""
        return head_and_backbone(self.name)[1]

    @property
    def in_channels(self) -> int:
        """Channels of an image, over all streams."""
        return sum(self.streams)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the scored maps, from the coarsest: (32, 16, 8) for fcn8s of most nets."""
        return self.tapped[-1:] if self.is_pyramid else self.tapped

    @property
    def tapped(self) -> tuple[int, ...]:
        """Strides of the backbone's maps that are used: scored, or fused by a pyramid before."""
        return strides_of(self.head, definition_named(self.backbone))

    @property
    def is_pyramid(self) -> bool:
        """Whether features are fused before they are scored (`models.fpn`), not scores."""
        return self.head.startswith("fpn")

    @property
    def is_deconv(self) -> bool:
        """Whether deconvolutions that mix the classes upsample, the first to the finest scored map.

        They are transposed convolutions with a bias, learned, dense across the classes. The coarser
        scores are summed with the finest one there, and one more takes the sum to the image.
        """
        return self.head.endswith("deconv")

    @property
    def learns_upsampling(self) -> bool:
        """Whether upsampling kernels are parameters, each class's own or dense."""
        return self.learn_upsampling or self.is_deconv

    @property
    def pyramid_channels(self) -> dict[int, int]:
        """Channels of a pyramid's map of each stride, coarsest first; a quarter at stride 2."""
        full, thin = scaled(PYRAMID_CHANNELS, self.width), scaled(THIN_CHANNELS, self.width)
        return {stride: full if stride > 2 else thin for stride in self.tapped}

    @property
    def resizes_scores(self) -> bool:
        """Whether scores are resized to the photo, not placed by the coordinate map."""
        return definition_named(self.backbone).resizes_scores and self.padding == "same"

    @property
    def scales(self) -> dict[int, float]:
        """The constant that each scored map is multiplied with; 1 but for the at-once nets."""
        at_once = AT_ONCE_SCALES if self.head.endswith("atonce") else {}
        return {stride: at_once.get(stride, 1.0) for stride in self.strides}

    @property
    def definition(self) -> Definition:
        """The backbone's definition with this spec's width, dropout and padding."""
        definition = definition_named(self.backbone).widened(self.width)
        if self.dropout is not None:
            definition = definition.with_dropout(self.dropout)
        return definition.padded(self.padding)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetSpec":
        """The inverse of ``to_dict``; UserError for keys that this version does not know."""
        if not isinstance(values, dict):
            raise UserError(f"net: {short_repr(values)} is no table of options", "FC-NET-002")
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise UserError(f"net: unknown option {listed(sorted(unknown))}", "FC-NET-002")
        if lacks := {"name", "classes"} - set(values):
            raise UserError(f"net: no {' and no '.join(sorted(lacks))}", "FC-NET-002")
        return cls(**values)


def _streams(streams: Any) -> tuple[int, ...]:
    """The channels of each stream; UserError for what is no list of a few whole numbers."""
    if not isinstance(streams, list | tuple) or not 1 <= len(streams) <= MOST_STREAMS:
        raise UserError(
            f"streams {short_repr(streams)}: give 1 to {MOST_STREAMS} counts of input channels",
            "FC-NET-002",
        )
    return tuple(whole("streams", channels, 1, MOST_CHANNELS) for channels in streams)


def _check_options(spec: NetSpec) -> None:
    """UserError for an option of the wrong type or range, and for two that contradict."""
    if spec.padding not in PADDINGS:
        raise UserError(
            f"padding {short_repr(spec.padding)} is unknown: use 'same' or 'paper'", "FC-NET-002"
        )
    if not is_number(spec.width) or not 0 < spec.width <= MOST_WIDTH:
        raise UserError(
            f"width {short_repr(spec.width)}: use a number above 0, at most {MOST_WIDTH} (1 is the "
            "paper's)",
            "FC-NET-002",
        )
    if spec.dropout is not None and not (is_number(spec.dropout) and 0 <= spec.dropout < 1):
        raise UserError(
            f"dropout {short_repr(spec.dropout)}: use a rate from 0 to below 1", "FC-NET-002"
        )
    if not isinstance(spec.learn_upsampling, bool):
        raise UserError(
            f"learn_upsampling {short_repr(spec.learn_upsampling)}: use true or false", "FC-NET-002"
        )
    if spec.backbone.startswith(PREFIX):
        spec.definition  # noqa: B018  refuses what timm's nets have no say in
    if spec.learn_upsampling and spec.resizes_scores:
        raise UserError(
            f"{spec.name} resizes its scores to the photo and has no upsampling kernel to learn: "
            "leave out learn_upsampling",
            "FC-NET-003",
        )


def whole(name: str, value: Any, least: int, most: int) -> int:
    """``value`` as an int; UserError unless it is a whole number in that range."""
    if (
        not isinstance(value, Integral)
        or isinstance(value, bool)
        or not least <= int(value) <= most
    ):
        raise UserError(f"{name} {short_repr(value)}: use {least} to {most}", "FC-NET-002")
    return int(value)


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def short_repr(value: Any) -> str:
    """A value of a user's or a file's in a message, cut."""
    return (
        printable(repr(value), 80) if not isinstance(value, Integral) else printable(str(value), 80)
    )
