"""Writes the Caffe form of a net: prototxt and caffemodel, from the project's description of it.

Names and structure are those of the reference repository's net.py files (shelhamer/
fcn.berkeleyvision.org) and of BVLC/caffe's models; weights are random. Offsets of the crops come
from the geometry. For tests only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from caffe_schema import MESSAGE
from fullconv.geometry import tent
from fullconv.models import NetSpec
from fullconv.models.analysis.explain import crops
from fullconv.models.steps import LRN, Conv, Dropout, Inception, Pool, Step

Array = np.ndarray[Any, np.dtype[np.float32]]
DATA = {"data": 3}
V1_TYPES = {
    "Concat": 3, "Convolution": 4, "Dropout": 6, "InnerProduct": 14, "LRN": 15, "Pooling": 17,
    "ReLU": 18, "Softmax": 20, "Deconvolution": 39, "Eltwise": 25,
}  # fmt: skip


@dataclass
class Layer:
    """A layer as a prototxt has it; ``options`` is its text between the braces."""

    name: str
    type: str
    bottoms: list[str]
    top: str
    options: str = ""
    blobs: list[Array] = field(default_factory=list)


@dataclass
class Writer:
    """Layers one after the other; ``here`` is the blob that the last one made.

    He-initialised, so that activations keep the size of the photo's values: LRN then matters.
    """

    seed: int = 0
    layers: list[Layer] = field(default_factory=list)
    here: str = "data"
    channels: dict[str, int] = field(default_factory=lambda: {"data": 3})

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def normal(self, *shape: int, std: float) -> Array:
        return self.random.standard_normal(shape, np.float32) * np.float32(std)

    def add(self, name: str, type: str, options: str = "", bottoms: Sequence[str] = (),
            top: str = "", blobs: Sequence[Array] = (), channels: int = 0) -> None:  # fmt: skip
        bottoms = list(bottoms) or [self.here]
        top = top or name
        self.layers.append(Layer(name, type, bottoms, top, options, list(blobs)))
        self.channels[top] = channels or self.channels[bottoms[0]]
        self.here = top

    def conv(self, name: str, out: int, kernel: int, stride: int = 1, pad: int = 0, groups: int = 1,
             relu: bool = True, gain: float = 1.0, bottom: str = "") -> None:  # fmt: skip
        inputs = self.channels[bottom or self.here] // groups
        std = gain * (2 / (inputs * kernel**2)) ** 0.5
        blobs = [self.normal(out, inputs, kernel, kernel, std=std), self.normal(out, std=5)]
        self.add(
            name, "Convolution",
            f"convolution_param {{ num_output: {out} pad: {pad} kernel_size: {kernel} "
            f"group: {groups} stride: {stride} }}",
            [bottom] if bottom else [], blobs=blobs, channels=out,
        )  # fmt: skip
        if relu:
            self.add(f"relu_{name}", "ReLU", top=name)

    def pool(self, name: str, kernel: int, stride: int, pad: int = 0) -> None:
        options = f"pool: MAX kernel_size: {kernel} stride: {stride} pad: {pad}"
        self.add(name, "Pooling", f"pooling_param {{ {options} }}")


def fcn(spec: NetSpec, seed: int = 0, outputs: Mapping[str, int] | None = None) -> list[Layer]:
    """The layers of an FCN of the reference in its form: pad 100, deconvolutions, crops.

    ``outputs`` has the classes of each output by the ending of its layers' names, for SIFT Flow.
    A net of four channels has the first layer of nyud-fcn32s-color-d.
    """
    assert spec.padding == "paper"
    writer = Writer(seed, channels={"data": spec.in_channels})
    taps = _backbone(writer, spec, fully=False)
    if spec.in_channels == 4:
        writer.layers[0].name = "conv1_1_bgrd"
    for ending, classes in (outputs or {"": spec.classes}).items():
        _head(writer, spec, taps, classes, ending)
    return writer.layers


def late_fusion(spec: NetSpec, streams: Sequence[str] = ("color", "hha")) -> list[Layer]:
    """nyud-fcn32s-color-hha: a net for each stream up to its score; half of each is upsampled."""
    one = replace(spec, streams=(3,))
    found: list[Layer] = []
    for seed, stream in enumerate(streams):
        for layer in fcn(one, seed):
            if layer.type in ("Deconvolution", "Crop"):
                continue
            bottoms = [stream if b == "data" else b + stream for b in layer.bottoms]
            found.append(replace(layer, name=layer.name + stream, bottoms=bottoms,
                                 top=layer.top + stream))  # fmt: skip
    fused = "eltwise_param { operation: SUM coeff: 0.5 coeff: 0.5 }"
    found.append(Layer("score_fused", "Eltwise", [f"score_fr{s}" for s in streams], "score_fused",
                       fused))  # fmt: skip
    upscore, crop = fcn(one)[-2:]
    found.append(replace(upscore, bottoms=["score_fused"]))
    found.append(replace(crop, bottoms=[upscore.top, streams[0]]))
    return found


def classifier(spec: NetSpec, seed: int = 0, classes: int = 10) -> list[Layer]:
    """The layers of the classifier that the backbone was: fully connected at the end."""
    writer = Writer(seed)
    _backbone(writer, spec, fully=True)
    if spec.backbone == "googlenet":
        for name in ("loss1", "loss2"):
            inputs = writer.channels["inception_4a/output"]
            _connect(writer, f"{name}/fc", inputs, 16, "inception_4a/output")
            _connect(writer, f"{name}/classifier", 16, classes, f"{name}/fc")
        _connect(writer, "loss3/classifier", writer.channels["inception_5b/output"], classes)
    else:
        _connect(writer, "fc8", writer.channels["fc7"], classes)
    writer.add("prob", "Softmax")
    return writer.layers


def _backbone(writer: Writer, spec: NetSpec, fully: bool) -> dict[int, str]:
    """The blob that is scored at each stride. ``fully``: fc6 and fc7 as matrices."""
    taps: dict[int, str] = {}
    stride_of = {step: stride for stride, step in spec.definition.taps.items()}
    for step in spec.definition.steps:
        if fully and step.name in ("fc6", "fc7"):
            assert isinstance(step, Conv)
            inputs = writer.channels[writer.here] * step.window.kernel**2
            _connect(writer, step.name, inputs, step.out_channels(0))
        else:
            _step(writer, step, spec.backbone)
        if step.name in stride_of:
            taps[stride_of[step.name]] = writer.here
    return taps


def _connect(writer: Writer, name: str, inputs: int, out: int, bottom: str = "") -> None:
    blobs = [writer.normal(out, inputs, std=(2 / inputs) ** 0.5), writer.normal(out, std=5)]
    options = f"inner_product_param {{ num_output: {out} }}"
    writer.add(name, "InnerProduct", options, [bottom] if bottom else [], "", blobs, out)


def _step(writer: Writer, step: Step, backbone: str) -> None:
    name = step.name.replace("_", "/", 1) if backbone == "googlenet" else step.name
    if isinstance(step, Conv):
        w = step.window
        writer.conv(name, step.out_channels(0), w.kernel, w.stride, w.pad, w.groups)
    elif isinstance(step, Pool):
        writer.pool(name, step.window.kernel, step.window.stride, step.window.pad)
    elif isinstance(step, LRN):
        writer.add(name, "LRN", "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")
    elif isinstance(step, Dropout):
        options = f"dropout_param {{ dropout_ratio: {step.rate} }}"
        writer.add(name, "Dropout", options, top=writer.here)
    elif isinstance(step, Inception):
        _inception(writer, step)
    else:
        raise TypeError(step)


def _inception(writer: Writer, step: Inception) -> None:
    name, start = step.name, writer.here

    def conv(layer: str, out: int, kernel: int, bottom: str) -> str:
        writer.conv(f"{name}/{layer}", out, kernel, pad=kernel // 2, bottom=bottom)
        return writer.here

    branches = [conv("1x1", step.one, 1, start)]
    branches.append(conv("3x3", step.three[1], 3, conv("3x3_reduce", step.three[0], 1, start)))
    branches.append(conv("5x5", step.five[1], 5, conv("5x5_reduce", step.five[0], 1, start)))
    writer.here = start
    writer.pool(f"{name}/pool", 3, 1, 1)
    branches.append(conv("pool_proj", step.pooled, 1, writer.here))
    total = sum(writer.channels[branch] for branch in branches)
    writer.add(f"{name}/output", "Concat", "", branches, channels=total)


def _head(writer: Writer, spec: NetSpec, taps: dict[int, str], classes: int, end: str) -> None:
    """Scores, deconvolutions, crops and sums by the reference's names, with ``end`` behind them."""
    coarsest, *finer = spec.strides
    *inner, last = crops(spec)
    writer.conv(f"score_fr{end}", classes, 1, relu=False, bottom=taps[coarsest])
    for stride, crop in zip(finer, inner, strict=True):
        fused = f"upscore2{end}" if stride == 16 else f"upscore_pool4{end}"
        _deconv(writer, fused, crop.deconv.kernel, crop.deconv.stride, classes)
        skip, source, scale = f"pool{4 if stride == 16 else 3}", taps[stride], spec.scales[stride]
        if scale != 1:
            constant = np.full(writer.channels[source], scale, np.float32)
            options = f'scale_param {{ filler {{ type: "constant" value: {scale} }} }}'
            writer.add(f"scale_{skip}", "Scale", options, [source], blobs=[constant])
            source = f"scale_{skip}"
        score = f"score_{skip}{end}"
        writer.conv(score, classes, 1, relu=False, gain=1 / scale, bottom=source)
        offset = f"crop_param {{ axis: 2 offset: {crop.pixels} }}"
        writer.add(f"{score}c", "Crop", offset, [score, fused])
        total = "eltwise_param { operation: SUM }"
        writer.add(f"fuse_{skip}{end}", "Eltwise", total, [fused, f"{score}c"])
    name = f"upscore{last.deconv.stride}{end}" if finer else f"upscore{end}"
    _deconv(writer, name, last.deconv.kernel, last.deconv.stride, classes)
    offset = f"crop_param {{ axis: 2 offset: {last.pixels} }}"
    writer.add(f"score{end}", "Crop", offset, [name, "data"])


