"""From a trained net to a file that other runtimes run: ONNX, OpenVINO, torch's own program."""

from fullconv.export.check import Check
from fullconv.export.export import Exported, Form, export
from fullconv.export.int8_check import Int8Check

__all__ = ["Check", "Exported", "Form", "Int8Check", "export"]
