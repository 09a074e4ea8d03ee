"""Exported nets in ONNX Runtime."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fullconv.checkpoints.export_checksum import verify_export
from fullconv.checkpoints.export_parts import Change, change_of
from fullconv.errors import UserError
from fullconv.inference.engines.graph_engine import (
    KEY,
    GraphEngine,
    describe,
    missing,
    only_fp32,
    opened_by,
    opening,
)
from fullconv.inference.export_metadata import INPUT
from fullconv.inference.open_predictor import OpenedNet


def open_onnxruntime(path: str | Path, device: str = "auto", precision: str = "fp32") -> OpenedNet:
    """Open an exported file."""
    return opened_by(OnnxRuntimeEngine(path, device, precision))


class OnnxRuntimeEngine(GraphEngine):
    """Runs a ``.onnx`` file of `fullconv export` in fp32, or in what it was exported in.

    Only as far as the score maps, where the ``onnx`` package is there to cut the graph at them.
    ``device`` is 'auto' or 'cpu', or 'cuda' where the installed onnxruntime has it. Raises
    UserError for a file that is not of this project, and where onnxruntime is missing.
    """

    def __init__(self, path: str | Path, device: str = "auto", precision: str = "fp32") -> None:
        only_fp32(precision, "ONNX Runtime computes an exported net in fp32")
        path, outputs = Path(path), None
        change = change_since_export(path)
        with opening(path, change):
            if (model := _parsed(path)) is None:
                self.session = session_of(path, device)
                metadata = self.session.get_modelmeta().custom_metadata_map
                description = describe(path, metadata.get(KEY))
            else:
                description = describe(path, _text(model))
                names = tuple(description.maps.values())
                short = ending_at(model, names) if names and not has_files(model) else None
                del model
                self.session = session_of(short or path, device, path)
                outputs = names if short else outputs
        super().__init__(path, description, outputs, device in ("auto", "cpu"), change)

    @property
    def runtime(self) -> str:
        return "ONNX Runtime"

    def run(self, batch: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        return self.session.run(list(self.outputs), {INPUT: batch})


def _parsed(path: Path) -> Any:
    """The model in a file; None where it cannot be parsed: ONNX Runtime will say why."""
    try:
        import onnx

        return onnx.load(path, load_external_data=False)
    except Exception:  # no onnx, no file, or an exception of protobuf's, of which there are several
        return None


def _text(model: Any) -> str | None:
    return next((prop.value for prop in model.metadata_props if prop.key == KEY), None)


def change_since_export(path: Path) -> Change | None:
    """The change of an .onnx since its export; None where there is none, or no checksum."""
    if verify_export(path):
        return None
    model = _parsed(path)
    if model is None:
        return Change("onnx is not installed, or cannot read it, so that it is unknown what")
    return change_of(model, _text(model) or "")


def has_files(model: Any) -> bool:
    """Whether weights of an ONNX model lie in files beside it, as it has more than 2 GiB."""
    return any(tensor.data_location for tensor in model.graph.initializer)


def ending_at(model: Any, names: Collection[str]) -> bytes | None:
    """The bytes of an ONNX model that gives these tensors and computes nothing else.

    ``model`` is changed. None, and no change, where it has not got them all.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    makers = {tensor: i for i, node in enumerate(graph.node) for tensor in node.output}
    if not makers.keys() >= set(names):
        return None
    needed: set[int] = set()
    wanted = list(names)
    while wanted:
        maker = makers.get(wanted.pop())
        if maker is not None and maker not in needed:
            needed.add(maker)
            wanted.extend(graph.node[maker].input)
    for i in reversed(range(len(graph.node))):
        if i not in needed:
            del graph.node[i]
    del graph.output[:]
    types = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph.output.extend(types)
    return model.SerializeToString()


def session_of(model: Path | bytes, device: str = "cpu", name: Path | None = None) -> Any:
    """The session of a file or of its bytes; ``name`` is the file that the bytes are of."""
    try:
        import onnxruntime
    except ImportError:
        missing("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they are raised as well
    name = model if isinstance(model, Path) else name
    content = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(content, options, providers=_providers(device))
    except UserError:
        raise
    except Exception as error:  # its exceptions have no common base
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{name or 'the graph'}: ONNX Runtime cannot load it ({reason}); export it again",
            "FC-PREDICT-012",
        ) from error


def _providers(device: str) -> list[str]:
    import onnxruntime

    if device in ("auto", "cpu"):
        return ["CPUExecutionProvider"]
    wanted = f"{device.split(':')[0].upper()}ExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise UserError(
            f"device {device!r}: this ONNX Runtime does not have it; use auto or cpu",
            "FC-PREDICT-011",
        )
    return [wanted, "CPUExecutionProvider"]
