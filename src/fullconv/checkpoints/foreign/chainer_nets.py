"""The nets in Chainer's form that are known: the names and the origins of their arrays.

wkentaro/fcn (fcn/models) and chainer.links.VGG16Layers name their layers as one: VGG16's own. Two
ports score pool3, pool4 and pool5 and mix the classes in deconvolutions; one has VGG16 as a chain.
"""

from collections.abc import Mapping
from math import prod

from fullconv.checkpoints.foreign.foreign_arrays import (
    Array,
    Lineage,
    Origin,
    Shape,
    as_convolution,
    unchanged,
)
from fullconv.models import BACKBONES, CAFFE, Preprocessing
from fullconv.models.steps import Conv

CONVOLUTIONS, LAYERS = (
    tuple(step.name for step in BACKBONES[name].steps if isinstance(step, Conv))
    for name in ("vgg16_convs", "vgg16")
)
SCORES = {32: ("score_fr", "score"), 16: ("score_pool4",), 8: ("score_pool3",)}
# The deconvolutions and the kernels that belong to them (wkentaro/fcn, FCN32s, FCN16s, FCN8s).
KERNELS = {"upscore": 64, "upscore2": 4, "upscore_pool4": 4, "upscore16": 32, "upscore8": 16}
OTHERS = {
    "conv3_4/W": "holds a VGG19, which has no place here; only VGG16 is known",
    "norm3/gamma": "has batch norms behind VGG16's blocks, as no net here has",
}

# The two ports that score pool5 and mix the classes (k3nt0w/chainer_fcn, model.py; the MyFcn of
# seiya-kumada's articles): their layers by the stride of the score.
POOL_SCORES = {32: "pool5", 16: "pool4", 8: "pool3"}
POOL_KERNELS = {32: "upsample5", 16: "upsample4", 8: "upsample"}
MYFCN_SCORES = {32: "score_pool5", 16: "score_pool4", 8: "score_pool3"}
MYFCN_KERNELS = {32: "upsample_pool5", 16: "upsample_pool4", 8: "upsample_final"}
BODY = "vgg16/"  # in k3nt0w's last version VGG16 is a chain of its own
HEADS = (*POOL_SCORES.values(), *POOL_KERNELS.values())
PLAIN = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def array_name(layer: str, kind: str) -> str:
    """Chainer's name of a layer's 'weight' or 'bias'."""
    return f"{layer}/{'W' if kind == 'weight' else 'b'}"


def _matrix(array: Array, shape: Shape) -> Array:
    """The matrix of a Linear, whose columns run over C, H, W, as a convolution."""
    return unchanged(array, (shape[0], prod(shape[1:]))).reshape(shape)


def _origins(is_classifier: bool) -> dict[str, Origin]:
    """Where the backbone's arrays come from; fc6 tells the classifier from the FCN."""
    origins = {}
    for layer in LAYERS:
        turn = _matrix if is_classifier and layer == "fc6" else unchanged
        turn = as_convolution if layer == "fc7" else turn
        origins[f"{layer}.weight"] = Origin(array_name(layer, "weight"), turn)
        origins[f"{layer}.bias"] = Origin(array_name(layer, "bias"), unchanged)
    return origins


def _convolutions(body: str = "") -> dict[str, Origin]:
    """Where the arrays of VGG16 up to pool5 come from; ``body`` stands before its layers."""
    return {
        f"{layer}.{kind}": Origin(body + array_name(layer, kind), unchanged)
        for layer in CONVOLUTIONS
        for kind in ("weight", "bias")
    }


FCN_VGG16 = Lineage(
    title="the FCN of wkentaro/fcn (VGG16)",
    format="Chainer",
    backbone="vgg16",
    preprocessing=CAFFE,
    origins=_origins(is_classifier=False),
    scores=SCORES,
    upscores=tuple(KERNELS),
    array=array_name,
    turn=as_convolution,
    unsupported=OTHERS,
)
VGG16_LAYERS = Lineage(
    title="the classifier VGG16 (chainer.links.VGG16Layers)",
    format="Chainer",
    backbone="vgg16",
    preprocessing=CAFFE,
    origins=_origins(is_classifier=True),
    scores={},
    upscores=(),
    array=array_name,
    turn=as_convolution,
    not_needed={"fc8/": "the classifier's own scores; new ones start at zero"},
    unsupported=OTHERS,
)
VGG16_CONVOLUTIONS = Lineage(
    title="the convolutions of VGG16 (vgg16.model of k3nt0w/chainer_fcn)",
    format="Chainer",
    backbone="vgg16_convs",
    preprocessing=CAFFE,  # copied from Caffe's VGG16
    origins=_convolutions(),
    scores={},
    upscores=(),
    array=array_name,
    turn=unchanged,
    unsupported=OTHERS,
    is_part=True,
)


def _deconvolved(
    title: str, scores: Mapping[int, str], kernels: Mapping[int, str], warning: str, body: str = ""
) -> Lineage:
    layers = (*scores.values(), *kernels.values())
    return Lineage(
        title=title,
        format="Chainer",
        backbone="vgg16_convs",
        preprocessing=PLAIN,
        origins=_convolutions(body),
        scores={stride: (layer,) for stride, layer in scores.items()},
        upscores=(),
        array=array_name,
        turn=unchanged,
        unsupported=OTHERS,
        padding="same",
        required=tuple(array_name(n, kind) for n in layers for kind in ("weight", "bias")),
        deconvolutions=kernels,
        warning=warning,
    )


_K3NT0W = "the FCN of k3nt0w/chainer_fcn (VGG16's convolutions)"
_NO_MEAN = (
    "its photos are taken as RGB in 0..255 without a mean, as k3nt0w/chainer_fcn (preprocess.py) "
    "trains; a net that was trained on others needs others"
)
_UNSAID = (
    "the file does not say how its photos were prepared: they are taken as RGB in 0..255 without a "
    "mean; a net that was trained on others, as BGR by OpenCV, needs others"
)
LINEAGES = (
    FCN_VGG16,
    VGG16_LAYERS,
    VGG16_CONVOLUTIONS,
    _deconvolved(_K3NT0W, POOL_SCORES, POOL_KERNELS, _NO_MEAN, BODY),
    _deconvolved(f"{_K3NT0W}, its first version", POOL_SCORES, POOL_KERNELS, _NO_MEAN),
    _deconvolved("the MyFcn of seiya-kumada", MYFCN_SCORES, MYFCN_KERNELS, _UNSAID),
)
NEEDED = {
    name
    for lineage in LINEAGES
    for name in (*(origin.name for origin in lineage.origins.values()), *lineage.required)
}
