"""The published nets in PyTorch's form: torchvision's, pytorch-fcn's, EfficientNet-Lite's, timm's.

Names are those of the state dicts (torchvision/models/{vgg,alexnet,googlenet,resnet}.py and
models/segmentation/fcn.py; torchfcn/models/fcn{32s,16s,8s}.py; EfficientNet-PyTorch's model.py;
timm/models/_efficientnet_blocks.py).
"""

from collections.abc import Mapping
from typing import Any

from fullconv.checkpoints.foreign.foreign_arrays import Lineage, Origin, as_convolution
from fullconv.models import CAFFE, TORCH, Preprocessing
from fullconv.models.backbones.alexnet import ALEXNET_OWT
from fullconv.models.backbones.definition import Definition
from fullconv.models.backbones.efficientnet_lite import EFFICIENTNETS_LITE, LITE
from fullconv.models.backbones.googlenet import GOOGLENET_BN
from fullconv.models.backbones.resnet import DILATED_RESNETS, RESNETS
from fullconv.models.backbones.vgg import VGG16
from fullconv.models.preprocessing import HALVES
from fullconv.models.steps import Conv, Inception, InvertedResidual, Pool, Residual

Names = dict[str, str]
"""The name in those files for each of ours."""

LAST = "the classifier's last layer; scores of pixels take its place"
TOP = "1280 channels that the classifier's last layer is made for"
AUXILIARY = "auxiliary classifier, used in training only"
NORM = ("weight", "bias", "running_mean", "running_var")


def _conv(ours: str, theirs: str) -> Names:
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in ("weight", "bias")}


def _conv_norm(ours: str, conv: str, norm: str) -> Names:
    names = {f"{ours}.conv.weight": f"{conv}.weight"}
    return names | {f"{ours}.norm.{kind}": f"{norm}.{kind}" for kind in NORM}


def _numbered(definition: Definition, fc6: int, fc7: int) -> Names:
    """VGG16 and AlexNet: `features.N` counts convolutions, ReLUs and poolings."""
    names: Names = {}
    place = 0
    for step in definition.steps:
        if step.name in ("fc6", "fc7"):
            names |= _conv(step.name, f"classifier.{fc6 if step.name == 'fc6' else fc7}")
        elif isinstance(step, Conv):
            names |= _conv(step.name, f"features.{place}")
            place += 2
        elif isinstance(step, Pool):
            place += 1
    return names


def _googlenet() -> Names:
    names: Names = {}
    branches = {
        "one": "branch1",
        "three_reduce": "branch2.0",
        "three": "branch2.1",
        "five_reduce": "branch3.0",
        "five": "branch3.1",
        "pooled": "branch4.1",
    }
    for step in GOOGLENET_BN.steps:
        if isinstance(step, Conv):
            names |= _conv_norm(step.name, f"{step.name}.conv", f"{step.name}.bn")
        if isinstance(step, Inception):
            for ours, theirs in branches.items():
                at = f"{step.name}.{theirs}"
                names |= _conv_norm(f"{step.name}.{ours}", f"{at}.conv", f"{at}.bn")
    return names


def _resnet(definition: Definition, prefix: str = "") -> Names:
    names = _conv_norm("conv1", f"{prefix}conv1", f"{prefix}bn1")
    channels = 64
    for step in definition.steps:
        if not isinstance(step, Residual):
            continue
        at = prefix + step.name.replace("_", ".")
        for place in range(len(step.windows())):
            theirs = f"{at}.conv{place + 1}", f"{at}.bn{place + 1}"
            names |= _conv_norm(f"{step.name}.convs.{place}", *theirs)
        if step.stride != 1 or channels != step.out_channels(channels):
            names |= _conv_norm(f"{step.name}.shortcut", f"{at}.downsample.0", f"{at}.downsample.1")
        channels = step.out_channels(channels)
    return names


def _efficientnet_lite(definition: Definition) -> Names:
    names = _conv_norm("stem", "_conv_stem", "_bn0")
    blocks = [step for step in definition.steps if isinstance(step, InvertedResidual)]
    for number, step in enumerate(blocks):
        convs = ("_expand_conv", "_depthwise_conv", "_project_conv")
        pairs = list(zip(convs, ("_bn0", "_bn1", "_bn2"), strict=True))
        for index, pair in enumerate(pairs[1:] if step.expansion == 1 else pairs):
            theirs = (f"_blocks.{number}.{name}" for name in pair)
            names |= _conv_norm(f"{step.name}.convs.{index}", *theirs)
    return names


