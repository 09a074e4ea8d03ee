"""The ONNX form."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fullconv.checkpoints.export_checksum import with_checksum
from fullconv.checkpoints.export_parts import with_parts
from fullconv.errors import UserError
from fullconv.exporting.torch_graph import Array, quiet
from fullconv.files.atomic import write_atomically
from fullconv.inference.engines.graph_engine import KEY
from fullconv.inference.engines.onnxruntime_engine import session_of
from fullconv.inference.export_metadata import INPUT, Description

# The oldest that torch's exporter writes without converting, so that older runtimes read it too.
OPSET = 18
MOST_BYTES = 2**31 - 1  # of a protobuf file


class OnnxGraph:
    """A model in the bytes of its ``.onnx`` file, run by ONNX Runtime."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.session = session_of(content)

    def redescribed(self, description: Description) -> "OnnxGraph":
        """The same graph with another description."""
        return OnnxGraph(with_description(model_of(self.content), description))

    @property
    def bytes(self) -> int:
        return len(self.content)

    def run(self, batch: Array) -> Array:
        return self.session.run(None, {INPUT: batch})[0]

    def write(self, path: Path) -> list[Path]:
        write_atomically(path, with_checksum(self.content))
        return [path]


def onnx_model(program: torch.export.ExportedProgram, description: Description) -> bytes:
    """The program as an ONNX model, with the description in its metadata."""
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > MOST_BYTES:
        raise UserError(
            f"the net has {size / 2**30:.1f} GiB of weights and an ONNX file holds 2: use a "
            "smaller net, or --to torch",
            "FC-EXPORT-008",
        )
    with quiet(), _known_torch():
        program_of_onnx = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[INPUT],
            output_names=[description.output, *description.maps.values()],
            opset_version=OPSET,
            verbose=False,
        )
    assert program_of_onnx is not None
    model = program_of_onnx.model_proto
    _clean(model)
    del model.graph.output[1:]  # the maps: they were outputs to get their names
    _name(model.graph.input[0], description.shape)
    _name(model.graph.output[0], description.shape_out)
    return with_description(model, description)


@contextmanager
def _known_torch() -> Iterator[None]:
    """UserError where the onnxscript that is installed is older than torch, and lacks a part."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"torch {torch.__version__} needs a newer onnxscript ({error}): "
            "pip install --upgrade onnxscript",
            "FC-EXPORT-003",
        ) from error


def model_of(content: bytes) -> Any:
    """The onnx.ModelProto in the bytes of a file."""
    import onnx

    return onnx.load_model_from_string(content)


def with_description(model: Any, description: Description) -> bytes:
    """The bytes of a file, with the description as its only metadata."""
    model.producer_name = KEY
    model.ClearField("metadata_props")
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, with_parts(model, description.to_json())
    return model.SerializeToString()


def _clean(model: Any) -> None:
    """Take out what tells of the machine that exported: stack traces with paths."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")  # sizes in torch's own letters; runtimes infer them


def _name(value: Any, shape: tuple[str | int, ...]) -> None:
    """Give the dimensions the names of the documentation: N, H, W."""
    for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        if isinstance(size, str):
            dimension.dim_param = size
        else:
            dimension.dim_value = size
