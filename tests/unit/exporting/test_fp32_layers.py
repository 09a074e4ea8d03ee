"""What stays in fp32: the first convolutions, the score layers, and all behind them."""

import pytest
from small_nets import checkpoint
from torch import nn

from fullconv.checkpoints import load
from fullconv.exporting.onnx_graph import model_of, onnx_model
from fullconv.exporting.openvino_graph import fold_constants, from_onnx
from fullconv.exporting.quantize import DECONVOLUTIONS, kept_in_onnx, kept_in_openvino
from fullconv.exporting.torch_graph import trace
from fullconv.inference.export_metadata import Description

CONVOLVE = {"Conv", "Convolution", "GroupConvolution"}
ENLARGE = {"ConvTranspose", "Resize", "GroupConvolutionBackpropData", "Interpolate"}


def assert_parted(net, content):
    """``content`` is the ONNX file of ``net``: each of its streams has a first convolution."""
    firsts = len(net.spec.streams)
    parts = [net.backbone] if net.pyramid is None else [net.backbone, net.pyramid]
    before = sum(isinstance(layer, nn.Conv2d) for part in parts for layer in part.modules())
    # A pyramid enlarges before its score too; only kernels that learn are kept there.
    enlarge = ENLARGE if net.pyramid is None else DECONVOLUTIONS
    graph, model = model_of(content), fold_constants(from_onnx(content))
    kept = set(kept_in_onnx(graph)), set(kept_in_openvino(model))
    nodes = (
        [(node.name in kept[0], node.op_type) for node in graph.graph.node],
        [(node.get_friendly_name() in kept[1], node.get_type_name()) for node in model.get_ops()],
    )
    for found in nodes:
        inside = [inside for inside, kind in found if kind in CONVOLVE]
        assert inside.count(True) == firsts + len(net.spec.strides)
        assert inside.count(False) == before - firsts
        assert (True, "Relu") not in found
        assert {kind for inside, kind in found if inside} & ENLARGE
        assert not {kind for inside, kind in found if not inside} & enlarge


@pytest.mark.parametrize(
    ("name", "padding", "preprocess"),
    [("fcn8s-vgg16", "same", True), ("fcn16s-caffenet", "paper", False)],
)
def test_first_convolutions_and_the_head_are_kept(exported, name, padding, preprocess):
    pytest.importorskip("openvino")
    run, made = exported("onnx", name, padding, None, preprocess)
    assert_parted(load(run).net, made.paths[0].read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["fcn4s-resnet18", "fcn16s-googlenet", "fcn8s-vgg16", "fpn8s-resnet18"]
)
@pytest.mark.parametrize("options", [{}, {"learn_upsampling": True}, {"streams": (3, 1)}])
def test_in_other_nets(name, options):
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    saved = checkpoint(name, "same", **options)
    known = Description.of(saved)
    assert_parted(saved.net, onnx_model(trace(saved.net, known), known))
