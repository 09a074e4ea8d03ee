"""From a trained net to a file that other runtimes run: ONNX, OpenVINO, torch's own program."""

from fullconv.exporting.export import Exported, Form, export
from fullconv.exporting.verify import Check
from fullconv.exporting.verify_int8 import Int8Check

__all__ = ["Check", "Exported", "Form", "Int8Check", "export"]
