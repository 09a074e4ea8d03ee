"""The part of a graph that int8 leaves alone: the score layers and what enlarges their maps.

Scores decide by small differences, and this part is a hundredth of the multiplications: 8 bits
would cost accuracy there and save nothing. It is what lies between the last convolutions and the
output; deconvolutions belong to it.
"""

from collections.abc import Callable, Iterable
from typing import Any

ENDS = {"Conv", "Convolution"}  # of the backbone's way to the scores, in ONNX and in OpenVINO
ASIDE = {"Shape", "ShapeOf"}  # sizes, no maps


def head_of_onnx(model: Any) -> list[str]:
    """The names of the nodes of an onnx.ModelProto that stay in fp32."""
    makers = {name: node for node in model.graph.node for name in node.output}
    return _behind(
        [makers[model.graph.output[0].name]],
        lambda node: (makers[name] for name in node.input if name in makers),
        lambda node: (node.name, node.op_type),
    )


def head_of_openvino(model: Any) -> list[str]:
    """The names of the nodes of an openvino.Model that stay in fp32."""
    return _behind(
        [model.output(0).get_node().input_value(0).get_node()],
        lambda node: (value.get_node() for value in node.input_values()),
        lambda node: (node.get_friendly_name(), node.get_type_name()),
    )


def _behind(
    nodes: list[Any],
    before: Callable[[Any], Iterable[Any]],
    described: Callable[[Any], tuple[str, str]],
) -> list[str]:
    """Names of ``nodes`` and all before them, up to the last convolutions, these included."""
    found: dict[str, None] = {}
    while nodes:
        node = nodes.pop()
        name, kind = described(node)
        if name in found or kind in ASIDE or kind in ("Constant", "Parameter"):
            continue
        found[name] = None
        if kind not in ENDS:
            nodes.extend(before(node))
    return list(found)
