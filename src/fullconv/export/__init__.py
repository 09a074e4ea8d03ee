"""From a trained net to a file that other runtimes run: ONNX, OpenVINO, torch's own program."""

from fullconv.export.check import Check
from fullconv.export.export import Exported, Form, export

__all__ = ["Check", "Exported", "Form", "export"]
