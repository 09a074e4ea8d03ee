"""A graph in int8, by NNCF's post-training quantisation.

Each convolution after the first and before the score (`kept`) multiplies 8-bit numbers: weights
with a scale for each channel, activations with one for each map (in OpenVINO, before a depthwise
convolution, for each channel), from the ranges that the photos show (Jacob et al., CVPR 2018, arXiv
1712.05877); what that shifts the means by goes into the biases (Nagel et al., ICCV 2019, arXiv
1906.04721, section 4.2).

In fp32 stay the first convolutions and the head: the score layers and what upsamples their maps.
Kernels that learnt to upsample stay in fp32 wherever they are, as in a pyramid of features. Scores
decide by small differences. A first convolution sees the photo itself, and OpenVINO misreads one
that an ONNX file has in int8 (2026.4: 87 % of the classes instead of 99.5). Together they are a
hundredth of the multiplications of VGG16: 8 bits would cost accuracy there and save nothing.
"""

import contextlib
import ctypes
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fullconv.data import Sample
from fullconv.exporting.calibration_photos import Photos
from fullconv.exporting.onnx_graph import OnnxGraph, model_of, with_description
from fullconv.exporting.openvino_graph import OpenVinoGraph, fold_constants
from fullconv.exporting.torch_graph import Array, UnsavedGraph
from fullconv.inference.engines.graph_engine import feed
from fullconv.inference.export_metadata import INPUT, Description

# In ONNX and in OpenVINO; deconvolutions are none.
CONVOLUTIONS = {"Conv", "Convolution", "GroupConvolution"}
DECONVOLUTIONS = {
    *("ConvTranspose", "ConvolutionBackpropData", "GroupConvolutionBackpropData"),
}
ASIDE = {"Shape", "ShapeOf", "Constant", "Parameter"}  # lead to no map


@dataclass(frozen=True)
class _Graph:
    """All that is asked of a graph: its nodes, the last one, and of a node those before it."""

    nodes: list[Any]
    last: Any
    before: Callable[[Any], Iterable[Any]]
    name: Callable[[Any], str]
    kind: Callable[[Any], str]

    def up_to_convolutions(self, nodes: Iterable[Any]) -> dict[str, str]:
        """Names and kinds of ``nodes`` and all before them up to convolutions, these included."""
        kinds: dict[str, str] = {}
        left = list(nodes)
        while left:
            node = left.pop()
            name, kind = self.name(node), self.kind(node)
            if name in kinds or kind in ASIDE:
                continue
            kinds[name] = kind
            if kind not in CONVOLUTIONS:
                left.extend(self.before(node))
        return kinds


def kept_in_onnx(model: Any) -> list[str]:
    """The names of the nodes of an onnx.ModelProto that stay in fp32."""
    makers = {name: node for node in model.graph.node for name in node.output}
    return _kept(
        _Graph(
            list(model.graph.node),
            makers[model.graph.output[0].name],
            lambda node: (makers[name] for name in node.input if name in makers),
            lambda node: node.name,
            lambda node: node.op_type,
        )
    )


def kept_in_openvino(model: Any) -> list[str]:
    """The names of the nodes of an openvino.Model that stay in fp32."""
    return _kept(
        _Graph(
            model.get_ordered_ops(),
            model.output(0).get_node().input_value(0).get_node(),
            lambda node: (value.get_node() for value in node.input_values()),
            lambda node: node.get_friendly_name(),
            lambda node: node.get_type_name(),
        )
    )


def _kept(graph: _Graph) -> list[str]:
    first = [
        graph.name(node)
        for node in graph.nodes
        if graph.kind(node) in CONVOLUTIONS
        and not CONVOLUTIONS & set(graph.up_to_convolutions(graph.before(node)).values())
    ]
    upsampling = [graph.name(n) for n in graph.nodes if graph.kind(n) in DECONVOLUTIONS]
    return list(dict.fromkeys([*first, *upsampling, *graph.up_to_convolutions([graph.last])]))


def quantized_graph(
    unsaved: UnsavedGraph, photos: Photos, description: Description, on_photo: Callable[[], object]
) -> UnsavedGraph:
    """The int8 form of an ONNX or OpenVINO graph ``unsaved``; ``description`` is that of the form.

    ``on_photo`` is called for each photo.
    """

    def shown(sample: Sample) -> dict[str, Array]:
        on_photo()
        return {INPUT: feed(sample.image[None], description)}

    if isinstance(unsaved, OnnxGraph):
        model = model_of(unsaved.content)
        quantized = by_nncf(model, kept_in_onnx(model), photos, shown, is_onnx=True)
        return OnnxGraph(with_description(quantized, description))
    assert isinstance(unsaved, OpenVinoGraph)
    model = fold_constants(unsaved.read())
    quantized = by_nncf(model, kept_in_openvino(model), photos, shown, is_onnx=False)
    return OpenVinoGraph(quantized, description)


def by_nncf(
    model: Any,
    in_fp32: list[str],
    photos: Photos,
    shown: Callable[[Sample], dict[str, Array]],
    is_onnx: bool,
) -> Any:
    """The int8 form of an onnx.ModelProto or openvino.Model; nodes named ``in_fp32`` stay.

    ``shown`` makes of each of ``photos`` the inputs by name.
    """
    with silent_nncf(), kept_signal_stack():
        import nncf
        from nncf.quantization.advanced_parameters import QuantizationParameters

        # Before a depthwise convolution NNCF would take a scale for each channel, which ONNX
        # Runtime refuses to run.
        activations = QuantizationParameters(per_channel=False) if is_onnx else None
        return nncf.quantize(
            model,
            nncf.Dataset(photos, shown),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(photos),
            fast_bias_correction=True,
            ignored_scope=nncf.IgnoredScope(names=in_fp32, validate=False),
            # Weights in half their range. Processors without VNNI add two products in 16 bits,
            # which full ones overflow: scores would depend on where the file runs.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE,
                activations_quantization_params=activations,
            ),
        )


@contextlib.contextmanager
def silent_nncf() -> Iterator[None]:
    """Without NNCF's bars and notes, and without its reports to its makers.

    It sends those without being asked, unless this variable is there when it is first imported.
    """
    os.environ.setdefault("NNCF_CI", "1")
    with contextlib.redirect_stdout(io.StringIO()):
        import nncf

        nncf.set_log_level(logging.ERROR)
        yield


class Stack(ctypes.Structure):
    """``stack_t`` of Linux's signal.h."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextlib.contextmanager
def kept_signal_stack() -> Iterator[None]:
    """After the block, this thread's signal stack is what it was before it. On Linux only.

    Each `openvino.Core` that computes puts one of its own in place, and its end puts back the one
    before. Where several end in another order than they began, as in NNCF, what is put back is
    freed memory: the next signal that has a handler, as the end of a loader's process has,
    overwrites what lies there by then, or ends the process.
    """
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)


def signal_stack() -> Stack:
    """This thread's signal stack."""
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack
