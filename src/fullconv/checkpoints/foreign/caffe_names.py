"""The published Caffe nets: which of their arrays is which of ours.

Names of the classifiers: BVLC/caffe, models/*/deploy.prototxt, and the VGG team's
VGG_ILSVRC_16_layers; of the FCNs: shelhamer/fcn.berkeleyvision.org, */net.py. The reference has no
FCN-GoogLeNet; its score layer is expected by the name of the other nets'.

What the reference's nets were trained on: their classes, and the means of their photos, which are
those of the data layers in shelhamer/fcn.berkeleyvision.org (voc_layers.py, nyud_layers.py, ...).
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fullconv.checkpoints.foreign.foreign_arrays import Lineage, Origin, as_convolution
from fullconv.classes import VOC, ClassSet
from fullconv.classes.lists import class_list
from fullconv.modalities import COLOR
from fullconv.models import BACKBONES, CAFFE, Preprocessing
from fullconv.models.steps import Conv, Inception

# Our module of an inception step: Caffe's layer of it.
BRANCHES = {
    "one": "1x1",
    "three_reduce": "3x3_reduce",
    "three": "3x3",
    "five_reduce": "5x5_reduce",
    "five": "5x5",
    "pooled": "pool_proj",
}
IMAGENET = "scores ImageNet's 1000 classes; the score layers here take its place"
AUXILIARY = "an auxiliary classifier of the training, which the FCN drops"
CONSTANT = "the constant that a skip is scaled with, part of the at-once net here"
SKIPS = {16: ("score_pool4",), 8: ("score_pool3",)}
UPSCORES = ("upscore", "upscore2", "upscore16", "upscore_pool4", "upscore8")


def array(layer: str, kind: str) -> str:
    """The name of a layer's array: LAYER.weight or LAYER.bias."""
    return f"{layer}.{kind}"


def layers(backbone: str) -> dict[str, str]:
    """Our modules with weights, and the name of each in Caffe's nets."""
    names: dict[str, str] = {}
    for step in BACKBONES[backbone].steps:
        if isinstance(step, Conv):  # a GoogLeNet layer is conv1/7x7_s2, which no module may be
            theirs = step.name.replace("_", "/", 1) if backbone == "googlenet" else step.name
            names[step.name] = theirs
        elif isinstance(step, Inception):
            names |= {f"{step.name}.{ours}": f"{step.name}/{t}" for ours, t in BRANCHES.items()}
    return names


def origins(backbone: str, renamed: Mapping[str, str] | None = None) -> dict[str, Origin]:
    """The source of every array of ``backbone``; ``renamed`` has layers with another name there."""
    return {
        f"{ours}.{kind}": Origin(array((renamed or {}).get(theirs, theirs), kind), as_convolution)
        for ours, theirs in layers(backbone).items()
        for kind in ("weight", "bias")
    }


def side_by_side(backbone: str, endings: tuple[str, ...]) -> dict[str, Origin]:
    """The same for a net of several streams, whose layers end as each stream's do."""
    sources: dict[str, Origin] = {}
    for number, ending in enumerate(endings):
        renamed = {theirs: theirs + ending for theirs in layers(backbone).values()}
        sources |= {f"{number}.{ours}": o for ours, o in origins(backbone, renamed).items()}
    return sources


def _lineage(
    title: str,
    backbone: str,
    not_needed: Mapping[str, str],
    skips: Mapping[int, tuple[str, ...]],
    order: tuple[str, ...] = (),
) -> Lineage:
    return Lineage(
        title=title,
        format="Caffe",
        backbone=backbone,
        preprocessing=BACKBONES[backbone].preprocessing,
        origins=origins(backbone),
        scores={32: ("score_fr",), **skips},
        upscores=UPSCORES,
        array=array,
        turn=as_convolution,
        not_needed=not_needed,
        order=order,
        outputs={"semantic": "_sem", "geometric": "_geo"},  # SIFT Flow
    )


_VGG16 = _lineage(
    "VGG16 (Caffe)",
    "vgg16",
    {"fc8.": IMAGENET, "scale_pool4.": CONSTANT, "scale_pool3.": CONSTANT},
    SKIPS,
)
_STREAMS = ("color", "hha")

LINEAGES = (
    _VGG16,
    replace(
        _VGG16,
        title="VGG16 of colour and depth (Caffe)",
        inputs=("color+depth",),
        origins=origins("vgg16", {"conv1_1": "conv1_1_bgrd"}),
    ),
    replace(
        _VGG16,
        title="VGG16 of colour, VGG16 of HHA (Caffe)",
        inputs=("color", "hha"),
        streams=_STREAMS,
        origins=side_by_side("vgg16", _STREAMS),
    ),
    _lineage("CaffeNet (Caffe)", "caffenet", {"fc8.": IMAGENET}, {}, ("pool1", "norm1")),
    _lineage("AlexNet (Caffe)", "alexnet", {"fc8.": IMAGENET}, {}, ("norm1", "pool1")),
    _lineage(
        "GoogLeNet (Caffe)",
        "googlenet",
        {"loss1/": AUXILIARY, "loss2/": AUXILIARY, "loss3/": IMAGENET},
        {},
    ),
)


@dataclass(frozen=True)
class TrainedOn:
    """A data set as an FCN has learnt it.

    ``preprocessing`` is that of the reference's Caffe nets, for the inputs that it names and more;
    ``output`` the one of several outputs that has these classes; ``hint`` a word of the file's own
    about its data that must be there.
    """

    title: str
    classes: ClassSet
    preprocessing: Preprocessing = CAFFE
    output: str = ""
    hint: str = ""


def _mean(*bgr: float) -> Preprocessing:
    return replace(CAFFE, mean=bgr)


@functools.cache  # the lists are files: a training that starts from none of them reads none
def data_sets() -> tuple[TrainedOn, ...]:
    """The data that the nets of the reference were trained on."""
    sift = _mean(114.578, 115.294, 108.353)
    # HHA is read as it lies in the file: the reference does not swap its channels.
    hha = replace(CAFFE, order="RGB", mean=(132.431, 94.076, 118.477), inputs=("hha",))
    context, nyud = class_list("pascal-context-59"), class_list("nyud-40")
    semantic, geometric = class_list("sift-flow"), class_list("sift-flow-geometric")
    return (
        TrainedOn("PASCAL VOC", VOC),
        TrainedOn("PASCAL-Context", context, _mean(104.007, 116.669, 122.679)),
        TrainedOn("SIFT Flow, semantic classes", semantic, sift, output="semantic"),
        TrainedOn("SIFT Flow, geometric classes", geometric, sift, output="geometric"),
        TrainedOn("NYUDv2, HHA", nyud, hha, hint="'hha'"),
        TrainedOn("NYUDv2, colour", nyud, _mean(116.190, 97.203, 92.318)),
    )


def known_data(count: int, output: str, words: str, inputs: Sequence[str]) -> TrainedOn | None:
    """The data set of ``count`` classes; ``words`` are the file's own about its data.

    ``inputs`` are the kinds that the net sees: those that the known preprocessing has not are
    prepared as usual (`Preprocessing.of_inputs`).
    """
    for known in data_sets():
        hinted = known.hint in words and (not known.hint or len(inputs) == 1)
        if len(known.classes) == count and known.output == output and hinted:
            if inputs == (COLOR,):  # as a file is taken that does not say what it sees
                return known
            return replace(known, preprocessing=known.preprocessing.of_inputs(inputs))
    return None
