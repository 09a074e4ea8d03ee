"""Chainer's .npz: a chain, a chain inside a Classifier, or the trainer's whole snapshot.

`chainer.serializers.save_npz` names an array by its way through the object: `conv1_1/W`,
`predictor/conv1_1/W` or `updater/model:main/predictor/conv1_1/W`. The layers' names are those of
wkentaro/fcn (fcn/models) and of chainer.links.VGG16Layers, which are one: VGG16's own.
"""

import re
from collections.abc import Iterable
from math import prod
from pathlib import Path

from fullconv.errors import UserError
from fullconv.nets import BACKBONES, CAFFE
from fullconv.nets.steps import Conv
from fullconv.weights.foreign import Array, ForeignFile, Lineage, Origin, Shape, as_convolution
from fullconv.weights.npz import TOTAL, Header, Npz, open_npz

LAYERS = tuple(step.name for step in BACKBONES["vgg16"].steps if isinstance(step, Conv))
SCORES = {32: ("score_fr", "score"), 16: ("score_pool4",), 8: ("score_pool3",)}
# The deconvolutions and the kernels that belong to them (wkentaro/fcn, FCN32s, FCN16s, FCN8s).
KERNELS = {"upscore": 64, "upscore2": 4, "upscore_pool4": 4, "upscore16": 32, "upscore8": 16}
LARGEST = max(KERNELS.values())  # larger than any convolution's, too
ANCHOR = "conv1_1/W"  # where this is, there is the net
OTHERS = {"conv3_4/W": "holds a VGG19, which has no place here; only VGG16 is known"}


def array_name(layer: str, kind: str) -> str:
    """Chainer's name of a layer's 'weight' or 'bias'."""
    return f"{layer}/{'W' if kind == 'weight' else 'b'}"


def _same(array: Array, shape: Shape) -> Array:
    if array.shape != shape:
        raise ValueError(f"{array.shape} there, {shape} here")
    return array


def _matrix(array: Array, shape: Shape) -> Array:
    """The matrix of a Linear, whose columns run over C, H, W, as a convolution."""
    return _same(array, (shape[0], prod(shape[1:]))).reshape(shape)


def _origins(is_classifier: bool) -> dict[str, Origin]:
    """Where the backbone's arrays come from; fc6 tells the classifier from the FCN."""
    found = {}
    for layer in LAYERS:
        turn = _matrix if is_classifier and layer == "fc6" else _same
        turn = as_convolution if layer == "fc7" else turn
        found[f"{layer}.weight"] = Origin(array_name(layer, "weight"), turn)
        found[f"{layer}.bias"] = Origin(array_name(layer, "bias"), _same)
    return found


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
LINEAGES = (FCN_VGG16, VGG16_LAYERS)
NEEDED = {origin.name for origin in FCN_VGG16.origins.values()}


def looks_like(path: Path, head: bytes) -> bool:
    """Whether the file is a zip that begins with a .npy (torch's begins with a pickle)."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def read(path: Path) -> ForeignFile:
    """The net's arrays, named as in its chain; UserError when there is none, or more than one."""
    with open_npz(path) as file:
        prefix = find_prefix(path, file.names)
        left_out: dict[str, str] = {}
        wanted: list[str] = []
        for name in (n for n in file.names if n.startswith(prefix)):
            why = _unusable(path, name, name.removeprefix(prefix), file.header(name))
            if why:
                left_out[name] = why
            else:
                wanted.append(name)
        _refuse_large(path, file, wanted)
        arrays = {name.removeprefix(prefix): file.array(name) for name in wanted}
    for layer in KERNELS:
        bias = arrays.pop(array_name(layer, "bias"), None)
        if bias is not None:
            left_out[prefix + array_name(layer, "bias")] = _bias_reason(bias)
    left_out |= {n: _beside(n) for n in file.names if not n.startswith(prefix)}
    # Such a net has no pad of 100: its score map is 1x1, which is then enlarged as a whole.
    is_unpadded = any(why.endswith(ONE_SIZE) for why in left_out.values())
    return ForeignFile(path, "Chainer", arrays, left_out, padding="same" if is_unpadded else None)


