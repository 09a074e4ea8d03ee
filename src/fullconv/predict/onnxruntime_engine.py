"""Exported nets in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fullconv.errors import UserError
from fullconv.predict.description import INPUT, OUTPUT
from fullconv.predict.graph_engine import KEY, GraphEngine, describe, missing, only_fp32


class OnnxRuntimeEngine(GraphEngine):
    """Runs a ``.onnx`` file of `fullconv export` in fp32.

    ``device`` is 'auto' or 'cpu', or 'cuda' where the installed onnxruntime has it. Raises
    UserError for a file that is not of this project, and where onnxruntime is missing.
    """

    def __init__(self, path: str | Path, device: str = "auto", precision: str = "fp32") -> None:
        only_fp32(precision, "ONNX Runtime computes an exported net in fp32")
        path = Path(path)
        self.session = session_of(path, device)
        text = self.session.get_modelmeta().custom_metadata_map.get(KEY)
        super().__init__(path, describe(path, text))

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return self.session.run([OUTPUT], {INPUT: batch})[0]


def session_of(model: Path | bytes, device: str = "cpu") -> Any:
    """The session of a file or of its bytes."""
    try:
        import onnxruntime
    except ImportError:
        missing("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; they are raised as well
    content = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(content, options, providers=_providers(device))
    except UserError:
        raise
    except Exception as error:  # its exceptions have no common base
        reason = str(error).strip().splitlines()[0]
        name = model if isinstance(model, Path) else "the graph"
        raise UserError(
            f"{name}: ONNX Runtime cannot load it ({reason}); export it again"
        ) from error


def _providers(device: str) -> list[str]:
    import onnxruntime

    if device in ("auto", "cpu"):
        return ["CPUExecutionProvider"]
    wanted = f"{device.split(':')[0].upper()}ExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise UserError(f"device {device!r}: this ONNX Runtime has not got it; use auto or cpu")
    return [wanted, "CPUExecutionProvider"]