def _deconv(writer: Writer, name: str, kernel: int, stride: int, classes: int) -> None:
    axis = np.array([float(value) for value in tent(kernel)], np.float32)
    weights = np.zeros((classes, classes, kernel, kernel), np.float32)
    weights[range(classes), range(classes)] = np.outer(axis, axis)
    options = f"num_output: {classes} bias_term: false kernel_size: {kernel} stride: {stride}"
    writer.add(name, "Deconvolution", f"convolution_param {{ {options} }}", blobs=[weights])


def prototxt(
    layers: Iterable[Layer], size: tuple[int, int] = (500, 500), inputs: Mapping[str, int] = DATA
) -> str:
    """The definition of the net for deployment, at a size that can be changed when it runs.

    ``inputs`` has the channels of each by its name.
    """
    lines = [
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ dim: 1 '
        f"dim: {channels} dim: {size[0]} dim: {size[1]} }} }} }}"
        for name, channels in inputs.items()
    ]
    for layer in layers:
        bottoms = " ".join(f'bottom: "{bottom}"' for bottom in layer.bottoms)
        lines.append(
            f'layer {{ name: "{layer.name}" type: "{layer.type}" {bottoms} top: "{layer.top}" '
            f"{layer.options} }}"
        )
    return "\n".join(lines) + "\n"