def find_prefix(path: Path, names: Iterable[str]) -> str:
    """What stands before the names of the net's layers: '', 'predictor/', 'updater/...'."""
    names = list(names)
    found = [n.removesuffix(ANCHOR) for n in names if f"/{n}".endswith(f"/{ANCHOR}")]
    if not found:
        held = ", ".join(names[:4]) or "nothing"
        raise UserError(
            f"{path}: an .npz without a net that is known (no {ANCHOR}); its arrays are {held}, ..."
        )
    if len(found) > 1:
        raise UserError(
            f"{path}: holds {len(found)} nets ({', '.join(p or 'the chain' for p in found)}); save "
            "the one that you want by itself, with chainer.serializers.save_npz"
        )
    prefix = found[0]
    _refuse_scattered(path, names, prefix)
    return prefix


def _refuse_scattered(path: Path, names: Iterable[str], prefix: str) -> None:
    """A net whose body is a chain of its own has a second fc6 or its scores elsewhere."""
    layers = (*LAYERS, *(names[0] for names in SCORES.values()))
    known = tuple(f"/{array_name(layer, 'weight')}" for layer in layers)
    for name in names:
        if not name.startswith(prefix) and f"/{name}".endswith(known):
            raise UserError(
                f"{path}: {name} lies outside {prefix}, where the net is; nets whose body is a "
                "chain of its own are not known"
            )


def _beside(name: str) -> str:
    """Why an array outside the net has no place here."""
    if name.startswith("updater/optimizer"):
        return "the optimiser's state"
    return "the trainer's state" if "/" in name or name.startswith("_") else "outside the net"


DIFFERS = "upsampling here is bilinear, so scores will differ"
ONE_SIZE = f"deconvolution, which makes pictures of one size only; {DIFFERS}"


def _unusable(path: Path, name: str, short: str, header: Header) -> str | None:
    """Why an array of the net is left out, by its header alone; UserError for a pickle."""
    shape = header.shape
    if header.is_object:
        if shape:
            raise UserError(
                f"{path}: {name} is an object array, a pickle, which can run code and is not read"
            )
        if short in NEEDED:
            raise UserError(
                f"{path}: {name} was never initialised (None) in Chainer; save the net after its "
                "first photo"
            )
        return "a Python object (None: never initialised), which is not opened"
    if not header.is_float:
        return f"no weights, but {header.kind}"
    if 0 in shape:
        return "empty"
    layer = re.split("[/.]", short)[0]
    if len(shape) == 4 and shape[2] == shape[3]:
        return _deconvolution_reason(layer, shape[3])
    if layer in KERNELS and short != array_name(layer, "bias"):
        return f"no deconvolution, with shape {shape}"
    return None


def _deconvolution_reason(layer: str, size: int) -> str | None:
    """Why a kernel of ``size`` x ``size`` is none that belongs to the net."""
    if size > LARGEST:
        return f"a {size}x{size} {ONE_SIZE}"
    if size != KERNELS.get(layer, size):
        return f"a {size}x{size} deconvolution, not {KERNELS[layer]}x{KERNELS[layer]}; {DIFFERS}"
    return None


def _refuse_large(path: Path, file: Npz, wanted: Iterable[str]) -> None:
    size = file.size(wanted)
    if size > TOTAL:
        raise UserError(
            f"{path}: its net declares {size / 1e9:.1f} GB, more than any known one; it is damaged "
            "or made to fill the memory"
        )


def _bias_reason(bias: Array) -> str:
    if not bias.any():
        return "a deconvolution's bias, all zero"
    return (
        f"a deconvolution's bias (up to {abs(bias).max():.2g}), which upsampling here does not "
        "have; scores will differ"
    )