def _timm_lite(definition: Definition) -> Names:
    """timm's tf_efficientnet_lite0 to 4: blocks are counted in each stage of theirs."""
    names = _conv_norm("stem", "conv_stem", "bn1")
    for step in definition.steps:
        if not isinstance(step, InvertedResidual):
            continue
        stage, index = step.name.removeprefix("stage").split("_")
        at = f"blocks.{int(stage) - 1}.{index}"
        convs = (
            ("conv_dw", "conv_pw") if step.expansion == 1 else ("conv_pw", "conv_dw", "conv_pwl")
        )
        for place, conv in enumerate(convs):
            names |= _conv_norm(f"{step.name}.convs.{place}", f"{at}.{conv}", f"{at}.bn{place + 1}")
    return names


def _lineage(title: str, definition: Definition, names: Names, **options: Any) -> Lineage:
    # Not the definition's preprocessing: torchvision's VGG16 is prepared as torch.
    arguments: dict[str, Any] = {"preprocessing": TORCH, "scores": {}, "upscores": ()} | options
    return Lineage(
        title,
        "PyTorch",
        definition.name,
        origins={ours: Origin(theirs, as_convolution) for ours, theirs in names.items()},
        array=lambda layer, kind: f"{layer}.{kind}",
        turn=as_convolution,
        **arguments,
    )


def _classifier(
    title: str,
    definition: Definition,
    names: Names,
    not_needed: Mapping[str, str],
    preprocessing: Preprocessing = TORCH,
) -> Lineage:
    return _lineage(title, definition, names, not_needed=not_needed, preprocessing=preprocessing)


def _torchfcn() -> Lineage:
    layers = [step.name for step in VGG16.steps if isinstance(step, Conv)]
    names = {ours: theirs for layer in layers for ours, theirs in _conv(layer, layer).items()}
    return _lineage(
        "pytorch-fcn's VGG16",
        VGG16,
        names,
        preprocessing=CAFFE,
        scores={32: ("score_fr",), 16: ("score_pool4",), 8: ("score_pool3",)},
        upscores=("upscore", "upscore2", "upscore16", "upscore_pool4", "upscore8"),
    )


def _fcn_resnet(definition: Definition) -> Lineage:
    head = _conv_norm("head", "classifier.0", "classifier.1")
    return _lineage(
        f"torchvision's fcn_{definition.name.removesuffix('_dilated')}",
        definition,
        _resnet(definition, "backbone.") | head,
        scores={8: ("classifier.4",)},
        not_needed={"aux_classifier.": AUXILIARY, "backbone.fc.": LAST},
        padding="same",
    )


LINEAGES = (
    _torchfcn(),
    _classifier("torchvision's VGG16", VGG16, _numbered(VGG16, 0, 3), {"classifier.6.": LAST}),
    _classifier(
        "torchvision's AlexNet",
        ALEXNET_OWT,
        _numbered(ALEXNET_OWT, 1, 4),
        {"classifier.6.": LAST},
    ),
    _classifier(
        "torchvision's GoogLeNet",
        GOOGLENET_BN,
        _googlenet(),
        {"fc.": LAST, "aux1.": AUXILIARY, "aux2.": AUXILIARY},
        HALVES,  # published with transform_input
    ),
    *(
        _classifier(f"torchvision's {net.name}", net, _resnet(net), {"fc.": LAST})
        for net in RESNETS
        if net.coarsest == 32  # those that torchvision has
    ),
    *(_fcn_resnet(net) for net in DILATED_RESNETS),
    *(
        _classifier(
            f"EfficientNet-Lite{net.name[-1]}",
            net,
            _efficientnet_lite(net),
            {"_conv_head.": TOP, "_bn1.": TOP, "_fc.": LAST},
            LITE,
        )
        for net in EFFICIENTNETS_LITE
    ),
    *(
        _classifier(
            f"timm's EfficientNet-Lite{net.name[-1]}",
            net,
            _timm_lite(net),
            {"conv_head.": TOP, "bn2.": TOP, "classifier.": LAST},
            HALVES,  # (x - 127.5) / 127.5, where TensorFlow's has 127 and 128
        )
        for net in EFFICIENTNETS_LITE
    ),
)