def caffemodel(
    layers: Iterable[Layer], old: bool = False, data: tuple[str, str] | None = None
) -> bytes:
    """The weights, as Caffe's snapshots hold them; ``old``: as Caffe of 2014 wrote them.

    The older generation has ``layers`` with types as numbers, and four dimensions for every blob.
    ``data`` is the class of a data layer in Python, and its parameters.
    """
    net = MESSAGE.Net(name="Net")
    if data:
        python = {"module": "layers", "layer": data[0], "param_str": data[1]}
        net.layer.add(name="data", type="Python", python_param=python)
    for layer in layers:
        if old:
            added = net.layers.add(name=layer.name, type=V1_TYPES[layer.type])
        else:
            added = net.layer.add(name=layer.name, type=layer.type)
        added.bottom.extend(layer.bottoms)
        added.top.append(layer.top)
        for array in layer.blobs:
            put(added.blobs.add(), array, old)
    return net.SerializeToString()


def put(blob: Any, array: Array, old: bool = False) -> None:
    """Fill a blob with an array."""
    if old:
        dims = (1, 1, 1, 1, *array.shape)[-4:]
        blob.num, blob.channels, blob.height, blob.width = dims
    else:
        blob.shape.dim.extend(array.shape)
    packed = array.astype("<f4").tobytes()
    blob.MergeFromString(b"\x2a" + varint(len(packed)) + packed)  # at once, not float by float


def varint(value: int) -> bytes:
    """``value`` as protobuf writes a length."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def write(
    folder: Path,
    layers: list[Layer],
    name: str = "net",
    old: bool = False,
    inputs: Mapping[str, int] = DATA,
) -> Path:
    """Write NAME.prototxt and NAME.caffemodel; the path of the latter."""
    (folder / f"{name}.prototxt").write_text(prototxt(layers, inputs=inputs))
    path = folder / f"{name}.caffemodel"
    path.write_bytes(caffemodel(layers, old))
    return path
