"""The part of a graph that int8 leaves in fp32: its first convolutions, and its head.

The head is the score layers and what upsamples their maps. Kernels that learnt to upsample stay in
fp32 wherever they are, as in a pyramid of features. Scores decide by small differences. A first
convolution sees the photo itself, and OpenVINO misreads one that an ONNX file has in int8 (2026.4:
87 % of the classes instead of 99.5). Together they are a hundredth of the multiplications of VGG16:
8 bits would cost accuracy there and save nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

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
