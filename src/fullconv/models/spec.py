"""The name and the options that decide a net; what a checkpoint stores of its structure."""

import difflib
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from fullconv.errors import UserError
from fullconv.models.backbones.alexnet_owt import ALEXNET_OWT
from fullconv.models.backbones.caffenet import ALEXNET, CAFFENET
from fullconv.models.backbones.definition import Definition, Padding
from fullconv.models.backbones.efficientnet_lite import EFFICIENTNETS_LITE
from fullconv.models.backbones.googlenet import GOOGLENET, GOOGLENET_BN
from fullconv.models.backbones.resnet import DILATED_RESNETS, RESNETS
from fullconv.models.backbones.third_party import PREFIX, definition_of
from fullconv.models.backbones.vgg import VGG16, VGG16_CONVS
from fullconv.models.fpn import CHANNELS
from fullconv.models.layers import scaled

BACKBONES: dict[str, Definition] = {
    d.name: d
    for d in (
        CAFFENET,
        ALEXNET,
        ALEXNET_OWT,
        VGG16,
        VGG16_CONVS,
        GOOGLENET,
        GOOGLENET_BN,
        *RESNETS,
        *EFFICIENTNETS_LITE,
        *DILATED_RESNETS,
    )
}
HEADS = (
    *("fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce", "fcn4s", "fcn2s", "fpn8s", "fpn4s"),
    "fcn8s-deconv",
)
# The backbones of the ports with dense deconvolutions. Their maps lie centred on one another, so
# that kernel 2f, stride f and pad f/2, which those have, bring them together.
DECONVOLVED = ("vgg16_convs",)

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
        object.__setattr__(self, "streams", tuple(self.streams))
        self._parts()  # refuses an unknown name
        if self.padding not in ("same", "paper", "none"):
            raise UserError(f"padding {self.padding!r} is unknown: use 'same' or 'paper'")
        if self.backbone.startswith(PREFIX):
            self.definition  # noqa: B018  refuses what timm's nets have no say in
        if not 1 <= self.classes <= 65535:
            raise UserError(f"{self.classes} classes: a net needs 1 to 65535")
        if not self.streams or min(self.streams) < 1:
            raise UserError(f"streams {self.streams}: each needs at least 1 input channel")
        if not 0 < self.width <= 8:
            raise UserError(
                f"width {self.width}: use a number above 0, at most 8 (1 is the paper's)"
            )
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UserError(f"dropout {self.dropout}: use a rate from 0 to below 1")
        if self.learn_upsampling and self.stretches:
            raise UserError(
                f"{self.name} stretches its scores over the photo and has no upsampling kernel "
                "that could learn: leave out learn_upsampling"
            )

    @property
    def head(self) -> str:
        """What stands before the backbone in its name, one of ``HEADS``."""
        return self._parts()[0]

    @property
    def backbone(self) -> str:
        """The backbone's name, as `vgg16`."""
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        match = re.fullmatch(r"(f[cp]n\d+s(?:-atonce|-deconv)?)-(\w+(?:\.\w+)*)", self.name)
        if match and match[2].startswith(PREFIX):
            return _timm_head(*match.groups()), match[2]
        if match and match[2] in BACKBONES and match[1] in heads(BACKBONES[match[2]]):
            return match[1], match[2]
        near = difflib.get_close_matches(self.name, available(), n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "it is HEAD-BACKBONE, as fcn8s-vgg16"
        raise UserError(f"no net is called {self.name!r}: {hint} ('fullconv nets' lists all)")

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
        return _strides(self.head, definition_named(self.backbone))

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
    def pyramid_channels(self) -> int:
        """Channels of a pyramid's maps."""
        return scaled(CHANNELS, self.width)

    @property
    def stretches(self) -> bool:
        """Whether scores are stretched over the photo, not placed by the coordinate map."""
        return definition_named(self.backbone).stretches and self.padding == "same"

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
        if "in_channels" in values:  # as files of before version 0.4 have it
            values = {**values, "streams": (values["in_channels"],)}
            del values["in_channels"]
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise UserError(f"net: unknown option {', '.join(sorted(unknown))}")
        try:
            return cls(**values)
        except TypeError as error:
            raise UserError(f"net: {error}") from error


def definition_named(backbone: str) -> Definition:
    """The definition of a backbone's name; UserError for one of timm's that cannot be had."""
    return definition_of(backbone) if backbone.startswith(PREFIX) else BACKBONES[backbone]


def _timm_head(head: str, backbone: str) -> str:
    """``head``, or UserError where that backbone of timm has no maps for it."""
    possible = heads(definition_of(backbone))
    if head not in possible:
        raise UserError(f"{backbone} has no head {head!r}; it has {', '.join(possible)}")
    return head


def heads(definition: Definition) -> list[str]:
    """The heads that a backbone can have: their last stride must be one of its maps.

    A net of one stride of its own (14 or 16 of the vision transformers) is scored at that.

    At once are the nets that score several maps; a dilated ResNet has but one. A pyramid needs
    several too, and is normalised, so it stands on backbones that are.
    """
    return [
        head
        for head in dict.fromkeys((*HEADS, f"fcn{definition.coarsest}s"))
        if (strides := _strides(head, definition))
        and int(re.findall(r"\d+", head)[0]) == strides[-1]
        and (len(strides) > 1 or not head.endswith("atonce"))
        and (_carries_pyramid(definition, strides) or not head.startswith("fpn"))
        and (definition.name in DECONVOLVED or not head.endswith("deconv"))
    ]


def _carries_pyramid(definition: Definition, strides: tuple[int, ...]) -> bool:
    return len(strides) > 1 and definition.is_normalised


def _strides(head: str, definition: Definition) -> tuple[int, ...]:
    """The strides of ``definition`` that ``head`` scores, from the coarsest."""
    last = int(re.findall(r"\d+", head)[0])
    return tuple(sorted((s for s in definition.taps if s >= last), reverse=True))


def coarsest_net(backbone: str) -> str:
    """The name of the net that scores only the coarsest map of ``backbone``."""
    return f"fcn{definition_named(backbone).coarsest}s-{backbone}"


def available() -> list[str]:
    """The names of all nets: on every backbone the heads that it can have."""
    return [f"{head}-{name}" for name, backbone in BACKBONES.items() for head in heads(backbone)]
