"""What Tab offers for nets, recipes and published weights, known without loading torch.

Completion answers while somebody types, and loading a net takes seconds. So the names of the nets
stand here a second time; a test holds them equal to ``fullconv.models.available()``.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from fullconv.inference.engines import names
from fullconv.recipes import recipe_names

_PACKAGE = Path(__file__).parents[1]
_HEADS = ("fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce", "fcn4s")
_BACKBONES = (
    *("caffenet", "alexnet", "alexnet_owt", "vgg16", "vgg16_convs", "googlenet", "googlenet_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101"),
    *(f"efficientnet_lite{number}" for number in range(5)),
)
# With a map of stride 2.
_FINEST = ("vgg16", "vgg16_convs", *_BACKBONES[7:])
_PYRAMIDS = ("fpn8s", "fpn4s")
_NORMALISED = ("googlenet_bn", *_BACKBONES[7:])
NETS = (
    *(
        f"{head}-{backbone}"
        for backbone in _BACKBONES
        for head in (
            *_HEADS,
            *(("fcn2s",) if backbone in _FINEST else ()),
            *(_PYRAMIDS if backbone in _NORMALISED else ()),
            *(("fcn8s-deconv",) if backbone == "vgg16_convs" else ()),
        )
    ),
    *("fcn8s-resnet50_dilated", "fcn8s-resnet101_dilated"),
)


def nets(incomplete: str) -> list[str]:
    """The nets that begin so; of several with commas between, the last one."""
    before, comma, _ = incomplete.rpartition(",")
    return _beginning((f"{before}{comma}{net}" for net in NETS), incomplete)


def recipes(incomplete: str) -> list[str]:
    """The recipes that begin so."""
    return _beginning(recipe_names(), incomplete)


def weights(incomplete: str) -> list[str]:
    """The published weights that begin so."""
    text = (_PACKAGE / "checkpoints" / "registry.toml").read_text("utf-8")
    return _beginning((name for name in tomllib.loads(text) if name != "preprocessing"), incomplete)


def engines(incomplete: str) -> list[str]:
    """What --engine takes that begins so."""
    return _beginning(names(), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
