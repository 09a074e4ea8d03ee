"""Checksums of the parts of an exported ONNX file: they tell a tool's change from damage.

The description in the file has a checksum of each part. Where the file's own checksum differs, a
program has saved it again, or bits were lost: the parts say what it was.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from fullconv.errors import printable

PARTS = "parts"


@dataclass(frozen=True)
class Change:
    """How a file differs from its export, in words; ``is_damage`` where no tool changes it so."""

    what: str
    is_damage: bool = False


def with_parts(model: Any, text: str) -> str:
    """The description ``text`` of an onnx.ModelProto with the checksums of its parts."""
    names, sums = (
        zip(*_tensors(model).items(), strict=True) if model.graph.initializer else ((), ())
    )
    parts = {
        "description": _hex(text.encode()),
        "graph": _structure(model),
        "nodes": len(model.graph.node),
        "tensors": list(sums),
        "names": _hex("\n".join(names).encode()),
    }
    return json.dumps({**json.loads(text), PARTS: parts})


def change_of(model: Any, text: str) -> Change:
    """The differences between an onnx.ModelProto and the description ``text`` in it."""
    try:
        description = json.loads(text)
        parts = description.pop(PARTS)
        checksum, graph, nodes = parts["description"], parts["graph"], int(parts["nodes"])
        tensors, names = list(map(str, parts["tensors"])), parts["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Change("its parts have no checksums")
    if _hex(json.dumps(description).encode()) != checksum:
        return Change("its description was changed", is_damage=True)
    checksums = _tensors(model)
    same_names = _hex("\n".join(checksums).encode()) == names and len(checksums) == len(tensors)
    pairs = zip(checksums, checksums.values(), tensors, strict=True) if same_names else ()
    differing = [name for name, now, before in pairs if now != before]
    by = _program(model)
    if not same_names or any(checksums[name] is None for name in checksums):
        weights = "its weights were replaced or moved"
        return Change(f"{by}{weights}; {_nodes(model, nodes)}")
    if _structure(model) == graph:
        if differing:
            more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
            what = f"the weights {printable(differing[0], 60)}{more} differ, and nothing else"
            return Change(what, is_damage=True)
        return Change(f"{by}only the way it is written differs")
    weights = f"{len(differing)} of {len(checksums)} weights" if differing else "no weights"
    return Change(f"{by}{_nodes(model, nodes)}; {weights} changed")


def _nodes(model: Any, before: int) -> str:
    after = len(model.graph.node)
    return (
        f"{before} nodes became {after}" if after != before else f"its {after} nodes were changed"
    )


def _program(model: Any) -> str:
    """'onnx.quantize 0.1.0 has saved it: ' where another program says so."""
    name = printable(f"{model.producer_name} {model.producer_version}".strip(), 40)
    return "" if model.producer_name in ("", "fullconv") else f"{name} has saved it: "


def _tensors(model: Any) -> dict[str, str | None]:
    """The checksum of the values of each weight by its name; None for one in another file."""
    return {_text(tensor.name): _of_tensor(tensor) for tensor in model.graph.initializer}


def _text(name: str | bytes) -> str:
    """A name of the graph, which comes as bytes where it is no UTF-8: that of a damaged file."""
    return name if isinstance(name, str) else name.decode("utf-8", "backslashreplace")


def _of_tensor(tensor: Any) -> str | None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        values = numpy_helper.to_array(tensor)
    except Exception:  # a damaged one: a type that there is not, a shape of other values
        return _hex(tensor.SerializeToString())
    return _hex(str((values.dtype, values.shape)).encode() + values.tobytes())


def _structure(model: Any) -> str:
    """The checksum of nodes with attributes, inputs, outputs, and the version of operators."""
    graph = model.graph
    parts = (*model.opset_import, *graph.node, *graph.input, *graph.output)
    return _hex(b"".join(part.SerializeToString(deterministic=True) for part in parts))


def _hex(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"
